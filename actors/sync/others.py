"""What other programs write through the view, and what they watch, as updates like any other.

    OthersDue  -> store.read_overlay -> TokenUpdated -> appender; watchers -> table
               -> store.settle_overlay, once Postgres has it in our rows, or something newer
    WatchesDue -> store.count_watches -> store.set_watchers -> the overlay, and so the above

The overlay is durable, and the view shows it over our rows. So a text may wait there: for somebody
to look, for the buffer to come back, for the flush. Nothing is lost if it is read again.

Watchers of others never mix with the service's own: those are counted by activity, stored and
flushed as before, and both are added where they are shown, here and in the view.
"""

from collections.abc import Callable, Iterable
from math import inf

import trio
from attrs import define, field, frozen

from actors.sync.life import SyncLife
from domain.chunks import chunks
from domain.errors import StoreUnavailable
from domain.messages import TokenUpdated
from domain.values import Mint, UnixSeconds, Value
from store import FIRST_POSITION, OverlayPage, OverlayPosition, OverlayRow, WatchCounts

ORIGIN = "others"
OUTAGE = "watch table"
READ_EVERY_SECONDS = 5.0  # while somebody looks
ROWS_A_PAGE = 500  # a full page is followed by the next at once
WHOLE_EVERY_SECONDS = 3600.0  # all of it, to forget rows that have gone with their tokens
ROWS_A_SETTLING = 500  # the others wait for the next look
WATCHED_MINTS = 10_000  # the most watched ones; watchers of more are not counted


class OthersDue:
    """The overlay is to be read."""


class WatchesDue:
    """Others' table of watches is to be counted."""


@frozen(kw_only=True)
class WatchPlan:
    """Whose watches are counted, beside those of the service's clients."""

    table: str = ""  # as `config.table_name` reads it; empty: none
    interval_seconds: float = 300.0


