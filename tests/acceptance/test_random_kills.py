"""Service, Redis and Postgres killed and stopped at random under load: the run, and its judge."""

from functools import partial

import pytest
import trio

from benchmarks.random_kills import plan_turns, strike
from benchmarks.random_kills_truth import QUIET_SECONDS, Truth, Values, find_missing
from benchmarks.random_kills_world import VICTIMS
from domain.token import Status
from domain.values import Mint

MINT, OTHER = Mint("mint"), Mint("other")
YOUNG = Values(status=Status.NEW, sol_raised=1.0)
OLDER = Values(status=Status.NEW, sol_raised=2.0)
BONDED = Values(status=Status.BONDED, sol_raised=2.0)


# -- The judge -----------------------------------------------------------------------------


class Hand:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def truth(hand: Hand) -> Truth:
    return Truth(hand)


def test_a_value_that_was_told_in_quiet_is_missed(truth: Truth, hand: Hand) -> None:
    truth.note_told(MINT, YOUNG, "first", is_birth=True)
    truth.note_told(MINT, BONDED, "first")
    hand.now += QUIET_SECONDS
    truth.settle("first")
    assert {} == find_missing(truth.due, {MINT: BONDED})
    for found in ({}, {MINT: OLDER}, {MINT: Values(status=Status.BONDED, sol_raised=1.0)}):
        assert [MINT] == list(find_missing(truth.due, found))


def test_what_was_told_just_before_a_kill_is_counted_and_not_missed(
    truth: Truth, hand: Hand
) -> None:
    truth.note_told(MINT, YOUNG, "first", is_birth=True)
    hand.now += QUIET_SECONDS
    truth.settle("first")
    truth.note_told(MINT, BONDED, "first")
    truth.note_told(OTHER, YOUNG, "first", is_birth=True)
    hand.now += QUIET_SECONDS
    truth.settle("second")
    assert {} == find_missing(truth.due, {MINT: YOUNG})
    assert {"bonded": 1, "births": 1} == truth.in_flight


def test_what_was_shown_is_missed_however_soon_the_kill_came(truth: Truth) -> None:
    truth.note_told(MINT, YOUNG, "first", is_birth=True)
    truth.note_shown("boards", MINT, BONDED)
    truth.settle("second")
    assert [MINT] == list(find_missing(truth.due, {MINT: OLDER}))


def test_what_a_reader_sees_go_back_has_fallen(truth: Truth) -> None:
    truth.note_shown("boards", MINT, BONDED)
    truth.note_shown("Postgres", MINT, OLDER)  # is behind, and that is no fall
    assert [] == truth.fallen
    truth.note_shown("boards", MINT, OLDER)
    truth.note_shown("Postgres", MINT, YOUNG)
    assert ["boards", "Postgres"] == [line.partition(":")[0] for line in truth.fallen]


def test_a_coin_that_is_shown_twice_at_once_is_told(truth: Truth) -> None:
    truth.note_repeated("new", [MINT, OTHER])
    assert [] == truth.repeated
    truth.note_repeated("new", [MINT, OTHER, MINT])
    assert [f"new: {MINT}"] == truth.repeated


# -- The run -------------------------------------------------------------------------------


def test_every_victim_is_struck_in_turn_and_a_seed_says_how() -> None:
    turns = plan_turns(300, seed=5)
    assert 300 == sum(map(len, turns))
    assert turns == plan_turns(300, seed=5) != plan_turns(300, seed=6)
    blows = [blow for turn in turns for blow in turn]
    assert [100] * 3 == [sum(blow.victim == victim for blow in blows) for victim in VICTIMS]
    assert all(len({blow.victim for blow in turn}) == len(turn) for turn in turns)
    assert {1, 2} == set(map(len, turns))


def test_nine_kills_lose_nothing_and_nothing_falls_back() -> None:
    result = trio.run(partial(strike, plan_turns(9, seed=1), seed=1, check_kills=4))
    figures = result.figures
    assert (9, 3) == (figures["kills"], figures["comparisons"])
    assert ([], [], []) == (figures["lost"], figures["fallen"], figures["repeated"])
    assert [] == figures["ended_by_itself"]
    assert int(str(figures["coins"])) > 50
