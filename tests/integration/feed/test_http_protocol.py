"""What RFC 9110 and RFC 9112 ask of a server, tried by hand-written bytes."""

from collections.abc import Iterator

import pytest
import trio

from domain.messages import GovernorSet
from tests.integration.feed.clients import (
    HANDSHAKE,
    Answer,
    everything,
    get,
    http_client,
    hurried_client,
    raw_client,
    serving,
)
from tests.patience import PATIENCE_SECONDS
from tests.unit.feed.tokens import make_token
from tests.unit.feed.worlds import World, until

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
GOVERNOR = b"/api/ops/governor"
LAST = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def post(headers: bytes, body: bytes = b"", path: bytes = GOVERNOR) -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n%b" % (path, headers, body)


def split_answers(data: bytes, *, without_body: int = 0) -> Iterator[Answer]:
    """The responses in a stream of bytes; of the first few only the heads."""
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        fields = [line.partition(": ") for line in lines]
        headers = {name.lower(): value for name, _, value in fields}
        size = 0 if without_body > 0 else int(headers.get("content-length", "0"))
        without_body -= 1
        yield Answer(int(status.split(" ")[1]), headers, data[:size])
        data = data[size:]


async def exchange(world: World, sent: bytes) -> list[Answer]:
    """Everything that the server answers until it closes, which what was sent must bring about."""
    async with raw_client(world) as stream:
        await stream.send_all(sent)
        return list(split_answers(await everything(stream)))


async def receive_exactly(stream: trio.SocketStream, count: int) -> bytes:
    received = b""
    with trio.fail_after(PATIENCE_SECONDS):
        while len(received) < count:
            data = await stream.receive_some(count - len(received))
            assert data, f"the server closed after {received!r}"
            received += data
    return received


# Targets.


@pytest.mark.parametrize(
    "target",
    [
        "http://a/livez",
        "HTTP://elsewhere.example:8080/livez?b",
        "https://[::1]/livez",
        "/livez",
    ],
)
async def test_a_target_may_be_absolute(target: str) -> None:
    async with serving() as world, http_client(world) as client:
        for _ in range(2):  # and the connection stays
            assert 200 == (await client.request(target)).status


async def test_a_websocket_may_be_asked_for_by_an_absolute_target() -> None:
    async with serving() as world, raw_client(world) as stream:
        await stream.send_all(HANDSHAKE.replace(b"GET /ws", b"GET http://a/ws"))
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    ("target", "status", "allowed"),
    [
        (b"*", 204, "GET, HEAD, OPTIONS, POST"),
        (b"http://a", 204, "GET, HEAD, OPTIONS, POST"),
        (b"/api/ops/writes", 204, "GET, HEAD, OPTIONS"),
        (GOVERNOR, 204, "GET, HEAD, OPTIONS, POST"),
        (b"/nothing", 404, None),
    ],
)
async def test_options_tells_the_methods(target: bytes, status: int, allowed: str | None) -> None:
    async with serving() as world:
        answer, last = await exchange(
            world, b"OPTIONS %b HTTP/1.1\r\nHost: a\r\n\r\n" % target + LAST
        )
        assert (status, allowed) == (answer.status, answer.headers.get("allow"))
        assert ("content-length" in answer.headers) == (status != 204)
        assert 200 == last.status


