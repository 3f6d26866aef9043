"""Who tells SOL's price: the order, the failures, and that ingest hears of it."""

from math import floor

import trio
from attrs import Factory, define
from trio.testing import MockClock

from actors.jobs.market_data import MarketDataJob
from domain.errors import RateLimited, SourceClosed
from domain.messages import SolPriceTold
from domain.values import Usd
from sources import MarketProviders
from sources.scripted import ScriptedQuotes, ScriptedSolPrice
from supervision.mailbox import Mailbox
from tests.unit.actors.jobs.job_world import AskingWorld
from tests.unit.actors.jobs.test_market_data import quote
from tests.unit.actors.world import HOUR, at, running, token, until

ANSWER_SECONDS = 0.25  # pairs answer at once, so that the order in one instant is certain
NEEDS_KEY = SourceClosed("hermes.pyth.network: HTTP 401: no", status=401)


def source(name: str, price: float, *, is_down: bool = False) -> ScriptedSolPrice:
    made = ScriptedSolPrice(price=Usd(price), name=name)
    made.script.delay_seconds = ANSWER_SECONDS
    made.script.is_down = is_down
    return made


@define
class World(AskingWorld):
    name = "market-data"
    provider: ScriptedQuotes | None = Factory(ScriptedQuotes)
    jupiter: ScriptedSolPrice | None = Factory(lambda: source("jupiter", 100.0))
    pyth: ScriptedSolPrice = Factory(lambda: source("pyth", 102.0))
    coingecko: ScriptedSolPrice = Factory(lambda: source("coingecko", 103.0))

    def job(self) -> MarketDataJob:
        providers = MarketProviders(
            quotes=self.provider,
            sol_price=self.jupiter,
            sol_price_fallbacks=(self.pyth, self.coingecko),
        )
        return MarketDataJob.build(self.context(), providers)

    def imply(self, price: float | None) -> None:
        """What token 1's pair implies."""
        assert self.provider is not None
        told = quote(1, sol_usd=None if price is None else Usd(price))
        self.provider.known = {told.mint: told}

    def told(self) -> list[tuple[float, float]]:
        """(second, price) of what ingest was told so far."""
        waiting = [*self.sol_prices._waiting]  # as they were sent; nobody reads them here
        return [(each.message.observed_at - at(0), each.message.usd) for each in waiting]


def times(provider: ScriptedSolPrice) -> list[int]:
    """The whole second of each request."""
    return [floor(call.at_seconds) for call in provider.script.calls]


async def test_the_first_provider_is_asked_each_minute_and_nobody_else(
    autojump_clock: MockClock,
) -> None:
    world = World()
    world.imply(101.0)
    job = world.job()
    async with running(job):
        await world.start_with(token(1))
        await until(400.0)
    assert [10.0 + 60 * n for n in range(7)] == times(world.jupiter or world.pyth)
    assert [] == times(world.pyth) == times(world.coingecko)
    assert (100.0, "jupiter") == (job.snapshot().sol_usd, job.snapshot().sol_price_source)
    by_jupiter = [(10.25 + 60 * n, 100.0) for n in range(7)]
    assert [(10.0, 101.0), *by_jupiter] == world.told()  # the pairs were faster, once


async def test_without_it_pairs_count_then_pyth_then_coingecko(autojump_clock: MockClock) -> None:
    world = World(jupiter=source("jupiter", 100.0, is_down=True))
    world.pyth.script.is_down = True
    assert world.jupiter is not None
    job = world.job()
    async with running(job):
        await world.start_with(token(1))
        await until(20.0)
        assert (103.0, "coingecko") == (job.sol.price, job.sol.source)
        world.pyth.script.is_down = False
        await until(80.0)
        assert (102.0, "pyth") == (job.sol.price, job.sol.source)
        world.imply(101.0)
        await world.publish(token(1, last_trade_at=at(80)))  # known again: asked in the next run
        await until(320.0)
        assert (101.0, "pairs") == (job.sol.price, job.sol.source)
        asked = len(times(world.pyth))
        await until(600.0)
        assert asked == len(times(world.pyth))
        world.jupiter.script.is_down = False
        await until(680.0)
        assert (100.0, "jupiter") == (job.sol.price, job.sol.source)
    said = world.log.entries("SOL's price comes from another source")
    assert ["coingecko", "pyth", "pairs", "jupiter"] == [each["source"] for each in said]
    failures = job.snapshot().sol_price_failures
    assert (10, 1) == (failures["jupiter"], failures["pyth"])


async def test_pairs_that_have_told_nothing_lately_do_not_count(autojump_clock: MockClock) -> None:
    world = World(jupiter=source("jupiter", 100.0, is_down=True))
    world.imply(101.0)
    job = world.job()
    async with running(job):
        await world.start_with(token(1))
        await until(20.0)
        assert "pairs" == job.sol.source
        world.imply(None)
        await until(400.0)
        assert "pairs" == job.sol.source  # of the run at 10, which the one at 310 did not renew
        await until(500.0)
        assert "pyth" == job.sol.source


