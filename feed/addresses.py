"""Whose request it is: the address that limits go by. Pure.

    the socket's peer, X-Forwarded-For or Forwarded  ->  trace_client  ->  name_block  ->  limits

A proxy adds the address that it was asked from at the right end of a list, so the list is read
from there: as far as the addresses are those of trusted proxies, what stands to their left was
told by them. The first other address is the client's, and what stands left of it may be made up.
(X-Forwarded-For is no standard; Forwarded is RFC 7239.)

Of the two fields X-Forwarded-For is read where both are there: proxies that write it mostly pass on
a Forwarded that the client has made up.
"""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from config.networks import Networks
from feed.fields import list_members

Address = IPv4Address | IPv6Address

MOST_PROXIES = 20  # in a row; what the twenty-first tells is not read
BLOCK_BITS = 64  # of an IPv6 address: what one subscriber has at least (RFC 6177)
FORWARDED_FIELDS = ("x-forwarded-for", "forwarded")


def read_address(text: str) -> Address | None:
    """An address without its zone, IPv4 written as IPv6 as IPv4; None for anything else."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_within(address: Address, networks: Networks) -> bool:
    """Whether the address lies in one of the networks."""
    return any(address in network for network in networks)


def trace_client(peer: Address, headers: Mapping[str, str], proxies: Networks) -> Address:
    """Who has asked: the peer, or whom trusted proxies tell of."""
    client = peer
    for hop in [*_list_hops(headers)][: -MOST_PROXIES - 1 : -1]:
        if not is_within(client, proxies):
            break
        address = _read_node(hop)
        if address is None:  # a proxy that keeps it to itself: nobody further is known
            break
        client = address
    return client


def name_block(address: Address) -> str:
    """What is limited as one client: an IPv4 address, or the /64 of an IPv6 address."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, BLOCK_BITS), strict=False))


def _list_hops(headers: Mapping[str, str]) -> Iterable[str]:
    """The nodes of the field, the client first."""
    if "x-forwarded-for" in headers:
        return list_members(headers["x-forwarded-for"])
    return _list_forwarded(headers.get("forwarded", ""))


def _list_forwarded(value: str) -> Iterator[str]:
    for element in list_members(value):
        pairs = (pair.partition("=") for pair in element.split(";"))
        nodes = (node for name, _, node in pairs if name.strip(" \t").lower() == "for")
        yield next(nodes, "unknown").strip(' \t"')


def _read_node(text: str) -> Address | None:
    """The address of `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`."""
    if text.startswith("["):
        return read_address(text[1:].partition("]")[0])
    if text.count(":") == 1:
        text = text.partition(":")[0]
    return read_address(text)
