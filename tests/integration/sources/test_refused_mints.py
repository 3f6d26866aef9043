"""Refusals of one mint by a real server, over the real HTTP client: the others go on.

The jobs themselves ask, without their schedule, so that no test waits for one.
"""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx
import pytest
import trio

from actors.jobs.holder_count import HolderCountJob
from actors.jobs.market_data import MarketDataJob
from config.settings import Settings
from domain.token import Token
from domain.values import Mint
from sources.holders import RpcHolders
from sources.http import JsonHttp, new_http_client
from sources.providers import Upstreams, connect_holder_provider, connect_market_providers
from sources.rates import RateLimiter
from sources.rpc import JsonRpc
from tests.integration.sources.http_server import Answer, AnsweringServer, answers, sends
from tests.patience import PATIENCE_SECONDS
from tests.unit.actors.jobs.job_world import JobWorld
from tests.unit.actors.world import SETTINGS, clock, mint, token
from tests.unit.sources.test_holders import token_account

LARGEST_BODY_BYTES = 10_000


def rpc_error(code: int, message: str) -> Answer:
    return answers({"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}})


async def never(_: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def hangs_up(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n[1,")
    raise trio.BrokenResourceError


REFUSALS: dict[str, Answer] = {
    "rpc_-32012": rpc_error(-32012, "Scan aborted: scan results exceeded the limit"),
    "rpc_-32010": rpc_error(-32010, "excluded from account secondary indexes"),
    "rpc_-32600": rpc_error(-32600, "Too many accounts requested (1004532 pubkeys)"),
    "http_504": sends(b"<html>Gateway Time-out</html>", b"504 Gateway Time-out"),
    "too_large": answers([" " * LARGEST_BODY_BYTES]),
    "silent": never,
    "broken_answer": hangs_up,
    "not_json": sends(b"<html>", b"200 OK"),
}


def refusing(server: AnsweringServer, bad: Mint, refusal: Answer, answer: Answer) -> Answer:
    """Refuses requests that name a mint, in their address or their body; answers all others."""

    async def reply(stream: trio.SocketStream) -> None:
        asked = server.targets[-1] + server.bodies[-1]
        await (refusal if bad.encode() in asked else answer)(stream)

    return reply


HOLDERS = answers({"jsonrpc": "2.0", "id": 1, "result": [token_account(1, 1)]})


def born_now(number: int) -> Token:
    """The least of them are the most interesting."""
    return token(number, watcher_count=100 - number, first_seen_at=clock())


@asynccontextmanager
async def counting(
    server: AnsweringServer, timeout_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[tuple[JobWorld, HolderCountJob]]:
    """A holder count that knows of thirteen tokens and asks this server by JSON-RPC."""
    world = JobWorld()
    JobWorld.name = "holder-count"
    async with server.running(), new_http_client() as client:
        http = JsonHttp(
            client=client,
            timeout_seconds=timeout_seconds,
            limiter=RateLimiter(per_minute=float("inf")),
            largest_body_bytes=LARGEST_BODY_BYTES,
        )
        provider = RpcHolders(rpc=JsonRpc(url=server.url, http=http))
        job = HolderCountJob.build(world.context(), provider)
        for number in range(1, 14):
            await job.learn_token(born_now(number))
        yield world, job


@pytest.mark.parametrize("reason", REFUSALS)
@pytest.mark.parametrize("bad", [1, 8])
async def test_a_mint_that_the_rpc_refuses_is_skipped(reason: str, bad: int) -> None:
    server = AnsweringServer([])
    server.answers = [refusing(server, mint(bad), REFUSALS[reason], HOLDERS)]
    # Silence costs its time-out; all else gets all the time that a busy machine takes.
    timeout_seconds = 3.0 if reason == "silent" else PATIENCE_SECONDS
    async with counting(server, timeout_seconds) as (world, job):
        await job.refresh_counts()
        counted = {update.mint for _, update in world.updates}
        assert {mint(number) for number in range(1, 14)} - {mint(bad)} == counted
        assert {reason: 1} == job.snapshot().failures
        assert 1 == job.snapshot().refused
        assert [False] == [is_away for _, _, is_away in world.outages]
        asked = len(server.bodies)
        await job.refresh_counts()
        assert asked == len(server.bodies)  # nobody is due yet, the refused one least of all


@pytest.mark.parametrize("bad", ["http_504", "rpc_-32012"])
async def test_a_server_that_refuses_every_mint_is_asked_a_bounded_number_of_times(
    bad: str,
) -> None:
    server = AnsweringServer([REFUSALS[bad]])
    async with counting(server) as (world, job):
        await job.refresh_counts()
        assert [] == world.updates
        assert len(server.bodies) <= 13
        [(_, name, reporter, problem)] = world.conditions.outages
        assert ("rpc", "holder-count") == (name, reporter)
        assert problem is not None


async def test_a_server_that_asks_for_less_is_asked_no_more() -> None:
    server = AnsweringServer([sends(b"{}", b"429 Too Many Requests")])
    async with counting(server) as (world, job):
        await job.refresh_counts()
        assert 1 == len(server.bodies)
        assert [("rpc", True)] == [(name, is_away) for _, name, is_away in world.outages]


async def test_a_server_that_is_not_there_is_asked_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    async with counting(AnsweringServer([HOLDERS])) as (world, job):
        assert isinstance(job.provider, RpcHolders)
        job.provider.rpc.url = f"http://127.0.0.1:{port}"
        await job.refresh_counts()
        assert {"unreachable": 1} == job.snapshot().failures
        assert [("rpc", True)] == [(name, is_away) for _, name, is_away in world.outages]


# Batches, by the providers as the settings connect them.

Connect = Callable[[Settings, httpx.AsyncClient], Any]


def settings_for(server: AnsweringServer) -> Settings:
    many = {"url": server.url, "requests_per_minute": 1e6, "timeout_seconds": PATIENCE_SECONDS}
    return attrs.evolve(
        SETTINGS,
        market_data=attrs.evolve(SETTINGS.market_data, **many),  # type: ignore[arg-type]
        holder_count=attrs.evolve(SETTINGS.holder_count, **many),  # type: ignore[arg-type]
        jupiter=attrs.evolve(SETTINGS.jupiter, **many),  # type: ignore[arg-type]
        sol_price=attrs.evolve(SETTINGS.sol_price, url="", pyth_url="", coingecko_url=""),
    )


def asked_mints(server: AnsweringServer) -> list[Mint]:
    listed = server.targets[-1].decode().rpartition("=")[2].rpartition("/")[2]
    return [Mint(each) for each in listed.split(",")]


def knowing_all(server: AnsweringServer) -> Answer:
    """What DexScreener, or Jupiter's search, says of the mints that it was asked about."""

    async def reply(stream: trio.SocketStream) -> None:
        pairs = [
            {"chainId": "solana", "dexId": "pumpfun", "baseToken": {"address": each}}
            | {"priceUsd": "1.5", "id": each, "holderCount": 7}
            for each in asked_mints(server)
        ]
        await answers(pairs)(stream)

    return reply


BATCH_REFUSALS = {
    "http_400": answers("<html>Bad Request</html>", b"400 Bad Request"),
    "http_414": sends(b"", b"414 URI Too Long"),
    "http_504": REFUSALS["http_504"],
    "not_json": REFUSALS["not_json"],
    "broken_answer": hangs_up,
    "unexpected_answer": answers({"error": "bad mint"}),
}


@pytest.mark.parametrize("reason", BATCH_REFUSALS)
@pytest.mark.parametrize("job_name", ["market-data", "holder-count"])
async def test_a_mint_that_spoils_a_batch_costs_only_itself(job_name: str, reason: str) -> None:
    server = AnsweringServer([])
    server.answers = [refusing(server, mint(5), BATCH_REFUSALS[reason], knowing_all(server))]
    async with server.running(), new_http_client() as client:
        world = JobWorld(settings=settings_for(server))
        JobWorld.name = job_name
        job: Any
        if job_name == "market-data":
            providers = connect_market_providers(Upstreams(world.settings, client))
            job = MarketDataJob.build(world.context(), providers)
            refresh = job.refresh_market
        else:
            provider = connect_holder_provider(Upstreams(world.settings, client))
            job = HolderCountJob.build(world.context(), provider)
            refresh = job.refresh_counts
        for number in range(1, 71):
            await job.learn_token(born_now(number))
        await refresh()
        known = {update.mint for _, update in world.updates}
        assert {mint(number) for number in range(1, 71)} - {mint(5)} == known
        assert 1 == job.snapshot().refused
        assert {reason} == job.snapshot().failures.keys()
        assert [False] == [is_away for _, _, is_away in world.outages]
