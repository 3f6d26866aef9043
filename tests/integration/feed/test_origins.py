"""Pages of other origins, as browsers let them ask, on real sockets."""

from collections.abc import Mapping

import h11
import pytest

from tests.integration.feed.clients import (
    HANDSHAKE,
    Answer,
    everything,
    get,
    http_client,
    raw_client,
    serving,
)
from tests.unit.feed.worlds import World

APP, EVIL = "https://app.example.com", "https://evil.example"
LISTED = f"{APP} http://localhost:3000 http://[::1]:8080"
ALLOW_ORIGIN, CREDENTIALS = "access-control-allow-origin", "access-control-allow-credentials"
FEED, GOVERNOR = "/api/warp-pipes/feed", "/api/ops/governor"


async def preflight(
    world: World, path: str, origin: str, method: str = "GET", fields: str = ""
) -> Answer:
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    headers |= {"Access-Control-Request-Headers": fields} if fields else {}
    async with http_client(world) as client:
        return await client.request(path, method="OPTIONS", headers=headers)


async def status_of(world: World, raw: bytes) -> int:
    """The status of the answer to a request that is sent as it is."""
    async with raw_client(world) as stream:
        await stream.send_all(raw)
        return int((await stream.receive_some())[9:12])


def cors_of(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("access-control-")}


# Reading.


@pytest.mark.parametrize("origin", [APP, "http://localhost:3000", "http://[::1]:8080"])
@pytest.mark.parametrize("path", [FEED, "/", "/livez"])
async def test_a_listed_origin_may_read_what_it_gets(origin: str, path: str) -> None:
    async with serving(allowed_origins=LISTED) as world:
        answer = await get(world, path, origin=origin)
        assert (200, origin) == (answer.status, answer.headers[ALLOW_ORIGIN])
        assert "ETag" in answer.headers["access-control-expose-headers"]
        assert "true" == answer.headers[CREDENTIALS]


async def test_a_page_that_is_not_modified_is_shared_too() -> None:
    async with serving(allowed_origins=LISTED) as world:
        tag = (await get(world, "/")).headers["etag"]
        answer = await get(world, "/", origin=APP, if_none_match=tag)
        assert (304, APP) == (answer.status, answer.headers[ALLOW_ORIGIN])
        assert "Accept-Encoding, Origin" == answer.headers["vary"]


@pytest.mark.parametrize(
    "origin", [EVIL, "null", "", "http://app.example.com", f"{APP}:8443", f"{APP}, {APP}"]
)
async def test_no_other_origin_is_let_read(origin: str) -> None:
    async with serving(allowed_origins=LISTED) as world:
        answer = await get(world, FEED, origin=origin)
        assert (200, {}) == (answer.status, cors_of(answer.headers))
        assert "Accept-Encoding, Origin" == answer.headers["vary"]


async def test_answers_differ_by_origin_also_for_those_who_tell_none() -> None:
    async with serving(allowed_origins=LISTED) as world:
        for path in (FEED, "/", "/livez", "/nothing", "/metrics"):
            vary = (await get(world, path)).headers["vary"]
            assert "Origin" in vary.split(", "), path


async def test_by_default_there_is_nothing_to_share() -> None:
    async with serving() as world:
        answer = await get(world, FEED, origin=APP)
        assert {} == cors_of(answer.headers)
        assert "Accept-Encoding" == answer.headers["vary"]


@pytest.mark.parametrize("origin", [APP, "null", None])
async def test_an_asterisk_lets_all_read_and_nobody_with_credentials(origin: str | None) -> None:
    async with serving(allowed_origins="*") as world:
        answer = await get(world, FEED, **({"origin": origin} if origin else {}))
        assert "*" == answer.headers[ALLOW_ORIGIN]
        assert CREDENTIALS not in answer.headers
        assert "Accept-Encoding" == answer.headers["vary"]  # it is the same for all


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /nothing HTTP/1.1\r\nHost: a", 404),
        ("GET /api/tokens/notamint HTTP/1.1\r\nHost: a", 400),
        ("DELETE / HTTP/1.1\r\nHost: a", 405),
        ("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: identity;q=0", 406),
        ("GET / HTTP/1.1\r\nHost: a/b", 400),  # and what follows is answered before any route
        ("GET gopher://a/ HTTP/1.1\r\nHost: a", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: wonders", 417),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000", 413),
        (f"GET /{'a' * 9000} HTTP/1.1\r\nHost: a", 414),
        ("GET / HTTP/1.0\r\nUpgrade: websocket", 200),
    ],
)
async def test_errors_are_shared_as_well(request_line: str, status: int) -> None:
    async with serving(allowed_origins=LISTED) as world, raw_client(world) as stream:
        await stream.send_all(
            f"{request_line}\r\nOrigin: {APP}\r\nConnection: close\r\n\r\n".encode()
        )
        head = (await everything(stream)).partition(b"\r\n\r\n")[0].decode()
        assert status == int(head[9:12])
        assert f"\r\nAccess-Control-Allow-Origin: {APP}\r\n" in head + "\r\n"


