"""The heartbeat of the event loop, by which another thread sees that the loop stands still.

    Service  --keep_beating-->  Heartbeat  <--watched by--  StallWatch (a thread of LoopMonitor)
                                           -->  EventLoopDump  -->  dump, metrics

Two beats and four looks a second cost a little under a millisecond of CPU time a second.
"""

import time

import trio
from attrs import define

from domain.snapshots import Snapshot, counter, detail, gauge, snapshot_class
from supervision.thread_stacks import ThreadDump, read_thread_stacks

BEAT_SECONDS = 0.5
# Between two beats. What blocks the loop for so long is told and counted; so is what blocks it for
# half of that, if it begins just before a beat.
STALL_SECONDS = 1.0


@snapshot_class
class EventLoopDump(Snapshot):
    """The event loop, and what every thread does while it is blocked."""

    state: str = detail("Running, or for how long it has been blocked.")
    stalls: int = counter("Times that the event loop stood still for a second or longer.")
    stalled_seconds: float = counter("How long it stood still in all of them.")
    longest_stall_seconds: float = gauge("How long it stood still in the longest of them.")
    threads: tuple[ThreadDump, ...] = detail("Every thread with its stack, while it is blocked.")


@define(eq=False)
class Heartbeat:
    """When the event loop last ran, and how often it did not; any thread may read it."""

    beaten_at: float | None = None  # on time.monotonic(); None while no loop beats
    stalls: int = 0
    stalled_seconds: float = 0.0
    longest_stall_seconds: float = 0.0
    last_stall_seconds: float = 0.0

    async def keep_beating(self) -> None:
        """Beat for ever; the end of this is no stall."""
        try:
            while True:
                self.beat()
                await trio.sleep(BEAT_SECONDS)
        finally:
            self.beaten_at = None

    def beat(self) -> None:
        """The event loop runs now."""
        seconds = self.silent_seconds
        self.beaten_at = time.monotonic()
        if seconds >= STALL_SECONDS:
            self.stalls += 1
            self.stalled_seconds += seconds
            self.longest_stall_seconds = max(self.longest_stall_seconds, seconds)
            self.last_stall_seconds = seconds

    @property
    def silent_seconds(self) -> float:
        """How long ago the last beat was; 0 while no loop beats."""
        beaten_at = self.beaten_at
        return 0.0 if beaten_at is None else time.monotonic() - beaten_at

    def describe_loop(self) -> EventLoopDump:
        """As the event loop asks for it: running; as another thread does: blocked."""
        is_blocked = not trio.lowlevel.in_trio_run()
        return EventLoopDump(
            state=f"blocked for {self.silent_seconds:.1f} s" if is_blocked else "running",
            stalls=self.stalls,
            stalled_seconds=self.stalled_seconds,
            longest_stall_seconds=self.longest_stall_seconds,
            threads=read_thread_stacks() if is_blocked else (),
        )
