"""The chain's stream against a real WebSocket server and a real JSON-RPC server on loopback."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import base58
import orjson
import trio
from attrs import define, field
from trio_websocket import WebSocketConnection

from domain.messages import MigrationSeen, TokenCreated, TradeSeen
from domain.values import WRAPPED_SOL
from sources.line import LineSettings
from sources.pump_chain.gaps import PUMP_MIGRATION_ACCOUNT, PUMP_MINT_AUTHORITY
from sources.pump_chain.lookups import LAUNCHLAB_MINTS_AT, PUMPSWAP_MINTS_AT
from sources.pump_chain.programs import LAUNCHLAB, PUMP, PUMPSWAP
from sources.pump_chain.stream import PumpChain, PumpChainMemory
from sources.rpc import JsonRpc
from tests.integration.sources.http_server import AnsweringServer, answers, reaching
from tests.integration.sources.servers import Conversation, ScriptedServer, says, says_and_closes
from tests.patience import PATIENCE_SECONDS
from tests.unit.sources.chain_events import encode, logs_of, notification
from tests.unit.sources.doubles import KeepingOutbox, Surroundings
from tests.unit.sources.recordings import frames, load
from tests.unit.sources.test_pump_chain_events import BLACK_CAT, PUMPFUN_LOGS

ACKNOWLEDGED = '{"jsonrpc":"2.0","result":1,"id":1}'
REFUSED = '{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Invalid params"}}'
MINT = "6gbFk1RxAsN3VMw4WUTKvhi2QXsGDBqYCKGrY4umpump"
OTHER_MINT = "CJiJAKFMD7HruUZwDhK5vBPV379yGhnR7YuLNbFxpump"
POOL = "8i4SjUsjpj16zD8MLWFi4PMZq9XQpPJG3tTYXr7xoL4o"

Method = Callable[[list[Any]], object]


@define
class RpcServer:
    """Answers each method as a test says; counts the calls."""

    methods: Mapping[str, Method] = field(factory=dict)
    calls: list[tuple[str, list[Any]]] = field(factory=list, init=False)
    http: AnsweringServer = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.http = AnsweringServer([self.answer])

    async def answer(self, stream: trio.SocketStream) -> None:
        request = orjson.loads(self.http.bodies[-1])
        method, parameters = request["method"], request["params"]
        self.calls.append((method, parameters))
        answered = self.methods[method](parameters) if method in self.methods else None
        await answers({"jsonrpc": "2.0", "id": request["id"], "result": answered})(stream)


@asynccontextmanager
async def streaming(
    *conversations: Conversation, silence_seconds: float = PATIENCE_SECONDS, **methods: Method
) -> AsyncIterator[tuple[PumpChain, KeepingOutbox, ScriptedServer, RpcServer]]:
    server, rpc = ScriptedServer(list(conversations), subscriptions=3), RpcServer(methods)
    outbox = KeepingOutbox()
    async with server.running(), reaching(rpc.http) as http, trio.open_nursery() as nursery:
        stream = PumpChain(
            events=outbox,
            settings=LineSettings(
                url=server.url,
                silence_seconds=silence_seconds,
                reconnect_seconds=0.01,
                reconnect_longest_seconds=0.05,
            ),
            rpc=JsonRpc(url=rpc.http.url, http=http),
            environment=Surroundings(),
            memory=PumpChainMemory(),
        )
        nursery.start_soon(stream.run)
        yield stream, outbox, server, rpc
        nursery.cancel_scope.cancel()


def birth(mint: str = MINT) -> list[str]:
    return logs_of((PUMP, encode(PUMP, "CreateEvent", mint=mint, timestamp=1)))


def pool_trade() -> list[str]:
    trade = encode(PUMPSWAP, "BuyEvent", pool=POOL, base_amount_out=5_000_000, timestamp=1)
    return logs_of((PUMPSWAP, trade))


def pool_account(owner: str, base: str, quote: str) -> object:
    offset = PUMPSWAP_MINTS_AT if owner == PUMPSWAP else LAUNCHLAB_MINTS_AT
    data = bytearray(offset)
    data[18] = 6  # LaunchLab's decimals of the base
    data += base58.b58decode(base) + base58.b58decode(quote) + bytes(100)
    return {"owner": owner, "data": [b64encode(data).decode(), "base64"]}


def mint_account(decimals: int) -> object:
    data = bytes(44) + bytes([decimals]) + bytes(37)
    return {"owner": "Tokenkeg", "data": [b64encode(data).decode(), "base64"]}


async def test_recorded_notifications_become_births_and_trades() -> None:
    recorded = list(frames(PUMPFUN_LOGS))
    async with streaming(says(*recorded)) as (stream, outbox, server, rpc):
        events = await outbox.until(67)
        assert 11 == sum(isinstance(event, TokenCreated) for event in events)
        assert 56 == sum(isinstance(event, TradeSeen) for event in events)
        asked = [json.loads(text)["params"][0]["mentions"] for _, text in server.heard]
        assert [[PUMP], [PUMPSWAP], [LAUNCHLAB]] == asked
        assert [] == rpc.calls  # a first start asks for no history
        assert stream.snapshot().refused == {}


async def test_a_second_identical_notification_counts_once() -> None:
    talk = says(notification("a", birth()), notification("a", birth()), notification("b", birth()))
    async with streaming(talk) as (stream, outbox, _, _):
        await outbox.until(2)
        assert 1 == stream.received["duplicates"]


async def test_garbage_is_counted_and_harms_nothing() -> None:
    junk = [f"Program {PUMP} invoke [1]", "Program data: \x00", 7, None]
    talk = says("<html>", "[]", notification("x", junk), notification("y", birth()))  # type: ignore[arg-type]
    async with streaming(talk) as (stream, outbox, server, _):
        await outbox.until(1)
        assert {"not_json": 1, "unknown_method": 1, "not_base64": 1} == dict(stream.refused)
        assert 1 == server.connections


async def test_a_refused_subscription_is_tried_again() -> None:
    async with streaming(says(REFUSED), says(notification("a", birth()))) as (
        stream,
        outbox,
        server,
        _,
    ):
        await outbox.until(1)
        assert 2 == server.connections
        assert "logsSubscribe refused" in str(stream.snapshot().last_problem)


async def test_births_and_migrations_of_a_gap_are_fetched() -> None:
    missed = {
        "born": birth(OTHER_MINT),
        "left": logs_of(
            (PUMP, encode(PUMP, "CompletePumpAmmMigrationEvent", mint=MINT, pool=POOL))
        ),
        "known": birth(),
    }
    lists: dict[str, list[tuple[str, int, Any]]] = {
        PUMP_MINT_AUTHORITY: [("born", 106, None), ("failed", 105, {"x": 1}), ("known", 100, None)],
        PUMP_MIGRATION_ACCOUNT: [("left", 107, None), ("old", 99, None)],
    }

    def list_signatures(parameters: list[Any]) -> object:
        return [{"signature": s, "slot": n, "err": e} for s, n, e in lists[parameters[0]]]

    def get_transaction(parameters: list[Any]) -> object:
        return {"slot": 106, "meta": {"err": None, "logMessages": missed[parameters[0]]}}

    conversations = (
        says_and_closes(notification("known", birth(), slot=100)),
        says(notification("next", pool_trade(), slot=110)),
    )
    async with streaming(
        *conversations, getSignaturesForAddress=list_signatures, getTransaction=get_transaction
    ) as (stream, outbox, _, rpc):
        events = await outbox.until(3)
        assert {"known", "born", "left"} == {event.signature for event in events}
        assert 1 == stream.snapshot().gaps
        fetched = [p[0] for method, p in rpc.calls if method == "getTransaction"]
        assert ["left", "born"] == fetched
        assert isinstance(events[1], MigrationSeen)


async def test_a_pause_over_many_slots_is_a_gap_and_a_short_one_is_none() -> None:
    talk = says(
        notification("a", birth(), slot=100),
        notification("b", birth(), slot=140),
        notification("c", birth(), slot=400),
    )
    async with streaming(talk, getSignaturesForAddress=lambda _: []) as (stream, outbox, _, _):
        await outbox.until(3)
        assert 1 == stream.snapshot().gaps
        assert 400 == stream.memory.slots.slot


async def test_the_trade_of_an_unknown_pool_is_sent_once_its_token_is_known() -> None:
    accounts = {POOL: pool_account(PUMPSWAP, MINT, str(WRAPPED_SOL)), MINT: mint_account(5)}

    def get_accounts(parameters: list[Any]) -> object:
        return {"value": [accounts.get(address) for address in parameters[0]]}

    talk = says(notification("t", pool_trade()), notification("u", pool_trade()))
    async with streaming(talk, getMultipleAccounts=get_accounts) as (stream, outbox, _, rpc):
        trades = await outbox.until(2)
        assert [("t", MINT), ("u", MINT)] == [(each.signature, each.mint) for each in trades]
        assert isinstance(trades[0], TradeSeen)
        assert 50.0 == trades[0].tokens
        assert 0 == stream.snapshot().waiting
        assert 1 == sum([POOL] == parameters[0] for _, parameters in rpc.calls)


async def test_the_trade_of_a_stranger_s_pool_is_dropped_and_counted() -> None:
    def get_accounts(parameters: list[Any]) -> object:
        return {"value": [pool_account(PUMPSWAP, MINT, OTHER_MINT) for _ in parameters[0]]}

    talk = says(notification("t", pool_trade()), notification("b", birth()))
    async with streaming(talk, getMultipleAccounts=get_accounts) as (stream, outbox, _, _):
        await outbox.until(1)
        with trio.fail_after(PATIENCE_SECONDS):
            while not stream.refused["unknown_pool"]:
                await trio.sleep(0.01)
        assert POOL in stream.memory.pools.strangers


async def test_a_launchlab_birth_is_sent_once_its_mint_is_known() -> None:
    document = load(BLACK_CAT)

    def get_accounts(parameters: list[Any]) -> object:
        account = pool_account(LAUNCHLAB, document["mint"], str(WRAPPED_SOL))
        return {"value": [account for _ in parameters[0]]}

    talk = says(notification(document["sig"], document["logs"]))
    async with streaming(talk, getMultipleAccounts=get_accounts) as (_, outbox, _, _):
        created, traded = await outbox.until(2)
        assert isinstance(created, TokenCreated)
        assert (document["mint"], "Black Cat") == (created.mint, created.name)
        assert traded.mint == document["mint"]


async def test_what_is_known_is_told_at_once_and_the_rest_when_the_server_answers() -> None:
    account = pool_account(PUMPSWAP, OTHER_MINT, str(WRAPPED_SOL))
    accounts = {POOL: account, OTHER_MINT: mint_account(6)}
    calls: list[int] = []

    def get_accounts(parameters: list[Any]) -> object:
        calls.append(1)
        if len(calls) < 3:
            return {"value": []}  # no answer that makes sense: asked again
        return {"value": [accounts.get(address) for address in parameters[0]]}

    talk = says(notification("both", [*birth(), *pool_trade()]), notification("next", birth()))
    async with streaming(talk, getMultipleAccounts=get_accounts) as (stream, outbox, _, _):
        born = await outbox.until(2)
        assert ["both", "next"] == [each.signature for each in born]
        assert 1 == stream.snapshot().waiting
        events = await outbox.until(3)
        assert (OTHER_MINT, "both") == (events[2].mint, events[2].signature)
        assert [TokenCreated, TokenCreated, TradeSeen] == [type(each) for each in events]
        assert {} == dict(stream.refused)
        assert 0 == stream.snapshot().waiting


async def test_a_program_whose_subscription_the_server_has_dropped_is_asked_for_again() -> None:
    silence_seconds = 0.3

    async def talk(connection: WebSocketConnection) -> None:
        for number in (1, 2, 3):
            await connection.send_message(
                json.dumps({"jsonrpc": "2.0", "id": number, "result": 100 + number})
            )
        await connection.send_message(notification("a", birth(), subscription=101))
        for number in count():  # pump's subscription is gone, PumpSwap's speaks on
            await connection.send_message(notification(f"s{number}", [], subscription=102))
            await trio.sleep(silence_seconds / 20)

    async with streaming(talk, silence_seconds=silence_seconds) as (stream, _, server, _):
        heard = [json.loads(text) for _, text in await server.until_heard(4)]
        assert (4, [PUMP]) == (heard[3]["id"], heard[3]["params"][0]["mentions"])
        assert 1 == server.connections
        assert 1 == stream.received["silent_subscriptions"]
        assert 1 == stream.snapshot().gaps
