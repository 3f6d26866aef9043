"""How fast the market's time passes.

At `speed` 1 a market second takes a second. A time-lapse at the start lets the market's first
minutes pass in a few seconds, so that a demo soon shows tokens of every stage of life.
"""

from attrs import define, field, frozen

from domain.values import UnixSeconds
from supervision import WallClock

SLOTS_PER_SECOND = 2.5
SLOT_AT_START = 451_430_452


def slot(market_seconds: float) -> int:
    """The chain's slot at a moment of the market's life."""
    return SLOT_AT_START + int(market_seconds * SLOTS_PER_SECOND)


@frozen(kw_only=True)
class TimeLapse:
    """Market seconds that pass within real seconds, once, at the start."""

    market_seconds: float = 0.0
    real_seconds: float = 0.0


@define(kw_only=True)
class MarketClock:
    """Stands at 0 until `start`; before that, the market does not move."""

    wall_clock: WallClock
    speed: float = 1.0
    lapse: TimeLapse = field(factory=TimeLapse)
    started_at: UnixSeconds | None = None

    def start(self) -> None:
        """Let time pass; harmless when it does already."""
        if self.started_at is None:
            self.started_at = self.wall_clock()

    def now(self) -> float:
        """Seconds of the market's life."""
        if self.started_at is None:
            return 0.0
        elapsed = max(self.wall_clock() - self.started_at, 0.0)
        if elapsed < self.lapse.real_seconds:
            return elapsed * self.lapse.market_seconds / self.lapse.real_seconds
        return self.lapse.market_seconds + (elapsed - self.lapse.real_seconds) * self.speed

    def wall_time(self, market_seconds: float) -> UnixSeconds:
        """When a moment of the market's life was, as its clients see it."""
        return UnixSeconds(self.wall_clock() - (self.now() - market_seconds) / self.speed)
