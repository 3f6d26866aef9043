"""Market data: who is asked for, when, and what is made of the answers."""

from typing import Any

import attrs
import pytest
from attrs import Factory, define
from trio.testing import MockClock

from actors.jobs.market_data import (
    MarketData,
    MarketDataPlan,
    MarketDataSnapshot,
    MarketDataSources,
)
from config.settings import MarketDataSettings
from domain.errors import RateLimited, SourceUnavailable
from domain.messages import RosterWanted
from domain.scoring import with_trade
from domain.token import Status, Token
from domain.values import Sol, Usd, Value
from sources import MarketQuote
from sources.scripted import ScriptedMarketData, ScriptedSolPrice
from tests.unit.actors.jobs.job_world import AskingWorld
from tests.unit.actors.world import HOUR, SETTINGS, at, environment, mint, running, token, until


def quote(number: int, **more: Any) -> MarketQuote:
    usual: dict[str, Any] = {"values": {"price_usd": number / 1000}, "traded_lately": False}
    return MarketQuote(mint=mint(number), **usual | more)


def hot_token(number: int, sol: float) -> Token:
    score = with_trade(None, Sol(sol), at(0), SETTINGS.hot_score.half_life_seconds)
    return token(number, hot_score=score)


@define
class World(AskingWorld):
    name = "market-data"
    source: ScriptedMarketData | None = Factory(ScriptedMarketData)
    sol_price: ScriptedSolPrice | None = None
    settings: MarketDataSettings = SETTINGS.market_data

    def job(self) -> MarketData:
        return MarketData(
            mail=self.mail,
            roster=self.roster(),
            sources=MarketDataSources(quotes=self.source, sol_price=self.sol_price),
            plan=MarketDataPlan(market_data=self.settings, sol_price=SETTINGS.sol_price),
            environment=environment(self.log),
        )

    def know(self, *quotes: MarketQuote) -> None:
        assert self.source is not None
        self.source.known |= {each.mint: each for each in quotes}


# When it asks, and for whom.


async def test_it_asks_for_the_roster_when_it_starts(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.job()):
        await until(0.0)
    assert [RosterWanted(subscriber="market-data")] == world.sent.messages


async def test_first_run_waits_until_sync_has_told_of_tokens(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.job()):
        await world.start_with(token(1))
        await until(9.5)
        await world.publish(token(2))
        await until(11.0)
    assert [(10.0, [mint(1), mint(2)])] == world.calls


async def test_runs_are_an_interval_apart(autojump_clock: MockClock) -> None:
    world = World()
    world.know(quote(1))
    async with running(world.job()):
        await world.start_with(token(1))
        await until(1000.0)
    assert [(second, [mint(1)]) for second in (10.0, 310.0, 610.0, 910.0)] == world.calls


async def test_requests_take_the_most_interesting_first_and_who_waited_longest(
    autojump_clock: MockClock,
) -> None:
    source = ScriptedMarketData(mints_per_request=2)
    world = World(source=source, settings=attrs.evolve(SETTINGS.market_data, tokens=5))
    async with running(world.job()):
        await world.start_with(
            token(1),
            token(2, first_seen_at=at(1)),
            hot_token(3, 50.0),
            hot_token(4, 5.0),
            token(5, watcher_count=1),
            token(6, first_seen_at=at(-HOUR)),
            token(7, silent=True, hot_score=1e6),
        )
        await until(11.0)
    assert [
        [mint(5), mint(3)],
        [mint(4), mint(2)],
        [mint(6)],
    ] == [mints for _, mints in world.calls]


async def test_quotes_become_updates(autojump_clock: MockClock) -> None:
    """Defects 2 and 5: the figures of 24 hours travel on, and zeros with them."""
    world = World()
    values: dict[str, Value] = {"volume_24h": 0.0, "price_change_24h": -3.5, "tx_count_24h": 0}
    world.know(quote(1, values=values))
    async with running(world.job()):
        await world.start_with(token(1))
        await until(11.0)
    assert world.values() == [values]
    [(second, update)] = world.updates
    assert (10.0, at(10.0), "market-data") == (second, update.observed_at, update.origin)


async def test_trade_of_late_wakes_a_silent_token(autojump_clock: MockClock) -> None:
    world = World()
    world.know(quote(1, values={}, traded_lately=True))
    async with running(world.job()):
        await world.start_with(token(1, silent=True))
        await until(11.0)
    assert [{"last_trade_at": at(10.0), "silent": False}] == world.values()


async def test_switched_off_source_is_not_asked(autojump_clock: MockClock) -> None:
    world = World(source=None)
    async with running(world.job()):
        await world.start_with(token(1))
        await until(1000.0)
    assert [] == world.updates


# When it is refused.


@pytest.mark.parametrize("error", [RateLimited(retry_after_seconds=None), SourceUnavailable()])
async def test_trouble_leaves_the_rest_of_the_run_to_the_next(
    autojump_clock: MockClock, error: Exception
) -> None:
    world = World(source=ScriptedMarketData(mints_per_request=1))
    world.know(quote(1), quote(2), quote(3))
    assert world.source is not None
    world.source.script.failures = {2: error}
    job = world.job()
    async with running(job):
        await world.start_with(hot_token(1, 30.0), hot_token(2, 20.0), hot_token(3, 10.0))
        await until(311.0)
    assert [
        (10.0, [mint(1)]),
        (10.0, [mint(2)]),
        *((310.0, [mint(number)]) for number in (1, 2, 3)),
    ] == world.calls
    assert [10.0] == world.log.times("market data unavailable")
    said = world.log.entries("market data refreshed")
    assert [(3, 1), (3, 3)] == [(each["asked"], each["known"]) for each in said]
    assert job.snapshot() == MarketDataSnapshot(
        tracked=3, sol_usd=None, updates=4, failed_requests=1
    )


