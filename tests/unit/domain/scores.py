"""What a hot score means, to hold the code to: the page's card.js computes the same."""

from domain.scoring import LANDMARK
from domain.values import Sol, UnixSeconds


def decayed_sol(score: float, at: UnixSeconds, half_life_seconds: float) -> Sol:
    """SOL of trading that `score` is worth at `at`, each trade halved every half-life."""
    return Sol(2.0 ** (score - (at - LANDMARK) / half_life_seconds))
