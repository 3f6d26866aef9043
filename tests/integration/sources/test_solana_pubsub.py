"""The stream of new pools against a real WebSocket server and a real HTTP server on loopback."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from sources.line import LineSettings
from sources.raydium_logs import RAYDIUM_AMM_V4
from sources.rpc import JsonRpc
from sources.solana_pubsub import SolanaPools
from tests.integration.sources.http_server import Answer, AnsweringServer, answers, reaching
from tests.integration.sources.servers import Conversation, ScriptedServer, says, says_and_closes
from tests.unit.sources.doubles import KeepingOutbox, Surroundings
from tests.unit.sources.recordings import frames, transactions
from tests.unit.sources.test_solana_pubsub import notification

ACKNOWLEDGED = '{"jsonrpc":"2.0","result":3283925,"id":1}'
REFUSED = '{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Invalid params"}}'
GRADUATION = "solana-pubsub/transaction_notification_pump_graduation_to_raydium_2024-12.json"
MINT = "6Ed5YTw9AoUhr5VcsjZdGHqpdruqgCaZcLv7WU6npump"


def known() -> Answer:
    [(_, transaction)] = transactions(GRADUATION)
    return answers({"jsonrpc": "2.0", "id": 1, "result": transaction})


@asynccontextmanager
async def streaming(
    *conversations: Conversation, rpc: Answer | None = None
) -> AsyncIterator[tuple[SolanaPools, KeepingOutbox, ScriptedServer, AnsweringServer]]:
    server = ScriptedServer(list(conversations), subscriptions=1)
    http_server, outbox = AnsweringServer([rpc or known()]), KeepingOutbox()
    async with server.running(), reaching(http_server) as http, trio.open_nursery() as nursery:
        stream = SolanaPools(
            events=outbox,
            settings=LineSettings(
                url=server.url,
                silence_seconds=5,
                reconnect_seconds=0.01,
                reconnect_longest_seconds=0.05,
            ),
            rpc=JsonRpc(url=http_server.url, http=http),
            environment=Surroundings(),
        )
        nursery.start_soon(stream.run)
        yield stream, outbox, server, http_server
        nursery.cancel_scope.cancel()


async def test_a_pool_is_heard_looked_up_and_sent() -> None:
    talk = says(ACKNOWLEDGED, notification())
    async with streaming(talk) as (stream, outbox, server, http_server):
        [event] = await outbox.until(1)
        assert event.mint == MINT
        [(_, subscription)] = server.heard
        assert json.loads(subscription)["method"] == "logsSubscribe"
        assert json.loads(subscription)["params"][0] == {"mentions": [RAYDIUM_AMM_V4]}
        assert json.loads(http_server.bodies[0])["method"] == "getTransaction"
        assert stream.snapshot().received == {"frames": 2, "PoolCreated": 1}


async def test_exact_duplicates_are_looked_up_once() -> None:
    talk = says(ACKNOWLEDGED, notification(), notification(), notification(signature="other"))
    async with streaming(talk) as (stream, outbox, _, http_server):
        await outbox.until(2)
        assert len(http_server.bodies) == 2
        assert stream.received["duplicates"] == 1


async def test_failed_transactions_and_other_logs_are_not_looked_up_defect_12() -> None:
    others = list(frames("solana-pubsub/logs_subscribe_pumpfun_2026-07-04.dev.jsonl"))
    failed = notification(signature="failed", err={"InstructionError": [5, "x"]})
    talk = says(*others, failed, notification())
    async with streaming(talk) as (stream, outbox, _, http_server):
        await outbox.until(1)
        assert len(http_server.bodies) == 1
        assert stream.received["frames"] == len(others) + 2
        assert stream.refused == {}


async def test_garbage_is_counted_and_harms_nothing() -> None:
    talk = says("<html>", "[]", notification(signature=...), notification())
    async with streaming(talk) as (stream, outbox, server, _):
        await outbox.until(1)
        assert stream.refused == {"not_json": 1, "unknown_method": 1, "no_signature": 1}
        assert server.connections == 1


async def test_every_connection_is_subscribed_again() -> None:
    async with streaming(says_and_closes(ACKNOWLEDGED), says(notification())) as (
        _,
        outbox,
        server,
        _,
    ):
        await outbox.until(1)
        assert [number for number, _ in server.heard] == [0, 1]


async def test_a_refused_subscription_is_tried_again() -> None:
    async with streaming(says(REFUSED), says(notification())) as (stream, outbox, server, _):
        await outbox.until(1)
        assert server.connections == 2
        assert "logsSubscribe refused" in str(stream.snapshot().last_problem)
