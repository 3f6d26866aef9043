"""The parameters of a query string, read and checked. Pure.

Unknown parameters are ignored, because existing clients send extras (cache busters), but for those
that look like a filter or an order: a list that is not filtered as asked would be taken for one
that is. These, a known one with a bad value, and one given twice are refused by a sentence that
says what would be right.
"""

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import TypeVar
from urllib.parse import parse_qsl

from domain.errors import QueryRefused

Parsed = TypeVar("Parsed")
Default = TypeVar("Default")

MOST_PARAMETERS = 100
FILTER_BEGINNINGS = ("min", "max", "require", "only", "sort")  # in any case
LONGEST_NAME = 60  # characters that are compared and repeated


def read_parameters(text: str, known: Collection[str]) -> dict[str, str]:
    """The parameters by name.

    `QueryRefused` for too many, what is not UTF-8, doubles, and unknown ones that look like a
    filter, or like a known one in another case.
    """
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, max_num_fields=MOST_PARAMETERS, errors="strict"
        )
    except ValueError as error:  # too many, or not UTF-8
        raise QueryRefused(text, reason="this query string cannot be read") from error
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            _refuse_lookalike(name, known)
        elif name in given:
            raise QueryRefused(name, reason=f"{name} is given twice")
        given[name] = value
    return given


def _refuse_lookalike(name: str, known: Collection[str]) -> None:
    """Raise `QueryRefused` for an unknown parameter by which somebody means to filter."""
    shown = name.strip()[:LONGEST_NAME]
    written = shown.lower()
    by_lower_case = {each.lower(): each for each in known}
    if written.startswith(FILTER_BEGINNINGS) or written in by_lower_case:
        (nearest,) = get_close_matches(written, by_lower_case, n=1, cutoff=0.0)
        reason = f"{shown} is not known; did you mean {by_lower_case[nearest]}?"
        raise QueryRefused(name, reason=reason)


def read_parameter(
    given: Mapping[str, str], name: str, parse: Callable[[str], Parsed], default: Default
) -> Parsed | Default:
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
