"""The end of sync: what is left goes to the buffer and to Postgres, or to Postgres alone.

    unappended -> buffer -> flush;  while the buffer is away: everything -> store (rescue.py)

The drain is over when every value is durable. While no store takes what is left, it is tried
again until the supervisor ends it; the process then says by its exit code what is unsaved.
"""

from collections.abc import Mapping
from functools import partial

from attrs import define, field

from actors.sync.appender import Appender
from actors.sync.flush import FlushOrder
from actors.sync.flusher import Flusher
from actors.sync.life import SyncLife
from actors.sync.parking import MICROSECONDS
from actors.sync.rescue import Rescue, Rescued
from actors.sync.restoring import Restorer
from domain.errors import StoreUnavailable
from domain.merging import Observations, fold_observations
from domain.messages import TokenUpdated
from domain.values import Mint, Version
from supervision.desk import Retry


class DrainDue:
    """The stores are to be tried again."""


@define(kw_only=True)
class Drainer:
    """Looks after each note whether the drain can go on, and when it is done."""

    life: SyncLife
    restorer: Restorer
    appender: Appender
    flusher: Flusher
    is_draining: bool = field(default=False, init=False)
    is_done: bool = field(default=False, init=False)
    is_flush_ordered: bool = field(default=False, init=False)
    is_rescuing: bool = field(default=False, init=False)
    retry: Retry = field(init=False)

    @retry.default
    def _new_retry(self) -> Retry:
        return self.life.new_retry(DrainDue())

    def begin_drain(self) -> None:
        """No more mail comes: bring what is here to safety."""
        self.is_draining = True
        self.appender.hurry()

    def try_again(self) -> None:
        """The wait after a failed rescue is over."""
        self.retry.end_wait()

    def go_on(self) -> None:
        """The next step of a drain, if it is time for one."""
        if not self.is_draining or self.is_done:
            return
        if self.is_rescuing or self.retry.is_waiting:
            return
        if self.life.buffer_caller.is_away or self.restorer.held is None:
            self._write_past_buffer()
        elif not self.appender.is_done:
            self._append_the_rest()
        elif not self.restorer.is_done:
            self.is_done = True  # Postgres is away, and the buffer has all that came
        elif not self.is_flush_ordered:
            self.is_flush_ordered = True
            self.flusher.order_flush(FlushOrder(name="drain"))
            self.flusher.try_again()
        else:
            # While Postgres is away the buffer keeps the values for the next life.
            is_postgres_away = self.flusher.retry.is_waiting and self.life.store_caller.is_away
            self.is_done = self.flusher.is_done or is_postgres_away

    def _append_the_rest(self) -> None:
        """The appender goes on by itself; in a life that was never restored it begins here."""
        if not self.appender.epoch and self.restorer.held is not None:
            self.appender.begin(self.restorer.held.epoch)
            self.appender.append_next()

    # Past the buffer.

    def _write_past_buffer(self) -> None:
        values = self._values_left()
        spooled = list(self.life.table.spooled.values())
        if not values and not spooled:
            self.is_done = True
            return
        self.is_rescuing = True
        self.life.environment.log.warning(
            "writing past the buffer", tokens=len(values), new_tokens=len(spooled)
        )
        published = self.life.table.published
        ids = {m: t.id for m in values if (t := published.get(m)) is not None and t.id is not None}
        rescue = Rescue(
            values=values,
            ids=ids,
            spooled=spooled,
            version=self._next_version(values),
            batch_rows=self.life.settings.batch_rows,
        )
        self.life.store_caller.ask(
            lambda: rescue.write_all(self.life.stores.store),
            partial(self._note_rescued, rescue),
            self._note_failure,
        )

    def _values_left(self) -> dict[Mint, Observations]:
        """Unflushed values, and over them those that the buffer never got."""
        memory, table = self.life.memory, self.life.table
        left = {mint: seen.reduced_to(seen.values) for mint, seen in table.unflushed.items()}
        for waiting in (memory.in_flight, memory.unappended):
            for mint, seen in waiting.items():
                new = table.select_new(mint, seen)
                if new.values:
                    fold_observations(left.setdefault(mint, Observations()), new)
        return left

    def _next_version(self, values: Mapping[Mint, Observations]) -> Version:
        newest = max((seen.newest for seen in values.values()), default=0)
        now = int(self.life.environment.clock() * MICROSECONDS)
        return Version(max(newest, now) + 1)

    def _note_rescued(self, rescue: Rescue, rescued: Rescued) -> None:
        table, memory = self.life.table, self.life.memory
        for mint, reason in rescued.refused:
            self._quarantine_refused(rescue, mint, reason)
        for token in rescued.stored:
            table.admit_token(token)
        memory.in_flight = {m: s for m, s in memory.in_flight.items() if m not in rescued.mints}
        for mint in rescued.mints:
            memory.unappended.pop(mint, None)
            table.unflushed.pop(mint, None)
        self.is_rescuing = False
        # What is left belongs to tokens that nobody has created: no store takes it.
        self.is_done = True

    def _quarantine_refused(self, rescue: Rescue, mint: Mint, reason: str) -> None:
        """The quarantine is drained after sync: it saves this, or tells that it could not."""
        token = self.life.table.spooled.pop(mint, None)
        if token is not None:
            self.life.quarantine_birth(token, reason)
        elif (seen := rescue.values.get(mint)) is not None:
            update = TokenUpdated(
                mint=mint,
                observed_at=max(map(seen.time_of, seen.values)),
                origin=seen.origin,
                values=dict(seen.values),
            )
            self.life.tell_quarantine([self.life.make_refusal(update, reason)])

    def _note_failure(self, error: StoreUnavailable) -> None:
        """Neither store answers; the buffer may come back as well."""
        self.is_rescuing = False
        self.retry.begin_wait()
