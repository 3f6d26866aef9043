"""The PumpAPI stream against a real WebSocket server on loopback, under the real clock."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from sources.pumpapi import PumpApi, PumpApiMemory
from tests.integration.sources.servers import (
    ScriptedServer,
    says,
    says_and_closes,
    says_and_vanishes,
)
from tests.integration.sources.test_pumpportal import line_settings
from tests.patience import PATIENCE_SECONDS
from tests.unit.sources.doubles import KeepingOutbox, Surroundings
from tests.unit.sources.recordings import frames

RECORDED = list(frames("pumpapi/stream_events_2025-12_2026-02.dev.jsonl"))
EVENTS = 12  # of the ten frames: both creates are purchases, too
BUY = json.loads(RECORDED[2])


@asynccontextmanager
async def streaming(
    *conversations: object, silence_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[tuple[PumpApi, KeepingOutbox, Surroundings, ScriptedServer]]:
    """A stream that memory outlives, and its server, which waits for no word of the client."""
    server = ScriptedServer(list(conversations), subscriptions=0)  # type: ignore[arg-type]
    outbox, surroundings = KeepingOutbox(), Surroundings()
    async with server.running(), trio.open_nursery() as nursery:
        stream = PumpApi(
            events=outbox,
            settings=line_settings(server.url, silence_seconds),
            environment=surroundings,
            memory=PumpApiMemory(),
        )
        nursery.start_soon(stream.run)
        yield stream, outbox, surroundings, server
        nursery.cancel_scope.cancel()


async def test_all_events_come_unasked_and_in_order() -> None:
    async with streaming(says(*RECORDED)) as (stream, outbox, _, server):
        events = await outbox.until(EVENTS)
        assert {"pumpapi"} == {event.source for event in events}
        mints = [json.loads(text)["mint"] for text in RECORDED]
        assert mints == list(dict.fromkeys(event.mint for event in events))
        told = stream.snapshot()
        assert {"TokenCreated": 2, "TradeSeen": 7, "MigrationSeen": 1, "PoolCreated": 2} == {
            kind: number for kind, number in told.received.items() if number
        }
        assert ({}, True, []) == (told.refused, told.connected, server.heard)


@pytest.mark.parametrize("end", [says_and_closes, says_and_vanishes])
async def test_a_stream_that_is_cut_goes_on_and_repeats_no_trade(end: object) -> None:
    again = json.dumps(BUY | {"signature": "another"})
    conversations = (end(RECORDED[2]), says(RECORDED[2], again))  # type: ignore[operator]
    async with streaming(*conversations) as (stream, outbox, _, __):
        events = await outbox.until(2)
        assert [BUY["signature"], "another"] == [event.signature for event in events]
        told = stream.snapshot()
        assert (2, 1) == (told.connections, told.received["duplicates"])


async def test_a_socket_that_falls_silent_is_replaced() -> None:
    async with streaming(says(RECORDED[0]), says(RECORDED[2]), silence_seconds=0.3) as streamed:
        stream, outbox, _, server = streamed
        await outbox.until(3)
        assert server.connections >= 2
        assert "silent for 0.3 s" == f"{stream.snapshot().last_problem}".partition(": ")[2]


async def test_junk_is_counted_told_once_and_ends_nothing() -> None:
    junk = ["{", "[]", json.dumps({"action": "explode"}), json.dumps(BUY | {"mint": "x"}), "}"]
    ignored = json.dumps({"action": "transfer", "signature": "s"})
    async with streaming(says(*junk, ignored, RECORDED[2])) as (stream, outbox, surroundings, _):
        await outbox.until(1)
        told = stream.snapshot()
        expected = {"not_json": 2, "not_an_object": 1, "unknown_tx_type": 1, "not_a_mint": 1}
        assert expected == told.refused
        assert 1 == told.received["ignored"]
        assert 4 == surroundings.log.lines.count(("info", "frame refused"))
