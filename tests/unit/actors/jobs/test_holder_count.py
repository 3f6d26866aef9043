"""Holder counts: who is asked for, when, and that only changes go on."""

from typing import Any

import attrs
import pytest
from attrs import Factory, define
from trio.testing import MockClock

from actors.jobs.holder_count import HolderCount, HolderCountSnapshot
from config.settings import HolderCountSettings
from domain.errors import RateLimited, SourceUnavailable
from domain.messages import RosterWanted
from sources import HolderStats
from sources.scripted import ScriptedHolderCounts
from tests.unit.actors.jobs.job_world import AskingWorld
from tests.unit.actors.world import HOUR, SETTINGS, at, environment, mint, running, token, until


def stats(number: int, count: int, **more: Any) -> HolderStats:
    return HolderStats(mint=mint(number), holder_count=count, more=more)


@define
class World(AskingWorld):
    name = "holder-count"
    source: ScriptedHolderCounts | None = Factory(ScriptedHolderCounts)
    settings: HolderCountSettings = SETTINGS.holder_count

    def job(self) -> HolderCount:
        return HolderCount(
            mail=self.mail,
            roster=self.roster(),
            source=self.source,
            settings=self.settings,
            environment=environment(self.log),
        )

    def know(self, *counts: HolderStats) -> None:
        assert self.source is not None
        self.source.known |= {each.mint: each for each in counts}


async def test_it_asks_for_the_roster_when_it_starts(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.job()):
        await until(0.0)
    assert [RosterWanted(subscriber="holder-count")] == world.sent.messages


async def test_runs_are_an_interval_apart(autojump_clock: MockClock) -> None:
    world = World()
    world.know(stats(1, 5))
    async with running(world.job()):
        await world.start_with(token(1))
        await until(2000.0)
    assert [(second, [mint(1)]) for second in (10.0, 610.0, 1210.0, 1810.0)] == world.calls


async def test_requests_are_of_the_providers_size_and_the_run_of_ours(
    autojump_clock: MockClock,
) -> None:
    source = ScriptedHolderCounts(mints_per_request=4)
    world = World(source=source, settings=attrs.evolve(SETTINGS.holder_count, tokens=10))
    async with running(world.job()):
        await world.start_with(*(token(n, watcher_count=n) for n in range(1, 31)))
        await until(11.0)
    assert [4, 4, 2] == [len(mints) for _, mints in world.calls]
    picks = [*range(30, 22, -1), 1, 2]  # by interest, and of those that wait
    assert [mint(n) for n in picks] == [m for _, mints in world.calls for m in mints]


async def test_counts_become_updates_and_zero_is_a_count(autojump_clock: MockClock) -> None:
    """Defect 5: falsy checks dropped zeros."""
    world = World()
    world.know(stats(1, 0, unique_traders_24h=0))
    async with running(world.job()):
        await world.start_with(token(1))
        await until(11.0)
    assert [{"holder_count": 0, "unique_traders_24h": 0}] == world.values()
    [(second, update)] = world.updates
    assert (10.0, at(10.0), "holder-count") == (second, update.observed_at, update.origin)


async def test_unchanged_counts_are_not_sent(autojump_clock: MockClock) -> None:
    world = World()
    world.know(stats(1, 7))
    job = world.job()
    async with running(job):
        await world.start_with(token(1, holder_count=7))
        await until(700.0)
        world.know(stats(1, 8))
        await until(1300.0)
    assert [{"holder_count": 8}] == world.values()
    said = world.log.entries("holder counts updated")
    assert [(1, 0), (1, 0), (1, 1)] == [(each["asked"], each["updated"]) for each in said]
    assert job.snapshot() == HolderCountSnapshot(
        tracked=1, updated=1, unchanged=2, failed_requests=0
    )


@pytest.mark.parametrize("error", [RateLimited(retry_after_seconds=9.0), SourceUnavailable()])
async def test_trouble_leaves_the_rest_of_the_run_to_the_next(
    autojump_clock: MockClock, error: Exception
) -> None:
    source = ScriptedHolderCounts(mints_per_request=1)
    world = World(source=source)
    source.script.failures = {1: error}
    job = world.job()
    async with running(job):
        await world.start_with(token(1, watcher_count=2), token(2, watcher_count=1))
        await until(611.0)
    assert [(10.0, [mint(1)]), (610.0, [mint(1)]), (610.0, [mint(2)])] == world.calls
    assert [10.0] == world.log.times("holder counts unavailable")
    assert 1 == job.snapshot().failed_requests


async def test_unknown_token_is_asked_for_less_until_it_lives(autojump_clock: MockClock) -> None:
    """Defect 14: a negative answer hid a coin that graduated meanwhile."""
    world = World()
    async with running(world.job()):
        await world.start_with(token(1))
        await until(3700.0)
        await world.publish(token(1, last_trade_at=at(3700)))
        await until(4300.0)
    assert [10.0, 1210.0, 3610.0, 4210.0] == world.call_times


async def test_idle_asks_nobody_says_so_and_ends_at_once(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.job()):
        await world.start_with(token(1))
        await until(20.0)
        await world.go_idle()
        await until(HOUR + 20.0)
        assert [10.0] == world.call_times
        assert 6 == len(world.log.entries("skipping job: system idle"))
        await world.activate()
        await until(HOUR + 20.0)
    assert [10.0, HOUR + 20.0] == world.call_times


async def test_switched_off_source_is_not_asked(autojump_clock: MockClock) -> None:
    world = World(source=None)
    async with running(world.job()):
        await world.start_with(token(1))
        await until(HOUR)
    assert [] == world.updates


async def test_it_returns_when_sync_has_closed_the_mailbox(autojump_clock: MockClock) -> None:
    world = World()
    world.publications.close()
    await world.job().run()
    assert [] == world.updates
