"""Changes of many tokens, column by column: what a flush carries from the buffer to the store.

    buffer.read_dirty -> ChangeColumns -> sync -> store.write_changes, buffer.clear_flushed

Between the stores the values are JSON texts that nobody reads, and a thousand tokens are a few
lists, not thousands of objects. Read as a sequence, it is one of `TokenChange`: each is then made
and decoded when it is asked for.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, overload

from attrs import evolve, frozen

from domain.messages import TokenChange, Values
from domain.values import Mint, UnixSeconds, Version


@frozen
class ChangeColumns(Sequence[TokenChange]):
    """The columns are equally long; their fields are those of `TokenChange`."""

    mints: Sequence[Mint] = ()
    versions: Sequence[Version] = ()
    dirty_since: Sequence[Version] = ()
    observed_at: Sequence[UnixSeconds] = ()
    # A text is a JSON object of plain values, see `token.PLAIN_FIELDS`. Others are decoded.
    values: Sequence[str | Values] = ()

    @classmethod
    def of(cls, changes: Sequence[TokenChange]) -> "ChangeColumns":
        """The changes in columns, as they are if they are so already."""
        if isinstance(changes, cls) or not changes:
            return changes if isinstance(changes, cls) else NO_CHANGES
        return cls(*map(list, zip(*changes, strict=True)))

    def list_decoded(self) -> list[int]:
        """The places whose values are no text: mostly none."""
        if set(map(type, self.values)) <= {str}:
            return []
        return [place for place, each in enumerate(self.values) if not isinstance(each, str)]

    def list_texts(self) -> list[str]:
        """The values that are texts."""
        return [each for each in self.values if isinstance(each, str)]

    def with_values(self, values_at: Mapping[int, Values]) -> "ChangeColumns":
        """The same, but for the values at these places."""
        if not values_at:
            return self
        values = list(self.values)
        for place, each in values_at.items():
            values[place] = each
        return evolve(self, values=values)

    def joined_with(self, others: "ChangeColumns") -> "ChangeColumns":
        """These, and then the others."""
        if not self or not others:
            return self or others
        pairs = zip(self._list_columns(), others._list_columns(), strict=True)
        return ChangeColumns(*([*ours, *theirs] for ours, theirs in pairs))

    def select(self, places: Sequence[int]) -> "ChangeColumns":
        """The changes at these places, in their order."""
        return ChangeColumns(*(select_places(each, places) for each in self._list_columns()))

    # As a sequence.

    def __len__(self) -> int:
        return len(self.mints)

    @overload
    def __getitem__(self, place: int) -> TokenChange: ...
    @overload
    def __getitem__(self, place: slice) -> "ChangeColumns": ...
    def __getitem__(self, place: int | slice) -> "TokenChange | ChangeColumns":
        cut: Iterable[Any] = (column[place] for column in self._list_columns())
        return ChangeColumns(*cut) if isinstance(place, slice) else _make_change(*cut)

    def __iter__(self) -> Iterator[TokenChange]:
        return map(_make_change, *self._list_columns())

    def _list_columns(self) -> tuple[Sequence[Any], ...]:
        return self.mints, self.versions, self.dirty_since, self.observed_at, self.values


def _make_change(
    mint: Mint, version: Version, dirty_since: Version, observed_at: UnixSeconds, values: Any
) -> TokenChange:
    decoded = json.loads(values) if isinstance(values, str) else values
    return TokenChange(mint, version, dirty_since, observed_at, decoded)


def select_places(column: Sequence[Any], places: Sequence[int]) -> Sequence[Any]:
    """What stands at these places of a column."""
    if len(places) < 2:
        return [column[place] for place in places]
    selected: Sequence[Any] = itemgetter(*places)(column)
    return selected


NO_CHANGES = ChangeColumns()
