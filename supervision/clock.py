"""The wall clock, made steady: its readings never go back.

    time.time, time.monotonic  ->  SteadyClock  ->  every `observed_at`, version and retention

Of two observations of a value the later one wins. A wall clock that is set back by two hours would
make every new observation the older one: known coins would stand still until it has caught up. So
after a step back this clock goes on from where it was, at half speed, until the wall clock has
caught up with it, as a clock is slewed by NTP (RFC 5905, section 12).
"""

from collections.abc import Callable
from threading import Lock
from typing import Any

from attrs import define, field

from domain.values import UnixSeconds

STEP_SECONDS = 1.0  # a smaller difference is a correction, and not told
CATCH_UP_SPEED = 0.5  # seconds a second, while the wall clock is behind
MOST_AHEAD_SECONDS = 86_400.0  # an earlier life that was further ahead is not believed


@define(kw_only=True, eq=False)
class SteadyClock:
    """Seconds since 1970, to the millisecond that Postgres and the feed keep; for any thread."""

    read_wall: Callable[[], float]
    read_monotonic: Callable[[], float]
    log: Any
    steps_back: int = field(default=0, init=False)
    steps_forward: int = field(default=0, init=False)
    _now: float = field(init=False)  # the last reading
    _wall: float = field(init=False)
    _moment: float = field(init=False)  # of the last reading, on the monotonic clock
    _lock: Lock = field(factory=Lock, init=False)

    def __attrs_post_init__(self) -> None:
        self._now = self._wall = self.read_wall()
        self._moment = self.read_monotonic()

    def __call__(self) -> UnixSeconds:
        """The time now; never earlier than any reading before."""
        with self._lock:
            wall, moment = self.read_wall(), self.read_monotonic()
            elapsed_seconds = max(0.0, moment - self._moment)
            step_seconds = wall - (self._wall + elapsed_seconds)
            self._wall, self._moment = wall, moment
            self._now = max(wall, self._now + CATCH_UP_SPEED * elapsed_seconds * (wall < self._now))
            now = UnixSeconds(round(self._now, 3))
        if abs(step_seconds) >= STEP_SECONDS:
            self._tell_step(step_seconds)
        return now

    def raise_to(self, moment: UnixSeconds) -> None:
        """An earlier life has observed something at `moment`: what comes now is later.

        A moment more than a day ahead is a mistake of its own, and is not followed.
        """
        now = self()
        if now < moment <= now + MOST_AHEAD_SECONDS:
            with self._lock:
                self._now = max(self._now, moment)
            self.log.warning("clock is behind what is stored", seconds=round(moment - now, 3))

    def _tell_step(self, seconds: float) -> None:
        if seconds < 0:
            self.steps_back += 1
            self.log.warning("clock stepped back", seconds=round(-seconds, 3))
        else:
            self.steps_forward += 1
            self.log.warning("clock stepped forward", seconds=round(seconds, 3))