async def test_a_tunnel_is_no_method_of_this_server() -> None:
    async with serving() as world:
        answer, *_ = await exchange(world, b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" + LAST)
        assert (405, "GET, HEAD, OPTIONS") == (answer.status, answer.headers["allow"])


# Heads.


@pytest.mark.parametrize(
    ("request_line", "status"),
    [(b"GET / HTTP/2.0", 505), (b"GET / HTTP/0.9", 505), (b"GET / HTTP/1.2", 200)],
)
async def test_another_major_version_is_not_spoken(request_line: bytes, status: int) -> None:
    async with serving() as world:
        head = request_line + b"\r\nHost: a\r\nConnection: close\r\n\r\n"
        assert [status] == [answer.status for answer in await exchange(world, head)]


async def test_empty_lines_before_a_request_are_ignored() -> None:
    async with serving() as world, raw_client(world) as stream:
        await stream.send_all(b"\r")
        await stream.send_all(b"\n\r\n")
        await stream.send_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" + b"\r\n\r\n" + LAST)
        answers = split_answers(await everything(stream))
        assert [200, 200] == [answer.status for answer in answers]


async def test_a_folded_header_line_is_read_as_one() -> None:
    async with serving() as world:
        head = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: keep-alive,\r\n\tclose\r\n\r\n"
        (answer,) = await exchange(world, head)
        assert (200, "close") == (answer.status, answer.headers["connection"])


@pytest.mark.parametrize(
    "headers",
    [
        b"Connection: close\r\n",
        b"Connection: foo, CLOSE\r\n",
        b"Connection: foo\r\nConnection: bar ,close\r\n",
    ],
)
async def test_close_is_heeded_in_any_list(headers: bytes) -> None:
    async with serving() as world:
        answers = await exchange(world, b"GET /livez HTTP/1.1\r\nHost: a\r\n" + headers + b"\r\n")
        assert [("close", 200)] == [(a.headers["connection"], a.status) for a in answers]


@pytest.mark.parametrize("headers", [b"", b"Connection: keep-alive\r\n", b"Host: a\r\n"])
async def test_http_1_0_is_answered_and_closed(headers: bytes) -> None:
    async with serving() as world:
        (answer,) = await exchange(world, b"GET /livez HTTP/1.0\r\n" + headers + b"\r\n")
        assert (200, "close") == (answer.status, answer.headers["connection"])


async def test_http_1_0_has_neither_upgrades_nor_expectations() -> None:
    async with serving(control_token="s3cret") as world:
        handshake = HANDSHAKE.replace(b"HTTP/1.1", b"HTTP/1.0")
        assert [400] == [answer.status for answer in await exchange(world, handshake)]
        token = b"Authorization: Bearer s3cret\r\n"
        fields = token + b"Content-Length: 14\r\nExpect: 100-continue, x\r\n"
        old = post(fields, b'{"reset":true}')
        answers = await exchange(world, old.replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert [202] == [answer.status for answer in answers]


# Upgrades.


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Connection: Upgrade", b"Connection: keep-alive\r\nConnection: Upgrade"),
        (b"Connection: Upgrade", b"Connection: Upgrade\r\nConnection: keep-alive"),
        (b"Connection: Upgrade", b"Connection: keep-alive, upgrade"),
        (b"Connection: Upgrade", b"cOnNeCtIoN:\tUPGRADE ,x"),
        (b"Upgrade: websocket", b"Upgrade: WebSocket, foo"),
        (b"Upgrade: websocket", b"Upgrade: foo/1.0\r\nUpgrade: WEBSOCKET"),
    ],
)
async def test_the_fields_of_a_handshake_are_lists(old: bytes, new: bytes) -> None:
    async with serving() as world, raw_client(world) as stream:
        assert old in HANDSHAKE
        await stream.send_all(HANDSHAKE.replace(old, new))
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Connection: Upgrade\r\n", b""),
        (b"Connection: Upgrade", b"Connection: no-upgrade"),
        (b"Upgrade: websocket", b"Upgrade: websockets"),
        (b"Upgrade: websocket\r\n", b""),
        (b"AAAA==", b"AAAA==\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
        (b"Version: 13", b"Version: 13\r\nSec-WebSocket-Version: 8"),
    ],
)
async def test_what_only_resembles_a_handshake_is_none(old: bytes, new: bytes) -> None:
    async with serving() as world:
        assert old in HANDSHAKE
        sent = HANDSHAKE.replace(old, new) + LAST
        assert 400 == (await exchange(world, sent))[0].status


async def test_an_upgrade_to_something_else_is_ignored() -> None:
    async with serving() as world:
        head = b"GET /livez HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
        assert [200, 200] == [answer.status for answer in await exchange(world, head + LAST)]


