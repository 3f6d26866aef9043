"""The PumpPortal stream against a real WebSocket server on loopback, under the real clock."""

import json
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio_websocket import WebSocketConnection

from domain.messages import MigrationSeen, SourceEvent, TokenCreated, TradeSeen
from domain.values import Mint
from sources.frame_splitter import FRAMES_A_BATCH, LARGEST_MESSAGE_BYTES
from sources.line import (
    STATUS_STAY_AWAY,
    LineSettings,
)
from sources.pumpportal import PumpPortal, PumpPortalMemory, add_key
from sources.trade_subscriptions import TradeSubscriptions
from tests.integration.sources.servers import (
    ScriptedServer,
    answers_http,
    says,
    says_and_closes,
    says_and_vanishes,
)
from tests.patience import PATIENCE_SECONDS
from tests.unit.sources.doubles import KeepingOutbox, Surroundings
from tests.unit.sources.recordings import DATA, frames

NEW = '{"method":"subscribeNewToken"}'
MIGRATION = '{"method":"subscribeMigration"}'
REFUSAL = (
    "'subscribeTokenTrade' and 'subscribeAccountTrade' methods are only available when "
    "connecting with an API key funded with at least 0.02 SOL."
)
MINTS = [
    "97QUsKyZ1tDbBkWzowCixaZHPfMHz3ME8LQzwa9Upump",
    "6mWFH8QAaHPqRMZdTnKeXao3y7jKVHrK7SdwwVv8pump",
    "8yZ1rj5nHbUFuCbnoowE6rHLZYiuTe1tbxEskgzUpump",
]


def create(number: int) -> str:
    frame = {"txType": "create", "signature": f"birth{number}", "mint": MINTS[number]}
    return json.dumps(frame | {"pool": "pump"})


def buy(signature: str, number: int = 0) -> str:
    frame = {"txType": "buy", "signature": signature, "mint": MINTS[number], "pool": "pump"}
    return json.dumps(frame | {"solAmount": 0.5})


def line_settings(url: str, silence_seconds: float = PATIENCE_SECONDS) -> LineSettings:
    return LineSettings(
        url=url,
        silence_seconds=silence_seconds,
        reconnect_seconds=0.01,
        reconnect_longest_seconds=0.05,
    )


@asynccontextmanager
async def streaming(
    server: ScriptedServer, **chosen: Any
) -> AsyncIterator[tuple[PumpPortal, KeepingOutbox, Surroundings]]:
    """A stream, and its server for as long."""
    async with server.running(), streaming_from(server, **chosen) as streamed:
        yield streamed


@asynccontextmanager
async def streaming_from(
    server: ScriptedServer,
    *,
    api_key: str = "",
    silence_seconds: float = PATIENCE_SECONDS,
    trade_subscriptions: int = 100,
) -> AsyncIterator[tuple[PumpPortal, KeepingOutbox, Surroundings]]:
    outbox, surroundings = KeepingOutbox(), Surroundings()
    async with trio.open_nursery() as nursery:
        stream = PumpPortal(
            events=outbox,
            settings=line_settings(server.url, silence_seconds),
            api_key=api_key,
            environment=surroundings,
            memory=PumpPortalMemory(subscriptions=TradeSubscriptions(limit=trade_subscriptions)),
        )
        nursery.start_soon(stream.run)
        yield stream, outbox, surroundings
        nursery.cancel_scope.cancel()


async def test_every_recorded_event_arrives_once_in_order() -> None:
    recorded = list(frames("pumpportal/session1_2026-07-03.dev.jsonl"))
    async with streaming(ScriptedServer([says(*recorded)])) as (stream, outbox, _):
        events = await outbox.until(121)
        kinds = [type(event) for event in events]
        assert kinds.count(TokenCreated) == 117
        assert kinds.count(MigrationSeen) == 4
        mints = [json.loads(frame)["mint"] for frame in recorded if "mint" in frame]
        assert mints == [event.mint for event in events]
        assert stream.snapshot().refused == {}


@pytest.mark.parametrize("end", [says_and_closes, says_and_vanishes])
async def test_every_connection_is_subscribed_again(end: object) -> None:
    server = ScriptedServer([end(create(0)), end(create(1)), says(create(2))])  # type: ignore[operator]
    async with streaming(server) as (stream, outbox, _):
        events = await outbox.until(3)
        heard = await server.until_heard(6)
        assert [event.mint for event in events] == MINTS
        assert heard == [(n, text) for n in range(3) for text in (NEW, MIGRATION)]
        assert stream.snapshot().connections == 3


