"""Floods and odd requests that want memory, time or files: they get an error, others are served."""

import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import pytest
import trio

from feed.descriptors import allow_descriptors
from feed.session_stream import MOST_FRAGMENTS
from tests.integration.feed.clients import (
    HANDSHAKE,
    everything,
    feed_client,
    get,
    http_client,
    raw_client,
    serving,
)
from tests.integration.feed.test_hostile import (
    MASK,
    PING,
    SUBSCRIBE,
    a_bystander,
    text,
)
from tests.patience import PATIENCE_SECONDS
from tests.unit.feed.tokens import make_token, mint_of
from tests.unit.feed.worlds import World, until

FEED = "/api/warp-pipes/feed"
EMPTY_TEXT, EMPTY_PART, EMPTY_LAST = (bytes([first, 0x80]) + MASK for first in (0x01, 0x00, 0x80))


async def answer_to(world: World, sent: bytes) -> bytes:
    async with raw_client(world) as stream:
        await stream.send_all(sent)
        return await everything(stream)


# Requests.


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (b"X: a\r\n" * 4000, 431),
        (b"X: " + b"a" * 20_000 + b"\r\n", 431),
        (b"X: a\r\n\t" + b"a\r\n\t" * 12_000 + b"\r\n", 431),
        (b"Cookie: " + b"a=b; " * 4000 + b"\r\n", 431),
        (b"Content-Length: 65537\r\n", 413),
        (b"Content-Length: " + b"9" * 19 + b"\r\n", 413),
        (b"Content-Length: " + b"9" * 5000 + b"\r\n", 400),  # more digits than Python reads
        (b"Content-Length: " + b"0" * 5000 + b"1\r\n", 400),
        (b"Content-Length: -1\r\n", 400),
        (b"Content-Length: +1\r\n", 400),
        (b"Content-Length: 1_0\r\n", 400),
        (b"Content-Length: 1, 2\r\n", 400),
        (b"Content-Length: \xd9\xa1\r\n", 400),  # a digit of another script
        (b"Transfer-Encoding: chunked, chunked\r\n", 501),
        (b"Transfer-Encoding: identity\r\n", 501),
        (b"Transfer-Encoding: \x0bchunked\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", 501),
        (b"Transfer-Encoding : chunked\r\n", 400),
        (b"X: a\rTransfer-Encoding: chunked\r\n", 400),
        (b"X: \x00\r\n", 400),
    ],
)
async def test_a_head_that_is_odd_or_too_large_is_refused(fields: bytes, status: int) -> None:
    async with a_bystander() as world:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + fields + b"\r\n"
        assert (await answer_to(world, head)).startswith(b"HTTP/1.1 %d " % status)
        assert 0 == world.gateway.server.failed


@pytest.mark.parametrize(
    "body",
    [
        b"f" * 21 + b"\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"-1\r\n\r\n",
        b"5\r\nhelloXX0\r\n\r\n",  # what ends a chunk is not looked at by some
        b"5;" + b"a" * 40_000 + b"\r\nhello\r\n0\r\n\r\n",
        b"0\r\n" + b"X: a\r\n" * 12_000 + b"\r\n",
        b"1\r\na\r\n" * 66_000,
    ],
    ids=["huge", "hexadecimal", "negative", "unended", "extension", "trailers", "many"],
)
async def test_chunks_that_are_odd_or_too_many_are_refused(body: bytes) -> None:
    async with a_bystander() as world:
        head = b"POST /api/activity HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert (await answer_to(world, head + body)).startswith(b"HTTP/1.1 4")
        assert 0 == world.gateway.server.failed


async def test_what_follows_a_refused_body_is_no_request() -> None:
    smuggled = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
    fields = b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % len(smuggled)
    async with a_bystander() as world:
        answers = await answer_to(world, b"POST / HTTP/1.1\r\nHost: a\r\n" + fields + smuggled)
        assert (1, True) == (answers.count(b"HTTP/1.1 "), answers.startswith(b"HTTP/1.1 400 "))


