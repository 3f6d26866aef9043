"""How long a storm takes: guessed before it begins, and then by what it has taken so far. Pure."""

from attrs import define, field

from commands.storm.trace import Trace

# Of a strategy on a quiet machine of two cores; a busy one takes several times as long, which the
# strategies that are over tell.
START_SECONDS = 2.0
TOKENS_LOADED_A_SECOND = 10_000.0
EVENTS_A_SECOND = 1_000.0


@define
class Duration:
    """Of several strategies on one trace."""

    strategies: int
    guessed_seconds: float  # for one of them
    _over: int = field(init=False, default=0)
    _spent_seconds: float = field(init=False, default=0.0)

    @classmethod
    def guess(cls, strategies: int, trace: Trace) -> "Duration":
        """What the size of the trace lets expect."""
        updates, births = trace.counts()
        seconds = START_SECONDS + trace.tokens / TOKENS_LOADED_A_SECOND
        return cls(strategies, seconds + (updates + births) / EVENTS_A_SECOND)

    def note_end(self, seconds: float) -> None:
        """One strategy more is over, and has taken so long."""
        self._over += 1
        self._spent_seconds += seconds

    def describe_start(self) -> str:
        """How long all of it will take."""
        seconds = self.strategies * self.guessed_seconds
        count = "1 strategy" if self.strategies == 1 else f"{self.strategies} strategies"
        return f"{count}: {_round(seconds)} on a quiet machine"

    def describe_rest(self) -> str:
        """How long the rest will take; empty at the end."""
        left = self.strategies - self._over
        if not left:
            return ""
        return f"{_round(left * self._spent_seconds / self._over)} more, at this pace"


def _round(seconds: float) -> str:
    if seconds < 50:
        return f"about {max(round(seconds / 10), 1) * 10} seconds"
    minutes = max(round(seconds / 60), 1)
    return f"about {minutes} minute{'s' if minutes > 1 else ''}"