async def test_a_socket_that_falls_silent_is_replaced() -> None:
    server = ScriptedServer([says(create(0)), says(create(1))])
    # Long enough for the frame itself to arrive on a busy machine.
    async with streaming(server, silence_seconds=2.0) as (stream, outbox, surroundings):
        events = await outbox.until(2)
        assert [event.mint for event in events] == MINTS[:2]
        outages = surroundings.readiness.outages
        assert ("pumpportal", "pumpportal", stream.line.last_problem) in outages
        assert stream.line.last_problem == "SourceUnavailable: silent for 2 s"


async def test_pings_do_not_hide_a_silence() -> None:
    async def pings(connection: WebSocketConnection) -> None:
        while True:
            await connection.ping()
            await trio.sleep(0.02)

    server = ScriptedServer([pings, says(create(0))])
    async with streaming(server, silence_seconds=0.2) as (_, outbox, _):
        await outbox.until(1)
        assert server.connections > 1


@pytest.mark.parametrize("status", [b"502 Bad Gateway", b"503 Unavailable", b"504 Timeout"])
async def test_a_refused_upgrade_is_tried_again(status: bytes) -> None:
    server = ScriptedServer([answers_http(status), says(create(0))], raw=frozenset({0}))
    async with streaming(server) as (_, outbox, surroundings):
        await outbox.until(1)
        code = status[:3].decode()
        assert any(f"HTTP {code} at the upgrade" in text for text in surroundings.log.texts)


async def test_a_server_that_asks_for_less_gets_the_longest_wait() -> None:
    assert 429 in STATUS_STAY_AWAY
    refuses = answers_http(b"429 Too Many Requests")
    server = ScriptedServer([refuses, says(create(0))], raw=frozenset({0}))
    async with streaming(server) as (_, outbox, _):
        await outbox.until(1)
        first, second = server.connected_at
        assert second - first >= 0.05


async def test_reconnecting_does_not_stop_after_ten_attempts_defect_11() -> None:
    refuses = answers_http(b"502 Bad Gateway")
    server = ScriptedServer([refuses] * 14 + [says(create(0))], raw=frozenset(range(14)))
    async with streaming(server) as (stream, outbox, _):
        await outbox.until(1)
        assert server.connections == 15
        assert stream.snapshot().connections == 1


async def test_a_server_that_is_not_there_yet_is_waited_for() -> None:
    server = ScriptedServer([says(create(0))])
    async with server.running():
        pass  # now its port is known, and closed
    outbox = KeepingOutbox()
    stream = PumpPortal(
        events=outbox,
        settings=line_settings(server.url),
        environment=Surroundings(),
        memory=PumpPortalMemory(subscriptions=TradeSubscriptions(limit=0)),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.run)
        await trio.sleep(0.1)
        await nursery.start(trio.serve_tcp, server._serve, server.port)
        await outbox.until(1)
        assert server.connections == 1
        nursery.cancel_scope.cancel()


async def test_garbage_is_counted_by_reason_and_harms_nothing() -> None:
    garbage: list[str | bytes] = [
        "<html>",
        "[]",
        '{"txType":"create"}',
        b"\xff\xfe",
        '{"txType":"burn"}',
        "{}",
    ]
    server = ScriptedServer([says(*garbage, *garbage, create(0))])
    async with streaming(server) as (stream, outbox, surroundings):
        await outbox.until(1)
        assert stream.refused == {
            "not_json": 4,
            "not_an_object": 2,
            "not_a_mint": 2,
            "unknown_tx_type": 2,
            "no_tx_type": 2,
        }
        told = [line for line in surroundings.log.lines if line == ("info", "frame refused")]
        assert len(told) == 5  # one a kind; the others are for debugging
        assert server.connections == 1


async def test_broken_websocket_frames_end_the_connection_not_the_actor() -> None:
    async def talks_nonsense(connection: WebSocketConnection) -> None:
        async with connection._stream_lock:
            await connection._stream.send_all(b"\xff" * 64)
        await trio.sleep_forever()

    server = ScriptedServer([talks_nonsense, says(create(0))])
    async with streaming(server) as (_, outbox, _):
        await outbox.until(1)
        assert server.connections == 2


async def test_an_endless_message_ends_the_connection_not_the_actor() -> None:
    server = ScriptedServer([says("x" * (LARGEST_MESSAGE_BYTES + 1)), says(create(0))])
    async with streaming(server) as (_, outbox, _):
        await outbox.until(1)
        assert server.connections == 2


