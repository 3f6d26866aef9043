"""The parameters of a query string, read and checked. Pure.

Unknown parameters are ignored, because existing clients send extras (cache busters); a known one
with a bad value, or given twice, is refused by a sentence that says what would be right.
"""

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar
from urllib.parse import parse_qsl

from domain.errors import QueryRefused

Parsed = TypeVar("Parsed")

MOST_PARAMETERS = 100


def read_parameters(text: str, known: Collection[str]) -> dict[str, str]:
    """The parameters by name; `QueryRefused` for too many, what is not UTF-8, and doubles."""
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, max_num_fields=MOST_PARAMETERS, errors="strict"
        )
    except ValueError as error:  # too many, or not UTF-8
        raise QueryRefused(text, reason="this query string cannot be read") from error
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given and name in known:
            raise QueryRefused(name, reason=f"{name} is given twice")
        given[name] = value
    return given


def read_parameter(
    given: Mapping[str, str], name: str, parse: Callable[[str], Parsed], default: Parsed
) -> Parsed:
    """The parsed value, or the default for none; the message of a `ValueError` is told."""
    value = given.get(name, "").strip()
    if not value:
        return default
    try:
        return parse(value)
    except ValueError as error:
        raise QueryRefused(value, reason=f"{name} must be {error}") from error


def parse_limit(value: str, most: int) -> int:
    """A whole number from 1 to `most`."""
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= most):
        raise ValueError(f"a whole number from 1 to {most}")
    return int(value)
