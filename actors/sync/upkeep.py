"""What sync does beside the flush: retention, staying bounded, and the server's pulse.

RetainDue -> flush of what bonded -> store.drop_unretained -> what waited for the others goes
TidyDue   -> flushed tokens that are off the feed leave the table
PulseDue  -> store.read_pulse -> checkpoint watch, governor
"""

from collections.abc import Callable, Iterable

import trio
from attrs import define, field

from actors.sync.flush import FlushOrder
from actors.sync.life import SyncLife
from actors.sync.regaining import NO_EPOCH
from domain.backoff import Backoff
from domain.errors import StoreUnavailable
from domain.lifecycle import RETAIN_NEW_SECONDS
from domain.token import Status
from domain.values import Mint, UnixSeconds
from store import ServerPulse, WriteReceipt
from store.columns import PERIOD_SECONDS

RETAIN_EVERY_SECONDS = 600.0  # nearly always it finds nothing to do, which costs nothing
RETAIN_LONGEST_SECONDS = 6 * 3600.0  # between attempts while it fails
PULSE_EVERY_SECONDS = 10.0
PROBE_EVERY_SECONDS = 5.0  # a buffer that nobody has called for so long is asked if it is there
SPOOL_PATIENCE_SECONDS = 120.0  # ingest looks into the spool far more often


class RetainDue:
    """The store is to give up what is off the feed."""


class TidyDue:
    """The table is to forget what is flushed and off the feed."""


class PulseDue:
    """The server is to be asked how its checkpoints and its WAL stand."""


class ProbeDue:
    """The buffer is to be asked whether it answers, if nobody has done so lately."""


