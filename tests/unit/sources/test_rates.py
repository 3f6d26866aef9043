"""How often an upstream is asked: the sliding window, the lanes, and the pauses."""

from contextlib import suppress

import httpx
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from domain.errors import RateLimited, SourceUnavailable
from sources.rates import LONGEST_PAUSE_SECONDS, Lane, RateLimiter, read_pause_seconds
from tests.unit.sources.answers import Upstream, ok
from tests.unit.sources.recordings import load

URL = "https://api.example.org/x"
RECORDED_429 = load("jupiter/error_429_keyless_rate_limited.json")


async def take_turns(limiter: RateLimiter | Lane, number: int, name: str, told: list[str]) -> None:
    async with trio.open_nursery() as nursery:

        async def call() -> None:
            await limiter.wait_turn()
            told.append(f"{name} {trio.current_time():g}")

        for _ in range(number):
            nursery.start_soon(call)


async def test_no_window_of_a_minute_has_more_calls_than_allowed(autojump_clock: MockClock) -> None:
    limiter, times = RateLimiter(per_minute=30), []
    for _ in range(91):
        await limiter.wait_turn()
        times.append(trio.current_time())
    assert all(later - earlier > 60 for earlier, later in zip(times, times[30:], strict=False))
    assert 2.0 == times[1] - times[0]
    assert times[-1] < 3 * 63  # and no slower than the slack makes it


async def test_one_price_does_not_wait_behind_all_searches(autojump_clock: MockClock) -> None:
    limiter = RateLimiter(per_minute=30)
    searches, prices = Lane(limiter=limiter), Lane(limiter=limiter)
    told: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_turns, searches, 20, "search", told)
        await trio.sleep(1)
        nursery.start_soon(take_turns, prices, 2, "price", told)
    assert {"price 4", "price 8"} == {each for each in told if each.startswith("price")}
    assert 20 == sum(each.startswith("search") for each in told)


async def test_searches_do_not_wait_behind_all_prices(autojump_clock: MockClock) -> None:
    limiter = RateLimiter(per_minute=60)
    searches, prices = Lane(limiter=limiter), Lane(limiter=limiter)
    told: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_turns, prices, 10, "price", told)
        await trio.sleep(0.5)
        nursery.start_soon(take_turns, searches, 3, "search", told)
    assert ["search 2", "search 4", "search 6"] == [t for t in told if t.startswith("search")]


async def test_a_call_that_is_cancelled_while_it_waits_takes_no_turn(
    autojump_clock: MockClock,
) -> None:
    limiter = RateLimiter(per_minute=6)
    await limiter.wait_turn()
    with trio.move_on_after(1):
        await limiter.wait_turn()
    await limiter.wait_turn()
    assert 10 == trio.current_time()


async def test_calls_that_wait_already_keep_to_a_pause_that_comes_later(
    autojump_clock: MockClock,
) -> None:
    limiter, told = RateLimiter(per_minute=60), list[str]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_turns, limiter, 3, "call", told)
        await trio.sleep(0.5)
        limiter.pause_requests(30)
    assert ["call 0", "call 30.5", "call 31.5"] == told


async def test_who_does_not_wait_for_a_pause_is_refused_at_once(autojump_clock: MockClock) -> None:
    limiter = RateLimiter(per_minute=60, waits_for_pause=False)
    limiter.pause_requests(20)
    with pytest.raises(RateLimited) as error:
        await limiter.wait_turn()
    assert (0.0, 20.0) == (trio.current_time(), error.value.retry_after_seconds)
    await trio.sleep(20)
    await limiter.wait_turn()


async def test_429_without_a_header_pauses_all_lanes_longer_each_time(
    autojump_clock: MockClock,
) -> None:
    """Asking on prolongs the refusal, the provider says."""
    limiter = RateLimiter(per_minute=600, unsaid_pause_seconds=10, waits_for_pause=False)
    refusal = httpx.Response(429, json=RECORDED_429)
    refused = Upstream([refusal, refusal, refusal, ok(1), refusal])
    tokens, price = (refused.json_http(limiter=Lane(limiter=limiter)) for _ in range(2))
    asked: list[float] = []
    while len(refused.requests) < 5:
        before = len(refused.requests)
        for http in (tokens, price):
            with suppress(SourceUnavailable):
                await http.get(URL)
        asked += [trio.current_time()] * (len(refused.requests) > before)
        await trio.sleep(1)
    # After 10, 20 and 40 s; the 429 after a success pauses for 10 s again.
    assert [0.0, 10.0, 30.0, 70.0] == [round(each) for each in asked]
    assert 10 == round(limiter.paused_until - trio.current_time() + 1)


DATE = "Mon, 28 Sep 2026 20:46:40 GMT"
DATE_SECONDS = 1790628400


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "10"}, 10.0),
        ({"retry-after": "10", "x-ratelimit-reset": "7"}, 10.0),
        ({"x-ratelimit-reset": "7"}, 7.0),
        ({"x-ratelimit-reset": str(DATE_SECONDS + 24), "date": DATE}, 25.0),
        ({"x-ratelimit-reset": str((DATE_SECONDS + 24) * 1000), "date": DATE}, 25.0),
        ({"x-ratelimit-reset": str(DATE_SECONDS), "date": DATE}, 1.0),
        ({"x-ratelimit-reset": str(DATE_SECONDS - 60), "date": DATE}, None),
        ({"x-ratelimit-reset": str(DATE_SECONDS + 86_400), "date": DATE}, LONGEST_PAUSE_SECONDS),
        ({"x-ratelimit-reset": "9" * 400, "date": DATE}, LONGEST_PAUSE_SECONDS),
        ({"x-ratelimit-reset": "soon"}, None),
        ({"x-ratelimit-reset": "-5"}, None),
    ],
)
def test_a_429_tells_in_its_headers_how_long_to_wait(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert seconds == read_pause_seconds(httpx.Headers(headers))


def test_a_moment_says_nothing_where_the_upstream_does_not_tell_its_clock() -> None:
    for date in ({}, {"date": "yesterday"}, {"date": ""}):
        headers = httpx.Headers({"x-ratelimit-reset": str(DATE_SECONDS), **date})
        assert read_pause_seconds(headers) is None


@given(st.dictionaries(st.sampled_from(["retry-after", "x-ratelimit-reset", "date"]), st.text()))
def test_a_pause_is_always_bounded(headers: dict[str, str]) -> None:
    seconds = read_pause_seconds(headers)
    assert seconds is None or 0 <= seconds <= LONGEST_PAUSE_SECONDS
