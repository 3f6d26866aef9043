"""The steady clock: it never goes back, goes on meanwhile, and says what happened."""

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from domain.values import UnixSeconds
from supervision.clock import CATCH_UP_SPEED, SteadyClock
from tests.unit.actors.world import Log

NOON = 1_790_000_000.0


@define
class Machine:
    """A wall clock that can be set, and one that cannot."""

    wall: float = NOON
    moment: float = 100.0
    log: Log = field(factory=Log)

    def clock(self) -> SteadyClock:
        return SteadyClock(
            read_wall=lambda: self.wall, read_monotonic=lambda: self.moment, log=self.log.logger
        )

    def let_pass(self, seconds: float) -> None:
        self.wall += seconds
        self.moment += seconds

    def step(self, seconds: float) -> None:
        self.wall += seconds

    def steps(self, event: str) -> list[float]:
        return [entry["seconds"] for entry in self.log.entries(event)]


@pytest.fixture(autouse=True)
def no_trio_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio.current_time", lambda: 0.0)  # the log's stamp


def test_clock_is_the_wall_clock_to_the_millisecond() -> None:
    machine = Machine(wall=NOON + 0.12345)
    clock = machine.clock()
    assert NOON + 0.123 == clock()
    machine.let_pass(10.0)
    assert NOON + 10.123 == clock()
    assert (0, 0) == (clock.steps_back, clock.steps_forward)


def test_step_back_is_told_and_time_goes_on_slowly_until_the_wall_has_caught_up() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.let_pass(5.0)
    assert NOON + 5 == clock()
    machine.step(-7200.0)
    assert NOON + 5 == clock()
    machine.let_pass(100.0)
    assert NOON + 5 + 100 * CATCH_UP_SPEED == clock()
    machine.let_pass(7200.0 / CATCH_UP_SPEED)
    assert machine.wall == clock()  # caught up: the wall clock again
    machine.let_pass(1.0)
    assert machine.wall == clock()
    assert ([7200.0], 1) == (machine.steps("clock stepped back"), clock.steps_back)


def test_second_step_back_is_told_as_well() -> None:
    machine = Machine()
    clock = machine.clock()
    for _ in range(2):
        machine.step(-60.0)
        clock()
    assert ([60.0, 60.0], NOON) == (machine.steps("clock stepped back"), clock())


def test_step_forward_is_followed_and_told() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.step(3600.0)
    assert NOON + 3600 == clock()
    assert ([3600.0], 1) == (machine.steps("clock stepped forward"), clock.steps_forward)


def test_small_corrections_are_not_told() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.step(-0.4)
    assert NOON == clock()
    assert 0 == clock.steps_back


def test_clock_begins_no_earlier_than_what_is_stored() -> None:
    """A restart after a step back must not make the new observations the older ones."""
    machine = Machine()
    clock = machine.clock()
    clock.raise_to(UnixSeconds(NOON + 7200))
    assert NOON + 7200 == clock()
    machine.let_pass(10.0)
    assert NOON + 7200 + 10 * CATCH_UP_SPEED == clock()


def test_stored_time_that_cannot_be_is_not_followed() -> None:
    machine = Machine()
    clock = machine.clock()
    clock.raise_to(UnixSeconds(NOON + 10 * 86_400))
    clock.raise_to(UnixSeconds(NOON - 10))
    assert NOON == clock()


@given(st.lists(st.tuples(st.floats(0, 5000), st.floats(-5000, 5000)), max_size=30))
def test_no_reading_is_earlier_than_one_before(passages: list[tuple[float, float]]) -> None:
    machine = Machine()
    clock = machine.clock()
    readings = [clock()]
    for seconds, step in passages:
        machine.let_pass(seconds)
        machine.step(step)
        readings.append(clock())
    assert sorted(readings) == readings
