"""Market data: who is asked for, when, and what is made of the answers."""

from typing import Any

import attrs
import pytest
from attrs import Factory, define
from trio.testing import MockClock

from actors.jobs.market_data import MarketDataJob, MarketDataSnapshot
from config.settings import Settings
from domain.errors import RateLimited, SourceInTrouble, SourceUnavailable
from domain.messages import RosterWanted, StatisticsPublished, WindowsQuoted
from domain.scoring import add_trade
from domain.token import Status, Token
from domain.trading import TokenStatistics, WindowStatistics
from domain.values import WRAPPED_SOL, Mint, Sol, Usd, Value
from sources import MarketProviders, MarketQuote
from sources.scripted import ScriptedQuotes, ScriptedSolPrice
from tests.unit.actors.jobs.job_world import AskingWorld
from tests.unit.actors.world import HOUR, SETTINGS, at, mint, running, token, until

USDC = Mint("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
OTHER_QUOTE = Mint("DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263")


def quote(number: int, **more: Any) -> MarketQuote:
    usual: dict[str, Any] = {"values": {"price_usd": number / 1000}, "traded_lately": False}
    return MarketQuote(mint=mint(number), **usual | more)


def hot_token(number: int, sol: float) -> Token:
    score = add_trade(None, Sol(sol), at(0), SETTINGS.hot_score.half_life_seconds)
    return token(number, hot_score=score)


def market_settings(**changed: Any) -> Settings:
    return attrs.evolve(SETTINGS, market_data=attrs.evolve(SETTINGS.market_data, **changed))


@define
class World(AskingWorld):
    name = "market-data"
    provider: ScriptedQuotes | None = Factory(ScriptedQuotes)
    sol_price: ScriptedSolPrice | None = None
    fallbacks: tuple[ScriptedSolPrice, ...] = ()

    def job(self) -> MarketDataJob:
        providers = MarketProviders(
            quotes=self.provider, sol_price=self.sol_price, sol_price_fallbacks=self.fallbacks
        )
        return MarketDataJob.build(self.context(), providers)

    def know(self, *quotes: MarketQuote) -> None:
        assert self.provider is not None
        self.provider.known |= {each.mint: each for each in quotes}


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
    source = ScriptedQuotes(mints_per_request=2)
    world = World(provider=source, settings=market_settings(tokens=5))
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
    assert (10.0, at(10.0), "market-data scripted-quotes") == (
        second,
        update.observed_at,
        update.origin,
    )


async def test_trade_of_late_wakes_a_silent_token(autojump_clock: MockClock) -> None:
    world = World()
    world.know(quote(1, values={}, traded_lately=True))
    async with running(world.job()):
        await world.start_with(token(1, silent=True))
        await until(11.0)
    assert [{"last_trade_at": at(10.0), "silent": False}] == world.values()


async def test_switched_off_source_is_not_asked(autojump_clock: MockClock) -> None:
    world = World(provider=None)
    async with running(world.job()):
        await world.start_with(token(1))
        await until(1000.0)
    assert [] == world.updates


# When it is refused.


@pytest.mark.parametrize("error", [RateLimited(retry_after_seconds=None), SourceInTrouble()])
async def test_trouble_leaves_the_rest_of_the_run_to_the_next(
    autojump_clock: MockClock, error: SourceUnavailable
) -> None:
    world = World(provider=ScriptedQuotes(mints_per_request=1))
    world.know(quote(1), quote(2), quote(3))
    assert world.provider is not None
    world.provider.script.failures = {2: error}
    job = world.job()
    async with running(job):
        await world.start_with(hot_token(1, 30.0), hot_token(2, 20.0), hot_token(3, 10.0))
        await until(311.0)
    assert [
        (10.0, [mint(1)]),
        (10.0, [mint(2)]),
        *((310.0, [mint(number)]) for number in (1, 2, 3)),
    ] == world.calls
    said = world.log.entries("market data refreshed")
    assert [(3, 1), (3, 3)] == [(each["asked"], each["known"]) for each in said]
    assert job.snapshot() == MarketDataSnapshot(
        refused=0,
        failures={error.reason: 1},
        unusable={},
        closed={},
        tracked=3,
        sol_usd=None,
        sol_price_source=None,
        sol_price_age_seconds=None,
        quotes=4,
        updates=4,
        covered=0,
        sol_price_failures={},
        sol_prices_untold=0,
    )
    name = "scripted-quotes"
    assert [(10.0, name, False), (10.0, name, True), (310.0, name, False)] == world.outages


async def test_a_mint_that_spoils_its_batch_costs_only_itself(autojump_clock: MockClock) -> None:
    provider = ScriptedQuotes()
    error = SourceUnavailable("HTTP 400", reason="http_400")
    provider.script.refused = {mint(17): error}
    world = World(provider=provider)
    world.know(*(quote(number) for number in range(1, 91)))
    job = world.job()
    async with running(job):
        await world.start_with(*(token(number) for number in range(1, 91)))
        await until(11.0)
        first_run = world.calls
        await until(311.0)
    asked = {mint(number) for number in range(1, 91)}
    assert asked - {mint(17)} == {update.mint for _, update in world.updates}
    assert len(first_run) <= 3 + 2 * 5
    assert asked - {mint(17)} == {m for _, mints in world.calls[len(first_run) :] for m in mints}
    assert 1 == job.snapshot().refused


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
    world = World(provider=None, sol_price=ScriptedSolPrice(price=Usd(150.0)))
    assert world.sol_price is not None
    world.sol_price.script.is_down = True
    job = world.job()
    async with running(job):
        await world.start_with(token(1, market_cap_sol=30.0, total_supply="1000000000"))
        await until(309.0)
        assert [] == world.updates
        snapshot = job.snapshot()
        assert snapshot.sol_usd is None
        assert {"scripted-sol-price": 5} == snapshot.sol_price_failures
        world.sol_price.script.is_down = False
        await until(310.0)
        assert [{"market_cap_usd": 4500.0, "price_usd": 4.5e-06}] == world.values()
        await world.publish(token(1, market_cap_sol=40.0, total_supply="1000000000"))
        await world.publish(token(2, market_cap_sol=0.0))
        await until(311.0)
    assert 150.0 == job.snapshot().sol_usd
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
        assert 100.0 == job.sol.price  # the median: one odd pair decides nothing
        world.know(*(quote(number, sol_usd=Usd(120.0)) for number in (1, 2, 3)))
        await until(311.0)
    assert 120.0 == job.sol.price


async def test_supply_of_nothing_makes_no_price(autojump_clock: MockClock) -> None:
    world = World(provider=None, sol_price=ScriptedSolPrice(price=Usd(150.0)))
    async with running(world.job()):
        await world.start_with(token(1, market_cap_sol=30.0, total_supply="0"))
        await until(11.0)
    assert [{"market_cap_usd": 4500.0}] == world.values()


async def test_a_cap_in_dollars_is_worth_sol_as_soon_as_the_price_of_sol_is_known(
    autojump_clock: MockClock,
) -> None:
    """The mirror image, for coins that are paired with a dollar token; and no echo of either."""
    usdc = {"quote_mint": USDC, "total_supply": "1000000000"}
    world = World(provider=None, sol_price=ScriptedSolPrice(price=Usd(150.0)))
    async with running(world.job()):
        await world.start_with(
            token(1, market_cap_usd=4500.0, **usdc),
            token(2, market_cap_usd=0.0, **usdc),
            token(3, market_cap_usd=900.0, quote_mint=OTHER_QUOTE),
            token(4, market_cap_sol=30.0, quote_mint=WRAPPED_SOL),
        )
        await until(11.0)
        assert [{"market_cap_sol": 30.0, "price_usd": 4.5e-06}] == world.values(1)
        await world.publish(token(1, market_cap_usd=4500.0, market_cap_sol=30.0, **usdc))
        await world.publish(token(1, market_cap_usd=6000.0, market_cap_sol=30.0, **usdc))
        await until(12.0)
    assert [{"market_cap_sol": 40.0, "price_usd": 6e-06}] == world.values(1)[1:]
    assert [{"market_cap_sol": 0.0, "price_usd": 0.0}] == world.values(2)
    assert [] == world.values(3)
    assert [{"market_cap_usd": 4500.0}] == world.values(4)
    assert {"market-data sol-price"} == {update.origin for _, update in world.updates}


# What the trade stream counts.


DAY: dict[str, Value] = {
    "volume_24h": 5.0,
    "volume_24h_sol": 0.1,
    "price_change_24h": 1.0,
    "buys_24h": 3,
    "sells_24h": 4,
    "tx_count_24h": 7,
}


def traded_day(number: int, at_second: float, source: str = "trades") -> StatisticsPublished:
    statistics = TokenStatistics(observed_at=at(at_second), sources={"24h": source})
    return StatisticsPublished(statistics={mint(number): statistics})


async def test_figures_of_the_day_are_left_to_the_stream_that_counts_them(
    autojump_clock: MockClock,
) -> None:
    world = World()
    world.know(*(quote(number, values=DAY | {"price_usd": 2.0}) for number in (1, 2, 3)))
    job = world.job()
    async with running(job):
        await world.start_with(token(1), token(2), token(3))
        await world.publications.send(traded_day(1, 9.0))
        await world.publications.send(traded_day(2, 9.0))
        await world.publications.send(traded_day(2, 9.5, source="dexscreener"))
        await world.publications.send(traded_day(99, 9.0))  # of a token that is not tracked
        await until(11.0)
        assert 1 == job.snapshot().covered
    assert [{"price_usd": 2.0}] == world.values(1)
    assert [DAY | {"price_usd": 2.0}] == world.values(2) == world.values(3)


async def test_a_stream_that_tells_nothing_for_an_hour_covers_nothing(
    autojump_clock: MockClock,
) -> None:
    world = World()
    world.know(quote(1, values=DAY))
    async with running(world.job()):
        await world.start_with(token(1))
        await world.publications.send(traded_day(1, 9.0))
        await until(3601.0)
        assert {} == world.values(1)[-1]
        await until(3911.0)
    assert DAY == world.values(1)[-1]


async def test_windows_of_quotes_go_to_trading(autojump_clock: MockClock) -> None:
    world = World()
    windows = {"5m": WindowStatistics(buys=2)}
    world.know(quote(1, windows=windows), quote(2))
    async with running(world.job()):
        await world.start_with(token(1), token(2))
        await until(11.0)
    [(second, told)] = world.windows.entries
    quoted = WindowsQuoted(
        mint=mint(1), observed_at=at(10.0), source="scripted-quotes", windows=windows
    )
    assert (10.0, quoted) == (second, told)


async def test_it_returns_when_sync_has_closed_the_mailbox(autojump_clock: MockClock) -> None:
    world = World()
    world.publications.close()
    await world.job().run()
    assert [] == world.updates
