"""HTTP on the shared port, as clients and operators use it."""

import gzip

import pytest

from domain.token import Status
from domain.values import WRAPPED_SOL
from feed.routes import SECURITY_HEADERS
from feed.wire import to_iso_time
from tests.integration.feed.clients import everything, get, http_client, raw_client, serving
from tests.unit.feed.tokens import NOW, make_token, mint_of
from tests.unit.feed.worlds import Away


async def test_the_feed_has_three_lists_and_a_cursor() -> None:
    async with serving() as world:
        await world.show(make_token(1), make_token(2, status=Status.BONDED))
        answer = await get(world, "/api/warp-pipes/feed?sortBy=new&limit=10&_=123")
        assert list(answer.json) == ["bonded", "graduating", "new", "next", "cursor"]
        mints = {name: [item["mint"] for item in answer.json[name]] for name in ("bonded", "new")}
        assert {"bonded": [mint_of(2)], "new": [mint_of(1)]} == mints
        cursor = world.gateway.boards.cursor
        assert {"epoch": cursor.epoch, "offset": cursor.offset} == answer.json["cursor"]
        assert answer.headers["cache-control"] == "no-cache"


async def test_a_token_is_found_by_its_mint() -> None:
    async with serving() as world:
        await world.show(make_token(1, holder_count=0))
        answer = await get(world, f"/api/tokens/{mint_of(1)}")
        assert (200, mint_of(1), 0) == (
            answer.status,
            answer.json["mint"],
            answer.json["holderCount"],
        )


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/assets/../secret", 404, "not_found"),
        ("GET", f"/api/tokens/{mint_of(1)}", 404, "unknown_mint"),
        ("GET", f"/api/tokens/{WRAPPED_SOL}", 404, "unknown_mint"),
        ("GET", "/api/tokens/notamint", 400, "bad_mint"),
        ("GET", "/api/warp-pipes/feed?limit=0", 400, "bad_query"),
        ("GET", "/ws", 400, "websocket_expected"),
        ("DELETE", "/api/warp-pipes/feed", 405, "method_not_allowed"),
        ("GET", "/" + "a" * 10_000, 414, "target_too_long"),
        ("GET", "/" + "a" * 30_000, 414, "target_too_long"),
        ("GET", "gopher://elsewhere/", 400, "bad_request"),
    ],
)
async def test_errors_are_json_with_a_code_and_a_message(
    method: str, path: str, status: int, code: str
) -> None:
    async with serving() as world, http_client(world) as client:
        answer = await client.request(path, method=method)
        assert (status, code) == (answer.status, answer.json["error"]["code"])
        assert answer.json["error"]["message"]


async def test_a_head_of_more_than_16_kib_gets_431() -> None:
    async with serving() as world:
        answer = await get(world, "/livez", padding="x" * 20_000)
        assert (answer.status, answer.json["error"]["code"]) == (431, "headers_too_large")


@pytest.mark.parametrize(
    "head", ["Content-Length: 70000", "Transfer-Encoding: chunked"], ids=["declared", "chunked"]
)
async def test_a_body_of_more_than_64_kib_gets_413(head: str) -> None:
    async with serving() as world, raw_client(world) as stream:
        await stream.send_all(f"POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n".encode())
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        await stream.send_all(chunk + chunk)
        assert (await everything(stream)).startswith(b"HTTP/1.1 413 ")


async def test_a_small_body_is_read_and_the_connection_stays() -> None:
    async with serving() as world, raw_client(world) as stream:
        await stream.send_all(b"POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 405 ")
        await stream.send_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_waits_to_continue_is_answered_without_its_body() -> None:
    async with serving() as world, raw_client(world) as stream:
        await stream.send_all(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
        )
        assert (await everything(stream)).startswith(b"HTTP/1.1 405 ")