async def test_unknown_token_is_asked_for_less_and_less(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.job()):
        await world.start_with(token(1))
        await until(3 * HOUR)
    assert [10.0, 610.0, 1810.0, 4210.0, 7510.0] == world.call_times


async def test_sign_of_life_ends_the_back_off(autojump_clock: MockClock) -> None:
    """Defect 14: a negative answer hid a coin that graduated meanwhile."""
    world = World()
    async with running(world.job()):
        await world.start_with(token(1))
        await until(2200.0)
        world.know(quote(1))
        await world.publish(token(1, status=Status.BONDED, status_changed_at=at(2200)))
        await until(2500.0)
    assert [10.0, 610.0, 1810.0, 2410.0] == world.call_times
    assert 1 == len(world.values())


# Idle.


async def test_idle_asks_nobody_says_so_and_ends_at_once(autojump_clock: MockClock) -> None:
    world = World(sol_price=ScriptedSolPrice(price=Usd(150.0)))
    world.know(quote(1))
    assert world.sol_price is not None
    async with running(world.job()):
        await world.start_with(token(1))
        await until(20.0)
        await world.go_idle()
        await until(20.0 + HOUR)
        assert [10.0] == world.call_times
        assert [10.0] == [call.at_seconds for call in world.sol_price.script.calls]
        skipped = world.log.entries("skipping job: system idle")
        assert [10.0 + 300.0 * n for n in range(1, 13)] == [entry["at"] for entry in skipped]
        assert {"market-data"} == {entry["job"] for entry in skipped}
        await world.activate()
        await until(20.0 + HOUR)
        assert [10.0, 20.0 + HOUR] == world.call_times


async def test_restart_while_idle_asks_nobody(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.job()):
        await world.go_idle()
        await until(1.0)
    async with running(world.job()):
        await world.start_with(token(1))
        await until(HOUR)
    assert [] == world.calls


# Dollars.


async def test_curve_cap_is_valued_as_soon_as_the_price_of_sol_is_known(
    autojump_clock: MockClock,
) -> None:
    world = World(source=None, sol_price=ScriptedSolPrice(price=Usd(150.0)))
    assert world.sol_price is not None
    world.sol_price.script.is_down = True
    async with running(world.job()):
        await world.start_with(token(1, market_cap_sol=30.0, total_supply="1000000000"))
        await until(309.0)
        assert [] == world.updates
        world.sol_price.script.is_down = False
        await until(310.0)
        assert [{"market_cap_usd": 4500.0, "price_usd": 4.5e-06}] == world.values()
        await world.publish(token(1, market_cap_sol=40.0, total_supply="1000000000"))
        await world.publish(token(2, market_cap_sol=0.0))
        await until(311.0)
    assert [{"market_cap_usd": 6000.0, "price_usd": 6e-06}] == world.values()[1:]
    assert [{"market_cap_usd": 0.0}] == world.values(2)


async def test_price_of_sol_follows_the_pairs(autojump_clock: MockClock) -> None:
    """Defect 8: a price was taken from a constant for ever."""
    world = World()
    world.know(quote(1, sol_usd=Usd(100.0)), quote(2, sol_usd=Usd(101.0)), quote(3, sol_usd=Usd(9)))
    job = world.job()
    async with running(job):
        await world.start_with(token(1), token(2), token(3))
        await until(11.0)
        assert 100.0 == job.sol_usd  # the median: one odd pair decides nothing
        world.know(*(quote(number, sol_usd=Usd(120.0)) for number in (1, 2, 3)))
        await until(311.0)
    assert 120.0 == job.sol_usd


async def test_price_of_sol_is_asked_for_only_where_no_pair_tells_it(
    autojump_clock: MockClock,
) -> None:
    world = World(
        sol_price=ScriptedSolPrice(price=Usd(150.0)),
        settings=attrs.evolve(SETTINGS.market_data, interval_seconds=50.0),
    )
    world.know(quote(1, sol_usd=Usd(100.0)))
    assert world.sol_price is not None
    async with running(world.job()):
        await world.start_with(token(1))
        await until(301.0)
    assert [10.0] == [call.at_seconds for call in world.sol_price.script.calls]


async def test_supply_of_nothing_makes_no_price(autojump_clock: MockClock) -> None:
    world = World(source=None, sol_price=ScriptedSolPrice(price=Usd(150.0)))
    async with running(world.job()):
        await world.start_with(token(1, market_cap_sol=30.0, total_supply="0"))
        await until(11.0)
    assert [{"market_cap_usd": 4500.0}] == world.values()


async def test_it_returns_when_sync_has_closed_the_mailbox(autojump_clock: MockClock) -> None:
    world = World()
    world.publications.close()
    await world.job().run()
    assert [] == world.updates
