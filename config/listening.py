"""The host that a service listens on, as people write it in HOST or `gateway.host`. Pure.

An IPv4 or IPv6 address, the latter with or without brackets, or a name. `::` stands for every
address of both families, `localhost` for both loopbacks (feed/listening.py opens the sockets).
"""

import re
from ipaddress import IPv6Address, ip_address

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}\.?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
LONGEST_NAME = 253  # characters; of the domain name system


def listening_host(text: str) -> str:
    """The host in its one canonical form; `ValueError` where it is neither address nor name."""
    is_bracketed = text.startswith("[") and text.endswith("]")
    try:
        address = ip_address(text[1:-1] if is_bracketed else text)
    except ValueError:
        return _checked_name(text)
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or address)
    if is_bracketed:
        raise _refusal()
    return str(address)


def _checked_name(text: str) -> str:
    last_label = text.rstrip(".").rpartition(".")[2]
    # A name that ends in a number is an IPv4 address gone wrong, or an abbreviated one.
    if len(text) > LONGEST_NAME or not _NAME.fullmatch(text) or _NUMBER.fullmatch(last_label):
        raise _refusal()
    return text.lower()


def _refusal() -> ValueError:
    return ValueError("must be an IP address or a host name")
