"""The hot score: forward-decayed trading, on a scale that does not move while a token rests.

A trade of `sol` at second t weighs sol * 2^((t - LANDMARK) / half_life); a token's score is
log2 of the sum of its weights. Trades never lose weight, later ones just weigh more, so the
score of a quiet token never changes and needs no writing, while the ORDER of scores at any
moment is that of the exponentially decayed sums.

Source: Cormode, Shkapenyuk, Srivastava, Xu: "Forward Decay: A Practical Time Decay Model for
Streaming Systems", ICDE 2009, section III, with exponential g.
"""

from math import log2

from domain.values import Sol, UnixSeconds

LANDMARK = UnixSeconds(1_735_689_600.0)  # 2025-01-01T00:00:00Z
SMALLEST_TRADE_SOL = Sol(0.001)  # what a trade of unknown or no size counts


def add_trade(score: float | None, sol: Sol, at: UnixSeconds, half_life_seconds: float) -> float:
    """The score after one more trade of `sol`, at `at`."""
    weight = log2(max(sol, SMALLEST_TRADE_SOL)) + (at - LANDMARK) / half_life_seconds
    return weight if score is None else add_scores(score, weight)


def add_scores(score: float, other: float) -> float:
    """The score of all the trades that two scores stand for."""
    greater, smaller = max(score, other), min(score, other)
    return greater + log2(1 + 2.0 ** (smaller - greater))
