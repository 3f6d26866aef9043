"""The token bucket."""

from feed.allowance import Allowance


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    allowance = Allowance(rate=2.0, burst=3.0, now=0.0)
    assert [allowance.try_take(1, 0.0) for _ in range(4)] == [True, True, True, False]
    assert [allowance.try_take(1, 0.5) for _ in range(2)] == [True, False]


def test_rest_saves_no_more_than_the_burst() -> None:
    allowance = Allowance(rate=2.0, burst=3.0, now=0.0)
    assert sum(allowance.try_take(1, 1000.0) for _ in range(10)) == 3


def test_a_charge_past_the_burst_is_owed_for_as_long_as_it_takes_to_refill() -> None:
    allowance = Allowance(rate=2.0, burst=3.0, now=0.0)
    assert [
        allowance.take_on_credit(3, 0.0),
        allowance.take_on_credit(4, 0.0),
        allowance.take_on_credit(0, 1.0),
    ] == [0.0, 2.0, 1.0]


def test_what_is_left_and_when_there_is_enough_is_told_without_taking_any() -> None:
    allowance = Allowance(rate=2.0, burst=3.0, now=0.0)
    allowance.try_take(2, 0.0)
    assert [1.0, 2.0] == [allowance.count_left(now) for now in (0.0, 0.5)]
    assert [0.0, 0.5] == [allowance.seconds_until(units, 0.5) for units in (2, 3)]
