"""Settings that are IP addresses and networks of them, separated by white space.

text of a setting  ->  list_of_networks  ->  the same text, each network checked
                   ->  parse_networks    ->  what an address may lie in
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from attrs import field

Networks = tuple[IPv4Network | IPv6Network, ...]


def list_of_networks() -> Any:
    """A field for addresses and networks; empty: none."""

    def is_understood(_instance: object, _setting: object, text: str) -> None:
        parse_networks(text)

    return field(validator=is_understood)


def parse_networks(text: str) -> Networks:
    """The networks of a setting; `ValueError` for what is none. An address is a network of one."""
    return tuple(_parse_network(word, place) for place, word in enumerate(text.split(), start=1))


def _parse_network(word: str, place: int) -> IPv4Network | IPv6Network:
    try:
        return ip_network(word)
    except ValueError:
        # The value may be a secret that was given to the wrong variable, and is not repeated.
        raise ValueError(
            "must be addresses or networks such as 203.0.113.7, 10.0.0.0/8 or fd00::/8, separated"
            f" by spaces, with no bits behind a network's prefix; number {place} is none"
        ) from None
