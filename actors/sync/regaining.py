"""Regaining what Postgres has lost: commits that it had acknowledged, and has no longer.

    epoch of a receipt or pulse, misplaced mints -> Regaining -> store.find_losses, a part a call
        -> table, backlog -> appender -> the spool for births, the usual flush for values

A replica that is promoted may lack the last commits, and so does a copy that is restored. Then the
rows for readers begin another epoch, as they also do after a crash that lost nothing. What this
process has of each token is compared with what Postgres has now; what is missing counts as never
stored, and goes the way of everything that is not: durable in the buffer, then flushed as the
governor allows. See docs/decisions/0017-lost-commits.md.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import trio
from attrs import Factory, define, field

from actors.sync.life import SyncLife
from domain.lifecycle import is_retained
from domain.token import Token
from domain.values import Mint
from store import LossReport, StoreLoss, WriteReceipt
from supervision.desk import Retry

OUTAGE = "postgres commits"
LOOK_EVERY_SECONDS = 1.0  # whether all is written again
NO_EPOCH = "none"  # of rows that a crash has emptied, and nobody has rebuilt yet


@define
class Losses:
    """What is found to be lost."""

    births: set[Mint] = Factory(set)
    values: set[Mint] = Factory(set)  # of stored tokens


class LossesDue:
    """The store is to be asked again for what it has lost."""


class RegainedDue:
    """It may be that the store has again what it had lost."""


@define(kw_only=True)
class Regaining:
    """Compares, when there is reason to, all tokens with what is stored of them."""

    life: SyncLife
    append_again: Callable[[Callable[[], None]], None]  # what is not stored, to the buffer
    epoch: str = field(default="", init=False)  # of what was compared; empty: not restored yet
    unchecked: deque[Mint] = field(factory=deque, init=False)
    found_in: str | None = field(default=None, init=False)  # epoch of the pass under way
    losses: Losses = field(factory=Losses, init=False)  # found by the pass under way
    retry: Retry = field(init=False)

    @retry.default
    def _new_retry(self) -> Retry:
        return self.life.new_retry(LossesDue())

    # Reasons.

    def note_receipt(self, receipt: WriteReceipt) -> None:
        """A commit tells the epoch, and of tokens that are not where they were."""
        self.note_epoch(receipt.epoch)
        now, published = self.life.environment.clock(), self.life.table.published
        known = (published.get(mint) for mint in receipt.misplaced)
        if any(token and token.id is not None and is_retained(token, now) for token in known):
            self._begin_pass()

    def note_epoch(self, epoch: str) -> None:
        """Compare it with the epoch in which all was there."""
        if self.epoch and epoch and epoch != self.epoch:
            self._begin_pass()

    # One pass over all tokens.

    def _begin_pass(self) -> None:
        """Newest first: they are the ones that are lost."""
        if self.found_in is None:
            self.found_in, self.losses = "", Losses()
            self.unchecked = deque(reversed(self.life.table.published))
            self._check_part()

    def _check_part(self) -> None:
        most = self.life.settings.batch_rows
        mints = [self.unchecked.popleft() for _ in range(min(most, len(self.unchecked)))]
        self.life.store_caller.ask(
            # As they are when the call is made: a flush may come before it.
            lambda: self.life.stores.store.find_losses(self._list_tokens(mints)),
            partial(self._note_losses, mints),
            partial(self._give_up, mints),
        )

    def _list_tokens(self, mints: Sequence[Mint]) -> list[Token]:
        """The tokens that have been in the store."""
        known = (self.life.table.published.get(mint) for mint in mints)
        return [token for token in known if token is not None and token.id is not None]

    def _note_losses(self, mints: Sequence[Mint], report: LossReport) -> None:
        self.retry.note_success()
        for loss in report.losses:
            self._take_loss(loss)
        if self.found_in and report.epoch != self.found_in:  # it was lost once more meanwhile
            self.unchecked = deque(reversed(self.life.table.published))
        self.found_in = report.epoch
        if self.unchecked:
            self._check_part()
        else:
            self._end_pass(report.epoch)

    def _take_loss(self, loss: StoreLoss) -> None:
        lost = self.life.table.take_loss(loss)
        if lost:
            self.life.backlog.note_fields(loss.mint, lost, trio.current_time())
            self.losses.values.add(loss.mint)
        if loss.id is None:
            self.losses.births.add(loss.mint)

    def _end_pass(self, epoch: str) -> None:
        self.epoch, self.found_in = epoch, None
        if self.losses.births or self.losses.values:
            self.append_again(self._note_epoch_durably)
        else:
            self.life.environment.log.info("postgres has every commit")
            self._note_epoch_durably()
        self.note_lost(self.losses)

    def note_lost(self, losses: Losses) -> None:
        """Tell of what is lost, until it is written again."""
        births, values = len(losses.births), len(losses.values - losses.births)
        if births or values:
            self.life.counts["lost_births"] += births
            self.life.counts["lost_values"] += values
            self.life.environment.log.warning("postgres lost commits", births=births, values=values)
            self.life.table.unregained |= losses.births | losses.values
        if self.life.table.unregained:  # also of an earlier life
            self.look_if_done()

    def _note_epoch_durably(self) -> None:
        """The buffer has all that was lost. Should it not hear this, the next start looks again."""
        self.life.buffer_caller.ask(
            partial(self.life.stores.buffer.note_store_epoch, self.epoch),
            lambda _: None,
            lambda _: None,
        )

    def _give_up(self, mints: Sequence[Mint], _: Exception) -> None:
        self.unchecked.extendleft(reversed(mints))
        self.retry.begin_wait()

    def try_again(self) -> None:
        """The wait after a failure is over."""
        self.retry.end_wait()
        self._check_part()

    # Until all is there again.

    def look_if_done(self) -> None:
        """Tell of the outage until the store has all again."""
        readiness, table = self.life.environment.readiness, self.life.table
        for mint in [m for m in table.unregained if not table.is_unstored(m)]:
            table.unregained.discard(mint)
        if table.unregained:
            problem = f"lost; {len(table.unregained)} tokens are still to be written again"
            readiness.report_outage(OUTAGE, self.life.name, problem)
            self.life.desk.set_timer(RegainedDue(), LOOK_EVERY_SECONDS)
        else:
            readiness.report_outage(OUTAGE, self.life.name, None)
            self.life.environment.log.info("lost commits are written again")
