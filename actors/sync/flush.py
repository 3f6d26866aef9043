"""One flush: what was ordered, and how far it has come.

FlushOrder -> Flush: pages of the buffer in, batches for the store out
"""

from collections.abc import Callable

import trio
from attrs import define, field, frozen

from actors.sync.allowance import Grant
from buffer import DirtyPage
from domain.changes import NO_CHANGES, ChangeColumns
from domain.values import NO_VERSION, Mint, Version
from store import WriteReceipt


@frozen(kw_only=True)
class FlushOrder:
    """Which tokens a flush is to take, and what is to be done with their values."""

    name: str  # why; a second order of the same name is dropped while one waits
    chosen: frozenset[Mint] | None = None  # None: every dirty token
    is_governed: bool = False  # the governor chooses, when the flush begins
    is_discarded: bool = False  # the values are forgotten instead of written
    is_repeated: bool = False  # of what the flush before did not meet
    is_from_table: bool = False  # the buffer does not keep it
    then: Callable[[], None] = lambda: None  # once it has ended well


@define(kw_only=True)
class Flush:
    """One flush under way."""

    order: FlushOrder
    grant: Grant | None  # of the governor, where it was asked
    missing: set[Mint] | None  # chosen, and not met yet; None: everything is taken
    started_at: float = field(factory=trio.current_time, init=False)
    read_at: Version | None = field(default=None, init=False)  # what is newer is of the next flush
    position: Version = field(default=NO_VERSION, init=False)  # `dirty_since` of the last change
    is_read: bool = field(default=False, init=False)  # to the end
    waiting: ChangeColumns = field(default=NO_CHANGES, init=False)  # read, and in no batch yet
    parked: set[Mint] = field(factory=set, init=False)  # met, and left in the buffer
    receipts: list[WriteReceipt] = field(factory=list, init=False)

    def take_page(self, page: DirtyPage, page_tokens: int) -> None:
        """Take the chosen changes of a page, and see whether it was the last.

        What becomes dirty after the first page is of the next flush: else this might never end.
        """
        changes, newest = page.changes, page.newest if self.read_at is None else self.read_at
        self.read_at = newest
        if self.missing is None:
            self.waiting = self.waiting.joined_with(changes)
        else:
            missing = self.missing
            chosen = [place for place, mint in enumerate(changes.mints) if mint in missing]
            self.waiting = self.waiting.joined_with(changes.select(chosen))
            missing.difference_update(changes.mints)
        if changes:
            self.position = changes.dirty_since[-1]
        is_last = len(changes) < page_tokens or self.position >= newest
        self.is_read = is_last or (self.missing is not None and not self.missing)

    def take_batch(self, most: int) -> ChangeColumns:
        """The next batch to write; empty while more has to be read for it."""
        if len(self.waiting) < most and not self.is_read:
            return NO_CHANGES
        batch, self.waiting = self.waiting[:most], self.waiting[most:]
        return batch