async def test_a_service_that_is_full_or_stops_tells_pages_so() -> None:
    async with serving(allowed_origins=LISTED, clients=1) as world, http_client(world) as first:
        assert 200 == (await first.request("/livez")).status
        answer = await get(world, FEED, origin=APP)
        assert (503, APP, "1") == (
            answer.status,
            answer.headers[ALLOW_ORIGIN],
            answer.headers["retry-after"],
        )
        assert "Retry-After" in answer.headers["access-control-expose-headers"]


async def test_the_origin_of_one_request_is_not_that_of_the_next() -> None:
    async with serving(allowed_origins=LISTED) as world, http_client(world) as client:
        answers = [
            await client.request("/livez", headers=headers)
            for headers in ({"Origin": APP}, {}, {"Origin": EVIL}, {"Origin": APP})
        ]
        shared = [answer.headers.get(ALLOW_ORIGIN) for answer in answers]
        assert [APP, None, None, APP] == shared


# Preflights.


async def test_a_preflight_is_told_the_methods_of_the_path_and_the_known_fields() -> None:
    async with serving(allowed_origins=LISTED) as world:
        answer = await preflight(world, FEED, APP, fields="authorization, X-Evil,IF-NONE-MATCH")
        assert 204 == answer.status
        assert {
            ALLOW_ORIGIN: APP,
            CREDENTIALS: "true",
            "access-control-allow-methods": "GET, HEAD, OPTIONS",
            "access-control-allow-headers": "authorization, if-none-match",
            "access-control-max-age": "7200",
        }.items() <= cors_of(answer.headers).items()
        answer = await preflight(world, GOVERNOR, APP, "POST", "content-type")
        methods = "GET, HEAD, OPTIONS, POST"
        assert (204, methods) == (answer.status, answer.headers["access-control-allow-methods"])
        assert CREDENTIALS not in answer.headers  # of operators, browsers know the password


async def test_a_preflight_for_what_is_not_there_lets_the_page_read_the_404() -> None:
    async with serving(allowed_origins=LISTED) as world:
        answer = await preflight(world, "/api/nothing", APP)
        assert (204, APP) == (answer.status, answer.headers[ALLOW_ORIGIN])
        assert 404 == (await get(world, "/api/nothing", origin=APP)).status


@pytest.mark.parametrize("allowed", ["", LISTED])
@pytest.mark.parametrize("origin", [EVIL, "null", f"{APP}, {APP}"])
async def test_a_preflight_of_another_origin_is_refused(allowed: str, origin: str) -> None:
    async with serving(allowed_origins=allowed) as world:
        answer = await preflight(world, FEED, origin)
        assert (403, {}) == (answer.status, cors_of(answer.headers))


async def test_an_asterisk_answers_every_preflight_but_operators() -> None:
    async with serving(allowed_origins="*") as world:
        answer = await preflight(world, FEED, "null", fields="authorization")
        assert (204, "*") == (answer.status, answer.headers[ALLOW_ORIGIN])
        assert "authorization" == answer.headers["access-control-allow-headers"]
        answer = await preflight(world, GOVERNOR, EVIL, "POST")
        assert (403, {}) == (answer.status, cors_of(answer.headers))


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": EVIL}, {"Access-Control-Request-Method": "GET"}]
)
async def test_other_options_requests_are_no_preflights(headers: dict[str, str]) -> None:
    async with serving(allowed_origins=LISTED) as world, http_client(world) as client:
        answer = await client.request(FEED, method="OPTIONS", headers=headers)
        assert (204, "GET, HEAD, OPTIONS") == (answer.status, answer.headers["allow"])
        assert "access-control-allow-methods" not in answer.headers


