"""History: looks at the process every second, and keeps what it has seen.

    Look (supervisor, governor ...)  ->  HistoryKeeper  ->  events, a point in 15 s  ->  Redis

A look costs some two milliseconds, a point one small write. It is a source as the streams are: it
has no inbox, nothing waits for it, and a drain cancels it, last of all. While Redis is away it goes
on looking; what it could not save waits in its memory, bounded, and is saved with the next point.
"""

from collections import Counter
from collections.abc import Callable

import trio
from attrs import define, field

from actors.history.memory import HistoryMemory
from actors.history.sampling import list_events, measure_point
from buffer.history import HistoryShelf
from domain.errors import BufferUnavailable
from domain.operations import Look
from domain.snapshots import Snapshot, counter, detail, gauge, snapshot_class
from supervision.environment import Environment

NAME = "history"
LOOK_SECONDS = 1.0  # an event is told that late; what begins and ends between is not seen
POINT_SECONDS = 15.0
LAST_SAVE_SECONDS = 0.5  # for the last words of a process that drains


@snapshot_class
class HistorySnapshot(Snapshot):
    points: int = gauge("Points of 15 s that are kept here.")
    coarse_points: int = gauge("Points of five minutes that are kept here.")
    events: int = gauge("Events that are kept here.")
    unsaved: int = gauge("Points and events that Redis does not have yet.")
    saves: int = counter("Saves that Redis has answered.")
    failed_saves: int = counter("Saves that Redis did not answer; they are repeated.")
    problem: str | None = detail("Why the last save failed.")


@define(kw_only=True)
class HistoryKeeper:
    """Keeps the history of the process."""

    shelf: HistoryShelf
    take_look: Callable[[], Look]
    memory: HistoryMemory
    environment: Environment
    # State.
    seen: Look | None = field(default=None, init=False)  # the look before
    measured: Look | None = field(default=None, init=False)  # where the last point ended
    longest_lag_seconds: float = field(default=0.0, init=False)  # since the last point
    most_problems: int = field(default=0, init=False)  # likewise
    has_unsaved: trio.Event = field(factory=trio.Event, init=False)
    counts: Counter[str] = field(factory=Counter, init=False)
    problem: str | None = field(default=None, init=False)

    async def run(self) -> None:
        """Look and save until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_saving)
            await self._keep_looking()

    def snapshot(self) -> HistorySnapshot:
        unsaved = self.memory.list_unsaved()
        return HistorySnapshot(
            points=len(self.memory.points),
            coarse_points=len(self.memory.coarse),
            events=len(self.memory.events),
            unsaved=len(unsaved.points) + len(unsaved.coarse) + len(unsaved.events),
            saves=self.counts["saves"],
            failed_saves=self.counts["failed_saves"],
            problem=self.problem,
        )

    # Looking.

    async def _keep_looking(self) -> None:
        began_at = due_at = trio.current_time()
        while True:
            now = trio.current_time()
            # Trio wakes a task as soon as it can: how late it is tells how busy the loop was.
            self.longest_lag_seconds = max(self.longest_lag_seconds, now - due_at)
            self._look(makes_point=now - began_at >= POINT_SECONDS)
            if now - began_at >= POINT_SECONDS:
                began_at = now
            due_at = now + LOOK_SECONDS
            try:
                await trio.sleep_until(due_at)
            except trio.Cancelled:
                await self._save_last_words()
                raise

    def _look(self, *, makes_point: bool) -> None:
        look = self.take_look()
        change = self.memory.note_problems(look.problems, look.at)
        self.most_problems = max(self.most_problems, len(look.problems))
        if not self.memory.has_begun:
            self.memory.has_begun = True
            self.memory.note_event(look.at, "service", "The service started.")
        for kind, words in list_events(self.seen, look, change):
            self.memory.note_event(look.at, kind, words)
        self.seen = look
        if self.measured is None:
            self.measured = look
        elif makes_point:
            self._add_point(self.measured, look)

    def _add_point(self, before: Look, look: Look) -> None:
        gauges = {
            "loop_lag_seconds": self.longest_lag_seconds,
            "problems": float(self.most_problems),
        }
        self.memory.add_point(measure_point(before, look, gauges))
        self.measured, self.longest_lag_seconds, self.most_problems = look, 0.0, 0
        self.has_unsaved.set()

    # Saving.

    async def _keep_saving(self) -> None:
        """Save with each point; what an earlier process has left is read before the first save."""
        while True:
            await self._save()
            await self.has_unsaved.wait()
            self.has_unsaved = trio.Event()

    async def _save(self) -> None:
        batch = self.memory.list_unsaved()
        try:
            if not self.memory.is_loaded:
                self.memory.take_stored(await self.shelf.read_history())
            await self.shelf.append_history(batch)
        except BufferUnavailable as error:
            self.counts["failed_saves"] += 1
            self.problem = str(error)
            return
        self.counts["saves"] += 1
        self.problem = None
        self.memory.note_saved(batch)

    async def _save_last_words(self) -> None:
        """Look once more, and save, unless Redis is away: the end of a drain is an event."""
        self._look(makes_point=False)
        if self.problem is None:
            with trio.move_on_after(LAST_SAVE_SECONDS, shield=True):
                await self._save()
