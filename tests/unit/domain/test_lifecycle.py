"""From birth to the pool: what the curve says, and what only an event may say."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from domain.lifecycle import (
    CURVE_SOL_AT_BIRTH,
    CURVE_SOL_AT_COMPLETION,
    CURVE_TOKENS_AT_BIRTH,
    CURVE_TOKENS_AT_COMPLETION,
    bonding_progress,
    is_retained,
    is_silent,
    shown_status,
    sol_raised,
    sol_to_graduate,
    status_from_progress,
)
from domain.token import Status
from domain.values import Sol, UnixSeconds
from tests.unit.domain.tokens import BIRTH, token

HOUR = 3600.0
curve_tokens = st.floats(0, 2 * CURVE_TOKENS_AT_BIRTH)


def test_progress_is_zero_at_birth() -> None:
    """Defect 1: the system before this one showed 35 % at birth."""
    assert 0.0 == bonding_progress(CURVE_TOKENS_AT_BIRTH)


def test_progress_is_complete_when_all_is_sold() -> None:
    assert 100.0 == bonding_progress(CURVE_TOKENS_AT_COMPLETION)


@given(curve_tokens)
def test_progress_is_a_percentage(tokens_left: float) -> None:
    assert 0.0 <= bonding_progress(tokens_left) <= 100.0


@given(curve_tokens, curve_tokens)
def test_progress_never_falls_when_tokens_are_sold(one: float, other: float) -> None:
    more, less = max(one, other), min(one, other)
    assert bonding_progress(more) <= bonding_progress(less)


def test_curve_takes_85_sol_from_birth_to_completion() -> None:
    assert 0.0 == sol_raised(Sol(CURVE_SOL_AT_BIRTH))
    assert pytest.approx(85.005, abs=0.001) == sol_to_graduate(Sol(CURVE_SOL_AT_BIRTH))
    assert 0.0 == sol_to_graduate(Sol(CURVE_SOL_AT_COMPLETION))


@given(st.floats(CURVE_SOL_AT_BIRTH, CURVE_SOL_AT_COMPLETION))
def test_sol_raised_and_sol_to_graduate_sum_to_the_whole_curve(curve_sol: float) -> None:
    whole = CURVE_SOL_AT_COMPLETION - CURVE_SOL_AT_BIRTH
    parts = sol_raised(Sol(curve_sol)) + sol_to_graduate(Sol(curve_sol))
    assert parts == pytest.approx(whole)


@pytest.mark.parametrize(
    ("progress", "status"),
    [(0.0, Status.NEW), (79.99, Status.NEW), (80.0, Status.GRADUATING), (100.0, Status.GRADUATING)],
)
def test_no_percentage_makes_a_token_bonded(progress: float, status: Status) -> None:
    assert status_from_progress(progress) == status


def test_unbonded_token_is_silent_four_hours_after_its_last_trade() -> None:
    traded = token(last_trade_at=UnixSeconds(BIRTH + HOUR))
    assert not is_silent(traded, UnixSeconds(BIRTH + 5 * HOUR - 0.001))
    assert is_silent(traded, UnixSeconds(BIRTH + 5 * HOUR))


def test_token_that_was_never_traded_is_silent_four_hours_after_its_birth() -> None:
    assert not is_silent(token(), UnixSeconds(BIRTH + 4 * HOUR - 0.001))
    assert is_silent(token(), UnixSeconds(BIRTH + 4 * HOUR))


def test_bonded_token_is_never_silent() -> None:
    assert not is_silent(token(status=Status.BONDED), UnixSeconds(BIRTH + 100 * HOUR))


def test_new_token_is_retained_48_hours_from_birth() -> None:
    assert is_retained(token(), UnixSeconds(BIRTH + 48 * HOUR - 0.001))
    assert not is_retained(token(), UnixSeconds(BIRTH + 48 * HOUR))


def test_bonded_token_is_retained_72_hours_from_bonding() -> None:
    bonded = token(status=Status.BONDED, status_changed_at=UnixSeconds(BIRTH + 40 * HOUR))
    assert is_retained(bonded, UnixSeconds(BIRTH + 112 * HOUR - 0.001))
    assert not is_retained(bonded, UnixSeconds(BIRTH + 112 * HOUR))


def test_silent_token_is_shown_as_dead_unless_it_is_bonded() -> None:
    graduating = token(status=Status.GRADUATING)
    assert "GRADUATING" == shown_status(graduating)
    assert "DEAD" == shown_status(evolve(graduating, silent=True))
    assert "BONDED" == shown_status(evolve(graduating, silent=True, status=Status.BONDED))
