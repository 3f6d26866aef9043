"""The simulated market speaks the real protocols: the project's own sources understand it."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
import trio
from attrs import evolve
from trio_websocket import WebSocketConnection, open_websocket_url

from commands.market.calibration import Calibration
from commands.market.clock import MarketClock
from commands.market.events import Created, Migrated, Traded
from commands.market.keys import address
from commands.market.model import Market
from commands.market.quotes import cap_usd, sol_usd
from commands.market.server import PUMPPORTAL_PATH, MarketServer, ServerSettings
from commands.market.token import MarketToken
from commands.market.traps import NO_TRAPS, USDC, TrapShares
from domain.errors import MintRefused, RateLimited
from domain.lifecycle import bonding_progress
from domain.messages import MigrationSeen, SourceEvent, TokenCreated, TradeSeen
from domain.values import UnixSeconds, parse_mint
from sources.dexscreener import DexScreener
from sources.holders import JupiterHolders, RpcHolders
from sources.pumpportal_frames import ControlFrame, parse_frame
from sources.raydium_logs import RAYDIUM_AMM_V4, opens_pool, parse_pools
from sources.rpc import JsonRpc
from sources.sol_price import JupiterSolPrice
from tests.integration.commands.market_world import (
    NOW,
    UNKNOWN,
    ask,
    running,
    served,
    standing,
    wall_clock,
)

POOLS = ("raydium", "pump-amm")


async def collect(
    socket: WebSocketConnection, enough: dict[type[object], int]
) -> list[SourceEvent | ControlFrame]:
    """What the socket says until there are enough of each kind."""
    found: list[SourceEvent | ControlFrame] = []
    while any(sum(isinstance(f, kind) for f in found) < n for kind, n in enough.items()):
        found.append(parse_frame(await socket.get_message(), NOW))
    return found


PORTAL = f"{PUMPPORTAL_PATH}?api-key=key"


async def test_pumpportal_streams_what_was_subscribed_to() -> None:
    async with running() as world, open_websocket_url(world.socket_url(PORTAL)) as socket:
        await ask(socket, "subscribeNewToken")
        await ask(socket, "subscribeMigration")
        created = await collect(socket, {TokenCreated: 5})
        mints = [event.mint for event in created if isinstance(event, TokenCreated)]
        await ask(socket, "subscribeTokenTrade", keys=mints)
        trades = [e for e in await collect(socket, {TradeSeen: 20}) if isinstance(e, TradeSeen)]
        assert {trade.mint for trade in trades} <= set(mints)
        for event in trades:
            if event.curve_tokens is not None:
                assert 0 <= bonding_progress(event.curve_tokens) <= 100
        await collect(socket, {MigrationSeen: 1})


async def test_pumpportal_acknowledges_in_the_recorded_words() -> None:
    async with running() as world, open_websocket_url(world.socket_url(PORTAL)) as socket:
        await ask(socket, "subscribeNewToken")
        await ask(socket, "subscribeMigration")
        notices = await collect(socket, {ControlFrame: 2})
        said = [notice.notice for notice in notices if isinstance(notice, ControlFrame)]
        expected = [
            "Successfully subscribed to token creation events.",
            "Subscribed to 'migration' events.",
        ]
        assert expected == said


async def test_trades_need_an_api_key() -> None:
    async with running() as world, open_websocket_url(world.socket_url(PUMPPORTAL_PATH)) as socket:
        await ask(socket, "subscribeTokenTrade", keys=[UNKNOWN])
        refusal = parse_frame(await socket.get_message(), NOW)
        assert isinstance(refusal, ControlFrame)
        assert refusal.refuses_trades


async def test_unsubscribed_stream_falls_silent() -> None:
    async with running() as world, open_websocket_url(world.socket_url(PORTAL)) as socket:
        await ask(socket, "subscribeNewToken")
        await collect(socket, {TokenCreated: 1})
        await ask(socket, "unsubscribeNewToken")
        await collect(socket, {ControlFrame: 1})
        with trio.move_on_after(0.2) as silence:
            await socket.get_message()
        assert silence.cancelled_caught


async def test_bad_request_is_answered_and_the_socket_lives_on() -> None:
    async with running() as world, open_websocket_url(world.socket_url(PORTAL)) as socket:
        for text in ("no json", "[]", '{"method":"dance"}', '{"method":"subscribeTokenTrade"}'):
            await socket.send_message(text)
            answer = parse_frame(await socket.get_message(), NOW)
            assert isinstance(answer, ControlFrame)
            assert answer.is_error


async def test_junk_is_sent_at_its_share_and_refused_by_our_parser() -> None:
    traps = TrapShares(quote_mint=0.5, duplicate=0.2, blank_symbol=0.2, no_metadata=0.2)
    settings = ServerSettings(traps=traps)
    async with (
        running(settings) as world,
        open_websocket_url(world.socket_url(PORTAL)) as socket,
    ):
        await ask(socket, "subscribeNewToken")
        refused = kept = 0
        while kept < 60:
            try:
                kept += isinstance(parse_frame(await socket.get_message(), NOW), TokenCreated)
            except MintRefused:
                refused += 1
        assert 10 <= refused <= 60
        assert world.server.audience.traps.counts["quote_mint"] >= refused / 2
        assert world.server.audience.traps.counts["blank_symbol"] > 0


def oldest(server: MarketServer, count: int) -> list[MarketToken]:
    return list(server.market.tokens.values())[:count]


async def test_dexscreener_agrees_with_the_market() -> None:
    async with standing(900.0) as world:
        source = DexScreener(url=world.url, http=world.http)
        tokens = oldest(world.server, 29)
        quotes = await source.fetch_quotes([*(token.mint for token in tokens), UNKNOWN])
        assert UNKNOWN not in quotes
        assert {token.mint for token in tokens} == set(quotes)
        for token in tokens:
            values = quotes[token.mint].values
            if "market_cap_usd" in values:
                cap = cap_usd(token, 900.0)
                assert abs(float(values["market_cap_usd"]) / cap - 1) < 0.001
            assert values["tx_count_24h"] == sum(m.buys + m.sells for m in token.minutes)


async def test_dexscreener_cuts_at_thirty() -> None:
    async with standing(900.0) as world:
        mints = ",".join(token.mint for token in oldest(world.server, 40))
        pairs = await world.http.get(f"{world.url}/tokens/v1/solana/{mints}")
        assert isinstance(pairs, list)
        assert 30 == len(pairs)


async def test_dexscreener_limits_its_rate() -> None:
    settings = ServerSettings(requests_per_minute=3, traps=NO_TRAPS)
    async with standing(60.0, settings) as world:
        source = DexScreener(url=world.url, http=world.http)
        refused = 0
        for _ in range(5):
            try:
                await source.fetch_quotes([UNKNOWN])
            except RateLimited:
                refused += 1
        assert 2 == refused


async def test_both_holder_providers_count_the_same_owners() -> None:
    async with standing(900.0) as world:
        tokens = [token for token in oldest(world.server, 30) if token.owners]
        assert {"pump"} < {token.venue for token in tokens}
        mints = [token.mint for token in tokens]
        by_jupiter = await JupiterHolders(url=world.url, http=world.http).fetch_holders(mints)
        by_rpc = await RpcHolders(rpc=JsonRpc(url=world.url, http=world.http)).fetch_holders(mints)
        for token in tokens:
            assert len(token.owners) == by_jupiter[token.mint].holder_count
            assert len(token.owners) == by_rpc[token.mint].holder_count


async def test_sol_has_a_price() -> None:
    async with standing(60.0) as world:
        source = JupiterSolPrice(url=world.url, http=world.http)
        assert sol_usd(60.0) == await source.fetch_sol_usd()


async def test_unknown_rpc_methods_and_bad_parameters_are_errors_with_status_200() -> None:
    async with standing(60.0) as world:
        codes = []
        for method in ("dance", "getProgramAccounts", "getSlot"):
            request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": []}
            answer: Any = await world.http.post(world.url, request)
            codes.append(answer.get("error", {}).get("code"))
        assert [-32601, -32602, None] == codes


async def test_new_raydium_pools_are_logged_and_later_explained() -> None:
    async with running() as world, open_websocket_url(world.socket_url("/")) as socket:
        node = world.server.node
        node.indexing_seconds = 3600.0
        rpc = JsonRpc(url=world.url, http=world.http)
        await subscribe_to_raydium(socket)
        world.server.clock.start()
        signature = await next_pool(socket)
        assert await rpc.call_method("getTransaction", [signature, {}]) is None
        indexed = evolve(node.transactions[signature], known_from=UnixSeconds(0.0))
        node.transactions[signature] = indexed
        [pool] = parse_pools(
            await rpc.call_method("getTransaction", [signature, {}]), signature, NOW
        )
        token = world.server.market.tokens[pool.mint]
        assert "raydium" == token.venue
        assert address("pool", token.mint) == pool.pool_address
        assert 6 == pool.decimals


async def test_logs_of_failed_and_foreign_transactions_mislead_as_in_the_world() -> None:
    busy = Calibration(raydium_pools_per_minute=600.0, trade_share=0.01)
    clock = MarketClock(wall_clock=wall_clock, speed=100.0)
    async with (
        served(clock, None, busy) as world,
        open_websocket_url(world.socket_url("/")) as socket,
    ):
        await subscribe_to_raydium(socket)
        world.server.clock.start()
        values = [await next_opening(socket) for _ in range(100)]
        openings = [value for value in values if opens_pool(value["logs"], value["err"])]
        assert 70 <= len(openings) <= 98
        assert len({value["signature"] for value in openings}) < len(openings)


async def next_opening(socket: WebSocketConnection) -> dict[str, Any]:
    """The next log with the words of a new pool, which may mislead."""
    while True:
        value = await next_log(socket)
        if any("initialize2" in line for line in value["logs"]):
            return value


async def next_pool(socket: WebSocketConnection) -> str:
    while True:
        value = await next_log(socket)
        if opens_pool(value["logs"], value["err"]):
            return str(value["signature"])


async def subscribe_to_raydium(socket: WebSocketConnection) -> None:
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "logsSubscribe",
        "params": [{"mentions": [RAYDIUM_AMM_V4]}, {"commitment": "confirmed"}],
    }
    await socket.send_message(orjson.dumps(request).decode())
    answer = orjson.loads(await socket.get_message())
    assert isinstance(answer["result"], int)


async def next_log(socket: WebSocketConnection) -> dict[str, Any]:
    notification: dict[str, Any] = orjson.loads(await socket.get_message())
    assert "logsNotification" == notification["method"]
    value: dict[str, Any] = notification["params"]["result"]["value"]
    return value


async def test_market_waits_for_its_first_listener() -> None:
    async with running() as world:
        await trio.sleep(0.1)
        assert not world.server.market.tokens
        async with open_websocket_url(world.socket_url(PORTAL)) as socket:
            await ask(socket, "subscribeNewToken")
            await collect(socket, {TokenCreated: 1})
        assert world.server.market.tokens


async def test_hostile_clients_harm_nobody() -> None:
    async with running() as world, open_websocket_url(world.socket_url(PORTAL)) as socket:
        await ask(socket, "subscribeNewToken")
        for junk in (b"\0\xff" * 100, b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nhost: x\r\n"):
            stream = await trio.open_tcp_stream("127.0.0.1", world.server.port)
            await stream.send_all(junk)
            await trio.aclose_forcefully(stream)
        await collect(socket, {TokenCreated: 3})


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await trio.sleep(0.01)


async def test_client_that_does_not_read_is_dropped() -> None:
    settings = ServerSettings(client_frames=5, traps=NO_TRAPS)
    async with running(settings, speed=2000.0) as world:
        stream = await trio.open_tcp_stream("127.0.0.1", world.server.port)
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
        async with stream:
            handshake = (
                f"GET {PUMPPORTAL_PATH} HTTP/1.1\r\nHost: market\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "Sec-WebSocket-Version: 13\r\n\r\n"
            )
            await stream.send_all(handshake.encode())
            await until(lambda: bool(world.server.audience.portal_clients))
            [client] = world.server.audience.portal_clients
            world.server.audience.portal_clients[client].creates = True
            world.server.clock.start()
            await until(lambda: client.closed)


def test_mints_of_all_events_are_valid_but_for_the_known_junk() -> None:
    for event in Market(seed=9).advance(300.0):
        assert isinstance(event, Created | Traded | Migrated) or event.token.venue in POOLS
        assert event.token.mint == parse_mint(event.token.mint)
    with pytest.raises(MintRefused, match="quote_mint"):
        parse_mint(USDC)
