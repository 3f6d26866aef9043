"""Slow, vanished and hostile clients: whatever one does, the others are served."""

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise

import orjson
import pytest
import trio

from feed.places import NO_ROOM
from tests.integration.feed.clients import (
    HANDSHAKE,
    FeedClient,
    Frame,
    everything,
    feed_client,
    get,
    hurried_client,
    port_of,
    raw_client,
    serving,
)
from tests.patience import PATIENCE_SECONDS
from tests.unit.feed.tokens import make_token, mint_of
from tests.unit.feed.worlds import World, until

MASK = b"\x00\x00\x00\x00"  # a mask that changes nothing
CLOSE, PING = b"\x88\x80" + MASK, b"\x89\x80" + MASK
SUBSCRIBE = b'{"type":"subscribe","board":"new"}'


def text(payload: bytes) -> bytes:
    assert len(payload) < 126
    return bytes([0x81, 0x80 | len(payload)]) + MASK + payload


@asynccontextmanager
async def a_bystander(**changes: object) -> AsyncIterator[World]:
    """A served world with a client that follows along, and must be unharmed at the end."""
    async with serving(**changes) as world, feed_client(world) as client:
        frame = await client.subscribe("new")
        async with trio.open_nursery() as nursery:

            async def follow() -> None:
                nonlocal frame
                while True:
                    frame = await hear_whenever(client)

            nursery.start_soon(follow)
            yield world
            nursery.cancel_scope.cancel()
        await client.say({"type": "ping"})
        while frame["type"] != "pong":
            frame = await client.hear()
        assert (await get(world, "/livez")).status == 200


async def hear_whenever(client: FeedClient) -> Frame:
    frame: Frame = orjson.loads(await client.connection.get_message())
    return frame


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\xfe garbage \r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /livez#part HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http:///livez HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://me@a/livez HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET ftp://a/livez HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://a/livez HTTP/1.1\r\n\r\n",  # an absolute target replaces no Host
        b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        HANDSHAKE.replace(b"AAAA==", b"short"),
        HANDSHAKE.replace(b"Version: 13", b"Version: 8"),
        HANDSHAKE.replace(b"GET", b"PUT"),
    ],
)
async def test_what_is_no_request_gets_400_and_is_closed(sent: bytes) -> None:
    async with a_bystander() as world, raw_client(world) as stream:
        await stream.send_all(sent)
        await stream.send_eof()
        assert (await everything(stream)).startswith(b"HTTP/1.1 40")


async def test_half_a_request_gets_408_when_its_time_is_over() -> None:
    async with a_bystander() as world, hurried_client(world) as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: a\r\n")
        assert (await everything(stream)).startswith(b"HTTP/1.1 408 ")


async def test_a_request_that_drips_gets_408_when_its_time_is_over() -> None:
    async with (
        a_bystander() as world,
        hurried_client(world) as stream,
        trio.open_nursery() as nursery,
    ):

        async def drip() -> None:
            for byte in b"GET / HTTP/1.1\r\nHost: " + b"a" * 1000:
                await stream.send_all(bytes([byte]))
                await trio.sleep(0.02)

        nursery.start_soon(drip)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 408 ")
        nursery.cancel_scope.cancel()


async def test_a_connection_that_says_nothing_is_closed() -> None:
    async with a_bystander() as world, hurried_client(world) as stream:
        assert await everything(stream) == b""


