"""What one stream alone brings: the chain's own logs, without any key, or PumpPortal as ever.

The world is the simulated market in this process: real sockets, misleading logs and all. It lives
fast, once the service listens to all of it, until there is enough; then nothing more happens in it,
and the service is compared with it, to the single trade.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from commands.market.calibration import Calibration
from commands.market.chain_history import LogTraps
from commands.market.clock import MarketClock
from commands.market.keys import address
from commands.market.server import PUMPAPI_PATH, PUMPPORTAL_PATH, ServerSettings
from commands.market.token import MarketToken
from commands.market.traps import NO_TRAPS
from commands.market.troubles import StreamName
from tests.acceptance.service import Service, running_service, settings, until_rows
from tests.integration.commands.market_world import World, served, wall_clock
from tests.patience import PATIENCE_SECONDS

SPEED = 30.0  # market seconds a second
BIRTHS, GRADUATIONS = 60, 3
CUTS = 10
PROGRAMS = 3  # of the chain, each with a subscription of its own
# More LaunchLab coins than in the world, and fewer trades: a short test of all kinds.
LIVELY = Calibration(
    trade_share=0.2, bonk_share=0.15, dollar_share=0.2, raydium_pools_per_minute=0.0
)
# A log that breaks off would hide a trade for good, from whoever has only logs.
WHOLE_LOGS = ServerSettings(
    traps=NO_TRAPS, log_traps=LogTraps(truncated=0.0, failed=0.2, foreign=0.1, duplicate=0.1)
)
POOLS_QUERY = (
    'SELECT mint, "poolAddress" FROM "TokenDiscovery" '
    "WHERE status = 'BONDED' AND \"poolType\" = 'pumpswap' ORDER BY mint COLLATE \"C\""
)


class HeldClock(MarketClock):
    """Stands still until the test lets time pass, whoever listens to a part of the market."""

    def start(self) -> None:
        pass

    def let_pass(self) -> None:
        super().start()


@asynccontextmanager
async def held_market() -> AsyncIterator[World]:
    """A market in which nothing happens before `live_until_enough`."""
    clock = HeldClock(wall_clock=wall_clock, speed=SPEED)
    async with served(clock, WHOLE_LOGS, LIVELY) as world:
        yield world


def chain_of(world: World) -> dict[str, str]:
    return {"INGEST__CHAIN_URL": world.socket_url("/"), "INGEST__CHAIN_RPC_URL": f"{world.url}/"}


def graduated(world: World) -> list[MarketToken]:
    """Those that went from pump.fun's curve to PumpSwap."""
    every = world.server.market.tokens.values()
    return [token for token in every if token.venue == "pump" and token.in_pool]


def born(world: World) -> list[MarketToken]:
    every = world.server.market.tokens.values()
    return [token for token in every if token.venue in ("pump", "bonk")]


def listening(world: World) -> tuple[int, int]:
    """PumpAPI's connections, and the subscriptions to programs on the chain."""
    audience = world.server.audience
    return len(audience.api_clients), sum(map(len, audience.log_clients.values()))


def listens_to_portal(world: World) -> bool:
    every = world.server.audience.portal_clients.values()
    return any(each.creates and each.migrations for each in every)


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        while not condition():
            await trio.sleep(0.05)


def begin(world: World) -> None:
    """Let time pass from now on, where it does not yet."""
    clock = world.server.clock
    assert isinstance(clock, HeldClock)
    clock.let_pass()


async def live_until_enough(world: World) -> None:
    """Let the market live, and then stand still for good."""
    begin(world)
    await until(lambda: len(born(world)) >= BIRTHS and len(graduated(world)) >= GRADUATIONS)
    world.server.market.agenda.clear()


async def read_item(service: Service, mint: str) -> dict[str, Any]:
    answer = await service.get(f"/api/tokens/{mint}")
    return answer.json() if answer.status_code == 200 else {}


async def until_counted(service: Service, token: MarketToken) -> dict[str, Any]:
    """The item once its window has every trade that the market made of the token."""
    buys, sells = (sum(getattr(m, side) for m in token.minutes) for side in ("buys", "sells"))
    item: dict[str, Any] = {}
    with trio.move_on_after(PATIENCE_SECONDS):
        while (item.get("buys1h"), item.get("sells1h")) != (buys, sells):
            item = await read_item(service, token.mint)
            await trio.sleep(0.1)
    assert (buys, sells) == (item.get("buys1h"), item.get("sells1h")), token
    return item


def pools_of(world: World) -> list[tuple[object, ...]]:
    return sorted((token.mint, address("pool", token.mint)) for token in graduated(world))


