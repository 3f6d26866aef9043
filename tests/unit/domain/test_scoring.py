"""The hot score, held against what it stands for: a sum in which every trade halves."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.scoring import SMALLEST_TRADE_SOL, add_scores, add_trade
from domain.values import Sol, UnixSeconds
from tests.unit.domain.scores import decayed_sol
from tests.unit.domain.tokens import BIRTH

HALF_LIFE_SECONDS = 1800.0
MINUTE = 60.0

Trade = tuple[float, float]  # seconds after BIRTH, SOL

trades = st.lists(st.tuples(st.floats(0, 86_400), st.floats(0.001, 100)), min_size=1, max_size=20)


def scored(history: list[Trade]) -> float:
    score: float | None = None
    for after, sol in history:
        score = add_trade(score, Sol(sol), UnixSeconds(BIRTH + after), HALF_LIFE_SECONDS)
    assert score is not None
    return score


def brute_force_sol(history: list[Trade], at: float) -> float:
    weights = (float(0.5 ** ((at - after) / HALF_LIFE_SECONDS)) for after, _ in history)
    return sum(sol * weight for (_, sol), weight in zip(history, weights, strict=True))


def worth(score: float, after: float) -> float:
    return decayed_sol(score, UnixSeconds(BIRTH + after), HALF_LIFE_SECONDS)


def test_score_is_worth_its_trade_at_once() -> None:
    assert pytest.approx(8) == worth(scored([(0, 8)]), 0)


def test_score_halves_every_half_life() -> None:
    score = scored([(0, 8)])
    assert pytest.approx([4, 2, 1]) == [worth(score, n * HALF_LIFE_SECONDS) for n in (1, 2, 3)]


@given(trades, st.floats(0, 172_800))
def test_score_is_worth_the_exponentially_decayed_sum(history: list[Trade], later: float) -> None:
    at = max(after for after, _ in history) + later
    assert worth(scored(history), at) == pytest.approx(brute_force_sol(history, at), rel=1e-6)


@given(st.lists(trades, min_size=2, max_size=6), st.floats(0, 86_400))
def test_order_of_scores_is_that_of_the_decayed_sums(
    histories: list[list[Trade]], later: float
) -> None:
    at = max(after for history in histories for after, _ in history) + later
    sums = sorted(brute_force_sol(history, at) for history in histories)
    assume(all(more > less * (1 + 1e-6) for less, more in pairwise(sums)))  # no ties
    by_score = sorted(histories, key=scored)
    by_sum = sorted(histories, key=lambda history: brute_force_sol(history, at))
    assert by_sum == by_score


@given(trades, st.floats(0, 86_400), st.floats(0, 100))
def test_every_trade_raises_the_score(history: list[Trade], after: float, sol: float) -> None:
    before = scored(history)
    assert add_trade(before, Sol(sol), UnixSeconds(BIRTH + after), HALF_LIFE_SECONDS) >= before


@given(trades, trades)
def test_scores_of_two_parts_are_together_the_score_of_the_whole(
    one: list[Trade], other: list[Trade]
) -> None:
    assert add_scores(scored(one), scored(other)) == pytest.approx(scored(one + other))


@given(trades, st.randoms())
def test_order_of_trades_does_not_matter(history: list[Trade], random: object) -> None:
    shuffled = list(history)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert scored(shuffled) == pytest.approx(scored(history))


def test_trade_without_size_counts_as_the_smallest() -> None:
    assert scored([(0, 0.0)]) == scored([(0, SMALLEST_TRADE_SOL)])


def test_busy_coin_outranks_a_dead_ten_minute_old_one() -> None:
    """Defect 15: the score before this one knew ages, and no trades."""
    busy_day_old = [(86_400 + 10 * MINUTE - second, 0.2) for second in range(0, 600, 10)]
    dead_newcomer = [(86_400.0, 4.94)]  # a large dev buy at birth, and nothing since
    assert scored(busy_day_old) > scored(dead_newcomer)
