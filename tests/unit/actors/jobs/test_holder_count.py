"""Holder counts: who is asked for, when, and that only changes go on."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import pytest
import trio
from attrs import Factory, define
from trio.testing import MockClock

from actors.jobs.holder_count import HolderCountJob, HolderCountSnapshot
from actors.jobs.inquiry import MOST_FAILURES
from config.settings import Settings
from domain.errors import (
    RateLimited,
    SourceClosed,
    SourceInTrouble,
    SourceRefused,
    SourceUnavailable,
)
from domain.messages import RosterWanted, WindowsQuoted
from domain.token import Status, Token
from domain.trading import WindowStatistics
from domain.values import Mint
from sources import HolderStats
from sources.scripted import ScriptedHolders
from tests.unit.actors.jobs.job_world import AskingWorld
from tests.unit.actors.world import HOUR, SETTINGS, at, mint, running, token, until


def stats(number: int, count: int, **more: Any) -> HolderStats:
    return HolderStats(mint=mint(number), holder_count=count, more=more)


def holder_settings(**changed: Any) -> Settings:
    return attrs.evolve(SETTINGS, holder_count=attrs.evolve(SETTINGS.holder_count, **changed))


@define
class World(AskingWorld):
    name = "holder-count"
    provider: ScriptedHolders | None = Factory(ScriptedHolders)

    def job(self) -> HolderCountJob:
        return HolderCountJob.build(self.context(), self.provider)

    def know(self, *counts: HolderStats) -> None:
        assert self.provider is not None
        self.provider.known |= {each.mint: each for each in counts}


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
    source = ScriptedHolders(mints_per_request=4)
    world = World(provider=source, settings=holder_settings(tokens=10))
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
    assert (10.0, at(10.0), "holder-count scripted-holders") == (
        second,
        update.observed_at,
        update.origin,
    )


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
        refused=0, failures={}, unusable={}, closed={}, tracked=1, updated=1, unchanged=2
    )


@pytest.mark.parametrize("error", [RateLimited(retry_after_seconds=9.0), SourceInTrouble()])
async def test_trouble_leaves_the_rest_of_the_run_to_the_next(
    autojump_clock: MockClock, error: Exception
) -> None:
    provider = ScriptedHolders(mints_per_request=1)
    world = World(provider=provider)
    provider.script.failures = {1: error}
    async with running(world.job()):
        await world.start_with(token(1, watcher_count=2), token(2, watcher_count=1))
        await until(611.0)
    assert [(10.0, [mint(1)]), (610.0, [mint(1)]), (610.0, [mint(2)])] == world.calls
    name = "scripted-holders"
    assert [(10.0, name, True), (610.0, name, False)] == world.outages


async def test_only_what_is_news_is_sent_and_rounding_is_no_news(
    autojump_clock: MockClock,
) -> None:
    world = World()
    world.know(stats(1, 7, volume_change_24h=-11.1991899, organic_score=3.25, dev_mints=4))
    async with running(world.job()):
        await world.start_with(
            token(1, holder_count=7, volume_change_24h=-11.1992, organic_score=3.2, dev_mints=4)
        )
        await until(11.0)
    assert [{"organic_score": 3.25}] == world.values()


async def test_what_nobody_else_tells_is_filled_in_and_kept_up_to_date(
    autojump_clock: MockClock,
) -> None:
    world = World()
    told = HolderStats(mint=mint(1), fillers={"price_usd": 1.0000004, "logo_uri": "https://j/1"})
    world.know(told)
    known = {"logo_uri": "https://own/1"}
    async with running(world.job()):
        await world.start_with(token(1, **known))
        await until(20.0)
        assert [{"price_usd": 1.0}] == world.values()
        await world.publish(token(1, price_usd=1.0, **known))
        world.know(attrs.evolve(told, fillers={"price_usd": 2.0}))
        await until(620.0)
        assert [{"price_usd": 2.0}] == world.values()[1:]
        await world.publish(token(1, price_usd=2.5, **known))  # somebody else knows it better
        world.know(attrs.evolve(told, fillers={"price_usd": 3.0}))
        await until(1900.0)
    assert 2 == len(world.values())


async def test_an_authority_that_is_revoked_never_comes_back(autojump_clock: MockClock) -> None:
    world = World()
    said = {"mint_renounced": False, "freeze_revoked": True}
    world.know(HolderStats(mint=mint(1), more=said), HolderStats(mint=mint(2), more=said))
    async with running(world.job()):
        await world.start_with(token(1, mint_renounced=True, freeze_revoked=False), token(2))
        await until(11.0)
    assert [{"freeze_revoked": True}] == world.values(1)
    assert [said] == world.values(2)


async def test_windows_go_to_trading_though_nothing_else_is_news(
    autojump_clock: MockClock,
) -> None:
    world = World()
    windows = {"1h": WindowStatistics(buys=2, unique_traders=1)}
    world.know(HolderStats(mint=mint(1), holder_count=7, windows=windows))
    async with running(world.job()):
        await world.start_with(token(1, holder_count=7))
        await until(11.0)
    assert [] == world.values()
    quoted = WindowsQuoted(
        mint=mint(1), observed_at=at(10.0), source="scripted-holders", windows=windows
    )
    assert [(10.0, quoted)] == world.windows.entries


# A provider that refuses for good.


CLOSED = SourceClosed("api.jup.ag: HTTP 401: Unauthorized", status=401)


async def test_a_provider_that_refuses_for_good_is_told_once_and_asked_hourly(
    autojump_clock: MockClock,
) -> None:
    provider = ScriptedHolders(mints_per_request=4)
    provider.script.failures = dict.fromkeys(range(1, 4), CLOSED)
    world = World(provider=provider)
    world.know(*(stats(number, number) for number in range(1, 14)))
    job = world.job()
    async with running(job):
        await world.start_with(*thirteen())
        await until(2 * HOUR)
        assert [10.0, 3610.0] == world.call_times
        why = (
            "api.jup.ag: HTTP 401: Unauthorized; "
            "it needs a key: set scripted.api_key; asked again each hour"
        )
        assert {"scripted-holders": why} == job.snapshot().closed
        assert why == world.conditions.outages[0][3]
        assert {"http_401": 2} == job.snapshot().failures
        assert 0 == job.snapshot().refused  # no token is to blame
        assert [] == world.log.entries("source refuses for good")  # readiness has told it
        await until(4 * HOUR + 11)
        assert {} == job.snapshot().closed
    assert [10.0, 3610.0, 7210.0, *[10810.0] * 4, *[11410.0] * 4] == world.call_times[:11]
    assert 13 == len({update.mint for _, update in world.updates})
    assert [(10.0, True), (3610.0, True), (7210.0, True), (10810.0, False)] == [
        (second, is_away) for second, _, is_away in world.outages
    ]


async def test_its_refusal_outlives_a_restart_of_the_job(autojump_clock: MockClock) -> None:
    provider = ScriptedHolders()
    provider.script.failures = {1: CLOSED}
    world = World(provider=provider)
    async with running(world.job()):
        await world.start_with(token(1))
        await until(11.0)
    async with running(world.job()):
        await world.publish(token(1))
        await until(HOUR)
        assert [10.0] == world.call_times
    assert "scripted-holders" in world.job().snapshot().closed


@pytest.mark.parametrize("status", [403, 404])
async def test_a_provider_that_serves_others_is_not_closed_by_one_address(
    autojump_clock: MockClock, status: int
) -> None:
    """A firewall that dislikes one address refuses only that."""
    provider = ScriptedHolders(mints_per_request=5)
    provider.script.refused = {mint(7): SourceClosed("no", status=status)}
    world = World(provider=provider)
    world.know(*(stats(number, number) for number in range(1, 14)))
    job = world.job()
    async with running(job):
        await world.start_with(*thirteen())
        await until(11.0)
    assert {mint(n) for n in range(1, 14)} - {mint(7)} == {u.mint for _, u in world.updates}
    assert {} == job.snapshot().closed
    assert 1 == job.snapshot().refused


async def test_a_provider_that_has_served_and_now_refuses_everything_is_closed(
    autojump_clock: MockClock,
) -> None:
    provider = ScriptedHolders()
    world = World(provider=provider)
    world.know(*(stats(number, number) for number in range(1, 14)))
    job = world.job()
    async with running(job):
        await world.start_with(*thirteen())
        await until(100.0)
        provider.script.refused = {mint(n): CLOSED for n in range(1, 14)}
        await until(4300.0)
    assert [10.0, 610.0, 610.0, 610.0, 4210.0] == world.call_times
    assert {"scripted-holders"} == job.snapshot().closed.keys()


async def test_an_outage_that_becomes_a_refusal_is_told_anew(autojump_clock: MockClock) -> None:
    provider = ScriptedHolders()
    provider.script.failures = {1: SourceInTrouble(), 2: CLOSED, 3: CLOSED}
    world = World(provider=provider)
    async with running(world.job()):
        await world.start_with(token(1))
        await until(2 * HOUR)
    assert [10.0, 610.0, 4210.0] == world.call_times
    [told] = world.log.entries("source refuses for good")
    assert "it needs a key: set scripted.api_key" in told["problem"]


# Tokens that the provider refuses.

REFUSALS = [
    SourceRefused("scan aborted", code=-32012),
    SourceRefused("excluded from the index", code=-32010),
    SourceRefused("too many accounts", code=-32600),
    SourceUnavailable("HTTP 504", reason="http_504"),
    SourceUnavailable("more than 16777216 bytes", reason="too_large"),
    SourceUnavailable("no answer within 10 s", reason="silent"),
]


def thirteen() -> list[Token]:
    """Tokens 1 to 13, the most interesting first."""
    return [token(number, watcher_count=100 - number) for number in range(1, 14)]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: error.reason)
@pytest.mark.parametrize("bad", [1, 7, 13])
@pytest.mark.parametrize("mints_per_request", [1, 5, 100])
async def test_a_refused_token_does_not_keep_the_others_from_being_counted(
    autojump_clock: MockClock, error: Exception, bad: int, mints_per_request: int
) -> None:
    provider = ScriptedHolders(mints_per_request=mints_per_request)
    provider.script.refused = {mint(bad): error}
    world = World(provider=provider)
    world.know(*(stats(number, number) for number in range(1, 14)))
    job = world.job()
    async with running(job):
        await world.start_with(*thirteen())
        await until(11.0)
    others = {mint(number) for number in range(1, 14)} - {mint(bad)}
    assert others == {update.mint for _, update in world.updates}
    assert [(10.0, "scripted-holders", False)] == world.outages
    assert 1 == job.snapshot().refused
    [told] = world.log.entries("provider refuses tokens")
    assert (1, mint(bad)) == (told["tokens"], told["sample"])


async def test_all_kinds_of_refusals_in_one_run_cost_only_their_tokens(
    autojump_clock: MockClock,
) -> None:
    provider = ScriptedHolders(mints_per_request=1)
    provider.script.refused = {mint(n): error for n, error in enumerate(REFUSALS, 1)}
    world = World(provider=provider)
    world.know(*(stats(number, number) for number in range(1, 14)))
    job = world.job()
    async with running(job):
        await world.start_with(*thirteen())
        await until(11.0)
    assert {mint(n) for n in range(7, 14)} == {update.mint for _, update in world.updates}
    assert {error.reason: 1 for error in REFUSALS} == job.snapshot().failures


async def test_a_refused_token_is_asked_about_less_and_less_though_it_is_traded(
    autojump_clock: MockClock,
) -> None:
    """The largest coins are traded all the time, and are those that cannot be counted."""
    provider = ScriptedHolders(mints_per_request=1)
    provider.script.refused = {mint(1): REFUSALS[0]}
    world = World(provider=provider)
    world.know(stats(2, 5))
    async with running(world.job()):
        await world.start_with(token(1, watcher_count=9), token(2))
        for second in range(300, 80_000, 300):
            await until(float(second))
            await world.publish(token(1, watcher_count=9, last_trade_at=at(second)))
    asked = [at_second for at_second, mints in world.calls if mints == [mint(1)]]
    assert [10, 1210, 3610, 8410, 17410, 34810, 54610, 74410] == asked
    others = [at_second for at_second, mints in world.calls if mints == [mint(2)]]
    assert [10.0 + 600 * run for run in range(len(others))] == others
    assert len(others) == 133


async def test_a_refused_token_is_asked_about_at_once_after_it_has_graduated(
    autojump_clock: MockClock,
) -> None:
    provider = ScriptedHolders(mints_per_request=1)
    provider.script.refused = {mint(1): REFUSALS[0]}
    world = World(provider=provider)
    world.know(stats(1, 3), stats(2, 5))
    async with running(world.job()):
        await world.start_with(token(1), token(2))
        await until(1300.0)
        provider.script.refused = {}
        await world.publish(token(1, status=Status.BONDED, status_changed_at=at(1300)))
        await until(1811.0)
    assert [10, 1210, 1810] == [second for second, mints in world.calls if mints == [mint(1)]]
    assert [{"holder_count": 3}] == world.values(1)


async def test_a_silent_token_takes_its_time_and_no_more(autojump_clock: MockClock) -> None:
    """A look-up that hangs holds up neither the mailbox nor the other tokens of the run."""

    @define(kw_only=True)
    class SilentAboutOne(ScriptedHolders):
        async def fetch_holders(self, mints: Sequence[Mint]) -> Mapping[Mint, HolderStats]:
            known = await ScriptedHolders.fetch_holders(self, mints)
            if mint(1) in mints:
                await trio.sleep(10.0)
                raise REFUSALS[-1]
            return known

    world = World(provider=SilentAboutOne(mints_per_request=1))
    world.know(*(stats(number, number) for number in range(1, 14)))
    job = world.job()
    async with running(job):
        await world.start_with(*thirteen())
        await until(15.0)
        await world.publish(token(50))
        await until(15.0)
        assert 0 == world.publications.statistics().depth  # taken in while the request hangs
        assert mint(50) in job.roster.entries
        await until(20.0)
    assert 12 == len({update.mint for _, update in world.updates})
    assert {20.0} == {second for second, _ in world.updates}


# A provider in trouble.


async def test_an_outage_and_its_end_are_reported_by_name(
    autojump_clock: MockClock,
) -> None:
    provider = ScriptedHolders(mints_per_request=1)
    provider.script.is_down = True
    world = World(provider=provider)
    async with running(world.job()):
        await world.start_with(*thirteen())
        await until(1300.0)
        assert [10.0, 610.0, 1210.0] == world.call_times  # one request a run
        provider.script.is_down = False
        await until(1811.0)
    assert [(10.0, True), (610.0, True), (1210.0, True), (1810.0, False)] == [
        (second, is_away) for second, name, is_away in world.outages if name == provider.name
    ]
    assert [] == world.log.entries("provider refuses tokens")


async def test_an_outage_makes_no_token_wait_when_it_is_over(autojump_clock: MockClock) -> None:
    provider = ScriptedHolders(mints_per_request=1)
    provider.script.refused = {mint(n): REFUSALS[3] for n in range(1, 14)}
    world = World(provider=provider)
    world.know(*(stats(number, number) for number in range(1, 14)))
    async with running(world.job()):
        await world.start_with(*thirteen())
        await until(6000.0)
        failing = len(world.calls)
        assert 10 * MOST_FAILURES == failing
        provider.script.refused = {}
        await until(6011.0)
    assert 13 == len({update.mint for _, update in world.updates})
    assert {6010.0} == {second for second, _ in world.updates}


async def test_many_refused_tokens_in_front_keep_the_others_waiting_for_one_run(
    autojump_clock: MockClock,
) -> None:
    provider = ScriptedHolders(mints_per_request=1)
    provider.script.refused = {mint(n): REFUSALS[3] for n in range(1, MOST_FAILURES + 1)}
    world = World(provider=provider)
    world.know(*(stats(number, number) for number in range(1, 14)))
    async with running(world.job()):
        await world.start_with(*thirteen())
        await until(611.0)
    others = {mint(number) for number in range(MOST_FAILURES + 1, 14)}
    assert others == {update.mint for _, update in world.updates}


async def test_a_run_ends_when_the_system_goes_idle(autojump_clock: MockClock) -> None:
    """An idle service asks nobody, also not for the rest of a slow run."""
    provider = ScriptedHolders(mints_per_request=1)
    provider.script.delay_seconds = 5.0
    world = World(provider=provider)
    async with running(world.job()):
        await world.start_with(*thirteen())
        await until(21.0)
        await world.go_idle()
        await until(400.0)
        assert [10.0, 15.0, 20.0] == world.call_times
        await world.activate()
        await until(401.0)
    assert [400.0] == world.call_times[3:]


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
    world = World(provider=None)
    async with running(world.job()):
        await world.start_with(token(1))
        await until(HOUR)
    assert [] == world.updates


async def test_it_returns_when_sync_has_closed_the_mailbox(autojump_clock: MockClock) -> None:
    world = World()
    world.publications.close()
    await world.job().run()
    assert [] == world.updates
