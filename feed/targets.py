"""Where a request goes: the four forms of a request target, and the Host field. Pure.

RFC 9112, section 3.2: origin-form (`/path?query`), absolute-form (`http://host/path?query`, which
every server must take), authority-form (CONNECT alone) and asterisk-form (OPTIONS alone). The
authority is checked and otherwise ignored: this service answers under every name. What the Host
field says matters to feed/origins.py and feed/operators.py.
"""

import re
from ipaddress import AddressValueError, IPv6Address

from domain.errors import RequestRefused

ASTERISK = "*"  # the path of a request about the whole server

_REGISTERED_NAME = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})"
_LITERAL = r"\[(?:[0-9A-Fa-f:.]+|[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+)\]"
_PORT = r"(?::[0-9]*)?"
_HOST_FIELD = re.compile(rf"(?:{_LITERAL}|{_REGISTERED_NAME}*){_PORT}")
_AUTHORITY = re.compile(rf"(?:{_LITERAL}|{_REGISTERED_NAME}+){_PORT}")
_TUNNEL = re.compile(rf"(?:{_LITERAL}|{_REGISTERED_NAME}+):[0-9]+")
# Behind a proxy that ends TLS, a client's https is our http.
_ABSOLUTE = re.compile(r"(?i:https?)://(?P<authority>[^/?]*)(?P<rest>.*)")


def parse_target(method: str, target: str) -> tuple[str, str]:
    """Path and query of a request. `RequestRefused` for a malformed one.

    The path is left as it was sent: whoever guards a path in front of this service, and does not
    decode it, must not be passed by `/%6detrics`.
    """
    if "#" in target:
        raise _bad_target("a target has no fragment")
    if method == "CONNECT":
        if not _TUNNEL.fullmatch(target):
            raise _bad_target("CONNECT takes a host and a port")
        return target, ""
    if target == ASTERISK and method == "OPTIONS":
        return ASTERISK, ""
    if target.startswith("/"):
        return _split_query(target)
    return _split_absolute(method, target)


def is_host(value: str) -> bool:
    """True for a Host field that is well formed; it may be empty."""
    return _HOST_FIELD.fullmatch(value) is not None


def parse_host(field: str) -> tuple[str, int | None]:
    """Name and port of a Host field that is well formed; the port is None where it is not given.

    A name is lower-case; an IPv6 address is in its shortest form, without brackets.
    """
    name, colon, digits = field.rpartition(":")
    if not colon or field.endswith("]"):
        name, digits = field, ""
    # A port has at most five digits: what six or more say is no port, and equal to none.
    return canonical_host(name), int(digits[:6]) if digits else None


def canonical_host(name: str) -> str:
    """The one form of a host's name or address; that of an IPv6 address has no brackets."""
    if not name.startswith("["):
        return name.lower()
    try:
        return str(IPv6Address(name[1:-1]))
    except AddressValueError:
        return name.lower()


def _split_absolute(method: str, target: str) -> tuple[str, str]:
    match = _ABSOLUTE.fullmatch(target)
    if not match:
        raise _bad_target("the target must be a path or an address of HTTP")
    if not _AUTHORITY.fullmatch(match["authority"]):
        raise _bad_target("the target's host is malformed")
    if not match["rest"] and method == "OPTIONS":
        return ASTERISK, ""
    return _split_query(match["rest"] if match["rest"].startswith("/") else "/" + match["rest"])


def _split_query(target: str) -> tuple[str, str]:
    path, _, query = target.partition("?")
    return path, query


def _bad_target(message: str) -> RequestRefused:
    return RequestRefused(400, "bad_request", message)
