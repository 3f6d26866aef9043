"""History: a look a second, a point in 15 s, one save a point, and what an outage costs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import Factory, define, evolve
from trio.testing import MockClock

from actors.history.actor import HistoryKeeper
from actors.history.memory import HistoryMemory, fold_points
from actors.history.sampling import describe_seconds, measure_point
from buffer.history import EVENTS_KEPT, HistoryBatch
from buffer.memory_history import MemoryHistory
from domain.operations import HistoryPoint, Look, Mark, OperationsEvent, Problem
from domain.values import UnixSeconds
from tests.unit.actors.world import at, clock, environment

REDIS_AWAY = Problem(
    severity="critical",
    subject="redis",
    kind="away",
    what="Redis is away.",
    advice="Mend it.",
    section="tokendiscoveryredisaway",
)


@define
class World:
    """A history, and the process that it looks at."""

    shelf: MemoryHistory = Factory(MemoryHistory)
    memory: HistoryMemory = Factory(HistoryMemory)
    look: Look = Factory(lambda: Look(at=UnixSeconds(0.0)))
    looks: int = 0

    def take_look(self) -> Look:
        self.looks += 1
        return evolve(self.look, at=clock())

    def new_actor(self) -> HistoryKeeper:
        return HistoryKeeper(
            shelf=self.shelf,
            take_look=self.take_look,
            memory=self.memory,
            environment=environment(),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[HistoryKeeper]:
        """An actor that runs within the block, and is cancelled at its end as by a drain."""
        actor = self.new_actor()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(actor.run)
            yield actor
            nursery.cancel_scope.cancel()

    def tell(self) -> list[tuple[float, str, str]]:
        """The events, by the second."""
        return [(event.at - at(0), event.kind, event.words) for event in self.memory.events]


async def test_it_looks_every_second_and_saves_once_a_point(autojump_clock: MockClock) -> None:
    world = World()
    async with world.running() as actor:
        await trio.sleep(60.5)
        assert 61 == world.looks
        assert [at(15), at(30), at(45), at(60)] == [point.at for point in world.memory.points]
        assert 5 == world.shelf.appends  # the first tells of the start
        assert 0 == actor.snapshot().unsaved


async def test_rates_and_counts_come_from_counters_and_gauges_as_they_are(
    autojump_clock: MockClock,
) -> None:
    world = World()
    world.look = Look(
        at=at(0),
        gauges={"clients": 3},
        counters={"rows_per_second": (100, 50), "dropped_messages": (0,)},
    )
    async with world.running():
        await trio.sleep(7)
        world.look = evolve(
            world.look,
            gauges={"clients": 4},
            counters={"rows_per_second": (160, 30), "dropped_messages": (2,)},  # one began anew
        )
        await trio.sleep(9)
    [point] = world.memory.points
    assert {
        "clients": 4.0,
        "rows_per_second": 6.0,  # (60 + 30) in 15 s
        "dropped_messages": 2.0,
        "loop_lag_seconds": 0.0,
        "problems": 0.0,
    } == point.values


def test_a_counter_that_was_not_there_before_tells_nothing_yet() -> None:
    before, now = Look(at=at(0)), Look(at=at(15), counters={"rows_per_second": (7,)})
    assert {} == measure_point(before, now, {}).values


async def test_a_problem_is_an_event_when_it_begins_and_when_it_is_over(
    autojump_clock: MockClock,
) -> None:
    world = World()
    async with world.running():
        await trio.sleep(9.5)
        world.look = Look(at=at(0), problems=(REDIS_AWAY,))
        await trio.sleep(30)
        [dated] = world.memory.date_problems(evolve(world.look, at=clock()))
        assert (at(10), None) == (dated.since, world.memory.well_since)
        world.look = Look(at=at(0))
        await trio.sleep(1)
        assert at(40) == world.memory.well_since
    assert [
        (0.0, "service", "The service started."),
        (10.0, "problem", "Redis is away."),
        (40.0, "solved", "Over after 30 s: Redis is away."),
    ] == world.tell()


async def test_a_mark_is_an_event_when_it_changes(autojump_clock: MockClock) -> None:
    world = World()
    world.look = Look(at=at(0), marks={"restarts sync": Mark("restart", 0, "")})
    async with world.running():
        await trio.sleep(1.5)
        restarted = Mark("restart", 1, "sync was restarted.")
        world.look = Look(at=at(0), marks={"restarts sync": restarted})
        await trio.sleep(5)
    assert (2.0, "restart", "sync was restarted.") == world.tell()[-1]


async def test_points_wait_while_redis_is_away_and_are_saved_with_the_next(
    autojump_clock: MockClock,
) -> None:
    world = World(shelf=MemoryHistory(is_away=True))
    async with world.running() as actor:
        await trio.sleep(46)
        told = actor.snapshot()
        assert (4, 4, "the history is away") == (told.unsaved, told.failed_saves, told.problem)
        world.shelf.is_away = False
        await trio.sleep(15)
        assert (0, None) == (actor.snapshot().unsaved, actor.snapshot().problem)
    kept = await world.shelf.read_history()
    assert [at(15), at(30), at(45), at(60)] == [point.at for point in kept.points]


async def test_the_next_process_goes_on_with_what_was_kept(autojump_clock: MockClock) -> None:
    first = World()
    async with first.running():
        await trio.sleep(31)
    after = World(shelf=first.shelf)
    await trio.sleep(100)
    async with after.running():
        await trio.sleep(16)
        assert after.memory.is_loaded
    assert [at(15), at(30), at(146)] == [point.at for point in after.memory.points]
    assert [0.0, 131.0] == [second for second, kind, _ in after.tell() if kind == "service"]


async def test_what_is_read_late_stands_before_what_was_seen_meanwhile(
    autojump_clock: MockClock,
) -> None:
    first = World()
    async with first.running():
        await trio.sleep(16)
    first.shelf.is_away = True
    after = World(shelf=first.shelf)
    async with after.running():
        await trio.sleep(20)
        assert [at(31)] == [point.at for point in after.memory.points]
        after.shelf.is_away = False
        await trio.sleep(15)
    assert [at(15), at(31), at(46)] == [point.at for point in after.memory.points]
    kept = await after.shelf.read_history()
    assert [at(15), at(31), at(46)] == [point.at for point in kept.points]


async def test_the_end_of_a_drain_is_saved(autojump_clock: MockClock) -> None:
    world = World(look=Look(at=at(0), marks={"draining": Mark("service", False, "It drains.")}))
    async with world.running():
        await trio.sleep(3.5)
        world.look = Look(at=at(0), marks={"draining": Mark("service", True, "It drains.")})
    kept = await world.shelf.read_history()
    assert [(at(0), "The service started."), (at(3.5), "It drains.")] == [
        (event.at, event.words) for event in kept.events
    ]


async def test_five_minutes_become_one_point(autojump_clock: MockClock) -> None:
    world = World(look=Look(at=at(0), gauges={"clients": 1}))
    async with world.running():
        await trio.sleep(100)
        world.look = Look(at=at(0), gauges={"clients": 9})
        await trio.sleep(20)
        world.look = Look(at=at(0), gauges={"clients": 2})
        await trio.sleep(600)
        assert [300.0 * n for n in (1, 2)] == [
            300.0 * round((point.at - at(0)) / 300) for point in world.memory.coarse
        ]
        assert [9.0, 2.0] == [point.values["clients"] for point in world.memory.coarse]
        shown = world.memory.list_points(at(0), is_fine=False)
        assert 3 == len(shown)  # and the minutes that go on


def test_a_series_is_folded_as_it_is_declared() -> None:
    points = [
        HistoryPoint(at=at(15), values={"cpu_share": 0.5, "clients": 7.0}),
        HistoryPoint(at=at(30), values={"cpu_share": 0.25, "clients": 2, "dropped_messages": 3}),
        HistoryPoint(at=at(45), values={"dropped_messages": 4.0}),
    ]
    folded = fold_points(points)
    assert at(45) == folded.at
    assert {"cpu_share": 0.375, "clients": 7.0, "dropped_messages": 7.0} == folded.values


def test_what_is_kept_in_the_process_is_bounded() -> None:
    memory = HistoryMemory()
    for second in range(EVENTS_KEPT + 5):
        memory.note_event(at(second), "problem", str(second))
    assert (EVENTS_KEPT, "5") == (len(memory.events), memory.events[0].words)
    stored = tuple(
        OperationsEvent(at=at(-second), kind="problem", words="before") for second in range(9)
    )
    memory.take_stored(HistoryBatch(events=stored))
    assert (EVENTS_KEPT, "5") == (len(memory.events), memory.events[0].words)


def test_saving_forgets_nothing_that_came_meanwhile() -> None:
    memory = HistoryMemory()
    memory.note_event(at(0), "problem", "first")
    saved = memory.list_unsaved()
    memory.note_event(at(1), "problem", "second")
    memory.note_saved(saved)
    assert ["second"] == [event.words for event in memory.list_unsaved().events]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 s"), (59.6, "60 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 days")],
)
def test_durations_are_told_in_one_unit(seconds: float, words: str) -> None:
    assert words == describe_seconds(seconds)
