"""What one read of a socket brought is taken together, in order, and nothing is lost at the end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from sources.connection import (
    LONG_READ_BYTES,
    READ_INTERVAL_SECONDS,
    PacedStream,
    SourceConnection,
)
from sources.frame_splitter import FRAMES_A_BATCH, FrameSplitter
from tests.integration.sources.servers import ScriptedServer, says_and_closes
from tests.patience import PATIENCE_SECONDS


@asynccontextmanager
async def connected(server: ScriptedServer) -> AsyncIterator[SourceConnection]:
    async with server.running(), trio.open_nursery() as nursery:
        stream = PacedStream(await trio.open_tcp_stream("127.0.0.1", server.port))
        splitter = FrameSplitter(stream)
        websocket = await wrap_client_stream(
            nursery,
            splitter,  # type: ignore[arg-type]
            host="127.0.0.1",
            resource="/",
            message_queue_size=FRAMES_A_BATCH,
        )
        try:
            with trio.fail_after(PATIENCE_SECONDS):
                yield SourceConnection(websocket, stream, splitter)
        finally:
            await trio.aclose_forcefully(stream)
        nursery.cancel_scope.cancel()


async def taken_batches(connection: SourceConnection) -> list[list[str | bytes]]:
    """Every batch until the connection ends."""
    batches: list[list[str | bytes]] = []
    while True:
        try:
            batches.append(await connection.receive_frames())
        except ConnectionClosed:
            return batches


@asynccontextmanager
async def said_raw(data: bytes) -> AsyncIterator[SourceConnection]:
    """A connection on which the server has sent these bytes after the upgrade, and waits."""

    async def says(connection: WebSocketConnection) -> None:
        async with connection._stream_lock:
            await connection._stream.send_all(data)
        await trio.sleep_forever()

    async with connected(ScriptedServer([says], subscriptions=0)) as connection:
        yield connection


@pytest.mark.parametrize("number", [1, 50, FRAMES_A_BATCH * 3 + 1])
async def test_every_frame_comes_once_in_order_and_then_the_end(number: int) -> None:
    sent = [f"frame {n}" for n in range(number)]
    async with connected(ScriptedServer([says_and_closes(*sent)], subscriptions=0)) as connection:
        batches = await taken_batches(connection)
    assert sent == [frame for batch in batches for frame in batch]
    assert all(1 <= len(batch) <= FRAMES_A_BATCH for batch in batches)


async def test_frames_that_come_together_are_taken_together() -> None:
    async with said_raw(b"\x81\x01a" * 100) as connection:
        assert ["a"] * 100 == await connection.receive_frames()


async def test_a_ping_between_two_messages_is_answered() -> None:
    answered = trio.Event()

    async def pings(connection: WebSocketConnection) -> None:
        await connection.send_message("before")
        await connection.ping(b"?")  # waits for the pong
        answered.set()
        await connection.send_message("after")
        await trio.sleep_forever()

    async with connected(ScriptedServer([pings], subscriptions=0)) as connection:
        received = await connection.receive_frames()
        while len(received) < 2:
            received += await connection.receive_frames()
        assert ["before", "after"] == received
        assert answered.is_set()


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(b"\xc1\x01a", id="an extension that nobody has asked for"),
        pytest.param(b"\x80\x01a", id="the rest of a message that has not begun"),
        pytest.param(b"\x81\x02\xff\xfe", id="no UTF-8"),
    ],
)
async def test_what_no_server_may_send_ends_the_connection_after_what_came_before(
    refused: bytes,
) -> None:
    async with said_raw(b"\x81\x01a" + refused + b"\x81\x01b") as connection:
        assert [["a"]] == await taken_batches(connection)


async def test_a_stream_is_read_once_an_interval_and_at_once_after_a_pause(
    autojump_clock: MockClock,
) -> None:
    ours, theirs = memory_stream_pair()
    stream = PacedStream(ours)
    read_at = []
    for pause_seconds in (0.0, 0.0, 0.001, 7.0):
        await trio.sleep(pause_seconds)
        asked_at = trio.current_time()
        await theirs.send_all(b"x")
        assert b"x" == await stream.receive_some()
        read_at.append(trio.current_time() - asked_at)
    one = READ_INTERVAL_SECONDS
    assert [0.0, one, one - 0.001, 0.0] == pytest.approx(read_at)


async def test_a_long_read_is_followed_by_the_next_at_once(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    stream = PacedStream(ours)
    await theirs.send_all(b"x" * 3 * LONG_READ_BYTES)
    for _ in range(3):
        assert LONG_READ_BYTES == len(await stream.receive_some(LONG_READ_BYTES))
    assert 0.0 == trio.current_time()


async def test_who_reads_on_is_waited_for(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    stream = PacedStream(ours)
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            await stream.receive_some()
            await trio.sleep(3.0)  # what it makes of that
            await stream.receive_some()

        nursery.start_soon(read)
        await theirs.send_all(b"x")
        await trio.sleep(1.0)
        await stream.wait_until_read_on()
        assert 3.0 == trio.current_time()
        nursery.cancel_scope.cancel()
