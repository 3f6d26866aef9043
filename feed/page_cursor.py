"""Where one page of the feed ends, as text for the client to give back. Pure.

    ranks of the last tokens, by list  --write_page_cursor-->  text  --read_page_cursor-->  ranks

A rank is a place in an order, whether its token still stands there or not. So a token that keeps
its rank while somebody turns the pages is on one of them, and on no other; one that moves meanwhile
may be on two of them, or on none.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping
from math import inf, isfinite
from typing import Any

from feed.orders import ORDERS
from feed.ranking import Rank

Places = Mapping[str, Rank]  # by list; a list that has ended is not among them

LONGEST_NAME = 200  # characters of a text that ranks
LAST_CHARACTER = "\U0010ffff"


def write_page_cursor(order: str, places: Places) -> str:
    """The places under an order as text."""
    ranks = {name: [_write_value(value), mint] for name, (value, mint) in places.items()}
    return urlsafe_b64encode(json.dumps([order, ranks]).encode()).decode().rstrip("=")


def read_page_cursor(text: str, order: str, lists: Collection[str]) -> Places:
    """The places; `ValueError` says what is wanted instead."""
    try:
        written, ranks = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        places = {name: _read_rank(order, *rank) for name, rank in ranks.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ValueError("the `next` of an answer") from None
    if written != order or not places.keys() <= set(lists):
        raise ValueError("the `next` of an answer in the same order")
    return places


def _write_value(value: float | str) -> float | str | None:
    if isinstance(value, str):
        # What stands behind is never shown twice, though one of many such names may be missed.
        return value if len(value) <= LONGEST_NAME else value[:LONGEST_NAME] + LAST_CHARACTER
    return None if value == inf else value


def _read_rank(order: str, value: Any, mint: Any) -> Rank:
    if ORDERS[order].is_of_text:
        is_right = isinstance(value, str)
    else:
        value = inf if value is None else value
        is_right = type(value) in (int, float) and (value == inf or isfinite(value))
    if not is_right or not isinstance(mint, str):
        raise ValueError
    return (value if isinstance(value, str) else float(value), mint)  # type: ignore[return-value]
