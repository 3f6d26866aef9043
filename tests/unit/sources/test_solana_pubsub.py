"""Notifications, and the look-up of a pool's transaction under the mock clock."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from domain.errors import FrameRefused, SourceUnavailable
from sources.line import LineSettings
from sources.rpc import JsonRpc
from sources.solana_pubsub import (
    GIVE_UP_SECONDS,
    WAITING_LOOKUPS,
    WORKERS,
    OpenedPool,
    SolanaPools,
    SolanaPoolsMemory,
    parse_notification,
)
from tests.unit.sources.answers import Answer, Upstream, http_over, rpc_error, rpc_result
from tests.unit.sources.doubles import NOW, KeepingOutbox, LongestWaits, Surroundings
from tests.unit.sources.recordings import frames, load, transactions

GRADUATION = "solana-pubsub/transaction_notification_pump_graduation_to_raydium_2024-12.json"
CREATION = load("solana-pubsub/logs_notification_raydium_v4_initialize2_2024-07.json")
OPENED = OpenedPool(signature=CREATION["value"]["signature"], seen_at=NOW)


def notification(**changes: object) -> str:
    value = CREATION["value"] | changes
    result = {"context": {"slot": 1}, "value": {k: v for k, v in value.items() if v is not ...}}
    params = {"result": result, "subscription": 1}
    frame = {"jsonrpc": "2.0", "method": "logsNotification", "params": params}
    return json.dumps(frame, separators=(",", ":"))


def pools(*answers: Answer) -> tuple[SolanaPools, KeepingOutbox, Upstream]:
    upstream, outbox = Upstream(list(answers)), KeepingOutbox()
    stream = SolanaPools(
        events=outbox,
        settings=LineSettings(
            url="ws://127.0.0.1:1",
            silence_seconds=60,
            reconnect_seconds=1,
            reconnect_longest_seconds=60,
        ),
        rpc=JsonRpc(url="https://rpc.example", http=upstream.json_http()),
        environment=Surroundings(random=LongestWaits()),
        memory=SolanaPoolsMemory(),
    )
    return stream, outbox, upstream


def transaction() -> Any:
    [(_, facts)] = transactions(GRADUATION)
    return facts


def test_the_recorded_creation_is_recognised_in_text_and_bytes() -> None:
    assert parse_notification(notification(), NOW) == OPENED
    assert parse_notification(notification().encode(), NOW) == OPENED


def test_a_failed_creation_is_ignored_defect_12() -> None:
    assert parse_notification(notification(err={"InstructionError": [1, "x"]}), NOW) is None


def test_recorded_logs_of_other_programs_open_nothing() -> None:
    name = "solana-pubsub/logs_subscribe_pumpfun_2026-07-04.dev.jsonl"
    assert {parse_notification(text, NOW) for text in frames(name)} == {None}


def test_recorded_answers_and_other_notifications_are_told_apart() -> None:
    name = "solana-pubsub/devnet_account_logs_program_notifications_2023.jsonl"
    outcomes: list[object] = []
    for text in frames(name):
        try:
            outcomes.append(parse_notification(text, NOW))
        except FrameRefused as refusal:
            outcomes.append(refusal.reason)
    odd = "unknown_method"
    assert outcomes == [None, odd, None, None, None, odd, odd, odd]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_json"),
        ("<html>", "not_json"),
        ("[]", "unknown_method"),
        ("{}", "unknown_method"),
        (notification(signature=...), "no_signature"),
        (notification(signature=5), "no_signature"),
        (notification(err=...), "no_err"),
    ],
)
def test_junk_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(FrameRefused) as refusal:
        parse_notification(text, NOW)
    assert refusal.value.reason == reason


def test_a_refused_subscription_ends_the_connection() -> None:
    text = '{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Invalid params"}}'
    with pytest.raises(SourceUnavailable, match="logsSubscribe refused"):
        parse_notification(text, NOW)


@asynccontextmanager
async def looking_up(
    stream: SolanaPools, *signatures: str, workers: int = 1
) -> AsyncIterator[None]:
    """Some workers look up what stands in these logs, within the block."""
    for signature in signatures:
        stream._enqueue(OpenedPool(signature=signature, seen_at=NOW))
    async with trio.open_nursery() as nursery:
        for _ in range(workers):
            nursery.start_soon(stream._look_up_forever)
        yield
        nursery.cancel_scope.cancel()


async def test_the_transaction_gives_the_pool(autojump_clock: MockClock) -> None:
    stream, outbox, upstream = pools(rpc_result(transaction()))
    async with looking_up(stream, OPENED.signature):
        [event] = await outbox.until(1)
    assert event.mint == "6Ed5YTw9AoUhr5VcsjZdGHqpdruqgCaZcLv7WU6npump"
    assert event.signature == OPENED.signature
    assert event.seen_at == NOW
    method, params = (upstream.payload(0)[key] for key in ("method", "params"))
    assert method == "getTransaction"
    assert params[0] == OPENED.signature
    assert params[1]["maxSupportedTransactionVersion"] == 0


async def test_a_transaction_not_known_yet_is_asked_for_again(autojump_clock: MockClock) -> None:
    unknown = rpc_result(None)
    stream, outbox, upstream = pools(unknown, unknown, unknown, rpc_result(transaction()))
    async with looking_up(stream, OPENED.signature):
        assert len(await outbox.until(1)) == 1
        assert trio.current_time() == 1 + 2 + 4
    assert len(upstream.requests) == 4


async def test_errors_of_the_server_are_waited_out(autojump_clock: MockClock) -> None:
    stream, outbox, _ = pools(
        httpx.ConnectError("refused"),
        rpc_error(-32603, "Internal error"),
        rpc_result(transaction()),
    )
    async with looking_up(stream, OPENED.signature):
        assert len(await outbox.until(1)) == 1
        assert trio.current_time() == 1 + 2


async def test_the_waits_between_two_attempts_are_jittered(autojump_clock: MockClock) -> None:
    unknown = rpc_result(None)
    stream, outbox, _ = pools(unknown, unknown, unknown, rpc_result(transaction()))
    stream.environment = Surroundings(random=Random(1))
    async with looking_up(stream, OPENED.signature):
        await outbox.until(1)
        assert (1 + 2 + 4) / 2 < trio.current_time() < 1 + 2 + 4


async def test_a_transaction_that_never_comes_is_given_up(autojump_clock: MockClock) -> None:
    stream, outbox, upstream = pools(rpc_result(None))
    async with looking_up(stream, OPENED.signature):
        await trio.sleep(GIVE_UP_SECONDS)
        assert stream.received == {"not_found": 1}
        await trio.sleep(10 * GIVE_UP_SECONDS)
    assert outbox.events == []
    assert len(upstream.requests) == 6  # after 0, 1, 3, 7, 15 and 23 s
    assert stream.environment.log.lines == [("warning", "pool's transaction not found")]


async def test_a_transaction_that_is_not_known_holds_up_no_other_one(
    autojump_clock: MockClock,
) -> None:
    """A worker slept between its attempts: as many unknown ones as workers stopped them all."""

    def handle(request: httpx.Request) -> httpx.Response:
        [signature, _] = json.loads(request.content)["params"]
        return rpc_result(transaction() if signature == "found" else None)

    stream, outbox, _ = pools()
    stream.rpc = JsonRpc(url="https://rpc.example", http=http_over(handle))
    unknown = [f"unknown {number}" for number in range(WAITING_LOOKUPS - 1)]
    async with looking_up(stream, *unknown, "found", workers=WORKERS):
        [event] = await outbox.until(1)
        assert (event.signature, trio.current_time()) == ("found", 0)
        await trio.sleep(GIVE_UP_SECONDS)
    assert stream.received == {"PoolCreated": 1, "not_found": WAITING_LOOKUPS - 1}


async def test_workers_outlive_pools_that_cannot_be_found_or_read(
    autojump_clock: MockClock,
) -> None:
    failed = transaction()
    failed["meta"]["err"] = "x"
    stream, outbox, _ = pools(rpc_result(failed), rpc_result(transaction()))
    async with looking_up(stream, "failed", "found"):
        await outbox.until(1)
    assert [event.signature for event in outbox.events] == ["found"]
    assert stream.received == {"PoolCreated": 1}
    assert stream.refused == {"transaction_failed": 1}


async def test_duplicates_and_what_the_queue_cannot_hold_are_counted() -> None:
    stream, _, _ = pools(rpc_result(None))
    stream.memory.lookups.limit = 1
    for signature in ("a", "a", "b"):
        stream._enqueue(OpenedPool(signature=signature, seen_at=NOW))
    assert (await stream.memory.lookups.take_item()).opened.signature == "a"
    assert stream.received == {"duplicates": 1, "dropped": 1}


async def test_look_ups_and_what_was_seen_outlive_a_restart(autojump_clock: MockClock) -> None:
    first, _, _ = pools(rpc_result(None))
    async with looking_up(first, "a"):
        await trio.sleep(10)
    second, outbox, _ = pools(rpc_result(transaction()))
    second.memory = first.memory
    async with looking_up(second, "a"):
        await outbox.until(1)
        assert trio.current_time() == 1 + 2 + 4 + 8
    assert second.received == {"duplicates": 1, "PoolCreated": 1}


def test_an_address_with_a_key_shows_in_no_repr() -> None:
    settings = LineSettings(
        url="wss://rpc.example/?api-key=secret",
        silence_seconds=60,
        reconnect_seconds=1,
        reconnect_longest_seconds=60,
    )
    assert "secret" not in repr(settings)