@define(kw_only=True)
class Upkeep:
    """Timers of their own, each set anew when its work is done."""

    life: SyncLife
    order_flush: Callable[[FlushOrder], None]
    note_epoch: Callable[[str], None]  # of the buffer
    note_store_epoch: Callable[[str], None]
    retain_backoff: Backoff = field(init=False)
    pulse_taken_at: float = field(default=0.0, init=False)  # trio's clock
    spooled_since: float | None = field(default=None, init=False)  # without an empty spool between

    @retain_backoff.default
    def _new_retain_backoff(self) -> Backoff:
        return self.life.new_backoff(RETAIN_EVERY_SECONDS, RETAIN_LONGEST_SECONDS)

    def start_timers(self) -> None:
        """Set every timer; the first retention does not come while all else starts."""
        self.life.desk.set_timer(RetainDue(), RETAIN_EVERY_SECONDS)
        self.life.desk.set_timer(TidyDue(), self.life.settings.interval_seconds)
        self.life.desk.set_timer(ProbeDue(), PROBE_EVERY_SECONDS)
        if self.life.memory.is_active:
            self.take_pulse()

    # Retention.

    def begin_retention(self) -> None:
        """Let the store drop what is off the feed, by what it knows of it.

        So it must first know what has bonded meanwhile, which stays longer.
        """
        now = self.life.environment.clock()
        overdue = self.life.table.unflushed_before(UnixSeconds(now - RETAIN_NEW_SECONDS))
        if bonded := mints_with_status(self.life, overdue):
            self.order_flush(
                FlushOrder(name="retention", chosen=bonded, then=self._drop_unretained)
            )
        else:
            self._drop_unretained()

    def _drop_unretained(self) -> None:
        now = self.life.environment.clock()
        self.life.store_caller.ask(
            lambda: self.life.stores.store.drop_unretained(now),
            self._note_dropped,
            self._note_drop_failed,
        )

    def _note_dropped(self, receipt: WriteReceipt) -> None:
        """Nobody may ever look at what still waits for tokens that are gone."""
        self.note_store_epoch(receipt.epoch)
        self.retain_backoff.reset()
        self.life.environment.readiness.report_outage("retention", self.life.name, None)
        now = self.life.environment.clock()
        long_ago = UnixSeconds(now - RETAIN_NEW_SECONDS - PERIOD_SECONDS)
        published = self.life.table.published
        gone = self.life.table.unflushed_before(long_ago)
        unbonded = frozenset(mint for mint in gone if published[mint].status < Status.BONDED)
        if unbonded:
            self.order_flush(FlushOrder(name="discard", chosen=unbonded, is_discarded=True))
        self.life.desk.set_timer(RetainDue(), RETAIN_EVERY_SECONDS)

    def _note_drop_failed(self, error: StoreUnavailable) -> None:
        """It costs WAL each time it fails, so it is tried less and less often."""
        wait_seconds = max(RETAIN_EVERY_SECONDS, self.retain_backoff.next_wait_seconds())
        self.life.counts["failed_retentions"] += 1
        self.life.environment.log.error(
            "retention failed", error=str(error), again_seconds=round(wait_seconds)
        )
        self.life.environment.readiness.report_outage("retention", self.life.name, str(error))
        self.life.desk.set_timer(RetainDue(), wait_seconds)

    # Staying bounded.

    def tidy_table(self) -> None:
        """Stay bounded also while idle: an hour of it is nothing, weeks fill any memory."""
        self.life.desk.set_timer(TidyDue(), self.life.settings.interval_seconds)
        table = self.life.table
        table.forget_flushed(self.life.environment.clock())
        if len(table.unflushed) > table.limit:
            self.order_flush(FlushOrder(name="overflow"))
        self._respool_if_lost()

    def _respool_if_lost(self) -> None:
        """New tokens that stay in the spool although Postgres answers were lost by the buffer."""
        table, now = self.life.table, trio.current_time()
        if not table.spooled or self.life.store_caller.is_away:
            self.spooled_since = None
            return
        since = self.spooled_since = now if self.spooled_since is None else self.spooled_since
        if now - since >= SPOOL_PATIENCE_SECONDS:
            tokens = list(table.spooled.values())
            self.life.environment.log.warning("spooling lost tokens again", new_tokens=len(tokens))
            self.life.buffer_caller.ask(
                lambda: self.life.spool_tokens(tokens), lambda _: None, lambda _: None
            )

    # Looking after the stores.

    def take_pulse(self) -> None:
        """One pulse for the watch and the governor; without an answer, the next one tells."""
        now = trio.current_time()
        self.pulse_taken_at = now
        self.life.memory.governor.note_ages(self.life.backlog.measure_ages(now))
        self.life.store_caller.ask(
            self.life.stores.store.read_pulse, self._note_pulse, self._note_missed_pulse
        )

    def _set_pulse_timer(self) -> None:
        """While idle the server is left alone."""
        if self.life.memory.is_active:
            next_at = self.pulse_taken_at + PULSE_EVERY_SECONDS
            self.life.desk.set_timer(PulseDue(), max(0.0, next_at - trio.current_time()))

    def _note_pulse(self, pulse: ServerPulse) -> None:
        self._set_pulse_timer()
        if pulse.epoch is not None:
            self.note_store_epoch(pulse.epoch or NO_EPOCH)
        now = trio.current_time()
        observation = self.life.memory.watch.observe(pulse, now)
        if observation is not None:
            self.life.memory.governor.note_server(
                wal_bytes_per_second=observation.wal_bytes_per_second,
                requested=observation.requested,
                seconds=observation.seconds,
                now=now,
            )

    def _note_missed_pulse(self, _: StoreUnavailable) -> None:
        self._set_pulse_timer()
        self.life.counts["pulses_missed"] += 1

    def probe_buffer(self) -> None:
        """Ask the buffer whether it answers, and has its data, where nobody else has lately."""
        self.life.desk.set_timer(ProbeDue(), PROBE_EVERY_SECONDS)
        caller = self.life.buffer_caller
        if trio.current_time() - caller.last_asked_at >= PROBE_EVERY_SECONDS:
            caller.ask(
                lambda: self.life.stores.buffer.append_observations({}),
                lambda appended: self.note_epoch(appended.epoch),
                lambda _: None,
            )


def mints_with_status(life: SyncLife, mints: Iterable[Mint]) -> frozenset[Mint]:
    """Those of the mints of which a change of status is not in Postgres yet."""
    held = ((mint, life.table.unflushed.get(mint)) for mint in mints)
    return frozenset(mint for mint, seen in held if seen is not None and "status" in seen.values)
