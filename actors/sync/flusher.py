"""The flush: dirty tokens from the buffer to Postgres, a batch a commit.

    FlushOrder -> buffer.read_dirty -> store.write_changes -> buffer.clear_flushed -> table, backlog

One flush is under way at a time. Each of its calls is made beside the actor's loop, and the
outcome of one begins the next, so that updates are taken meanwhile. A crash or a failure at any
point repeats a flush, which is harmless: versions are compared on both sides, and exactly the
versions that were read are cleared.

A flush of everything must meet every value that the table holds unflushed. One that it did not
meet has been lost by the buffer (evicted, or deleted by hand), and is put back and flushed again.
A buffer that loses again what it was given back, as one that evicts for want of memory, holds
nothing up: the flush then takes what is unflushed from the table.
"""

from collections import deque
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from functools import partial

import trio
from attrs import define, evolve, field, frozen

from actors.sync.allowance import CommitCost, Grant
from actors.sync.flush import Flush, FlushOrder
from actors.sync.life import SyncLife
from actors.sync.parking import MICROSECONDS, note_parked, note_unparked
from actors.sync.profiles import ProfileShelf
from buffer import DirtyPage
from domain.changes import ChangeColumns
from domain.errors import StoreNeedsRepair
from domain.lifecycle import is_retained
from domain.merging import NO_ORIGIN
from domain.messages import TokenChange, TokenUpdated
from domain.quarantine import QuarantineEntry
from domain.token import Token
from domain.values import NO_VERSION, Mint
from store import StoredChange, StoredChanges, WriteReceipt
from supervision.desk import Retry

LOSSES_BORNE = 3  # in a row, then a flush does without the buffer


class FlushRetryDue:
    """A flush that failed is to be tried again."""


@frozen(kw_only=True)
class WrittenBatch:
    """What the store made of one batch."""

    found: Mapping[Mint, Token]  # tokens that had not been in the table
    beside: frozenset[Mint]  # whose tokens are not in Postgres
    misplaced: frozenset[Mint]  # that had an id, and have not that one
    receipts: Sequence[WriteReceipt]
    refused: Sequence[tuple[StoredChange, str]]


