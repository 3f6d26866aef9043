"""The host that a service listens on, as people write it in HOST or `gateway.host`. Pure.

An IPv4 or IPv6 address, the latter with or without brackets, or a name. `::` stands for every
address of both families, `localhost` for both loopbacks (feed/listening.py opens the sockets).
"""

from ipaddress import IPv6Address, ip_address

from config.web_address import is_host_name


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
    if not is_host_name(text):
        raise _refusal()
    return text.lower()


def _refusal() -> ValueError:
    return ValueError("must be an IP address or a host name")
