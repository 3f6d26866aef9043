"""A long sequence in parts of a bounded size: what a request, a call or a batch may carry."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """`items` in their order, `size` at a time; they must not change meanwhile."""
    remaining = iter(items)
    return iter(lambda: list(islice(remaining, size)), [])
