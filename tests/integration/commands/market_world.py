"""A served market of its own for a test, and how to ask it."""

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from math import inf
from typing import Any

import orjson
import trio
from attrs import frozen
from trio_websocket import WebSocketConnection, open_websocket_url

from commands.market.calibration import Calibration
from commands.market.chain_history import LogTraps
from commands.market.clock import MarketClock
from commands.market.events import Event, group_by_transaction
from commands.market.model import Market
from commands.market.server import MarketServer, ServerSettings
from commands.market.traps import NO_TRAPS
from domain.values import Mint, UnixSeconds
from sources.http import JsonHttp, new_http_client
from sources.rates import RateLimiter
from tests.patience import PATIENCE_SECONDS

NOW = UnixSeconds(1_800_000_000.0)
UNKNOWN = Mint("7ehsmTN3JRgZ54A4T6WN2PSKgM2FhxJ4bbgGV8Y1pump")
SECONDS = 2 * PATIENCE_SECONDS  # for any test here

HONEST = ServerSettings(
    client_frames=200_000,
    traps=NO_TRAPS,
    log_traps=LogTraps(failed=0.0, foreign=0.0, truncated=0.0, duplicate=0.0),
)


def wall_clock() -> UnixSeconds:
    return UnixSeconds(time.time())


@frozen
class World:
    """A served market, and how to ask it over HTTP."""

    server: MarketServer
    http: JsonHttp

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def socket_url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.server.port}{path}"


@asynccontextmanager
async def served(
    clock: MarketClock, settings: ServerSettings | None, calibration: Calibration | None = None
) -> AsyncIterator[World]:
    server = MarketServer(
        market=Market(seed=4, calibration=calibration or Calibration()),
        clock=clock,
        settings=settings or ServerSettings(traps=NO_TRAPS),
    )
    server.market.advance(clock.now())
    limiter = RateLimiter(per_minute=inf)
    with trio.fail_after(SECONDS):
        async with new_http_client() as client, trio.open_nursery() as nursery:
            await nursery.start(server.serve)
            yield World(server, JsonHttp(client=client, timeout_seconds=SECONDS, limiter=limiter))
            nursery.cancel_scope.cancel()


def running(
    settings: ServerSettings | None = None, speed: float = 200.0
) -> AbstractAsyncContextManager[World]:
    """A market whose time passes fast, once somebody listens."""
    return served(MarketClock(wall_clock=wall_clock, speed=speed), settings)


def standing(
    at: float, settings: ServerSettings | None = None
) -> AbstractAsyncContextManager[World]:
    """A market that has lived for so long, and whose time now stands still."""
    clock = MarketClock(wall_clock=lambda: NOW, started_at=UnixSeconds(NOW - at))
    return served(clock, settings)


async def ask(socket: WebSocketConnection, method: str, **more: object) -> None:
    await socket.send_message(orjson.dumps({"method": method, **more}).decode())


@asynccontextmanager
async def by_hand(settings: ServerSettings = HONEST) -> AsyncIterator[World]:
    """A market in which only happens what the test publishes."""
    mixed = Calibration(bonk_share=0.2, dollar_share=0.2, pool_trades_per_second_each=2.0)
    clock = MarketClock(wall_clock=lambda: NOW, started_at=NOW)
    async with served(clock, settings, mixed) as world:
        yield world


@asynccontextmanager
async def joined(world: World, path: str) -> AsyncIterator[WebSocketConnection]:
    """A client whose socket is closed even when the server has broken it off."""
    async with open_websocket_url(world.socket_url(path)) as socket:
        yield socket
    await trio.aclose_forcefully(socket._stream)


async def publish(world: World, seconds: float) -> list[Event]:
    """What happens in these seconds of the market, sent to whoever listens."""
    events = world.server.market.advance(seconds)
    for number, group in enumerate(group_by_transaction(events)):
        world.server.audience.publish(group)
        if number % 500 == 0:
            await trio.lowlevel.checkpoint()
    return events


async def hear_out(socket: WebSocketConnection, count: int) -> list[dict[str, Any]]:
    return [orjson.loads(await socket.get_message()) for _ in range(count)]


async def hear_until_quiet(socket: WebSocketConnection) -> list[dict[str, Any]]:
    """All that is queued: the answer to a request comes after it."""
    await ask(socket, "getHealth", jsonrpc="2.0", id="end", params=[])
    frames: list[dict[str, Any]] = []
    while not frames or frames[-1].get("id") != "end":
        frames.append(orjson.loads(await socket.get_message()))
    return frames[:-1]