# 100 Continue.


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: 14\r\n", b'{"reset":true}'),
        (b"Transfer-Encoding: chunked\r\n", b'7\r\n{"reset\r\n7\r\n":true}\r\n0\r\nA: b\r\n\r\n'),
    ],
    ids=["length", "chunked"],
)
@pytest.mark.parametrize("expectation", [b"100-continue", b"100-Continue"])
async def test_a_client_that_waits_is_told_to_continue(
    framing: bytes, body: bytes, expectation: bytes
) -> None:
    async with serving() as world, raw_client(world) as stream:
        await stream.send_all(post(framing + b"Expect: " + expectation + b"\r\n"))
        assert CONTINUE == await receive_exactly(stream, len(CONTINUE))
        await stream.send_all(body + LAST)  # pipelined behind it
        answers = list(split_answers(await everything(stream)))
        assert [202, 200] == [answer.status for answer in answers]
        assert GovernorSet(reset=True) == await anext(world.governor)


async def test_a_client_that_does_not_wait_is_not_told_to_continue() -> None:
    async with serving() as world:
        sent = post(b"Content-Length: 14\r\nExpect: 100-continue\r\n", b'{"reset":true}')
        assert [202, 200] == [answer.status for answer in await exchange(world, sent + LAST)]


async def test_without_a_body_there_is_nothing_to_continue() -> None:
    async with serving() as world:
        head = b"GET /livez HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"
        assert [200, 200] == [answer.status for answer in await exchange(world, head + LAST)]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (b"/nothing", b"Content-Length: 9\r\n", 404),
        (b"/livez", b"Content-Length: 9\r\n", 405),
        (b"/livez", b"Transfer-Encoding: chunked\r\n", 405),
        (GOVERNOR, b"Content-Length: 9\r\nOrigin: http://localhost\r\n", 403),
        (GOVERNOR, b"Content-Length: 70000\r\n", 413),
    ],
)
async def test_what_is_refused_anyway_is_refused_before_the_body(
    path: bytes, headers: bytes, status: int
) -> None:
    async with serving() as world:
        sent = post(headers + b"Expect: 100-continue\r\n", path=path)
        answers = await exchange(world, sent)
        assert [(status, "close")] == [(a.status, a.headers["connection"]) for a in answers]


async def test_a_drain_refuses_before_the_body() -> None:
    async with serving() as world, raw_client(world) as other, raw_client(world) as stream:
        await other.send_all(HANDSHAKE)
        await other.receive_some()  # it never answers the close, so that the drain takes its time
        await until(lambda: world.gateway.server.places.open == 2)
        world.inbox.close()
        await until(lambda: world.gateway.server.is_draining)
        await stream.send_all(post(b"Content-Length: 9\r\nExpect: 100-continue\r\n"))
        assert [503] == [answer.status for answer in split_answers(await everything(stream))]


async def test_a_body_that_never_comes_gets_408() -> None:
    async with serving() as world, hurried_client(world) as stream:
        await stream.send_all(post(b"Content-Length: 9\r\nExpect: 100-continue\r\n"))
        assert CONTINUE == await receive_exactly(stream, len(CONTINUE))
        assert [408] == [answer.status for answer in split_answers(await everything(stream))]


async def test_another_expectation_cannot_be_met() -> None:
    async with serving() as world:
        sent = post(b"Content-Length: 14\r\nExpect: 100-continue, tea\r\n", b'{"reset":true}')
        assert [417] == [answer.status for answer in await exchange(world, sent)]


# Bodies.


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", 400),
        (b"Content-Length: 2\r\nContent-Length: 3\r\n", 400),
        (b"Content-Length: -2\r\n", 400),
        (b"Content-Length: +2\r\n", 400),
        (b"Transfer-Encoding: gzip, chunked\r\n", 501),
        (b"Transfer-Encoding: identity\r\n", 501),
    ],
)
async def test_a_body_without_one_clear_end_is_refused(headers: bytes, status: int) -> None:
    async with serving() as world:
        answers = await exchange(world, post(headers, b"0\r\n\r\n" + LAST))
        assert [(status, "close")] == [(a.status, a.headers["connection"]) for a in answers]


async def test_a_length_that_is_told_twice_alike_is_one_length() -> None:
    async with serving() as world:
        sent = post(b"Content-Length: 14\r\nContent-Length: 14\r\n", b'{"reset":true}')
        assert [202, 200] == [answer.status for answer in await exchange(world, sent + LAST)]


