"""Stalls by a clock that the test moves; the log says when, how long and where."""

from collections.abc import Iterator

import pytest
from attrs import define, field

from supervision import heartbeat as heartbeat_module
from supervision import stall_watch as stall_watch_module
from supervision.heartbeat import Heartbeat
from supervision.stall_watch import LOOK_SECONDS, StallWatch


@define
class World:
    """An event loop and the watch beside it, second by second."""

    limit_seconds: float = 0.0
    now: float = 100.0
    lines: list[tuple[str, dict[str, object]]] = field(factory=list)
    given_up: list[float] = field(factory=list)
    heartbeat: Heartbeat = field(factory=Heartbeat)
    watch: StallWatch = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.watch = StallWatch(
            heartbeat=self.heartbeat,
            tell=self.tell,
            limit_seconds=self.limit_seconds,
            give_up=self.given_up.append,
        )

    def tell(self, level: str, event: str, **fields: object) -> None:
        self.lines.append((event, {**fields, "level": level}))

    def pass_time(self, seconds: float, *, beats: bool) -> None:
        """Look as often as the thread does, and beat as often as a loop that runs."""
        for _ in range(round(seconds / LOOK_SECONDS)):
            self.now += LOOK_SECONDS
            if beats:
                self.heartbeat.beat()
            self.watch.look(0.0)

    def events(self) -> list[str]:
        return [event for event, _ in self.lines]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    yield from _worlds(monkeypatch, World())


@pytest.fixture
def strict_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    yield from _worlds(monkeypatch, World(limit_seconds=10.0))


def _worlds(monkeypatch: pytest.MonkeyPatch, world: World) -> Iterator[World]:
    for module in (heartbeat_module, stall_watch_module):
        monkeypatch.setattr(module.time, "monotonic", lambda: world.now)
    world.heartbeat.beat()
    yield world


def test_loop_that_beats_is_not_told_of(world: World) -> None:
    world.pass_time(60.0, beats=True)
    assert [] == world.lines
    assert 0 == world.heartbeat.stalls


def test_stall_is_told_once_with_its_stack_and_once_when_it_is_over(world: World) -> None:
    world.pass_time(5.0, beats=False)
    [(event, fields)] = world.lines
    assert ("event loop stalled", "warning", 1.0) == (event, fields["level"], fields["seconds"])
    assert not fields["every_thread_stood_still"]
    stack = fields["stack"]
    assert isinstance(stack, tuple)
    assert "World.pass_time" in "\n".join(stack)  # which the main thread is in
    world.pass_time(1.0, beats=True)
    assert ["event loop stalled", "event loop runs again"] == world.events()
    assert 5.0 + LOOK_SECONDS == world.lines[-1][1]["stalled_seconds"]
    assert (1, 5.25, 5.25) == (
        world.heartbeat.stalls,
        world.heartbeat.stalled_seconds,
        world.heartbeat.longest_stall_seconds,
    )


def test_stall_that_ends_between_two_looks_has_its_stack_too(world: World) -> None:
    world.pass_time(0.75, beats=False)
    assert [] == world.lines
    world.now += 0.3
    world.pass_time(LOOK_SECONDS, beats=True)
    assert ["event loop stalled", "event loop runs again"] == world.events()
    assert 1.3 == world.lines[0][1]["seconds"]
    assert world.lines[0][1]["stack"]


def test_stall_that_nobody_could_look_at_is_told_without_a_stack(world: World) -> None:
    """The process was stopped, and its event loop was the first to run again."""
    world.now += 30.0
    world.heartbeat.beat()
    world.watch.look(29.0)
    world.pass_time(60.0, beats=True)
    assert ["event loop stalled", "event loop runs again"] == world.events()
    assert (30.0, ()) == (world.lines[0][1]["seconds"], world.lines[0][1]["stack"])


def test_pause_below_a_second_is_no_stall(world: World) -> None:
    for _ in range(5):
        world.pass_time(0.75, beats=False)
        world.heartbeat.beat()
        world.watch.look(0.0)
    assert ([], 0) == (world.lines, world.heartbeat.stalls)


def test_each_stall_is_told(world: World) -> None:
    for _ in range(3):
        world.pass_time(2.0, beats=False)
        world.pass_time(2.0, beats=True)
    assert ["event loop stalled", "event loop runs again"] * 3 == world.events()
    assert 3 == world.heartbeat.stalls


def test_loop_that_has_ended_does_not_stall(world: World) -> None:
    world.heartbeat.beaten_at = None
    world.pass_time(60.0, beats=False)
    assert [] == world.lines


def test_stall_beyond_the_limit_is_given_up(strict_world: World) -> None:
    strict_world.pass_time(10.5, beats=False)
    assert [] == strict_world.given_up
    strict_world.pass_time(LOOK_SECONDS, beats=False)
    assert [10.75] == strict_world.given_up


def test_stall_without_a_limit_is_borne(world: World) -> None:
    world.pass_time(3600.0, beats=False)
    assert [] == world.given_up


def test_process_that_was_stopped_is_told_and_not_given_up(strict_world: World) -> None:
    """SIGSTOP, or a machine that sleeps: no thread ran, and so nobody has waited."""
    strict_world.pass_time(5.0, beats=False)
    strict_world.now += 3600.0
    strict_world.watch.look(3600.0)
    strict_world.pass_time(9.75, beats=False)
    assert [] == strict_world.given_up
    strict_world.pass_time(LOOK_SECONDS, beats=False)
    assert 1 == len(strict_world.given_up)


def test_stall_of_every_thread_is_told_as_that(world: World) -> None:
    world.now += 30.0
    world.watch.look(29.0)
    assert [True] == [fields["every_thread_stood_still"] for _, fields in world.lines]
