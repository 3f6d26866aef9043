"""What the React client asks, on real sockets."""

from typing import Any

import pytest

from domain.messages import FeedRequested
from domain.token import Status
from domain.values import WRAPPED_SOL, UnixSeconds
from feed.wire import make_item
from tests.integration.feed.clients import (
    HANDSHAKE,
    Answer,
    feed_client,
    get,
    http_client,
    raw_client,
    serving,
)
from tests.unit.feed.test_client_items import NOTHING_KNOWN
from tests.unit.feed.tokens import NOW, make_statistics, make_token, mint_of
from tests.unit.feed.worlds import Away, until

MINT = mint_of(1)
FEED = "/api/warp-pipes/feed"
POOLED = {
    "status": Status.BONDED,
    "pool_type": "pumpswap",
    "pool_created_at": UnixSeconds(NOW - 3600),
    "liquidity_usd": 4000.0,
    "sells_24h": 3,
    "freeze_revoked": True,
    "mint_renounced": True,
    "top_holders_percent": 12.5,
    "last_trade_at": UnixSeconds(NOW - 30),
    "provenance": {"market": ("chain", UnixSeconds(NOW - 30))},
}


def error_of(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["error"]["code"]


async def test_every_answer_with_items_has_the_client_s_keys() -> None:
    async with serving() as world:
        await world.show(make_token(1, **POOLED))
        feed = await get(world, FEED)
        several = await get(world, f"/api/tokens?mints={MINT}")
        items = [
            feed.json["bonded"][0],
            several.json["tokens"][0],
            (await get(world, f"/api/tokens/{MINT}")).json,
            (await get(world, f"/api/warp-pipes/token/{MINT}")).json,
        ]
        keys = {"liqUsd": 4000.0, "poolAgeMin": 60, "priceImpactPctAt1pct": 1.96, "sellable": True}
        for item in items:
            assert item == items[0]
            assert keys == {key: item[key] for key in keys}
            assert NOTHING_KNOWN.keys() < item.keys()


async def test_an_item_of_the_socket_and_one_of_http_differ_in_the_client_s_keys_alone() -> None:
    async with serving() as world, feed_client(world) as client:
        token = make_token(1, **POOLED)
        await world.show(token)
        (item,) = (await client.subscribe("bonded"))["items"]
        answer = (await get(world, f"/api/warp-pipes/token/{MINT}")).json
        assert item == {key: answer[key] for key in answer if key not in NOTHING_KNOWN}
        assert set(make_item(token)) == set(item)


async def test_deltas_tell_nothing_of_time_that_passes() -> None:
    async with serving() as world, feed_client(world) as client:
        await world.show(make_token(1, **POOLED))
        folded = {item["mint"]: item for item in (await client.subscribe("bonded"))["items"]}
        await world.show(make_token(1, **POOLED | {"liquidity_usd": 5000.0}))
        (change,) = (await client.hear())["changes"]
        assert {"mint": MINT, "liquidityUsd": 5000.0} == change
        folded[MINT] |= change
        async with feed_client(world) as other:
            assert list(folded.values()) == (await other.subscribe("bonded"))["items"]


# Filters.


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [1, 2]),
        ("minLiquidity=100", [1]),
        ("requireSecurity=true", [1]),
        ("maxTop10Holders=20", [1]),
        ("maxTop10Holders=10", []),
        ("minSolToGraduate=1&maxSolToGraduate=50", [2]),
        ("status=BONDED", [1]),
        ("status=launching", [2]),
        ("status=DEAD", [3]),
        ("dexPaid=true", []),
        ("dexPaid=false", [1, 2]),
        ("sortBy=stateChangedAt&_=1", [1, 2]),
    ],
)
async def test_the_client_s_filters_hold(query: str, found: list[int]) -> None:
    async with serving() as world:
        await world.show(
            make_token(1, **POOLED),
            make_token(2, sol_to_graduate=40.0),
            make_token(3, silent=True),
        )
        answer = await get(world, f"{FEED}?{query}")
        assert 200 == answer.status
        items = [item for name in ("bonded", "graduating", "new") for item in answer.json[name]]
        assert [mint_of(number) for number in found] == [item["mint"] for item in items]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (f"{FEED}?minHolder=5", "minHolder is not known; did you mean minHolders?"),
        (f"{FEED}?SORTBY=hot", "SORTBY is not known; did you mean sortBy?"),
        (f"/api/tokens?mints={MINT}&minAge=1", "minAge is not known; did you mean mints?"),
        (f"/api/tokens?mint={MINT}", "mint is not known; did you mean mints?"),
        (f"/api/tokens/{MINT}/candles?maxLimit=5", "maxLimit is not known; did you mean limit?"),
        (f"/api/tokens/{MINT}/trades?sortBy=time", "sortBy is not known; did you mean limit?"),
    ],
)
async def test_no_route_answers_a_filter_that_it_does_not_know(path: str, says: str) -> None:
    async with serving() as world:
        await world.show(make_token(1))
        answer = await get(world, path)
        assert {"error": {"code": "bad_query", "message": says}} == answer.json
        assert 400 == answer.status


