"""Time and order in a simulation: a clock that jumps, and a scheduler that the seed decides.

Time stands still while anything can run. Trio asks its clock how long to wait only when no task
can run; this one answers by being at the next deadline already. `trio.testing.MockClock` does the
same with `autojump_threshold=0`, but takes the statistics of the whole event loop for each jump.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

import trio
from attrs import define


@define(eq=False)
class JumpingClock(trio.abc.Clock):
    """Seconds since the start of the simulation; no socket and no thread is waited for."""

    now: float = 0.0

    def start_clock(self) -> None:
        pass  # it begins at 0

    def current_time(self) -> float:
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        if deadline == inf:
            return deadline  # nothing is left but the end of the run, of which Trio tells itself
        self.now = max(self.now, deadline)
        return 0.0

    def jump(self, seconds: float) -> None:
        """Let time pass while nothing runs, as when the event loop is stalled."""
        self.now += seconds


@contextmanager
def scheduling_by_seed(seed: int) -> Iterator[None]:
    """Within the block Trio chooses among the tasks that are ready by the seed.

    These are Trio's own switches for its tests and for Hypothesis: it has no public ones.
    """
    switches: Any = trio._core._run
    switches._ALLOW_DETERMINISTIC_SCHEDULING = True
    switches._r.seed(seed)
    try:
        yield
    finally:
        switches._ALLOW_DETERMINISTIC_SCHEDULING = False