@define(kw_only=True)
class Flusher:
    """Carries out flush orders, one after the other."""

    # What it is given.
    life: SyncLife
    epoch: Callable[[], str]  # of the buffer's data, as it is known
    put_back: Callable[[Callable[[], None]], None]  # the buffer has lost data
    note_receipt: Callable[[WriteReceipt], None]  # the store may have lost commits
    # State.
    orders: deque[FlushOrder] = field(factory=deque, init=False)  # the first one is under way
    flush: Flush | None = field(default=None, init=False)
    losses: int = field(default=0, init=False)  # of the buffer's data, since a flush ended well
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
        if order.is_from_table:
            self._take_from_table(self.flush)
        else:
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

    def _take_from_table(self, flush: Flush) -> None:
        """What the buffer may hold of it besides has no newer version, and changes nothing."""
        changes = self.life.table.list_unflushed()
        newest = max((change.version for change in changes), default=NO_VERSION)
        flush.take_page(DirtyPage("", newest, changes), len(changes) + 1)
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

    def _write_batch(self, flush: Flush, batch: ChangeColumns) -> None:
        if flush.order.is_discarded:
            self._clear_batch(flush, batch, batch, ())
            return
        known, unknown = StoredChanges.match(batch, self.life.table.published)
        known = self.shelf.choose_profiles(known, self.life.environment.clock())
        self.life.store_caller.ask(
            partial(self._write_to_store, known, unknown),
            partial(self._note_written, flush, batch),
            self._give_up,
        )

    async def _write_to_store(self, known: StoredChanges, unknown: ChangeColumns) -> WrittenBatch:
        """Look up the tokens that the table does not know, and write what Postgres has.

        Tokens that left the table can still change: an old coin that graduates, say.
        """
        found: Mapping[Mint, Token] = {}
        changes = known
        if unknown:
            found = await self.life.stores.store.find_tokens(unknown.mints)
            changes = known.joined_with(StoredChanges.match(unknown, found)[0])
        receipts, refused = await self.life.stores.store.write_changes(changes)
        misplaced = frozenset[Mint]().union(*(receipt.misplaced for receipt in receipts))
        return WrittenBatch(
            found=found,
            beside=misplaced.union(mint for mint in unknown.mints if mint not in found),
            misplaced=misplaced,
            receipts=receipts,
            refused=refused,
        )

    def _note_written(self, flush: Flush, batch: ChangeColumns, written: WrittenBatch) -> None:
        self.shelf.note_written()
        self._note_costs(flush, written.receipts)
        self.life.publish(
            [m for m, token in written.found.items() if self.life.table.admit_token(token)]
        )
        lost = [self._make_refusal(change, reason) for (_, change), reason in written.refused]
        settled = batch
        if written.beside:
            settled, overdue = self._park(flush, batch, written.beside)
            lost += [  # what retention has dropped meanwhile goes without a word
                self._make_refusal(change, "no such token")
                for change in overdue
                if change.mint not in written.misplaced
            ]
        note_unparked(self.life.memory.parked, settled.mints)
        self._clear_batch(flush, batch, settled, lost)

    def _park(
        self, flush: Flush, batch: ChangeColumns, beside: Container[Mint]
    ) -> tuple[ChangeColumns, ChangeColumns]:
        """Leave changes in the buffer until their tokens are stored.

        Returns those that leave it, and of them those that have waited for too long.
        """
        places = [place for place, mint in enumerate(batch.mints) if mint in beside]
        overdue = [place for place in places if self._is_overdue(batch[place])]
        flush.parked.update(batch.mints[place] for place in places)
        note_parked(self.life.memory.parked, batch.select(places))
        written = [place for place, mint in enumerate(batch.mints) if mint not in beside]
        return batch.select(written + overdue), batch.select(overdue)

    def _note_costs(self, flush: Flush, receipts: Sequence[WriteReceipt]) -> None:
        flush.receipts += receipts
        now = trio.current_time()
        for cost in receipts:
            written = CommitCost(rows=cost.rows, wal_bytes=cost.wal_bytes, seconds=cost.seconds)
            self.life.memory.governor.note_written(written, now)
            self.note_receipt(cost)

    def _is_overdue(self, change: TokenChange) -> bool:
        now, token = self.life.environment.clock(), self.life.table.published.get(change.mint)
        if token is None:
            return now - change.dirty_since / MICROSECONDS > self.life.settings.park_seconds
        return not is_retained(token, now)

    def _make_refusal(self, change: TokenChange, reason: str) -> QuarantineEntry:
        self.life.counts["quarantined"] += 1
        update = TokenUpdated(
            mint=change.mint,
            observed_at=change.observed_at,
            origin=NO_ORIGIN,
            values=dict(change.values),
        )
        return self.life.make_refusal(update, reason)

    # Clearing.

    def _clear_batch(
        self,
        flush: Flush,
        batch: ChangeColumns,
        settled: ChangeColumns,
        lost: Sequence[QuarantineEntry],
    ) -> None:
        self.life.tell_quarantine(lost)
        self.life.buffer_caller.ask(
            partial(self._clear_settled, settled, lost),
            lambda _: self._note_cleared(flush, batch, settled),
            self._give_up,
        )

    async def _clear_settled(self, settled: ChangeColumns, lost: Sequence[QuarantineEntry]) -> None:
        if lost:  # the quarantine may not have saved them yet
            await self.life.stores.buffer.quarantine_entries(lost)
        await self.life.stores.buffer.clear_flushed(settled)

    def _note_cleared(self, flush: Flush, batch: ChangeColumns, settled: ChangeColumns) -> None:
        """What is left of a token waits anew, behind the others; so does a parked one.

        Those of which nothing is left go all at once, at the end of a flush of everything.
        """
        unflushed = self.life.table.unflushed
        anew = self.life.table.note_left(settled, flush.read_at or NO_VERSION)
        if settled is not batch:
            anew = [mint for mint in batch.mints if mint in unflushed]
        if flush.missing is not None:
            self.life.backlog.drop_tokens(batch.mints)
        now = trio.current_time()
        for mint in anew:
            self.life.backlog.settle_token(mint, unflushed[mint].values, now)
        self._go_on(flush)

    # Ending.

    def _end_flush(self, flush: Flush) -> None:
        now = trio.current_time()
        if flush.missing is None:
            self.life.backlog.drop_before(flush.started_at)
            parked = self.life.memory.parked
            note_unparked(parked, parked.keys() - flush.parked)
        if flush.missing:
            self.life.backlog.drop_tokens(flush.missing - self.life.table.unflushed.keys())
        if flush.grant is not None:
            self.life.memory.governor.note_flushed(flush.grant, now)
        if flush.receipts:
            self._log_flush(flush.receipts, now - flush.started_at)
        self.flush, self.losses = None, 0
        self.retry.note_success()
        self.life.report_repaired()
        self.orders.popleft()
        lost = frozenset() if flush.order.is_from_table else self._find_lost(flush)
        if lost:
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
        """Put back what was lost and flush it at once; lost again, it is flushed from the table."""
        self.life.counts["lost"] += len(lost)
        is_lost_again = flush.order.is_repeated
        again = evolve(
            flush.order,
            chosen=lost,
            is_governed=False,
            is_repeated=True,
            is_from_table=is_lost_again,
        )
        self.orders.appendleft(again)
        if is_lost_again:
            self.begin_next()
        else:
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
        elif self.losses < LOSSES_BORNE:  # not in a circle without a pause
            self.put_back(lambda: None)
            self.retry.begin_wait()
        else:
            self.put_back(lambda: None)
            self.orders[0] = evolve(self.orders[0], is_from_table=True)
            self.begin_next()

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