# One token.


@pytest.mark.parametrize("view", ["token", "health"])
@pytest.mark.parametrize(
    ("mint", "status", "code"),
    [
        (mint_of(2), 404, "unknown_mint"),
        (WRAPPED_SOL, 404, "unknown_mint"),
        ("notamint", 400, "bad_mint"),
        ("", 400, "bad_mint"),
        ("%00", 400, "bad_mint"),
        ("1" * 4000, 400, "bad_mint"),
        (f"{MINT}/", 404, "not_found"),
        (f"{MINT}/x", 404, "not_found"),
        (f"../token/{MINT}", 404, "not_found"),
    ],
)
async def test_what_is_no_known_token_is_refused(
    view: str, mint: str, status: int, code: str
) -> None:
    async with serving() as world:
        await world.show(make_token(1))
        assert (status, code) == error_of(await get(world, f"/api/warp-pipes/{view}/{mint}"))
        assert 1 == len(await world.presences.receive_batch(10))  # the census alone


@pytest.mark.parametrize("view", ["token", "health"])
async def test_who_looks_at_one_token_keeps_the_service_active(view: str) -> None:
    async with serving() as world:
        await world.show(make_token(1))
        assert 200 == (await get(world, f"/api/warp-pipes/{view}/{MINT}?_=1")).status
        assert [FeedRequested()] == (await world.presences.receive_batch(10))[1:]


async def test_the_health_of_a_token_tells_what_is_known_and_how_fresh_it_is() -> None:
    async with serving() as world:
        statistics = make_statistics(NOW - 10, sells=4, wash_score=0.25)
        await world.show(make_token(1, **POOLED, statistics=statistics))
        health: dict[str, Any] = (await get(world, f"/api/warp-pipes/health/{MINT}")).json
        freshness = health.pop("freshness")
        assert {
            "mint": MINT,
            "state": "bonded",
            "status": "BONDED",
            "freezeRevoked": True,
            "mintRenounced": True,
            "creatorVerified": False,
            "sellable": True,
            "topHoldersPercent": 12.5,
            "devBalancePercent": None,
            "holderCount": None,
            "liquidityUsd": 4000.0,
            "washScore": 0.25,
            "firstSeenAt": "2026-07-25T17:19:00.000Z",
            "lastTradeTs": "2026-07-25T17:19:30.000Z",
            "lastUpdatedAt": None,
            "ageMin": 1,
            "poolAgeMin": 60,
        } == health
        market = freshness["market"]
        assert ("chain", "2026-07-25T17:19:30.000Z") == (market["source"], market["at"])
        assert 30 <= market["ageSeconds"] < 60
        assert {"5m", "1h", "6h", "24h"} == freshness["windows"].keys()
        assert 10 <= freshness["windows"]["5m"]["ageSeconds"] < 60
        assert "stored" == freshness["profile"]["source"]  # nobody of this life has told of it


async def test_the_health_of_a_token_of_which_nothing_is_known_invents_nothing() -> None:
    async with serving() as world:
        await world.show(make_token(1))
        health = (await get(world, f"/api/warp-pipes/health/{MINT}")).json
        known = {"mint", "state", "status", "creatorVerified", "firstSeenAt", "ageMin", "freshness"}
        assert {None} == {value for key, value in health.items() if key not in known}


# The service's own health, under a name that hosts look for.


async def test_health_says_what_readiness_says() -> None:
    async with serving() as world:
        for away, is_ready in (([], True), ([Away("redis", "refused", NOW)], True), ([], False)):
            world.conditions.away, world.conditions.is_ready = away, is_ready
            answers = [await get(world, path) for path in ("/health", "/readyz")]
            assert answers[0].json == answers[1].json
            assert [200 if is_ready else 503] * 2 == [answer.status for answer in answers]


