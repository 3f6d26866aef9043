"""Jupiter over real sockets: one bucket for two endpoints, its key, its refusals and its silence.

The jobs themselves ask, by the providers as the settings connect them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from attrs import define, field

from actors.jobs.holder_count import HolderCountJob
from actors.jobs.market_data import MarketDataJob
from config.settings import Settings
from domain.errors import RateLimited
from domain.values import WRAPPED_SOL
from sources.http import new_http_client
from sources.providers import Upstreams, connect_holder_provider, connect_market_providers
from tests.integration.sources.http_server import Answer, AnsweringServer, answers, sends
from tests.patience import PATIENCE_SECONDS
from tests.unit.actors.jobs.job_world import JobWorld
from tests.unit.actors.world import SETTINGS, clock, mint, token
from tests.unit.sources.recordings import load

KEY = "s3cr3t-key-of-jupiter"
PRICE = answers({WRAPPED_SOL: {"usdPrice": 81.5}})
PYTH = answers(
    {
        "parsed": [
            {
                "id": "ef0d8b6fda2ceba41da15d4095d1da392a0d2f8ed0c6c7bc0f4cfac8c280b56d",
                "price": {"price": "8160000000", "expo": -8},
            }
        ]
    }
)
COINGECKO = answers(load("sol-usd/coingecko_simple_price_solana.json"))
TOKENS = answers([{"id": mint(1), "holderCount": 7}])
UNAUTHORIZED = answers({"code": 401, "message": "Unauthorized"}, b"401 Unauthorized")


def too_many(headers: bytes) -> Answer:
    body = load("jupiter/error_429_keyless_rate_limited.json")
    return answers(body, b"429 Too Many Requests", headers)


async def never(_: trio.SocketStream) -> None:
    await trio.sleep_forever()


@define
class WorldServer(AnsweringServer):
    """Jupiter, Pyth and CoinGecko on one port, told apart by the path."""

    answers: list[Answer] = field(factory=list)
    routes: dict[bytes, Answer] = field(factory=dict)  # by the beginning of the path

    def __attrs_post_init__(self) -> None:
        self.answers = [self._route]

    async def _route(self, stream: trio.SocketStream) -> None:
        target = self.targets[-1]
        chosen = [answer for path, answer in self.routes.items() if target.startswith(path)]
        await (chosen or [sends(b"", b"404 Not Found")])[0](stream)

    def asked(self, path: bytes) -> int:
        return sum(target.startswith(path) for target in self.targets)


@define
class Jobs:
    """Both jobs that ask Jupiter, in worlds of their own."""

    server: WorldServer
    market: MarketDataJob
    holders: HolderCountJob
    worlds: tuple[JobWorld, JobWorld]

    def problems(self) -> set[tuple[str, bool]]:
        """(source, is it away) of each report to readiness."""
        return {
            (name, problem is not None)
            for world in self.worlds
            for _, name, _, problem in world.conditions.outages
        }


def settings_for(server: AnsweringServer, api_key: str = "", **jupiter: float) -> Settings:
    usual = {"requests_per_minute": 6000.0, "timeout_seconds": PATIENCE_SECONDS} | jupiter
    return attrs.evolve(
        SETTINGS,
        market_data=attrs.evolve(SETTINGS.market_data, url=""),
        jupiter=attrs.evolve(
            SETTINGS.jupiter,
            url=server.url,
            api_key=api_key,
            requests_per_minute=usual["requests_per_minute"],
            timeout_seconds=usual["timeout_seconds"],
        ),
        sol_price=attrs.evolve(
            SETTINGS.sol_price, url="", pyth_url=server.url, coingecko_url=server.url
        ),
    )


@asynccontextmanager
async def asking(
    routes: dict[bytes, Answer], api_key: str = "", **jupiter: float
) -> AsyncIterator[Jobs]:
    server = WorldServer(routes=routes)
    async with server.running(), new_http_client() as client:
        settings = settings_for(server, api_key, **jupiter)
        upstreams = Upstreams(settings, client)
        worlds = JobWorld(settings=settings), JobWorld(settings=settings)
        JobWorld.name = "market-data"
        market = MarketDataJob.build(worlds[0].context(), connect_market_providers(upstreams))
        JobWorld.name = "holder-count"
        holders = HolderCountJob.build(worlds[1].context(), connect_holder_provider(upstreams))
        await holders.learn_token(token(1, first_seen_at=clock()))
        yield Jobs(server, market, holders, worlds)


SEARCH, JUPITER_PRICE = b"/tokens/v2/search", b"/price/v3"
PYTH_PRICE, COINGECKO_PRICE = b"/v2/updates/price", b"/api/v3/simple"


async def test_the_key_is_sent_to_both_endpoints_and_to_nobody_else() -> None:
    routes = {SEARCH: TOKENS, JUPITER_PRICE: UNAUTHORIZED, PYTH_PRICE: PYTH}
    async with asking(routes, KEY) as jobs:
        await jobs.holders.refresh_counts()
        await jobs.market.sol.refresh()
        sent = {
            target.partition(b"?")[0]: headers.get(b"x-api-key")
            for target, headers in zip(jobs.server.targets, jobs.server.headers, strict=True)
        }
        assert {
            SEARCH: KEY.encode(),
            JUPITER_PRICE: KEY.encode(),
            b"/v2/updates/price/latest": None,
        } == sent
        [why] = jobs.market.snapshot().closed.values()
        assert "it does not take the key in jupiter.api_key" in why
        told = repr([world.conditions.outages for world in jobs.worlds]) + repr(jobs.market)
        assert KEY not in told


async def test_without_a_key_no_header_is_sent() -> None:
    async with asking({SEARCH: TOKENS}) as jobs:
        await jobs.holders.refresh_counts()
        assert b"x-api-key" not in jobs.server.headers[0]
        assert [{"holder_count": 7}] == jobs.worlds[1].values(1)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (b"retry-after: 60\r\n", 60.0),
        (
            b"date: Mon, 28 Sep 2026 20:46:40 GMT\r\nx-ratelimit-reset: 1790628430\r\n",
            31.0,
        ),
        (b"", 10.0),
    ],
)
async def test_a_429_of_one_endpoint_pauses_the_other_without_a_request(
    headers: bytes, seconds: float
) -> None:
    routes = {SEARCH: too_many(headers), JUPITER_PRICE: PRICE, PYTH_PRICE: PYTH}
    async with asking(routes) as jobs:
        await jobs.holders.refresh_counts()
        before = len(jobs.server.targets)
        await jobs.market.sol.refresh()
        assert 0 == jobs.server.asked(JUPITER_PRICE)
        assert 1 == len(jobs.server.targets) - before  # Pyth
        assert "pyth" == jobs.market.sol.source
        assert pytest.approx(81.6) == jobs.market.sol.price
        first = jobs.market.providers.sol_price
        assert first is not None
        with pytest.raises(RateLimited) as error:
            await first.fetch_sol_usd()
        remaining = error.value.retry_after_seconds
        assert remaining is not None
        assert 0 < seconds - remaining < PATIENCE_SECONDS
        # It is no refusal for good.
        assert {} == jobs.holders.snapshot().closed
        assert {("jupiter", True)} == jobs.problems()


@pytest.mark.parametrize(
    "status", [b"401 Unauthorized", b"403 Forbidden", b"404 Not Found", b"410 Gone"]
)
async def test_a_jupiter_that_refuses_for_good_is_asked_once_and_the_rest_goes_on(
    status: bytes,
) -> None:
    refusal = answers({"message": "no"}, status)
    routes = {SEARCH: refusal, JUPITER_PRICE: refusal, PYTH_PRICE: UNAUTHORIZED}
    routes[COINGECKO_PRICE] = COINGECKO
    async with asking(routes) as jobs:
        for _ in range(3):
            await jobs.holders.refresh_counts()
            await jobs.market.sol.refresh()
        server = jobs.server
        assert (1, 1, 1) == tuple(map(server.asked, (SEARCH, JUPITER_PRICE, PYTH_PRICE)))
        assert 3 == server.asked(COINGECKO_PRICE)
        assert (127.05, "coingecko") == (jobs.market.sol.price, jobs.market.sol.source)
        assert {"jupiter", "pyth"} == jobs.market.snapshot().closed.keys()
        assert {"jupiter"} == jobs.holders.snapshot().closed.keys()
        assert {("jupiter", True), ("pyth", True)} == jobs.problems()
        assert 0 == jobs.holders.snapshot().refused


async def test_a_jupiter_that_hangs_makes_the_price_come_from_pyth() -> None:
    routes = {SEARCH: never, JUPITER_PRICE: never, PYTH_PRICE: PYTH}
    async with asking(routes, timeout_seconds=0.3) as jobs:
        await jobs.market.sol.refresh()
        assert "pyth" == jobs.market.sol.source
        assert {"jupiter": 1} == jobs.market.snapshot().sol_price_failures
        await jobs.holders.refresh_counts()
        assert {"silent": 1} == jobs.holders.snapshot().failures


async def test_a_search_and_a_price_take_turns() -> None:
    """At one request a second, whoever comes second waits for one turn."""
    routes = {SEARCH: TOKENS, JUPITER_PRICE: PRICE}
    async with asking(routes, requests_per_minute=60.0) as jobs:
        began_at = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(jobs.holders.refresh_counts)
            nursery.start_soon(jobs.market.sol.refresh)
        assert trio.current_time() - began_at >= 1.0
        assert (1, 1) == (jobs.server.asked(SEARCH), jobs.server.asked(JUPITER_PRICE))