# Conditions.


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("condition", ["{}", "W/{}", '"other", {}', '"a,b",W/{} ', "*"])
async def test_a_page_that_the_client_has_is_not_sent_again(method: str, condition: str) -> None:
    async with serving() as world, raw_client(world) as stream:
        tag = (await get(world, "/")).headers["etag"]
        await stream.send_all(
            f"{method} / HTTP/1.1\r\nHost: a\r\nIf-None-Match: {condition.format(tag)}\r\n\r\n"
            f"{method} / HTTP/1.1\r\nHost: a\r\nIf-None-Match: {condition.format(tag)}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        answers = list(split_answers(await everything(stream)))
        assert [(304, tag, b"")] * 2 == [(a.status, a.headers["etag"], a.body) for a in answers]
        assert not {"content-length", "content-type"} & answers[0].headers.keys()
        assert {"date", "vary", "cache-control"} <= answers[0].headers.keys()


async def test_tags_in_two_lines_are_one_list() -> None:
    async with serving() as world:
        tag = (await get(world, "/ops")).headers["etag"].encode()
        lines = b'If-None-Match: "other"\r\nIf-None-Match: W/%b\r\nConnection: close\r\n\r\n' % tag
        (answer,) = await exchange(world, b"GET /ops HTTP/1.1\r\nHost: localhost\r\n" + lines)
        assert 304 == answer.status


async def test_each_content_coding_of_a_page_has_a_tag_of_its_own() -> None:
    async with serving() as world:
        plain = (await get(world, "/")).headers["etag"]
        packed = (await get(world, "/", accept_encoding="gzip")).headers["etag"]
        assert plain != packed
        crossed = await get(world, "/", accept_encoding="gzip", if_none_match=plain)
        assert (200, packed) == (crossed.status, crossed.headers["etag"])
        again = await get(world, "/", accept_encoding="gzip", if_none_match=packed)
        assert (304, packed) == (again.status, again.headers["etag"])


@pytest.mark.parametrize(
    ("condition", "status"), [("{}", 200), ("*", 200), ("W/{}", 412), ('"other"', 412)]
)
async def test_if_match_is_heeded(condition: str, status: int) -> None:
    async with serving() as world:
        tag = (await get(world, "/")).headers["etag"]
        assert status == (await get(world, "/", if_match=condition.format(tag))).status


async def test_what_has_no_tag_has_no_conditions() -> None:
    async with serving() as world:
        assert 200 == (await get(world, "/livez", if_none_match="*")).status


# HEAD and content codings.


@pytest.mark.parametrize("path", ["/", "/livez", "/nothing", "/api/warp-pipes/feed"])
@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_head_tells_what_get_would(path: str, coding: str) -> None:
    async with serving() as world, raw_client(world) as stream:
        await world.show(*(make_token(number) for number in range(5)))
        rest = f"{path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n"
        head, get = f"HEAD {rest}\r\n", f"GET {rest}Connection: close\r\n\r\n"
        await stream.send_all((head + get).encode())
        short, long = split_answers(await everything(stream), without_body=1)
        differing = {"connection", "date"}
        assert short.status == long.status
        assert {n: v for n, v in short.headers.items() if n not in differing} == {
            n: v for n, v in long.headers.items() if n not in differing
        }
        assert int(long.headers["content-length"]) == len(long.body) > 0


@pytest.mark.parametrize("path", ["/", "/api/warp-pipes/feed", "/livez"])
@pytest.mark.parametrize(
    ("accepted", "status", "coding"),
    [
        ("gzip;q=0", 200, None),
        ("gzip;q=0, *", 200, None),
        ("*;q=0, identity", 200, None),
        ("identity;q=0, gzip;q=0.1", 200, "gzip"),
        ("identity;q=0", 406, None),
        ("*;q=0", 406, None),
    ],
)
async def test_the_content_coding_is_one_that_the_client_takes(
    path: str, accepted: str, status: int, coding: str | None
) -> None:
    async with serving() as world:
        await world.show(*(make_token(number) for number in range(5)))
        answer = await get(world, path, accept_encoding=accepted)
        assert (status, coding) == (answer.status, answer.headers.get("content-encoding"))
        assert status == 406 or "Accept-Encoding" == answer.headers["vary"]