async def test_a_message_too_large_to_be_a_frame_costs_only_itself() -> None:
    server = ScriptedServer([says("x" * (2**20 + 1), create(0))])
    async with streaming(server) as (stream, outbox, _):
        await outbox.until(1)
        assert stream.refused == {"too_large": 1}
        assert server.connections == 1


async def test_a_ping_while_closing_does_not_end_the_actor() -> None:
    async def pings_after_close(connection: WebSocketConnection) -> None:
        """The client answers a close with its own, and gets pings where it expects none."""
        async with connection._stream_lock:
            await connection._stream.send_all(b"\x88\x02\x03\xe8" + b"\x89\x00" * 50)
        await trio.sleep(0.05)

    async def pings_into_silence(connection: WebSocketConnection) -> None:
        """The client gives up on the silence and closes, while pings keep coming."""
        while True:
            async with connection._stream_lock:
                await connection._stream.send_all(b"\x89\x00" * 20)
            await trio.sleep(0.001)

    server = ScriptedServer([pings_after_close, pings_into_silence, says(create(0))])
    async with streaming(server, silence_seconds=0.1) as (_, outbox, _):
        await outbox.until(1)
        assert server.connections > 2


async def test_duplicates_after_a_reconnect_are_dropped() -> None:
    server = ScriptedServer(
        [says_and_closes(create(0), buy("a")), says(create(0), buy("a"), create(1))]
    )
    async with streaming(server) as (stream, outbox, _):
        events = await outbox.until(3)
        assert [event.signature for event in events] == ["birth0", "a", "birth1"]
        assert stream.received["duplicates"] == 2


async def test_what_was_seen_and_is_followed_outlives_a_restart_of_the_stream() -> None:
    memory = PumpPortalMemory(subscriptions=TradeSubscriptions(limit=10))
    server, surroundings = ScriptedServer([says(create(0), buy("a"))]), Surroundings()
    async with server.running():
        for _ in range(2):
            stream = PumpPortal(
                events=KeepingOutbox(),
                settings=line_settings(server.url),
                environment=surroundings,
                memory=memory,
            )
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.run)
                with trio.fail_after(PATIENCE_SECONDS):
                    while sum(stream.received.values()) < 2:
                        await trio.sleep(0.01)
                nursery.cancel_scope.cancel()
    assert stream.received == {"duplicates": 2}
    assert list(memory.subscriptions.wanted) == MINTS[:1]


async def test_trades_of_one_millisecond_are_all_sent_defect_10() -> None:
    server = ScriptedServer([says(buy("a"), buy("b"), buy("a", 1), buy("b"))])
    async with streaming(server) as (_, outbox, _):
        events = await outbox.until(3)
        seen = [(event.signature, event.mint) for event in events]
        assert seen == [("a", MINTS[0]), ("b", MINTS[0]), ("a", MINTS[1])]
        assert {event.seen_at for event in events} == {events[0].seen_at}


async def test_without_a_key_no_trades_are_asked_for() -> None:
    server = ScriptedServer([says(create(0))])
    async with streaming(server) as (_, outbox, _):
        await outbox.until(1)
        await trio.sleep(0.3)
        assert server.heard == [(0, NEW), (0, MIGRATION)]
        assert server.paths == ["/api/data"]


async def test_with_a_key_the_trades_of_newborns_are_asked_for() -> None:
    server = ScriptedServer([says(create(0))])
    async with streaming(server, api_key="secret/1") as (_, outbox, surroundings):
        await outbox.until(1)
        *_, last = await server.until_heard(3)
        assert json.loads(last[1]) == {"method": "subscribeTokenTrade", "keys": [MINTS[0]]}
        assert server.paths == ["/api/data?api-key=secret%2F1"]
        assert not any("secret" in text for text in surroundings.log.texts)


async def test_after_a_reconnect_all_wanted_trades_are_asked_for_again() -> None:
    server = ScriptedServer([says_and_closes(create(0), create(1)), says(create(2))])
    async with streaming(server, api_key="key") as (stream, outbox, _):
        stream.memory.subscriptions.follow_older([Mint("4" * 44)])
        await outbox.until(3)
        heard: set[str] = set()
        with trio.fail_after(PATIENCE_SECONDS):
            while len(heard) < 4:
                await trio.sleep(0.01)
                asked = [text for n, text in server.heard if n == 1 and "Trade" in text]
                heard = {key for text in asked for key in json.loads(text)["keys"]}
        assert heard == {*MINTS, "4" * 44}


