"""Rows by id as this process knows them, and which of them Redis is to be told.

put, remove  ->  KeptRows  ->  what to keep and what to forget in Redis
"""

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from attrs import Factory, define

Row = TypeVar("Row")
# Rows that have gone while Redis is away; what is beyond stays there, and comes again with the next
# process.
MOST_LEAVING = 10_000


@define
class KeptRows(Generic[Row]):
    """Rows, the one that was put first at the beginning."""

    rows: dict[str, Row] = Factory(dict)
    unsaved: set[str] = Factory(set)  # not in Redis as they are here
    leaving: set[str] = Factory(set)  # gone here, and perhaps in Redis still

    def put_row(self, row_id: str, row: Row) -> None:
        """Add or replace a row, as the last one."""
        self.rows.pop(row_id, None)
        self.rows[row_id] = row
        self.unsaved.add(row_id)
        self.leaving.discard(row_id)

    def remove_row(self, row_id: str) -> Row | None:
        """Let a row go; None where it is not here."""
        row = self.rows.pop(row_id, None)
        if row is not None:
            self.unsaved.discard(row_id)
            if len(self.leaving) < MOST_LEAVING:
                self.leaving.add(row_id)
        return row

    def take_stored(self, stored: Iterable[tuple[str, Row]]) -> list[str]:
        """Take what an earlier process has left, which is older than what is here; their ids."""
        older = {
            row_id: row
            for row_id, row in stored
            if row_id not in self.leaving and row_id not in self.rows
        }
        self.rows = {**older, **self.rows}
        return list(older)

    def mark_unsaved(self) -> None:
        """Let Redis be told of all again, which may have lost any."""
        self.unsaved.update(self.rows)

    # Redis.

    @property
    def is_saved(self) -> bool:
        """True when Redis has been told of all that is here, and of all that has gone."""
        return not self.unsaved and not self.leaving

    def list_unsaved(self) -> dict[str, Row]:
        return {row_id: row for row_id, row in self.rows.items() if row_id in self.unsaved}

    def note_saved(self, saved: Mapping[str, Row], forgotten: Iterable[str]) -> None:
        """Redis has these rows as they were then, and has forgotten those ids."""
        for row_id, row in saved.items():
            if self.rows.get(row_id) is row:
                self.unsaved.discard(row_id)
        self.leaving.difference_update(forgotten)