async def test_each_failure_is_told_once(autojump_clock: MockClock) -> None:
    world = World(jupiter=source("jupiter", 100.0, is_down=True))
    world.pyth.script.failures = dict.fromkeys(range(1, 100), RateLimited(retry_after_seconds=None))
    job = world.job()
    async with running(job):
        await world.start_with(token(1))
        await until(HOUR)
    [told] = world.log.entries("source of SOL's price fails")
    assert "pyth" == told["source"]
    assert {"jupiter"} == {name for _, name, _ in world.outages if name != "scripted-quotes"}
    assert 60 == job.snapshot().sol_price_failures["jupiter"]


async def test_a_source_that_refuses_for_good_is_asked_hourly_though_others_tell_the_price(
    autojump_clock: MockClock,
) -> None:
    world = World(jupiter=source("jupiter", 100.0, is_down=True))
    world.pyth.script.failures = {1: NEEDS_KEY, 2: NEEDS_KEY}
    assert world.jupiter is not None
    job = world.job()
    async with running(job):
        await world.start_with(token(1))
        await until(500.0)
        assert "coingecko" == job.sol.source
        assert {"pyth"} == job.snapshot().closed.keys()
        world.jupiter.script.is_down = False
        await until(2 * HOUR)
        assert [10.0, 3610.0] == times(world.pyth)
        assert "jupiter" == job.sol.source
        await until(3 * HOUR)
    assert [10.0, 3610.0, 7210.0] == times(world.pyth)
    assert {} == job.snapshot().closed
    of_pyth = [(second, is_away) for second, name, is_away in world.outages if name == "pyth"]
    assert [(10.5, True), (3610.5, True), (7210.5, False)] == of_pyth


async def test_an_hour_of_refusals_costs_the_rest_of_the_job_nothing(
    autojump_clock: MockClock,
) -> None:
    world = World()
    world.imply(101.0)
    for each in (world.jupiter, world.pyth, world.coingecko):
        assert each is not None
        each.script.failures = dict.fromkeys(range(1, 100), NEEDS_KEY)
    async with running(world.job()):
        await world.start_with(token(1, market_cap_sol=2.0))
        await until(HOUR)
    assert [10.0 + 300 * n for n in range(12)] == world.call_times
    assert {"market_cap_usd": 202.0} in world.values()
    asked = [times(each) for each in (world.jupiter, world.pyth, world.coingecko) if each]
    assert [[10], [], []] == asked


async def test_ingest_without_room_never_makes_the_job_wait(autojump_clock: MockClock) -> None:
    world = World()
    full: Mailbox[SolPriceTold] = Mailbox("prices", capacity=1)
    world.sol_prices = full
    job = world.job()
    async with running(job):
        await world.start_with(token(1))
        await until(200.0)
        assert (1, 3) == (full.statistics().depth, job.snapshot().sol_prices_untold)
        await full.receive()
        await until(260.0)
        assert [at(250.25)] == [each.message.observed_at for each in full._waiting]


async def test_idle_asks_nobody_for_the_price_and_an_activation_does_at_once(
    autojump_clock: MockClock,
) -> None:
    world = World(jupiter=source("jupiter", 100.0, is_down=True))
    assert world.jupiter is not None
    job = world.job()
    async with running(job):
        await world.start_with(token(1))
        await until(20.0)
        await world.go_idle()
        await until(HOUR)
        assert [[10.0]] * 2 == [times(world.jupiter), times(world.pyth)]
        assert HOUR - 10 - 2 * ANSWER_SECONDS == job.snapshot().sol_price_age_seconds
        await world.activate()
        await until(HOUR + 1)
    assert [10.0, HOUR] == times(world.jupiter)


async def test_a_system_that_goes_idle_amid_the_order_is_asked_for_no_more(
    autojump_clock: MockClock,
) -> None:
    world = World(jupiter=source("jupiter", 100.0, is_down=True))
    assert world.jupiter is not None
    world.jupiter.script.delay_seconds = 5.0
    async with running(world.job()):
        await world.start_with(token(1))
        await until(12.0)
        await world.go_idle()
        await until(100.0)
    assert [] == times(world.pyth)


async def test_a_slow_answer_holds_up_no_quotes(autojump_clock: MockClock) -> None:
    world = World()
    assert world.jupiter is not None
    world.jupiter.script.delay_seconds = 1000.0
    world.imply(101.0)
    job = world.job()
    async with running(job):
        await world.start_with(token(1))
        await trio.sleep(5)
        assert [10.0] == world.call_times
        assert (101.0, "pairs") == (job.sol.price, job.sol.source)
        assert 1 == job.snapshot().quotes