@pytest.mark.parametrize("prefix", ["/", "/assets/", "/img/", "/api/tokens/", "/api/ops/"])
@pytest.mark.parametrize(
    "path",
    [
        "../../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "%252e%252e%252fetc%252fpasswd",
        "..%c0%af..%c0%afetc/passwd",
        "..\\..\\etc\\passwd",
        "..;/etc/passwd",
        "./feed.js",
        "//feed.js",
        "feed.js%00",
        "%66eed.js",
        "__init__.py",
    ],
)
async def test_a_path_that_leads_elsewhere_leads_nowhere(prefix: str, path: str) -> None:
    async with serving() as world:
        answer = await answer_to(
            world, f"GET {prefix}{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
        )
        assert answer.split()[1] in (b"400", b"403", b"404")
        assert b"root:" not in answer


@pytest.mark.parametrize(
    "head",
    [
        "GET /none%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: a",
        f"GET {FEED}?sortBy=%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: a",
        f"GET {FEED}?sort%0d%0aSet-Cookie:%20a=1 HTTP/1.1\r\nHost: a",
        "GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://a%0d%0aSet-Cookie: a=b",
        'GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: "%0d%0aSet-Cookie: a=b"',
        "OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example.com\r\n"
        "Access-Control-Request-Method: x\r\nAccess-Control-Request-Headers: a%0d%0aSet-Cookie: b",
        HANDSHAKE.decode().strip() + "\r\nSec-WebSocket-Protocol: a%0d%0aSet-Cookie: a=b",
    ],
)
async def test_nothing_that_is_sent_becomes_a_header(head: str) -> None:
    async with serving(allowed_origins="https://app.example.com") as world:
        async with raw_client(world) as stream:
            await stream.send_all(head.encode() + b"\r\n\r\n")
            answered = (await stream.receive_some()).partition(b"\r\n\r\n")[0]
        assert b"set-cookie" not in answered.lower()


async def test_more_parameters_than_anybody_needs_are_refused() -> None:
    async with a_bystander() as world:
        for query in ("a=1&" * 101, "&" * 5000, "%ff=1&"):
            assert 400 == (await get(world, f"{FEED}?{query}a=1")).status


# Answers that nobody takes.


async def test_pipelined_requests_whose_answers_are_not_read_wait_in_the_kernel() -> None:
    async with a_bystander(send_timeout_seconds=0.5) as world:
        await world.show(*(make_token(n, name="x" * 5000) for n in range(20, 40)))
        requests = f"GET {FEED} HTTP/1.1\r\nHost: a\r\n\r\n".encode() * 99
        async with raw_client(world) as stream:

            async def ask_on() -> None:
                while True:
                    await stream.send_all(requests)

            with trio.fail_after(PATIENCE_SECONDS), pytest.raises(trio.BrokenResourceError):
                await ask_on()  # until nothing has been taken for so long
        await until(lambda: world.gateway.server.places.open == 1)


# WebSocket.


async def test_a_message_in_pieces_is_one_message() -> None:
    pieces = [SUBSCRIBE[start : start + 1] for start in range(len(SUBSCRIBE))]
    frames = b"".join(b"\x00\x81" + MASK + piece + EMPTY_PART + PING for piece in pieces)
    async with a_bystander() as world, raw_client(world) as stream:
        await stream.send_all(HANDSHAKE + EMPTY_TEXT + frames + EMPTY_LAST)
        received = b""
        while b'"snapshot"' not in received:
            received += await stream.receive_some()


async def test_a_message_of_endless_empty_pieces_is_closed_with_1008() -> None:
    async with a_bystander() as world, raw_client(world) as stream:
        await stream.send_all(HANDSHAKE + EMPTY_TEXT + EMPTY_PART * (4 * MOST_FRAGMENTS))
        assert (await everything(stream)).endswith(b"\x88\x02\x03\xf0")
        await until(lambda: len(world.gateway.server.hub.sessions) == 1)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x05hello", 1002),
        (b"\xf1\x80" + MASK, 1002),
        (b"\x81\x82" + MASK + b"\xc3\x28", 1007),
    ],
    ids=["unmasked", "reserved", "not UTF-8"],
)
async def test_a_client_at_fault_is_told_by_the_close_code(frame: bytes, code: int) -> None:
    async with a_bystander() as world, raw_client(world) as stream:
        await stream.send_all(HANDSHAKE + frame)
        assert (await everything(stream)).endswith(b"\x88\x02" + code.to_bytes(2, "big"))


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535])
async def test_a_close_with_a_code_that_is_none_ends_its_own_connection(code: int) -> None:
    async with a_bystander() as world, raw_client(world) as stream:
        await stream.send_all(HANDSHAKE + b"\x88\x82" + MASK + code.to_bytes(2, "big"))
        assert (await everything(stream)).endswith(b"\x88\x02\x03\xea")
        await until(lambda: len(world.gateway.server.hub.sessions) == 1)