# Changing.


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (f"Origin: {EVIL}", 403),
        ("Origin: null", 403),
        ("Sec-Fetch-Site: cross-site", 403),
        (f"Origin: {APP}", 202),
        ("Origin: http://localhost", 202),  # its own
        ("Sec-Fetch-Site: same-origin", 202),
        ("X: none", 202),
    ],
)
@pytest.mark.parametrize("expects", ["", "Expect: 100-continue\r\n"], ids=["sent", "held back"])
async def test_a_simple_post_of_a_foreign_page_changes_nothing(
    fields: str, status: int, expects: str
) -> None:
    """Although the browser knows the password, and asks for no leave before it."""
    async with serving(allowed_origins=LISTED, control_token="s3cret") as world:
        head = (
            f"POST {GOVERNOR} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"
            "Content-Type: text/plain\r\n"
            f"Authorization: Basic eDpzM2NyZXQ=\r\nContent-Length: 14\r\n{expects}\r\n"
        )
        async with raw_client(world) as stream:
            await stream.send_all(head.encode())
            if not expects:
                await stream.send_all(b'{"reset":true}')
            told = int((await stream.receive_some())[9:12])
            if told == 100:
                await stream.send_all(b'{"reset":true}')
                told = int((await stream.receive_some())[9:12])
        assert status == told
        assert (status == 202) == bool(world.governor.statistics().sent)


# WebSockets.


@pytest.mark.parametrize(
    ("allowed", "fields", "status"),
    [
        ("", "Host: feed.example", 101),
        ("", "Host: feed.example\r\nOrigin: https://feed.example", 101),
        ("", "Host: Feed.Example:8080\r\nOrigin: http://feed.example:8080", 101),
        ("", "Host: [::1]:8080\r\nOrigin: http://[::1]:8080", 101),
        ("", f"Host: feed.example\r\nOrigin: {APP}", 403),
        ("", "Host: feed.example\r\nOrigin: null", 403),
        ("", "Host: feed.example\r\nOrigin:", 403),
        ("", "Host: feed.example\r\nOrigin: https://feed.example:8443", 403),
        ("", f"Host: feed.example\r\nX-Forwarded-Host: app.example.com\r\nOrigin: {APP}", 403),
        (LISTED, f"Host: feed.example\r\nOrigin: {APP}", 101),
        (LISTED, "Host: feed.example\r\nOrigin: HTTPS://APP.example.com:443", 101),
        (LISTED, f"Host: feed.example\r\nOrigin: {EVIL}", 403),
        (LISTED, f"Host: feed.example\r\nOrigin: {APP}\r\nOrigin: {EVIL}", 403),
        (LISTED, f"Host: feed.example\r\nOrigin: {APP}\r\nOrigin: {APP}", 403),
        ("*", f"Host: feed.example\r\nOrigin: {EVIL}", 101),
        ("*", "Host: feed.example\r\nOrigin: null", 101),
    ],
)
async def test_a_websocket_is_for_pages_of_known_origins(
    allowed: str, fields: str, status: int
) -> None:
    async with serving(allowed_origins=allowed) as world:
        handshake = HANDSHAKE.replace(b"Host: a", fields.encode())
        assert status == await status_of(world, handshake)


async def test_a_websocket_that_is_refused_says_why_and_is_closed() -> None:
    async with serving() as world, raw_client(world) as stream:
        await stream.send_all(HANDSHAKE.replace(b"Host: a", b"Host: a\r\nOrigin: " + EVIL.encode()))
        protocol = h11.Connection(h11.CLIENT)
        protocol.send(h11.Request(method="GET", target="/ws", headers=[("Host", "a")]))
        protocol.receive_data(await everything(stream))
        response = protocol.next_event()
        assert isinstance(response, h11.Response)
        assert 403 == response.status_code
        body = protocol.next_event()
        assert isinstance(body, h11.Data)
        assert b"gateway.allowed_origins" in body.data
        assert 0 == world.gateway.server.hub.served


async def test_pages_may_connect_to_their_own_origin_alone() -> None:
    async with serving(allowed_origins="*") as world:
        policy = (await get(world, "/")).headers["content-security-policy"]
        assert "connect-src 'self';" in policy
