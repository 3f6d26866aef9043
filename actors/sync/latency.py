"""How long a commit usually takes, so that an unusual one can be told.

A commit of many rows takes longer than one of few, so each power of two of rows has a usual time
of its own. It is learnt slowly, and from what is too slow even more slowly: a rival that comes
and goes is noticed, and a server that has become slower for good is in time the new usual.
"""

from attrs import Factory, define

FACTOR = 4.0  # times the usual is too slow
LEAST_SECONDS = 0.1  # what is faster is never too slow
LEARNING, LEARNING_SLOWLY = 0.1, 0.02
KNOWN_AFTER = 5  # commits of a size


@define
class UsualLatency:
    """By the number of binary digits of a commit's rows; at most 30 sizes."""

    usual_seconds: dict[int, float] = Factory(dict)
    seen: dict[int, int] = Factory(dict)

    def note_commit(self, rows: int, seconds: float) -> float | None:
        """Learn from a commit; its usual time when it took much longer than that."""
        size = min(rows, 1 << 29).bit_length()
        usual = self.usual_seconds.setdefault(size, seconds)
        self.seen[size] = seen = self.seen.get(size, 0) + 1
        is_slow = seen > KNOWN_AFTER and seconds > max(LEAST_SECONDS, FACTOR * usual)
        learning = LEARNING_SLOWLY if is_slow else LEARNING
        self.usual_seconds[size] = usual + learning * (seconds - usual)
        return usual if is_slow else None
