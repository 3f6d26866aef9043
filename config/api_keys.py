"""The keys of integrators, each with a name and limits of its own, separated by white space.

text of a setting  ->  list_of_api_keys  ->  the same text, each key checked
                   ->  parse_api_keys    ->  ApiKey by ApiKey

    gateway.api_keys = "acme:3f9c0c2e8a7d41b6:50:100 other:9b1d7e5a2c604f83:500:1000"
"""

import re
from typing import Any

from attrs import field, frozen

SHORTEST_KEY = 16  # characters: nobody guesses one
_WRITTEN = re.compile(
    r"(?P<name>[A-Za-z0-9._-]{1,40}):(?P<key>[\x21-\x39\x3b-\x7e]{16,200})"
    r":(?P<requests>[0-9]{1,6}(?:\.[0-9]{1,3})?):(?P<connections>[0-9]{1,8})"
)


@frozen
class ApiKey:
    """What one integrator shows, and what it may do; 0: no limit."""

    name: str
    key: str = field(repr=False)
    requests_per_second: float
    connections: int


def list_of_api_keys() -> Any:
    """A field for keys; empty: none."""

    def are_understood(_instance: object, _setting: object, text: str) -> None:
        parse_api_keys(text)

    return field(validator=are_understood, repr=False)


def parse_api_keys(text: str) -> tuple[ApiKey, ...]:
    """The keys of a setting; `ValueError`, which repeats none of them, for what is none."""
    keys = tuple(_parse_key(word, place) for place, word in enumerate(text.split(), start=1))
    for told in ([key.name for key in keys], [key.key for key in keys]):
        if len(set(told)) < len(told):
            raise ValueError("must have another name and another key each")
    return keys


def _parse_key(word: str, place: int) -> ApiKey:
    match = _WRITTEN.fullmatch(word)
    if match is None:
        raise ValueError(
            "must be name:key:requests a second:connections, separated by spaces, the key of"
            f" {SHORTEST_KEY} to 200 ASCII characters without a colon; number {place} is none"
        )
    name, key, requests, connections = match.groups()
    return ApiKey(name, key, float(requests), int(connections))