async def test_an_evicted_mint_is_unsubscribed() -> None:
    async def tells_slowly(connection: WebSocketConnection) -> None:
        await connection.send_message(create(0))
        await server.until_heard(3)
        await connection.send_message(create(1))
        await trio.sleep_forever()

    server = ScriptedServer([tells_slowly])
    async with streaming(server, api_key="key", trade_subscriptions=1):
        heard = await server.until_heard(5)
        assert [json.loads(text) for _, text in heard[2:]] == [
            {"method": "subscribeTokenTrade", "keys": [MINTS[0]]},
            {"method": "subscribeTokenTrade", "keys": [MINTS[1]]},
            {"method": "unsubscribeTokenTrade", "keys": [MINTS[0]]},
        ]


async def test_a_refusal_of_trade_streams_turns_them_off_with_a_warning() -> None:
    async def refuses(connection: WebSocketConnection) -> None:
        await connection.send_message(create(0))
        await server.until_heard(3)
        await connection.send_message(json.dumps({"message": REFUSAL}))
        await connection.send_message(create(1))
        await trio.sleep_forever()

    server = ScriptedServer([refuses])
    async with streaming(server, api_key="poor") as (stream, outbox, surroundings):
        await outbox.until(2)
        await trio.sleep(0.6)  # more than two intervals of requests
        assert len(server.heard) == 3
        assert ("warning", "trade streams refused") in surroundings.log.lines
        assert stream.snapshot().trade_subscriptions == 0


async def test_a_full_mailbox_holds_the_socket_back_and_loses_nothing() -> None:
    number = FRAMES_A_BATCH * 6
    # 92 MB: much more than the client's queue (15 MB) and the kernel's buffers (up to 36) hold.
    padding = " " * 60_000
    gate, said = trio.Event(), 0

    async def says_as_it_can(connection: WebSocketConnection) -> None:
        nonlocal said
        for said in range(number):
            await connection.send_message(buy(f"trade{said}") + padding)
        await trio.sleep_forever()

    server = ScriptedServer([says_as_it_can])

    class Gated(KeepingOutbox):
        async def send_all(self, messages: Iterable[SourceEvent]) -> None:
            await gate.wait()
            await super().send_all(messages)

    outbox = Gated()
    async with streaming(server) as (stream, _, _):
        stream.events = outbox
        await server.until_heard(2)
        before = -1
        while before < said:  # until the server gets no further
            before = said
            await trio.sleep(0.2)
        assert said < number - FRAMES_A_BATCH
        gate.set()
        events = await outbox.until(number)
        assert [event.signature for event in events] == [f"trade{n}" for n in range(number)]
        assert all(isinstance(event, TradeSeen) for event in events)


async def test_cancelling_ends_the_stream_and_its_connection() -> None:
    server = ScriptedServer([says(create(0))])
    async with server.running():
        async with streaming_from(server) as (_, outbox, _):
            await outbox.until(1)
        with trio.fail_after(PATIENCE_SECONDS):
            while not server.clients_gone:
                await trio.sleep(0.01)


def encrypted() -> ScriptedServer:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(DATA / "tls" / "localhost.pem")
    return ScriptedServer([says(create(0))], tls=tls)


async def test_an_encrypted_server_is_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    server, trusting = encrypted(), ssl.create_default_context()
    trusting.load_verify_locations(DATA / "tls" / "localhost.pem")
    monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
    async with streaming(server) as (stream, outbox, _):
        await outbox.until(1)
        assert stream.line.connections == 1


async def test_a_server_without_a_trusted_certificate_is_not_listened_to() -> None:
    async with streaming(encrypted()) as (stream, outbox, _):
        with trio.fail_after(PATIENCE_SECONDS):
            while stream.line.last_problem is None:
                await trio.sleep(0.01)
        assert "certificate verify failed" in stream.line.last_problem
        assert outbox.events == []


def test_a_key_shows_in_no_repr() -> None:
    stream = PumpPortal(
        events=KeepingOutbox(),
        settings=line_settings("wss://pumpportal.fun/api/data"),
        api_key="secret",
        environment=Surroundings(),
        memory=PumpPortalMemory(subscriptions=TradeSubscriptions(limit=10)),
    )
    assert "secret" not in repr(stream)
    assert stream.line.settings.url == "wss://pumpportal.fun/api/data?api-key=secret"
    assert add_key("wss://example.org/?a=1", "secret") == "wss://example.org/?a=1&api-key=secret"
