"""The address of an HTTP or WebSocket service among the settings.

    text of a setting  ->  require_web_address  ->  what every client here understands alike
                       ->  show_web_address     ->  what of it is fit for a log
    address of anything  ->  without_credentials ->  likewise, also of a store

The clients differ in what they do with an odd address: a fragment is cut off, a user is sent or
forgotten, a wordy port fails at every attempt to connect. So each oddity is refused by its name.
Syntax: RFC 3986, section 3; host names: RFC 1123, section 2.1, with the underscore that names of
containers have.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from attrs import frozen

LONGEST_ADDRESS = 8000  # characters that any server takes at least: RFC 9110, section 4.1
LONGEST_HOST_NAME = 253  # characters; RFC 1035, section 2.3.4, without the length octets
WEB_SCHEMES = ("http", "https", "ws", "wss")
SCHEMES_THAT_SEND_A_USER = ("http", "https")  # as Basic authorization

ADDRESS = re.compile(
    r"""(?P<scheme>[a-z]+)://
    (?:(?P<user>[^/?#]*)@)?          # with the password; up to the last @
    (?P<host>\[[^][/?#@]*]|[^][/?#@:]*)
    (?P<port>:[^/?#@]*)?
    (?P<path>/[^?#]*)?
    (?P<query>\?[^#]*)?
    (?P<fragment>\#.*)?""",
    re.VERBOSE,
)
VISIBLE = re.compile(r"[\x21-\x7e]*")  # what an address, a header or a query can carry as it is
LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
HOST_NAME = re.compile(rf"{LABEL}(?:\.{LABEL})*\.?")
NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
IPV6 = re.compile(r"\[[0-9A-Fa-f:.]+]")
PORT = re.compile(r":[0-9]{1,5}")
NO_HOST = "must have a host that is a name or an IP address"


@frozen
class WebAddress:
    """The parts of an address, as written; `None` stands for a part that is not there."""

    scheme: str
    user: str | None
    host: str
    port: str | None  # with its colon
    path: str | None
    query: str | None  # with its question mark
    fragment: str | None


def find_http_address(url: str) -> str:
    """The HTTP address of the server behind a WebSocket address; empty for an empty one."""
    return url.replace("ws", "http", 1)


def require_web_address(text: str, schemes: tuple[str, ...], *, with_query: bool) -> None:
    """`ValueError` says why an address is not usable, without repeating any of it."""
    if not text.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        raise ValueError("must begin with " + " or ".join(f"{scheme}://" for scheme in schemes))
    if len(text) > LONGEST_ADDRESS:
        raise ValueError(f"must have at most {LONGEST_ADDRESS} characters")
    if not VISIBLE.fullmatch(text):
        raise ValueError("must be ASCII without spaces: a host as xn--..., the rest as %XX")
    address = _parse_address(text)
    if address is None:  # of a bracket that is not closed
        raise ValueError(NO_HOST)
    _require_known_parts(address, with_query=with_query)
    if not _is_port(address.port):
        raise ValueError("must have a port from 1 to 65535, in digits, or none")
    require_host(address.host)


def show_web_address(text: str) -> str:
    """The address without user, path and query, which may each be a key.

    Of one that is not understood only the scheme is shown.
    """
    if not text:
        return ""
    address = _parse_address(text)
    if address is None or address.fragment is not None or not _is_port(address.port):
        scheme, separator, _ = text.partition("://")
        return f"{scheme}://…" if separator and scheme in WEB_SCHEMES else "…"
    user = "" if address.user is None else "…@"
    path = "/…" if len(address.path or "") > 1 else address.path or ""
    query = "" if address.query is None else "?…"
    return f"{address.scheme}://{user}{address.host}{address.port or ''}{path}{query}"


def _parse_address(text: str) -> WebAddress | None:
    found = ADDRESS.fullmatch(text)
    return WebAddress(**found.groupdict()) if found else None


def _require_known_parts(address: WebAddress, *, with_query: bool) -> None:
    if address.user is not None and address.scheme not in SCHEMES_THAT_SEND_A_USER:
        raise ValueError("must not hold a user or a password: no WebSocket here would send them")
    if address.fragment is not None:
        raise ValueError("must not have a fragment; a # within it is written %23")
    if address.query is not None and not with_query:
        raise ValueError("must be a base address, without a query")


def _is_port(port: str | None) -> bool:
    return port is None or (PORT.fullmatch(port) is not None and 1 <= int(port[1:]) <= 65535)


def require_host(host: str) -> None:
    """`ValueError` unless it is the name or the address of a host, IPv6 in brackets."""
    if not host:
        raise ValueError("must have a host")
    if not (_is_ip_address(host) or is_host_name(host)):
        raise ValueError(NO_HOST)


def _is_ip_address(host: str) -> bool:
    try:
        if IPV6.fullmatch(host):
            IPv6Address(host[1:-1])
        else:
            IPv4Address(host)
    except AddressValueError:
        return False
    return True


def is_host_name(host: str) -> bool:
    """A name that ends in a number is none: it is an IPv4 address gone wrong, or abbreviated."""
    last_label = host.rstrip(".").rpartition(".")[2]
    return (
        len(host) <= LONGEST_HOST_NAME
        and HOST_NAME.fullmatch(host) is not None
        and NUMBER.fullmatch(last_label) is None
    )


def without_credentials(url: str) -> str:
    """The address fit for a log: without user, password and query; a provider's without path."""
    if url.startswith(tuple(f"{scheme}://" for scheme in WEB_SCHEMES)):
        return show_web_address(url)
    address, question, query = url.partition("?")
    if "@" in query:  # or was it a password with a question mark in it?
        return re.sub(r"(?s)//.*", "//…", address)
    return re.sub(r"(?s)//.*@", "//…@", address) + ("?…" if question else "")
