"""The flush: dirty tokens from the buffer to Postgres, a batch a commit.

    FlushOrder -> buffer.read_dirty -> store.write_changes -> buffer.clear_flushed -> table, backlog

One flush is under way at a time. Each of its calls is made beside the actor's loop, and the
outcome of one begins the next, so that updates are taken meanwhile. A crash or a failure at any
point repeats a flush, which is harmless: versions are compared on both sides, and exactly the
versions that were read are cleared.

A flush of everything must meet every value that the table holds unflushed. One that it did not
meet has been lost by the buffer (evicted, or deleted by hand), and is put back and flushed again.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import trio
from attrs import define, evolve, field, frozen

from actors.sync.allowance import CommitCost, Grant
from actors.sync.life import SyncLife
from actors.sync.profiles import ProfileShelf
from buffer import DirtyPage
from domain.errors import StoreNeedsRepair
from domain.lifecycle import is_retained
from domain.messages import Refused, TokenChange
from domain.token import Token
from domain.values import NO_VERSION, Mint, Version
from store import StoredChange, WriteReceipt
from supervision.desk import Retry

MICROSECONDS = 1_000_000  # a version is at least the wall clock's microseconds


class FlushRetryDue:
    """A flush that failed is to be tried again."""


@frozen(kw_only=True)
class FlushOrder:
    """Which tokens a flush is to take, and what is to be done with their values."""

    name: str  # why; a second order of the same name is dropped while one waits
    chosen: frozenset[Mint] | None = None  # None: every dirty token
    is_governed: bool = False  # the governor chooses, when the flush begins
    is_discarded: bool = False  # the values are forgotten instead of written
    is_repeated: bool = False  # of what the flush before did not meet
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
    waiting: list[TokenChange] = field(factory=list, init=False)  # read, and in no batch yet
    parked: set[Mint] = field(factory=set, init=False)  # met, and left in the buffer
    receipts: list[WriteReceipt] = field(factory=list, init=False)

    def take_page(self, page: DirtyPage, page_tokens: int) -> None:
        """Take the chosen changes of a page, and see whether it was the last.

        What becomes dirty after the first page is of the next flush: else this might never end.
        """
        changes, newest = page.changes, page.newest if self.read_at is None else self.read_at
        self.read_at = newest
        if self.missing is None:
            self.waiting += changes
        else:
            missing = self.missing
            self.waiting += [change for change in changes if change.mint in missing]
            missing.difference_update(change.mint for change in changes)
        if changes:
            self.position = changes[-1].dirty_since
        is_last = len(changes) < page_tokens or self.position >= newest
        self.is_read = is_last or (self.missing is not None and not self.missing)

    def take_batch(self, most: int) -> Sequence[TokenChange]:
        """The next batch to write; empty while more has to be read for it."""
        if len(self.waiting) < most and not self.is_read:
            return ()
        batch, self.waiting = self.waiting[:most], self.waiting[most:]
        return batch


@frozen(kw_only=True)
class WrittenBatch:
    """What the store made of one batch."""

    found: Mapping[Mint, Token]  # tokens that had not been in the table
    known: frozenset[Mint]  # whose tokens are in Postgres
    receipts: Sequence[WriteReceipt]
    refused: Sequence[tuple[StoredChange, str]]


@define(kw_only=True)
class Flusher:
    """Carries out flush orders, one after the other."""

    # What it is given.
    life: SyncLife
    epoch: Callable[[], str]  # of the buffer's data, as it is known
    put_back: Callable[[Callable[[], None]], None]  # the buffer has lost data
    # State.
    orders: deque[FlushOrder] = field(factory=deque, init=False)  # the first one is under way
    flush: Flush | None = field(default=None, init=False)
    losses: int = field(default=0, init=False)  # of the buffer's data, since a flush ended well
    is_losing: bool = field(default=False, init=False)  # what was put back was lost once more
    retry: Retry = field(init=False)
    shelf: ProfileShelf = field(init=False)

    @shelf.default
    def _new_shelf(self) -> ProfileShelf:
        rows_per_hour = self.life.settings.profile_rows_per_hour
        return ProfileShelf(table=self.life.table, rows_per_hour=rows_per_hour)

    @retry.default
    def _new_retry(self) -> Retry:
        return self.life.new_retry(FlushRetryDue())

    # Orders.

    def order_flush(self, order: FlushOrder) -> None:
        """Flush so, after what was ordered before; at most one order of each name waits."""
        if all(order.name != waiting.name for waiting in self.orders):
            self.orders.append(order)
            self.begin_next()

    @property
    def is_done(self) -> bool:
        """True when no order is left."""
        return not self.orders

    def begin_next(self) -> None:
        """Begin the first order, if none is under way."""
        if self.flush is not None or self.retry.is_waiting or not self.orders:
            return
        order = self.orders[0]
        chosen: Collection[Mint] | None = order.chosen
        grant = None
        if order.is_governed:
            grant, chosen = self._ask_governor()
        missing = None if chosen is None else set(chosen)
        self.flush = Flush(order=order, grant=grant, missing=missing)
        self._read_page(self.flush)

    def _ask_governor(self) -> tuple[Grant, Collection[Mint] | None]:
        """Usually everything is granted; under pressure what is due first."""
        now, plan = trio.current_time(), self.life.memory.governor.plan
        self.life.memory.governor.note_ages(self.life.backlog.measure_ages(now))
        due = self.life.backlog.find_due(now + plan.tick_seconds, plan.staleness_seconds)
        grant = self.life.memory.governor.grant_rows(
            waiting=len(self.life.backlog), due=len(due), now=now
        )
        return grant, None if grant.is_complete else self.life.backlog.pick_tokens(grant.rows, due)

    # Reading.

    def _read_page(self, flush: Flush) -> None:
        self.life.buffer_caller.ask(
            partial(
                self.life.stores.buffer.read_dirty, flush.position, self.life.settings.batch_rows
            ),
            partial(self._note_page, flush),
            self._give_up,
        )

    def _note_page(self, flush: Flush, page: DirtyPage) -> None:
        if page.epoch != self.epoch():
            self._begin_again_after_loss()
            return
        flush.take_page(page, self.life.settings.batch_rows)
        self._go_on(flush)

    def _go_on(self, flush: Flush) -> None:
        """The next step: write a batch, read on, or end."""
        if batch := flush.take_batch(self.life.settings.batch_rows):
            self._write_batch(flush, batch)
        elif flush.is_read:
            self._end_flush(flush)
        else:
            self._read_page(flush)

    # Writing.

    def _write_batch(self, flush: Flush, batch: Sequence[TokenChange]) -> None:
        if flush.order.is_discarded:
            self._clear_batch(flush, batch, batch, ())
            return
        known = self.life.table.with_ids(batch)
        mints = {change.mint for _, change in known}
        unknown = [change for change in batch if change.mint not in mints]
        known = self.shelf.choose_profiles(known, self.life.environment.clock())
        self.life.store_caller.ask(
            partial(self._write_to_store, known, unknown),
            partial(self._note_written, flush, batch),
            self._give_up,
        )

    async def _write_to_store(
        self, known: Sequence[StoredChange], unknown: Sequence[TokenChange]
    ) -> WrittenBatch:
        """Look up the tokens that the table does not know, and write what Postgres has.

        Tokens that left the table can still change: an old coin that graduates, say.
        """
        found: Mapping[Mint, Token] = {}
        if unknown:
            found = await self.life.stores.store.find_tokens([change.mint for change in unknown])
        ids = {mint: token.id for mint, token in found.items() if token.id is not None}
        changes = [*known, *((ids[each.mint], each) for each in unknown if each.mint in ids)]
        receipts, refused = await self.life.stores.store.write_changes(changes)
        return WrittenBatch(
            found=found,
            known=frozenset(change.mint for _, change in changes),
            receipts=receipts,
            refused=refused,
        )

    def _note_written(
        self, flush: Flush, batch: Sequence[TokenChange], written: WrittenBatch
    ) -> None:
        self.shelf.note_written()
        self._note_costs(flush, written.receipts)
        self.life.publish(
            [m for m, token in written.found.items() if self.life.table.admit_token(token)]
        )
        settled: Sequence[TokenChange] = batch
        lost = [self._make_refusal(change, reason) for (_, change), reason in written.refused]
        if len(written.known) < len(batch):  # the others are parked until their tokens are stored
            beside = [change for change in batch if change.mint not in written.known]
            overdue = [change for change in beside if self._is_overdue(change)]
            flush.parked.update(change.mint for change in beside)
            settled = [c for c in batch if c.mint in written.known] + overdue
            lost += [self._make_refusal(change, "no such token") for change in overdue]
        self._clear_batch(flush, batch, settled, lost)

    def _note_costs(self, flush: Flush, receipts: Sequence[WriteReceipt]) -> None:
        flush.receipts += receipts
        now = trio.current_time()
        for cost in receipts:
            written = CommitCost(rows=cost.rows, wal_bytes=cost.wal_bytes, seconds=cost.seconds)
            self.life.memory.governor.note_written(written, now)

    def _is_overdue(self, change: TokenChange) -> bool:
        now, token = self.life.environment.clock(), self.life.table.published.get(change.mint)
        if token is None:
            return now - change.dirty_since / MICROSECONDS > self.life.settings.park_seconds
        return not is_retained(token, now)

    def _make_refusal(self, change: TokenChange, reason: str) -> Refused:
        self.life.environment.log.warning("update quarantined", mint=change.mint, reason=reason)
        self.life.counts["quarantined"] += 1
        now = self.life.environment.clock()
        return Refused(mint=change.mint, reason=reason, refused_at=now, values=change.values)

    # Clearing.

    def _clear_batch(
        self,
        flush: Flush,
        batch: Sequence[TokenChange],
        settled: Sequence[TokenChange],
        lost: Sequence[Refused],
    ) -> None:
        self.life.buffer_caller.ask(
            partial(self._clear_settled, settled, lost),
            lambda _: self._note_cleared(flush, batch, settled),
            self._give_up,
        )

    async def _clear_settled(self, settled: Sequence[TokenChange], lost: Sequence[Refused]) -> None:
        if lost:
            await self.life.stores.buffer.quarantine_rows(lost)
        await self.life.stores.buffer.clear_flushed(settled)

    def _note_cleared(
        self, flush: Flush, batch: Sequence[TokenChange], settled: Sequence[TokenChange]
    ) -> None:
        """What is left of a token waits anew, behind the others; so does a parked one.

        Those of which nothing is left go all at once, at the end of a flush of everything.
        """
        self.life.table.note_left(settled, flush.read_at or NO_VERSION)
        is_partial = flush.missing is not None
        if is_partial or self.life.table.unflushed:
            now = trio.current_time()
            for change in batch:
                left = self.life.table.unflushed.get(change.mint)
                if left is not None:
                    self.life.backlog.settle_token(change.mint, left.values, now)
                elif is_partial:
                    self.life.backlog.drop_token(change.mint)
        self._go_on(flush)

    # Ending.

    def _end_flush(self, flush: Flush) -> None:
        now = trio.current_time()
        if flush.missing is None:
            self.life.backlog.drop_before(flush.started_at)
        for mint in (flush.missing or frozenset()) - self.life.table.unflushed.keys():
            self.life.backlog.drop_token(mint)
        if flush.grant is not None:
            self.life.memory.governor.note_flushed(flush.grant, now)
        if flush.receipts:
            self._log_flush(flush.receipts, now - flush.started_at)
        self.flush, self.losses, self.is_losing = None, 0, False
        self.retry.note_success()
        self.life.report_repaired()
        self.orders.popleft()
        if lost := self._find_lost(flush):
            self._repeat_for(flush, lost)
        else:
            flush.order.then()
            self.begin_next()

    def _find_lost(self, flush: Flush) -> frozenset[Mint]:
        """Tokens with values that the buffer should have shown to this flush, and did not."""
        read_at, unflushed = flush.read_at or NO_VERSION, self.life.table.unflushed
        unmet = unflushed.keys() - flush.parked if flush.missing is None else flush.missing
        held = ((mint, unflushed.get(mint)) for mint in unmet)
        return frozenset(mint for mint, seen in held if seen is not None and seen.newest <= read_at)

    def _repeat_for(self, flush: Flush, lost: frozenset[Mint]) -> None:
        """Put back what was lost and flush it at once; lost again, it waits for the next flush."""
        self.life.counts["lost"] += len(lost)
        self.is_losing = flush.order.is_repeated
        if self.is_losing:
            flush.order.then()
        else:
            again = evolve(flush.order, chosen=lost, is_governed=False, is_repeated=True)
            self.orders.appendleft(again)
        self.put_back(self.begin_next)

    def _log_flush(self, receipts: Sequence[WriteReceipt], seconds: float) -> None:
        self.life.environment.log.info(
            "flush complete",
            rows=sum(receipt.rows for receipt in receipts),
            statements=sum(receipt.statements for receipt in receipts),
            wal_bytes=sum(receipt.wal_bytes for receipt in receipts),
            seconds=round(seconds, 4),
            held_back=self.life.memory.governor.held_back,
        )

    # Failing.

    def _begin_again_after_loss(self) -> None:
        """The buffer has lost data: once it has it back, the same order begins anew."""
        self.flush = None
        self.losses += 1
        if self.losses == 1:
            self.put_back(self.begin_next)
        else:  # it loses what it is given: not in a circle without a pause
            self.put_back(lambda: None)
            self.retry.begin_wait()

    def _give_up(self, error: Exception) -> None:
        """A store does not answer; the order is tried again."""
        self.flush = None
        self.life.counts["failed_flushes"] += 1
        if isinstance(error, StoreNeedsRepair):
            self.life.report_repair(error)
        self.retry.begin_wait()

    def try_again(self) -> None:
        """The wait after a failure is over."""
        self.retry.end_wait()
        self.begin_next()