async def test_a_handshake_with_bytes_that_are_not_ascii_is_harmless() -> None:
    async with a_bystander() as world, raw_client(world) as stream:
        await stream.send_all(HANDSHAKE.replace(b"Host: a", b"Host: a\r\nX: \xc3\xa9\xff\xfe"))
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    "frames",
    [
        CLOSE + PING,
        CLOSE + CLOSE,
        CLOSE + text(SUBSCRIBE),
        b"\x81\x05hello",  # not masked
        b"\xf1\x80" + MASK,  # reserved bits
        b"\x83\x80" + MASK,  # reserved opcode
        b"\x80\x80" + MASK,  # continues nothing
        b"\x89\xfe\x01\x00" + MASK + b"x" * 256,  # a ping that is too long
        b"\x81\x82" + MASK + b"\xc3\x28",  # not UTF-8
        b"\x88\x81" + MASK + b"x",  # a close code of one byte
        b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff" + MASK,  # 2^64 bytes are to come
    ],
)
async def test_hostile_frames_end_their_own_connection_only(frames: bytes) -> None:
    async with a_bystander() as world, raw_client(world) as stream:
        await stream.send_all(HANDSHAKE + frames)
        received = await everything(stream)
        assert received.startswith(b"HTTP/1.1 101 ")
        assert {1} == {len(world.gateway.server.hub.sessions)}


@pytest.mark.parametrize("sent", [b"", b"GET /", HANDSHAKE, HANDSHAKE + text(SUBSCRIBE)])
async def test_a_reset_at_any_point_is_harmless(sent: bytes) -> None:
    async with a_bystander() as world:
        for _ in range(5):
            async with raw_client(world) as stream:
                linger_zero = struct.pack("ii", 1, 0)
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_zero)
                await stream.send_all(sent)
        await until(lambda: world.gateway.server.places.open == 1)


async def test_a_flood_of_connections_gets_503_and_health_checks_still_get_through() -> None:
    async with a_bystander(clients=5) as world, AsyncExitStack() as flood:
        for _ in range(4):
            await flood.enter_async_context(raw_client(world))
        await until(lambda: world.gateway.server.places.open == 5)
        refused = await get(world, "/api/warp-pipes/feed")
        assert (refused.status, refused.json["error"]["code"]) == (503, "too_many_clients")
        assert (await get(world, "/livez")).status == 200
        async with raw_client(world) as stream:
            await stream.send_all(HANDSHAKE)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 503 ")


async def test_connections_far_beyond_the_limit_are_closed_at_once() -> None:
    async with a_bystander(clients=2) as world, AsyncExitStack() as flood:
        for _ in range(150):
            await flood.enter_async_context(raw_client(world))
        places = world.gateway.server.places
        await until(lambda: places.refused[NO_ROOM] >= 150 + 1 - (2 + 64))
        await until(lambda: places.open == 2 + 64)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"], ids=["mute", "asks"])
async def test_health_checks_are_answered_while_connections_far_beyond_the_limit_stay(
    sent: bytes,
) -> None:
    async with a_bystander(clients=2) as world, AsyncExitStack() as flood:
        for _ in range(200):
            stream = await flood.enter_async_context(raw_client(world))
            await stream.send_all(sent)
        await until(lambda: world.gateway.server.places.refused[NO_ROOM] > 0)
        assert (await get(world, "/livez")).status == 200
        assert (await get(world, "/readyz")).status == 200


async def read_until_current(client: trio.SocketStream, world: World) -> list[Frame]:
    """All frames a raw client gets, by the time it has seen the last publication."""
    buffer = b""
    frames: list[Frame] = []
    with trio.fail_after(PATIENCE_SECONDS):
        while not frames or frames[-1]["offset"] < world.gateway.boards.offset:
            buffer += await client.receive_some(65536)
            while (frame := whole_frame(buffer)) is not None:
                payload, buffer = frame
                frames.append(orjson.loads(payload))
    return frames


def whole_frame(data: bytes) -> tuple[bytes, bytes] | None:
    """The first text frame's payload, and what follows; None if it is not all here."""
    if len(data) < 2:
        return None
    assert data[0] == 0x81, "half a frame was followed by something else"
    size, start = data[1], 2
    if size == 126:
        size, start = int.from_bytes(data[2:4], "big"), 4
    elif size == 127:
        size, start = int.from_bytes(data[2:10], "big"), 10
    if len(data) < start + size:
        return None
    return data[start : start + size], data[start + size :]