async def test_a_head_request_gets_the_headers_alone() -> None:
    async with serving() as world, raw_client(world) as stream:
        await stream.send_all(b"HEAD /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        head, _, body = (await everything(stream)).partition(b"\r\n\r\n")
        assert b"Content-Length: 18" in head
        assert body == b""


async def test_requests_may_follow_one_another() -> None:
    async with serving() as world, http_client(world) as client:
        assert [
            (await client.request(path)).status for path in ("/livez", "/nothing", "/readyz")
        ] == [200, 404, 200]


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving() as world, raw_client(world) as stream:
        await stream.send_all(
            b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
            b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
            b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        answers = await everything(stream)
        statuses = [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]
        assert statuses == [200, 404, 200]


async def test_readiness_tells_its_reasons() -> None:
    async with serving() as world:
        assert (await get(world, "/readyz")).status == 200
        world.conditions.is_ready = False
        answer = await get(world, "/readyz")
        assert (answer.status, answer.json["reasons"]) == (503, ["not just now"])
        assert (await get(world, "/livez")).status == 200


async def test_what_is_away_is_told_by_name_while_the_service_serves() -> None:
    async with serving() as world:
        world.conditions.away = [Away("redis", "connection refused", NOW)]
        answer = await get(world, "/readyz")
        away = {"name": "redis", "reason": "connection refused", "since": to_iso_time(NOW)}
        assert (200, {"status": "degraded", "degraded": [away]}) == (answer.status, answer.json)
        health = await get(world, "/api/ops/health")
        document = {"status": "degraded", "reasons": [], "degraded": [away]}
        assert (200, document) == (health.status, health.json)
        world.conditions.is_ready = False
        answer = await get(world, "/readyz")
        assert (503, "not ready") == (answer.status, answer.json["status"])
        health = await get(world, "/api/ops/health")
        assert (200, "not ready") == (health.status, health.json["status"])


async def test_operations_are_answered_from_what_is_injected() -> None:
    async with serving() as world:
        for name in ("actors", "writes", "checkpoints", "problems", "graph", "events"):
            assert {"of": name} == (await get(world, f"/api/ops/{name}")).json
        metrics = await get(world, "/metrics")
        assert metrics.body == b"up 1\n"
        assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_a_history_is_of_so_many_hours() -> None:
    async with serving() as world:
        for query, hours in (("", 6), ("?hours=168", 168), ("?hours=", 6)):
            answer = await get(world, f"/api/ops/history{query}")
            assert {"of": "history", "hours": hours} == answer.json
        refused = await get(world, "/api/ops/history?hours=2")
        assert (400, "bad_query") == (refused.status, refused.json["error"]["code"])
        assert "hours must be one of 1, 6, 24, 168" == refused.json["error"]["message"]


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html"),
        ("/ops", "text/html"),
        ("/ops/runbook", "text/html"),
        ("/assets/feed.js", "text/javascript"),
        ("/assets/feed.css", "text/css"),
        ("/assets/icon.svg", "image/svg+xml"),
    ],
)
async def test_pages_have_a_type_a_policy_and_a_tag(path: str, content_type: str) -> None:
    async with serving() as world:
        page = await get(world, path)
        assert page.headers["content-type"].startswith(content_type)
        for name, value in SECURITY_HEADERS:
            assert value == page.headers[name.lower()]
        again = await get(world, path, if_none_match=page.headers["etag"])
        assert (again.status, again.body) == (304, b"")


async def test_the_page_is_told_the_half_life_and_loads_nothing_from_elsewhere() -> None:
    async with serving() as world:
        page = (await get(world, "/")).body
        assert b'<meta name="half-life-seconds" content="1800">' in page
        assert b'src="http' not in page
        assert b"{landmark_seconds}" not in page


async def test_large_answers_are_compressed_for_those_who_take_it() -> None:
    async with serving() as world:
        await world.show(*(make_token(number) for number in range(5)))
        plain = await get(world, "/api/warp-pipes/feed")
        packed = await get(world, "/api/warp-pipes/feed", accept_encoding="br, gzip")
        assert packed.headers["content-encoding"] == "gzip"
        assert plain.body == gzip.decompress(packed.body)
        assert "content-encoding" not in plain.headers


async def test_a_feed_request_is_told_to_activity() -> None:
    async with serving() as world:
        await get(world, "/api/warp-pipes/feed")
        seen = await world.presences.receive_batch(10)
        assert [type(message).__name__ for message in seen] == ["CensusTaken", "FeedRequested"]
