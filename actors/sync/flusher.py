"""The flush: dirty tokens from the buffer to Postgres, a batch a commit.

    buffer.dirty -> Flusher -> store.write -> buffer.clear, table, backlog, governor

Part of the actor sync, and used by nothing else. A crash at any await repeats a flush, which is
harmless: versions are compared on both sides, and only those read are cleared.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from contextlib import aclosing

import trio
from attrs import define, field, frozen

from actors.sync.allowance import Written
from actors.sync.backlog import Backlog
from actors.sync.governor import Governor
from actors.sync.table import TokenTable
from buffer import DirtyPage, UpdateBuffer
from config.settings import SyncSettings
from domain.errors import BufferDataLost
from domain.lifecycle import is_retained
from domain.messages import Refused, TokenChange
from domain.values import NO_VERSION, Mint, Version
from store import StoredChange, TokenStore, WriteReceipt
from store.bisection import write_around_refusals
from store.checkpoints import CheckpointWatch
from supervision.environment import Environment

MICROSECONDS = 1_000_000  # a version is at least the wall clock's microseconds


@frozen(kw_only=True)
class SyncDoors:
    """The two stores that sync writes to."""

    store: TokenStore
    buffer: UpdateBuffer


@frozen(kw_only=True)
class SyncPace:
    """What sync has learnt of the server; it outlives a restart of sync."""

    governor: Governor
    watch: CheckpointWatch


@define(kw_only=True)
class Flusher:
    """One flush at a time; `backlog` tells what the next one would take."""

    doors: SyncDoors
    table: TokenTable
    governor: Governor
    settings: SyncSettings
    environment: Environment
    backlog: Backlog = field(factory=Backlog, init=False)
    found: list[Mint] = field(factory=list, init=False)  # tokens that came (back) to the table
    turn: trio.Lock = field(factory=trio.Lock, init=False)
    counts: Counter[str] = field(factory=Counter, init=False)

    async def flush(self, epoch: str, chosen: Collection[Mint] | None = None) -> None:
        """Bring these dirty tokens to Postgres, or all.

        `BufferDataLost`, with nothing more done, when the buffer's epoch is not the given one;
        that is looked at also where no token is chosen.
        """
        async with self.turn:
            started = trio.current_time()
            first = await self._page(NO_VERSION, epoch)
            receipts: list[WriteReceipt] = []
            async with aclosing(self._batches(first, chosen)) as batches:
                async for batch in batches:
                    receipts += await self._flush_batch(batch, first.newest)
                    self._settle(batch, is_partial=chosen is not None)
            if chosen is None:
                self.backlog.drop_before(started)
            if receipts:
                self._log(receipts, trio.current_time() - started)

    async def discard(self, epoch: str, chosen: Collection[Mint]) -> None:
        """Forget what waits for these tokens, which Postgres has given up."""
        async with self.turn:
            first = await self._page(NO_VERSION, epoch)
            async with aclosing(self._batches(first, chosen)) as batches:
                async for batch in batches:
                    await self.doors.buffer.clear(batch)
                    self.table.note_left(batch, first.newest)
                    self._settle(batch, is_partial=True)

    async def flush_as_granted(self, epoch: str) -> None:
        """Flush what the governor grants: usually everything, under pressure what is due first."""
        now = trio.current_time()
        plan = self.governor.plan
        self.governor.note_ages(self.backlog.ages(now))
        due = self.backlog.due(now + plan.tick_seconds, plan.staleness_seconds)
        grant = self.governor.grant(waiting=len(self.backlog), due=len(due), now=now)
        await self.flush(epoch, None if grant.is_complete else self.backlog.pick(grant.rows, due))
        self.governor.note_flushed(grant, now)

    async def _page(self, after: Version, epoch: str) -> DirtyPage:
        page = await self.doors.buffer.dirty(after, self.settings.batch_rows)
        if page.epoch != epoch:
            raise BufferDataLost
        return page

    async def _batches(
        self, page: DirtyPage, chosen: Collection[Mint] | None
    ) -> AsyncGenerator[Sequence[TokenChange], None]:
        """The chosen changes from this page on, as many at once as a statement takes.

        What becomes dirty after the first page is of the next flush: else this might never end.
        """
        newest, most = page.newest, self.settings.batch_rows
        missing = None if chosen is None else set(chosen)
        batch: list[TokenChange] = []
        while True:
            changes = page.changes
            if missing is None:
                batch += changes
            else:
                batch += [change for change in changes if change.mint in missing]
                missing.difference_update(change.mint for change in changes)
            if len(batch) >= most:
                yield batch[:most]
                del batch[:most]
            is_last = len(changes) < most or changes[-1].dirty_since >= newest
            if is_last or (missing is not None and not missing):
                break
            page = await self._page(changes[-1].dirty_since, page.epoch)
        if batch:
            yield batch

    async def _flush_batch(
        self, batch: Sequence[TokenChange], read_at: Version
    ) -> Sequence[WriteReceipt]:
        """Write and clear a batch that has all that its tokens had at version `read_at`."""
        known = await self._known(batch)
        settled: Sequence[TokenChange] = batch
        lost: list[Refused] = []
        if len(known) < len(batch):  # the others are parked until their tokens are in Postgres
            overdue = [change for change in _beside(known, batch) if self._is_overdue(change)]
            settled = [change for _, change in known] + overdue
            lost = [self._refusal(change, "no such token") for change in overdue]
        receipts, refused = await write_around_refusals(self.doors.store.write, known)
        self._tell_governor(receipts)
        lost += [self._refusal(change, reason) for (_, change), reason in refused]
        if lost:
            await self.doors.buffer.quarantine(lost)
        await self.doors.buffer.clear(settled)
        self.table.note_left(settled, read_at)
        return receipts

    def _settle(self, batch: Iterable[TokenChange], *, is_partial: bool) -> None:
        """What is left of a token waits anew, behind the others; so does a parked one.

        Those of which nothing is left go all at once, at the end of a flush of everything.
        """
        if not (is_partial or self.table.unflushed):
            return
        now = trio.current_time()
        for token in batch:
            left = self.table.unflushed.get(token.mint)
            if left is not None:
                self.backlog.settle(token.mint, left.values, now)
            elif is_partial:
                self.backlog.drop(token.mint)

    async def _known(self, batch: Sequence[TokenChange]) -> Sequence[StoredChange]:
        """The changes of tokens that are in Postgres, with their ids.

        Tokens that left the table can still change: an old coin that graduates, say.
        """
        known = self.table.with_ids(batch)
        if len(known) < len(batch):
            mints = [change.mint for change in _beside(known, batch)]
            found = await self.doors.store.find(mints)
            self.found += [mint for mint, token in found.items() if self.table.admit(token)]
            known = self.table.with_ids(batch)
        return known

    def _is_overdue(self, change: TokenChange) -> bool:
        now, token = self.environment.clock(), self.table.published.get(change.mint)
        if token is None:
            return now - change.dirty_since / MICROSECONDS > self.settings.park_seconds
        return not is_retained(token, now)

    def _refusal(self, change: TokenChange, reason: str) -> Refused:
        self.environment.log.warning("update quarantined", mint=change.mint, reason=reason)
        self.counts["quarantined"] += 1
        now = self.environment.clock()
        return Refused(mint=change.mint, reason=reason, refused_at=now, values=change.values)

    def _tell_governor(self, receipts: Sequence[WriteReceipt]) -> None:
        now = trio.current_time()
        for cost in receipts:
            written = Written(rows=cost.rows, wal_bytes=cost.wal_bytes, seconds=cost.seconds)
            self.governor.note_written(written, now)

    def _log(self, receipts: Sequence[WriteReceipt], seconds: float) -> None:
        self.environment.log.info(
            "flush complete",
            rows=sum(receipt.rows for receipt in receipts),
            statements=sum(receipt.statements for receipt in receipts),
            wal_bytes=sum(receipt.wal_bytes for receipt in receipts),
            seconds=round(seconds, 4),
            held_back=self.governor.held_back,
        )


def _beside(known: Iterable[StoredChange], batch: Iterable[TokenChange]) -> list[TokenChange]:
    """The changes of a batch whose tokens are not known."""
    mints = {change.mint for _, change in known}
    return [change for change in batch if change.mint not in mints]