async def test_a_handshake_that_is_too_large_gets_431() -> None:
    async with a_bystander() as world:
        handshake = HANDSHAKE.replace(b"Host: a", b"Host: a\r\nX: " + b"x" * 17_000)
        assert (await answer_to(world, handshake)).startswith(b"HTTP/1.1 431 ")


async def test_a_handshake_is_not_answered_in_a_compressed_dialect() -> None:
    offer = b"Host: a\r\nSec-WebSocket-Extensions: permessage-deflate"
    compressed = b"\xc1\x80" + MASK  # which then is a reserved bit
    async with a_bystander() as world:
        received = await answer_to(world, HANDSHAKE.replace(b"Host: a", offer) + compressed)
        assert b"permessage-deflate" not in received
        assert received.endswith(b"\x88\x02\x03\xea")


async def test_a_flood_of_subscriptions_is_told_so_and_starves_nobody() -> None:
    async with a_bystander() as world, raw_client(world) as flooding, feed_client(world) as client:
        await flooding.send_all(HANDSHAKE + text(SUBSCRIBE) * 1000)
        received = b""
        while b'"rate_limited"' not in received:
            received = received[-20:] + await flooding.receive_some()
            await client.say({"type": "ping"})
            assert "pong" == (await client.hear())["type"]


async def test_watches_across_reconnects_leave_nothing_behind() -> None:
    async with a_bystander(clients=50) as world:
        await world.show(*(make_token(n) for n in range(1, 41)))
        watches = [b'{"type":"watch","mint":"%b"}' % mint_of(n).encode() for n in range(1, 41)]
        ping = text(b'{"type":"ping"}')
        for _ in range(10):
            async with raw_client(world) as stream:
                await stream.send_all(HANDSHAKE + b"".join(map(text, watches)) + ping)
                while b'"pong"' not in await stream.receive_some():
                    pass
                watched = world.gateway.server.hub.take_census().watched
                assert 40 == max(map(len, watched.values()))
        await until(lambda: len(world.gateway.server.hub.sessions) == 1)
        assert 0 == sum(map(len, world.gateway.server.hub.take_census().watched.values()))


# Many.


@contextmanager
def open_files(wanted: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allow_descriptors(wanted) < wanted:
        pytest.skip(f"this machine allows fewer than {wanted} open files")
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@asynccontextmanager
async def idle_clients(world: World, count: int) -> AsyncIterator[list[trio.SocketStream]]:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw_client(world)) for _ in range(count)]
        for client in clients:
            await client.send_all(HANDSHAKE)
        for client in clients:
            assert (await client.receive_some()).startswith(b"HTTP/1.1 101 ")
        yield clients


async def test_a_thousand_idle_clients_cost_the_others_nothing_and_may_leave_at_once() -> None:
    idle = 1000
    with open_files(2 * idle + 200):
        async with a_bystander(clients=idle + 3) as world:
            async with idle_clients(world, idle), feed_client(world) as live:
                assert idle + 2 == len(world.gateway.server.hub.sessions)
                await live.subscribe("new")
                for number in range(3):
                    await world.show(make_token(number))
                    assert "delta" == (await live.hear())["type"]
                async with http_client(world) as last:
                    assert 200 == (await last.request(FEED)).status
                    assert 503 == (await get(world, FEED)).status  # full
                    assert 200 == (await get(world, "/readyz")).status
            await until(lambda: world.gateway.server.places.open == 1)
            assert 0 == world.gateway.server.failed