async def test_births_and_graduations_come_from_the_chain_alone(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with held_market() as world:
        environment = settings(postgres_url, redis_url, **chain_of(world))
        async with running_service(tmp_path, environment) as service:
            await until(lambda: listening(world) == (0, PROGRAMS))
            await live_until_enough(world)
            count = 'SELECT count(*)::int FROM "TokenDiscovery" WHERE "creatorWallet" IS NOT NULL'
            await until_rows(postgres_url, count, [(len(born(world)),)])
            await until_rows(postgres_url, POOLS_QUERY, list(pools_of(world)))
            decimals = 'SELECT DISTINCT decimals FROM "TokenDiscovery"'
            await until_rows(postgres_url, decimals, [(6,)])
            for token in born(world):
                item = await read_item(service, token.mint)
                assert token.pair.mint == item["quoteMint"]
                assert {"pump": "pumpfun", "bonk": "launchlab"}[token.venue] == item["launchpad"]
            assert 0 == await service.stop()


async def test_trades_from_the_chain_alone_make_scores_windows_and_candles(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with held_market() as world:
        environment = settings(
            postgres_url, redis_url, HOT_SCORE__INTERVAL_SECONDS="1", **chain_of(world)
        )
        async with running_service(tmp_path, environment) as service:
            await until(lambda: listening(world) == (0, PROGRAMS))
            await live_until_enough(world)
            await until_scored(service)
            busiest = sorted(born(world), key=lambda token: token.traded)[-8:]
            for token in [*busiest, *(t for t in graduated(world) if t not in busiest)]:
                item = await until_counted(service, token)
                assert "trades" == item["provenance"]["windows"]["1h"]["source"]
                await compare_history(service, token)
            assert 0 == await service.stop()


async def until_scored(service: Service) -> None:
    """Wait for scores, in their order; soon, since they decay."""
    scores: list[float] = []
    with trio.move_on_after(PATIENCE_SECONDS):
        while len(scores) <= 5:
            feed = (await service.get("/api/warp-pipes/feed?sortBy=hot")).json()
            scores = [item["hotScore"] for item in feed["new"] if item["hotScore"]]
            await trio.sleep(0.1)
    assert len(scores) > 5
    assert scores == sorted(scores, reverse=True)


async def compare_history(service: Service, token: MarketToken) -> None:
    """Candles and single trades of a token against the market's own count."""
    buys = sum(minute.buys for minute in token.minutes)
    sells = sum(minute.sells for minute in token.minutes)
    answer = (await service.get(f"/api/tokens/{token.mint}/candles?interval=1m")).json()
    candles = answer["candles"]
    assert (buys, sells) == (sum(c["buys"] for c in candles), sum(c["sells"] for c in candles))
    assert sorted(c["time"] for c in candles) == [c["time"] for c in candles]
    for candle in candles:
        assert candle["low"] <= min(candle["open"], candle["close"])
        assert candle["high"] >= max(candle["open"], candle["close"])
        assert 0 == candle["time"] % 60
    answer = (await service.get(f"/api/tokens/{token.mint}/trades?limit=200")).json()
    assert min(buys + sells, 200) == len(answer["trades"])
    assert {"buy", "sell"} >= {trade["side"] for trade in answer["trades"]}


async def test_pumpportal_alone_serves_as_ever(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with held_market() as world:
        url = f"{world.socket_url(PUMPPORTAL_PATH)}?api-key=key"
        environment = settings(postgres_url, redis_url, INGEST__URL=url)
        async with running_service(tmp_path, environment) as service:
            await until(lambda: listens_to_portal(world))
            await live_until_enough(world)
            known = [token for token in born(world) if not token.pair.is_dollar]
            count = 'SELECT count(*)::int FROM "TokenDiscovery" WHERE "creatorWallet" IS NOT NULL'
            await until_rows(postgres_url, count, [(len(known),)])
            bonded = [t.mint for t in graduated(world) if not t.pair.is_dollar]
            expected: list[tuple[object, ...]] = [(mint, None) for mint in sorted(bonded)]
            query = POOLS_QUERY.replace("WHERE", 'WHERE "creatorWallet" IS NOT NULL AND')
            await until_rows(postgres_url, query, expected)
            assert 0 == await service.stop()


async def test_no_birth_or_graduation_is_lost_when_either_of_two_streams_is_cut(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with held_market() as world:
        streams = {"INGEST__PUMPAPI_URL": world.socket_url(PUMPAPI_PATH), **chain_of(world)}
        environment = settings(postgres_url, redis_url, INGEST__RECONNECT_SECONDS="0.1", **streams)
        async with running_service(tmp_path, environment) as service:
            audience = world.server.audience
            await until(lambda: listening(world) == (1, PROGRAMS))
            begin(world)
            for number in range(CUTS):
                stream: StreamName = "chain" if number % 2 else "pumpapi"
                await until(lambda: listening(world) == (1, PROGRAMS))
                await trio.sleep(0.3)
                assert audience.cut(stream)
            await live_until_enough(world)
            count = 'SELECT count(*)::int FROM "TokenDiscovery" WHERE "creatorWallet" IS NOT NULL'
            await until_rows(postgres_url, count, [(len(born(world)),)])
            await until_rows(postgres_url, POOLS_QUERY, list(pools_of(world)))
            assert 0 == await service.stop()
