"""One JSON request: its bounds and its errors. Real sockets: tests/integration/sources."""

import httpx
import pytest
import trio
from trio.testing import MockClock

from domain.errors import RateLimited, SourceClosed, SourceInTrouble, SourceUnavailable
from sources.rates import LONGEST_PAUSE_SECONDS, RateLimiter
from tests.unit.sources.answers import Upstream, http_over, ok

URL = "https://api.example.org/x?api-key=secret"


async def test_json_is_decoded() -> None:
    upstream = Upstream([ok({"a": [1]})])
    assert await upstream.json_http().get(URL) == {"a": [1]}
    assert upstream.requests[0].method == "GET"
    assert str(upstream.requests[0].url) == URL


async def test_a_payload_is_posted_as_json() -> None:
    upstream = Upstream([ok(1)])
    assert await upstream.json_http().post(URL, {"b": 2}) == 1
    assert upstream.requests[0].method == "POST"
    assert upstream.payload(0) == {"b": 2}
    assert upstream.requests[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "10"}, 10.0),
        ({"retry-after": " 7 "}, 7.0),
        ({}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "300"}, 300.0),
        ({"retry-after": "999999999"}, 300.0),  # 31 years
        ({"retry-after": "9" * 400}, 300.0),
    ],
)
async def test_429_is_rate_limited_and_says_for_how_long(
    headers: dict[str, str], seconds: float | None
) -> None:
    upstream = Upstream([httpx.Response(429, headers=headers, content=b'{"code": 429}')])
    with pytest.raises(RateLimited) as error:
        await upstream.json_http().get(URL)
    assert error.value.retry_after_seconds == seconds


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410, 500, 502, 503, 504])
async def test_every_other_status_is_unavailable(status: int) -> None:
    upstream = Upstream([httpx.Response(status, content=b"<html>\x00oops</html>")])
    with pytest.raises(SourceUnavailable) as error:
        await upstream.json_http().get(URL)
    assert str(error.value) == f"api.example.org: HTTP {status}: <html>oops</html>"
    assert error.value.reason == f"http_{status}"
    assert not isinstance(error.value, SourceInTrouble)
    assert (status in {401, 403, 404, 410}) == isinstance(error.value, SourceClosed)


async def test_headers_of_an_upstream_go_with_every_request_and_into_no_repr() -> None:
    upstream = Upstream([ok(1)])
    http = upstream.json_http(headers={"x-api-key": "s3cret"})
    await http.get(URL)
    await http.post(URL, {})
    assert ["s3cret", "s3cret"] == [each.headers["x-api-key"] for each in upstream.requests]
    assert "s3cret" not in repr(http)


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("half an answer"),
        httpx.DecodingError("bad gzip"),
    ],
)
async def test_a_broken_connection_is_unavailable(failure: httpx.HTTPError) -> None:
    with pytest.raises(SourceUnavailable) as error:
        await Upstream([failure]).json_http().get(URL)
    assert not isinstance(error.value, SourceInTrouble)  # the next request may well succeed


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow")])
async def test_without_a_connection_nobody_is_served(failure: httpx.HTTPError) -> None:
    with pytest.raises(SourceInTrouble) as error:
        await Upstream([failure]).json_http().get(URL)
    assert error.value.reason == "unreachable"


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"{"])
async def test_an_answer_that_is_no_json_is_unavailable(body: bytes) -> None:
    upstream = Upstream([httpx.Response(200, content=body)])
    with pytest.raises(SourceUnavailable, match="not JSON"):
        await upstream.json_http().get(URL)


async def test_a_body_beyond_the_bound_is_unavailable() -> None:
    upstream = Upstream([ok("x" * 100)])
    with pytest.raises(SourceUnavailable, match="more than 50 bytes"):
        await upstream.json_http(largest_body_bytes=50).get(URL)


async def test_an_address_that_is_none_is_unavailable() -> None:
    with pytest.raises(SourceUnavailable):
        await Upstream([ok(1)]).json_http().get("https://a\x00b")


async def test_no_error_shows_the_query_which_may_hold_a_key() -> None:
    for answer in (httpx.ConnectError("refused"), httpx.Response(500), httpx.Response(200)):
        with pytest.raises(SourceUnavailable) as error:
            await Upstream([answer]).json_http().get(URL)
        assert "secret" not in str(error.value)


async def test_a_request_ends_when_its_time_is_up(autojump_clock: MockClock) -> None:
    async def hangs(_: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    with pytest.raises(SourceUnavailable, match="no answer within 3 s"):
        await http_over(hangs, timeout_seconds=3.0).get(URL)
    assert trio.current_time() == 3


async def test_a_cancelled_request_stays_cancelled(autojump_clock: MockClock) -> None:
    async def hangs(_: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    with trio.move_on_after(1) as scope:
        await http_over(hangs).get(URL)
    assert scope.cancelled_caught


async def turns(limiter: RateLimiter, number: int) -> list[float]:
    times = []
    for _ in range(number):
        await limiter.wait_turn()
        times.append(trio.current_time())
    return times


async def test_calls_are_spread_evenly(autojump_clock: MockClock) -> None:
    assert await turns(RateLimiter(per_minute=60), 4) == [0, 1, 2, 3]


async def test_a_rested_limiter_saves_up_no_turns(autojump_clock: MockClock) -> None:
    limiter = RateLimiter(per_minute=60)
    await turns(limiter, 2)
    await trio.sleep_until(1000)
    assert await turns(limiter, 3) == [1000, 1001, 1002]


async def test_concurrent_callers_share_the_rate(autojump_clock: MockClock) -> None:
    limiter, times = RateLimiter(per_minute=60), []

    async def call() -> None:
        await limiter.wait_turn()
        times.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(call)
    assert times == [0, 1, 2]


async def test_retry_after_holds_the_next_call_back(autojump_clock: MockClock) -> None:
    refusal = httpx.Response(429, headers={"retry-after": "20"})
    http = Upstream([refusal, ok(1)]).json_http(limiter=RateLimiter(per_minute=60))
    with pytest.raises(RateLimited):
        await http.get(URL)
    await http.get(URL)
    assert trio.current_time() == 20


async def test_a_pause_is_bounded_however_long_the_upstream_asks(autojump_clock: MockClock) -> None:
    limiter = RateLimiter(per_minute=60)
    limiter.pause_requests(1e9)
    await limiter.wait_turn()
    assert trio.current_time() == LONGEST_PAUSE_SECONDS
