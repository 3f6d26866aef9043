"""How messages of a board become its items. Pure.

A change is a mint with the keys that differ, a whole item where the token is new to the board, or
`{"mint", "removed": true}`. Merged by mint, the changes of a delta make a snapshot the next one.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Item = Mapping[str, Any]  # keys: docs/API.md, "An item"

# By which key a board is sorted: greatest first, null last, equal values by mint.
SORT_KEYS = {
    "new": "firstSeenAt",
    "graduating": "bondingCurveProgress",
    "bonded": "stateChangedAt",
    "hot": "hotScore",
}


def fold(items: dict[str, Item], changes: Iterable[Item]) -> frozenset[str]:
    """Merge the changes into the items by mint; return the mints that changed.

    No item is changed in place: whoever holds one keeps what it was.
    """
    mints = set()
    for change in changes:
        mint = change["mint"]
        mints.add(mint)
        if change.get("removed"):
            items.pop(mint, None)
        else:
            items[mint] = {**items.get(mint, {}), **change}
    return frozenset(mints)


def sort_items(items: Iterable[Item], key: str) -> list[Item]:
    """In a board's order by one of `SORT_KEYS`, or by another key of an item."""
    by_mint = sorted(items, key=lambda item: str(item["mint"]))
    known = [item for item in by_mint if item.get(key) is not None]
    unknown = [item for item in by_mint if item.get(key) is None]
    return sorted(known, key=lambda item: item[key], reverse=True) + unknown