@asynccontextmanager
async def small_window_client(world: World) -> AsyncIterator[trio.SocketStream]:
    """A subscriber whose kernel takes in little."""
    sock = trio.socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await sock.connect(("127.0.0.1", port_of(world)))
    async with trio.SocketStream(sock) as stream:
        await stream.send_all(HANDSHAKE)
        head = await stream.receive_some()
        assert head.endswith(b"\r\n\r\n")
        await stream.send_all(text(SUBSCRIBE))
        yield stream


async def publish_much(world: World, publications: int) -> None:
    for number in range(publications):
        await world.show(
            *(make_token(n, name="x" * 5000, holder_count=number + n) for n in range(4)),
            make_token(9, name=str(number) * 5000),
        )


async def test_a_slow_client_is_conflated_bounded_and_ends_up_current() -> None:
    limit = 60_000
    async with (
        a_bystander(client_queue_bytes=limit, send_timeout_seconds=PATIENCE_SECONDS) as world,
        small_window_client(world) as slow,
    ):
        most_queued = 0
        for _ in range(40):
            await publish_much(world, 5)
            sessions = world.gateway.server.hub.sessions.values()
            most_queued = max(most_queued, *(s.outgoing.queued_bytes for s in sessions))
        assert world.gateway.server.hub.broadcast.conflated >= 1
        assert 0 < most_queued <= limit
        frames = await read_until_current(slow, world)
        assert frames[-1]["offset"] == world.gateway.boards.offset
        snapshots = [n for n, frame in enumerate(frames) if frame["type"] == "snapshot"]
        assert len(snapshots) >= 2
        for earlier, later in pairwise(frames):
            follows = earlier["offset"] + 1 == later["offset"]
            assert follows or later["type"] == "snapshot"


async def test_a_client_that_takes_nothing_is_dropped_after_the_send_timeout() -> None:
    async with (
        a_bystander(client_queue_bytes=60_000, send_timeout_seconds=1.0) as world,
        small_window_client(world) as stuck,
    ):
        await publish_much(world, 200)
        assert world.gateway.server.hub.broadcast.conflated >= 1
        await until(lambda: len(world.gateway.server.hub.sessions) == 1)
        await everything(stuck)


async def test_a_flood_of_pings_does_not_starve_the_others() -> None:
    async with (
        a_bystander() as world,
        raw_client(world) as stream,
        feed_client(world) as client,
        trio.open_nursery() as nursery,
    ):
        await stream.send_all(HANDSHAKE)

        async def flood() -> None:
            while True:
                await stream.send_all(PING * 1000)

        async def swallow() -> None:
            async for _ in stream:
                pass

        nursery.start_soon(flood)
        nursery.start_soon(swallow)
        for _ in range(20):
            await client.say({"type": "ping"})
            assert (await client.hear())["type"] == "pong"
        nursery.cancel_scope.cancel()


async def test_a_client_that_asks_much_and_reads_nothing_is_not_listened_to() -> None:
    async with (
        a_bystander(client_queue_bytes=20_000, send_timeout_seconds=PATIENCE_SECONDS) as world,
        small_window_client(world) as mute,
    ):
        await publish_much(world, 1)
        with trio.move_on_after(1):
            while True:
                await mute.send_all(text(SUBSCRIBE) * 100)
        for session in world.gateway.server.hub.sessions.values():
            largest = max(20_000, len(world.gateway.boards.snapshot_message("new")) + 20)
            assert session.outgoing.queued_bytes <= largest + 1000


async def test_a_token_with_hostile_strings_is_only_json() -> None:
    async with a_bystander() as world:
        name = '</script><script>alert("1")</script>\x00\u2028\ud83d'
        await world.show(make_token(1, name=name, symbol="\ud800"))
        answer = await get(world, f"/api/tokens/{mint_of(1)}")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert ("\ufffd", name[:-1] + "\ufffd") == (answer.json["symbol"], answer.json["name"])