@define(kw_only=True)
class Others:
    """Reads the overlay and settles it; counts others' watches, where they have a table of them."""

    # What it is given.
    life: SyncLife
    plan: WatchPlan
    add_update: Callable[[TokenUpdated], None]
    append: Callable[[], None]
    # State.
    position: OverlayPosition = field(default=FIRST_POSITION, init=False)
    begun_at: OverlayPosition = field(default=FIRST_POSITION, init=False)  # the pass under way
    horizon: int = field(default=0, init=False)  # of that pass, by its first page
    whole_at: float = field(default=-inf, init=False)  # began at; trio's clock
    seen: set[Mint] | None = field(default=None, init=False)  # in such a pass
    is_reading: bool = field(default=False, init=False)
    is_counting: bool = field(default=False, init=False)
    counted_at: float = field(default=-inf, init=False)  # trio's clock

    # When.

    def resume(self) -> None:
        """Somebody looks: read at once, and count if it is time to."""
        self.read_overlay()
        if self.plan.table:
            self._set_count_timer()

    def rest(self) -> None:
        """Nobody looks: what others write waits in the overlay."""
        self.life.desk.stop_timer(OthersDue)
        self.life.desk.stop_timer(WatchesDue)

    def _set_read_timer(self) -> None:
        if self.life.memory.is_active:
            self.life.desk.set_timer(OthersDue(), READ_EVERY_SECONDS)

    def _set_count_timer(self) -> None:
        if self.life.memory.is_active:
            due_at = self.counted_at + self.plan.interval_seconds
            self.life.desk.set_timer(WatchesDue(), max(0.0, due_at - trio.current_time()))

    # Reading.

    def read_overlay(self) -> None:
        """Read on from where the last look ended, a page a call."""
        if self.is_reading:
            return
        self.is_reading = True
        if trio.current_time() - self.whole_at >= WHOLE_EVERY_SECONDS:
            self.position, self.seen = FIRST_POSITION, set()
        self.begun_at = self.position
        self._ask_for_page(is_first=True)

    def _ask_for_page(self, *, is_first: bool) -> None:
        self.life.store_caller.ask(
            lambda: self.life.stores.store.read_overlay(self.position, ROWS_A_PAGE),
            lambda page: self._note_page(page, is_first=is_first),
            self._note_failure,
        )

    def _note_page(self, page: OverlayPage, *, is_first: bool) -> None:
        if is_first:
            self.horizon = page.horizon
        changed = [row.mint for row in page.rows if self._take_watchers(row)]
        for row in page.rows:
            self._take_texts(row)
        if self.seen is not None:
            self.seen.update(row.mint for row in page.rows)
        self.life.publish(changed)
        self.append()
        if len(page.rows) == ROWS_A_PAGE:
            self.position = page.rows[-1].change_id, page.rows[-1].mint
            self._ask_for_page(is_first=False)
            return
        self.position = self.horizon, ""
        self.is_reading = False
        if self.seen is not None:
            self._forget_unseen(self.seen)
            self.whole_at, self.seen = trio.current_time(), None
        self._settle_next()
        self._set_read_timer()

    def _note_failure(self, _: StoreUnavailable) -> None:
        """Postgres is away, which is told elsewhere. Only a whole pass is sure to miss nobody."""
        self.is_reading = False
        self.position = self.begun_at
        self._set_read_timer()

    def _forget_unseen(self, seen: set[Mint]) -> None:
        """What a pass from the beginning has not met has gone, with its token or otherwise."""
        table = self.life.table
        for known in (
            table.outside_watchers,
            table.owed_to_others,
            self.life.memory.taken_from_others,
        ):
            gone = known.keys() - seen
            for mint in gone:
                del known[mint]
            if known is table.outside_watchers:
                self.life.publish(gone)

    def _take_watchers(self, row: OverlayRow) -> bool:
        """Note others' watchers of a token; True when they have changed."""
        watchers = self.life.table.outside_watchers
        before = watchers.pop(row.mint, 0)
        if row.watchers:
            watchers[row.mint] = row.watchers
        return row.watchers != before

    def _take_texts(self, row: OverlayRow) -> None:
        """Make updates of texts that were not taken yet, each observed when it was written."""
        owed = self.life.table.owed_to_others
        memory = self.life.memory.taken_from_others
        taken = memory.get(row.mint, {})
        now = self.life.environment.clock()  # the server's may be ahead
        by_time: dict[UnixSeconds, dict[str, Value]] = {}
        for name, text in row.texts.items():
            at = row.written_at[name]
            if at > taken.get(name, -inf):
                by_time.setdefault(min(at, now), {})[name] = text
        for at, values in sorted(by_time.items()):
            self.add_update(
                TokenUpdated(mint=row.mint, observed_at=at, origin=ORIGIN, values=values)
            )
        self.life.counts["taken_from_others"] += len(by_time)
        if row.texts or not row.watchers:
            owed[row.mint] = row
        if row.texts:
            memory[row.mint] = row.written_at

    # Settling.

    def _settle_next(self) -> None:
        """Remove from the overlay what our rows have by now."""
        owed = self.life.table.owed_to_others
        settled = [row for row in owed.values() if self._is_settled(row)][:ROWS_A_SETTLING]
        if settled:
            self.life.store_caller.ask(
                lambda: self.life.stores.store.settle_overlay(
                    [(row.mint, row.change_id) for row in settled]
                ),
                self._note_settled,
                lambda _: None,
            )

    def _is_settled(self, row: OverlayRow) -> bool:
        """True when no value of its texts waits anywhere: Postgres has it, or a newer one."""
        table, memory = self.life.table, self.life.memory
        names = row.texts.keys()
        waiting = (memory.unappended, memory.in_flight, table.unflushed)
        return names.isdisjoint(table.shelved.get(row.mint, ())) and not any(
            row.mint in values and not names.isdisjoint(values[row.mint].values)
            for values in waiting
        )

    def _note_settled(self, mints: Iterable[Mint]) -> None:
        """Others that were tried are held or changed by somebody, and stay owed."""
        for mint in mints:
            self.life.table.owed_to_others.pop(mint, None)
            self.life.memory.taken_from_others.pop(mint, None)

    # Watches.

    def count_watches(self) -> None:
        """Count others' watches; each interval while somebody looks."""
        if not self.is_counting:
            self.is_counting = True
            self.counted_at = trio.current_time()
            self.life.store_caller.ask(
                lambda: self.life.stores.store.count_watches(self.plan.table, WATCHED_MINTS),
                self._note_watches,
                self._end_count,
            )

    def _note_watches(self, told: WatchCounts) -> None:
        self.life.environment.readiness.report_outage(OUTAGE, self.life.name, told.problem)
        if told.problem is not None:
            self._end_count()
            return
        changed = self._find_changed(told)
        self.life.store_caller.ask(
            lambda: self._set_watchers(changed), self._note_watchers_set, self._end_count
        )

    def _find_changed(self, told: WatchCounts) -> dict[Mint, int]:
        """Mints of tokens whose watchers are not as they were; 0 for what nobody watches more."""
        known, tokens = self.life.table.outside_watchers, self.life.table.published
        counts = {
            mint: count for mint, count in told.counts.items() if mint in tokens or mint in known
        }
        wanted = {**dict.fromkeys(known, 0), **counts}
        return {mint: count for mint, count in wanted.items() if count != known.get(mint, 0)}

    async def _set_watchers(self, counts: dict[Mint, int]) -> None:
        for part in chunks(counts.items(), self.life.settings.batch_rows):
            await self.life.stores.store.set_watchers(dict(part))

    def _note_watchers_set(self, _: None) -> None:
        self.read_overlay()
        self._end_count()

    def _end_count(self, _: object = None) -> None:
        self.is_counting = False
        self._set_count_timer()
