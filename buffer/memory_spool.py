"""The spool as the twin of Redis holds it, by mint and in order of arrival.

buffer.memory_data.Data  ->  SpoolShelf  (as spool.lua, read_shelf.lua and remove_from_shelf.lua)
"""

from collections.abc import Iterable, Sequence

from attrs import Factory, define

from domain.errors import BufferUnavailable
from domain.values import Mint


@define
class SpoolShelf:
    """Places and rows stand in two keys, of which each can be lost alone."""

    order: dict[Mint, None] = Factory(dict)
    rows: dict[Mint, str] = Factory(dict)  # JSON
    has_landmark: bool = False  # see append.lua: the order was not lost since the epoch began

    def lose_order(self) -> None:
        self.order.clear()
        self.has_landmark = False

    def lose_rows(self) -> None:
        self.rows.clear()

    def add(self, rows: Sequence[tuple[Mint, str]], limit: int) -> None:
        waiting = len(self.order)
        new = dict.fromkeys(mint for mint, _ in rows if mint not in self.order)
        if waiting + len(new) > limit:
            raise BufferUnavailable(f"FULL {waiting} new tokens wait to be stored")
        self.order |= new
        for mint, row in rows:
            self.rows.setdefault(mint, row)

    def read(self, limit: int) -> tuple[list[str], bool]:
        """The oldest rows, and whether none was missing; places of missing ones are removed."""
        rows: list[str] = []
        is_whole = True
        for mint in list(self.order):
            if len(rows) == limit:
                break
            if mint in self.rows:
                rows.append(self.rows[mint])
            else:
                del self.order[mint]
                is_whole = False
        return rows, is_whole

    def remove(self, mints: Iterable[Mint]) -> None:
        for mint in mints:
            self.order.pop(mint, None)
            self.rows.pop(mint, None)

    def mend(self, *, has_epoch: bool) -> bool:
        """Pair places and rows; False if something was missing."""
        if (self.has_landmark or not has_epoch) and len(self.order) == len(self.rows):
            return True
        places = [mint for mint in self.order if mint in self.rows]
        self.order = dict.fromkeys([*places, *sorted(self.rows)])
        return False
