"""The buffer in memory: the twin of `buffer.redis` for tests and simulation.

It does what the scripts do, value by value, so that the contract suite can hold the two
together. Faults that a test can order: the losses of `data`, `lose_data`, calls that fail, a
server that is full or has become read-only, and a gap before and after the effect of every call.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from itertools import count
from typing import TypeVar

import orjson
import trio
from attrs import define, field

from buffer import (
    NO_MINTS,
    USUAL_BOUNDS,
    Appended,
    BufferBounds,
    DirtyPage,
    NewestTold,
    Recalled,
)
from buffer.codec import (
    decode_token,
    encode_batch,
    encode_token,
)
from buffer.entries import decode_entry, encode_entry
from buffer.memory_data import Data, Encoded
from domain.errors import BufferUnavailable
from domain.merging import Observations
from domain.messages import TokenChange
from domain.quarantine import QuarantineEntry
from domain.token import Token
from domain.values import NO_VERSION, Mint, UnixSeconds, Version

Answer = TypeVar("Answer")
Name = TypeVar("Name", bound=str)  # of a row on a shelf


class Effect(Enum):
    """What a call does to the data; a server in trouble still does some of it."""

    READS = "reads"
    REMOVES = "removes"  # a full server does this
    ADDS = "adds"


@define
class MemoryBuffer:
    """`buffer.UpdateBuffer` in this process."""

    clock: Callable[[], UnixSeconds]
    bounds: BufferBounds = USUAL_BOUNDS
    newest_told: NewestTold = field(factory=NewestTold, kw_only=True)
    data: Data = field(init=False)
    # State; see `buffer.redis`.
    _epoch_numbers: Iterator[int] = field(factory=lambda: count(1), init=False)
    _unsure: set[Mint] = field(factory=set, init=False)
    # Faults that a test orders.
    delay_seconds: float = field(default=0.0, init=False)  # of every call, before its effect
    reply_delay_seconds: float = field(default=0.0, init=False)  # of every call, after its effect
    is_read_only: bool = field(default=False, init=False)  # as a master that was demoted
    is_full: bool = field(default=False, init=False)  # as a server at its maxmemory
    risks: Sequence[str] = field(default=(), init=False)  # what `open` is to tell
    _failures: int = field(default=0, init=False)
    _fails_after_effect: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.lose_data()

    def lose_data(self) -> None:
        """Be as a server that comes back empty."""
        self.data = Data(self.bounds, epoch_numbers=self._epoch_numbers)

    def fail_next(self, calls: int, *, after_effect: bool = False) -> None:
        """Let the next calls raise `BufferUnavailable`; `after_effect`: having happened."""
        self._failures = calls
        self._fails_after_effect = after_effect

    async def _call(self, effect: Effect, function: Callable[[], Answer]) -> Answer:
        """Do it as a server far away does: later, perhaps not, and heard of later still."""
        await trio.lowlevel.checkpoint()
        # A call that has begun is not abandoned when cancelled: nor is one in a thread.
        with trio.CancelScope(shield=True):
            await _sleep(self.delay_seconds)
            fails, self._failures = self._failures > 0, max(self._failures - 1, 0)
            if fails and not self._fails_after_effect:
                raise BufferUnavailable("a test ordered this call to fail")
            self._require_permission(effect)
            answer = function()
            await _sleep(self.reply_delay_seconds)
        if fails:
            raise BufferUnavailable("a test ordered this answer to be lost")
        return answer

    def _require_permission(self, effect: Effect) -> None:
        if self.is_read_only and effect is not Effect.READS:
            raise BufferUnavailable("READONLY a test made this server a replica")
        if self.is_full and effect is Effect.ADDS:
            raise BufferUnavailable("OOM a test filled this server")

    async def open(self) -> Sequence[str]:
        def open_now() -> Sequence[str]:
            self.data.mend_dirty_list()
            return self.risks

        return await self._call(Effect.READS, open_now)

    async def close(self) -> None:
        await self._call(Effect.READS, lambda: None)

    async def append_observations(
        self,
        batch: Mapping[Mint, Observations],
        *,
        forced: bool = False,
        differing: AbstractSet[Mint] = NO_MINTS,
    ) -> Appended:
        forced_mints = batch.keys() if forced else self._unsure | differing
        try:
            appended = await self._call(
                Effect.ADDS, lambda: self._append(batch, forced_mints, forced)
            )
        except BufferUnavailable:
            self._unsure.update(batch)
            raise
        self.newest_told.note(appended.newest)
        if not forced:
            self._unsure.difference_update(batch)
        return appended

    def _append(
        self, batch: Mapping[Mint, Observations], forced: Container[Mint], is_put_back: bool
    ) -> Appended:
        refused: dict[Mint, str] = {}
        encoded = {
            mint: Encoded(observed, texts, times, mint in forced)
            for mint, observed, texts, times in encode_batch(batch, refused)
        }
        changed = self.data.append(
            encoded,
            is_put_back=is_put_back,
            newest_told=self.newest_told.version,
            now=self.clock(),
        )
        newest = self.data.newest or NO_VERSION
        return Appended(epoch=self.data.epoch, newest=newest, changed=changed, refused=refused)

    async def read_dirty(self, after: Version, limit: int) -> DirtyPage:
        return await self._call(
            Effect.READS, lambda: self.data.read_dirty(after, limit, self.newest_told.version)
        )

    async def clear_flushed(self, changes: Sequence[TokenChange]) -> int:
        def clear() -> int:
            now = self.clock()
            return sum(self.data.clear(change.mint, change.version, now) for change in changes)

        return await self._call(Effect.REMOVES, clear)

    async def spool_tokens(self, tokens: Sequence[Token]) -> None:
        rows = [(token.mint, encode_token(token)) for token in tokens]

        def spool() -> Version:
            most, told = self.bounds.spooled_tokens, self.newest_told.version
            return self.data.spool_rows(rows, most, newest_told=told, now=self.clock())

        self.newest_told.note(await self._call(Effect.ADDS, spool))

    async def read_spooled(self, limit: int) -> Sequence[Token]:
        rows = await self._call(Effect.READS, lambda: self._read_spooled(limit))
        return [decode_token(orjson.loads(row)) for row in rows]

    def _read_spooled(self, limit: int) -> list[str]:
        rows, is_whole = self.data.spool.read(limit)
        if not is_whole:
            self.data.lose_epoch()
        return rows

    async def remove_spooled(self, mints: Sequence[Mint]) -> None:
        await self._call(Effect.REMOVES, lambda: self.data.spool.remove(mints))

    async def quarantine_entries(self, entries: Sequence[QuarantineEntry]) -> None:
        encoded = [(entry.id, encode_entry(entry)) for entry in entries]

        most = self.bounds.quarantined_entries
        await self._call(Effect.ADDS, lambda: _put_last(self.data.quarantined, encoded, most))

    async def remember_births(self, births: Sequence[Token]) -> None:
        rows = [(token.mint, encode_token(token)) for token in births]
        most = self.bounds.remembered_births
        await self._call(Effect.ADDS, lambda: _put_last(self.data.births, rows, most))

    async def note_store_epoch(self, epoch: str) -> None:
        def note() -> None:
            self.data.store_epoch = epoch

        await self._call(Effect.ADDS, note)

    async def recall_stored(self, epoch: str) -> Recalled:
        is_dirty = await self._call(Effect.ADDS, lambda: self.data.recall_stored(epoch))
        births = [decode_token(orjson.loads(row)) for row in self.data.births.values()]
        return Recalled(births, is_dirty)

    async def read_quarantined(self) -> Sequence[QuarantineEntry]:
        rows = await self._call(Effect.READS, lambda: list(self.data.quarantined.values()))
        return [decode_entry(orjson.loads(row)) for row in rows]

    async def release_quarantined(self, entry_ids: Sequence[str]) -> None:
        def release() -> None:
            for entry_id in entry_ids:
                self.data.quarantined.pop(entry_id, None)

        await self._call(Effect.REMOVES, release)


def _put_last(shelf: dict[Name, str], rows: Sequence[tuple[Name, str]], most: int) -> None:
    for name, row in rows:
        shelf.pop(name, None)
        shelf[name] = row
    while len(shelf) > most:
        del shelf[next(iter(shelf))]


async def _sleep(seconds: float) -> None:
    if seconds > 0:
        await trio.sleep(seconds)
