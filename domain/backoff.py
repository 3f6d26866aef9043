"""The waits between attempts, wherever something is tried again: doubled, jittered, bounded.

Source of the jitter: Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
"""

from random import Random

from attrs import define, field

MOST_DOUBLINGS = 60  # beyond, a float overflows, and the longest wait is reached long before


@define(kw_only=True)
class Backoff:
    """Waits that double up to the longest one; each is cut by up to a half, by chance."""

    first_seconds: float
    longest_seconds: float
    random: Random
    attempts: int = field(default=0, init=False)  # since the last success

    def next_wait_seconds(self) -> float:
        """How long to wait before the next attempt; counts it."""
        doublings = min(self.attempts, MOST_DOUBLINGS)
        self.attempts += 1
        wait_seconds = min(self.first_seconds * 2.0**doublings, self.longest_seconds)
        return wait_seconds * self.random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """An attempt has succeeded: the next wait is a first one again."""
        self.attempts = 0