async def test_health_is_answered_when_no_more_clients_are_served() -> None:
    async with serving(clients=1) as world, http_client(world) as client:
        assert 200 == (await client.request("/livez")).status  # it has the only place
        assert 200 == (await get(world, "/health")).status
        assert (503, "too_many_clients") == error_of(await get(world, FEED))


async def test_health_is_told_of_a_drain_and_nothing_else_is_served() -> None:
    async with (
        serving() as world,
        raw_client(world) as other,
        http_client(world) as prober,
        http_client(world) as client,
    ):
        await other.send_all(HANDSHAKE)
        await other.receive_some()  # it never answers the close, so that the drain takes its time
        await until(lambda: world.gateway.server.places.open == 3)
        world.conditions.is_ready = False
        world.inbox.close()
        await until(lambda: world.gateway.server.is_draining)
        health = await prober.request("/health")
        assert (503, "not ready") == (health.status, health.json["status"])
        assert (503, "draining") == error_of(await client.request(f"/api/warp-pipes/token/{MINT}"))


# Watches.


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["watches", "watch", f"watch/{MINT}", "watches/7?userId=1"])
async def test_watches_of_users_are_said_to_be_elsewhere(method: str, path: str) -> None:
    async with serving() as world, http_client(world) as client:
        answer = await client.request(f"/api/warp-pipes/{path}", method=method)
        assert (501, "not_served_here") == error_of(answer)
        assert "user accounts" in answer.json["error"]["message"]
        assert 200 == (await client.request("/livez")).status


async def test_a_watch_with_a_body_is_answered_whoever_sends_it() -> None:
    async with serving(control_token="secret") as world, http_client(world) as client:
        headers = {"Authorization": "Bearer of a user", "Content-Length": "0"}
        answer = await client.request("/api/warp-pipes/watch", method="POST", headers=headers)
        assert (501, "not_served_here") == error_of(answer)


@pytest.mark.parametrize("path", ["/api/warp-pipes/watches", f"/api/warp-pipes/watch/{MINT}"])
async def test_options_of_watches_let_every_method_come_to_its_answer(path: str) -> None:
    async with serving() as world, http_client(world) as client:
        answer = await client.request(path, method="OPTIONS")
        assert (204, "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE") == (
            answer.status,
            answer.headers["allow"],
        )


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        (f"/api/warp-pipes/token/{MINT}", "GET", 200),
        (f"/api/warp-pipes/health/{MINT}", "GET", 200),
        (f"{FEED}?requireSecurity=true", "GET", 200),
        (f"{FEED}?minHolder=1", "GET", 400),
        (f"/api/warp-pipes/watch/{MINT}", "DELETE", 501),
        ("/api/warp-pipes/watch", "POST", 501),
    ],
)
async def test_the_client_s_pages_elsewhere_may_read_every_answer(
    path: str, method: str, status: int
) -> None:
    origin = "https://app.example.com"
    async with serving(allowed_origins=origin) as world, http_client(world) as client:
        await world.show(make_token(1))
        asked = {"Origin": origin, "Access-Control-Request-Method": method}
        asked["Access-Control-Request-Headers"] = "authorization"
        preflight = await client.request(path, method="OPTIONS", headers=asked)
        assert 204 == preflight.status
        assert method in preflight.headers["access-control-allow-methods"].split(", ")
        headers = {"Origin": origin, "Authorization": "Bearer of a user"}
        answer = await client.request(path, method=method, headers=headers)
        assert (status, origin) == (answer.status, answer.headers["access-control-allow-origin"])


@pytest.mark.parametrize("path", ["watchers", "watchesx", "unwatch", "token", "health"])
async def test_other_paths_of_the_client_s_are_not_found(path: str) -> None:
    async with serving() as world:
        assert (404, "not_found") == error_of(await get(world, f"/api/warp-pipes/{path}"))


@pytest.mark.parametrize("path", [FEED, f"/api/warp-pipes/token/{MINT}", "/health"])
async def test_nothing_else_is_written_to(path: str) -> None:
    async with serving() as world, http_client(world) as client:
        answer = await client.request(path, method="POST")
        assert (405, "GET, HEAD, OPTIONS") == (answer.status, answer.headers["allow"])
