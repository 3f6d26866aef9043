"""Items, candles, trades and pictures by mint, on real sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
import trio
from attrs import define

from domain.messages import FeedRequested
from domain.values import WRAPPED_SOL, UnixSeconds
from feed import Library
from feed.client_items import append_client_keys
from feed.token_routes import READS_AT_ONCE, READS_WAITING
from feed.wire import encode_json, make_item
from tests.integration.feed.clients import Answer, everything, get, http_client, raw_client, serving
from tests.unit.feed.shelves import DirectoryImages, ListedHistory, ListedImage, ListedImages
from tests.unit.feed.test_history import make_candle, make_trade
from tests.unit.feed.tokens import NOW, make_token, mint_of
from tests.unit.feed.worlds import World, until

MINT = mint_of(1)
DRAWN = Path(__file__).parents[2] / "data" / "images"
PICTURE = ListedImage(b"RIFF....WEBP", "a1b2")


@define
class Shelves:
    """A gateway with a token, its history and its pictures."""

    world: World
    history: ListedHistory
    images: ListedImages


@asynccontextmanager
async def shelving(
    history: ListedHistory | None = None, **changes: object
) -> AsyncIterator[Shelves]:
    history, images = history or ListedHistory(), ListedImages({MINT: PICTURE})
    library = Library(history=history, images=images)
    async with serving(library=library, **changes) as world:
        await world.show(make_token(1))
        yield Shelves(world, history, images)


async def presences_of(world: World) -> list[object]:
    """What activity was told since the census at the start."""
    return (await world.presences.receive_batch(100))[1:]


def error_of(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["error"]["code"]


# Several tokens.


async def test_several_tokens_come_in_the_order_asked_for_without_the_unknown() -> None:
    async with serving() as world:
        tokens = [make_token(number, holder_count=number) for number in (1, 2, 3)]
        await world.show(*tokens)
        mints = ",".join(mint_of(number) for number in (3, 9, 1, 3))
        answer = await get(world, f"/api/tokens?mints={mints}&_=5")
        assert 200 == answer.status
        now = UnixSeconds(NOW)  # which moves, but not by what these items show
        items = [
            orjson.loads(append_client_keys(encode_json(make_item(tokens[at])), tokens[at], now))
            for at in (2, 0)
        ]
        assert {"tokens": items} == answer.json
        assert [FeedRequested()] == await presences_of(world)


async def test_commas_may_be_escaped_and_a_hundred_mints_fit() -> None:
    async with serving() as world:
        await world.show(make_token(1))
        mints = "%2C".join(mint_of(number) for number in range(100))
        answer = await get(world, f"/api/tokens?mints={mints}")
        assert [MINT] == [item["mint"] for item in answer.json["tokens"]]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "bad_query"),
        ("?mints=", "bad_query"),
        (f"?mints={','.join([MINT] * 101)}", "bad_query"),
        (f"?mints={MINT}&mints={MINT}", "bad_query"),
        ("?mints=%FF", "bad_query"),
        (f"?mints={MINT},", "bad_mint"),
        (f"?mints={MINT},notamint", "bad_mint"),
        (f"?mints={MINT}%20,{MINT}", "bad_mint"),
        (f"?mints={'1' * 32}", None),  # the system program: no coin, and well written
    ],
)
async def test_a_bad_list_of_mints_is_refused(query: str, code: str | None) -> None:
    async with serving() as world:
        await world.show(make_token(1))
        answer = await get(world, f"/api/tokens{query}")
        if code is None:
            assert (200, []) == (answer.status, answer.json["tokens"])
        else:
            assert (400, code) == error_of(answer)
            assert [] == [m for m in await presences_of_now(world) if isinstance(m, FeedRequested)]


async def presences_of_now(world: World) -> list[object]:
    return list(await world.presences.receive_batch(100))


# Candles and trades.


async def test_candles_are_served_with_their_defaults() -> None:
    async with shelving(ListedHistory(candles=[make_candle(), make_candle(NOW + 60)])) as shelves:
        answer = await get(shelves.world, f"/api/tokens/{MINT}/candles")
        assert (200, "no-cache") == (answer.status, answer.headers["cache-control"])
        assert [1_785_000_000, 1_785_000_060] == [c["time"] for c in answer.json["candles"]]
        assert [(MINT, "1m", 500)] == shelves.history.asked
        assert [FeedRequested()] == await presences_of(shelves.world)


async def test_trades_are_served_with_their_defaults() -> None:
    async with shelving(ListedHistory(trades=[make_trade()])) as shelves:
        answer = await get(shelves.world, f"/api/tokens/{MINT}/trades")
        assert (200, "signature") == (answer.status, answer.json["trades"][0]["signature"])
        assert [(MINT, 100)] == shelves.history.asked
        assert [FeedRequested()] == await presences_of(shelves.world)


async def test_interval_and_limit_are_passed_on() -> None:
    async with shelving() as shelves:
        for query in ("interval=1h&limit=1000", "limit=1&interval=5m"):
            assert 200 == (await get(shelves.world, f"/api/tokens/{MINT}/candles?{query}")).status
        assert 200 == (await get(shelves.world, f"/api/tokens/{MINT}/trades?limit=200")).status
        assert [(MINT, "1h", 1000), (MINT, "5m", 1), (MINT, 200)] == shelves.history.asked


@pytest.mark.parametrize(
    ("view", "says"),
    [
        ("candles?interval=1d", "interval must be one of 1m, 5m, 1h"),
        ("candles?interval=1m&interval=5m", "interval is given twice"),
        ("candles?interval=1M", "interval must be one of 1m, 5m, 1h"),
        ("candles?limit=1001", "limit must be a whole number from 1 to 1000"),
        ("candles?limit=0", "limit must be a whole number from 1 to 1000"),
        ("candles?limit=-1", "limit must be a whole number from 1 to 1000"),
        ("candles?limit=1e2", "limit must be a whole number from 1 to 1000"),
        ("candles?limit=%D9%A3", "limit must be a whole number from 1 to 1000"),
        (f"candles?limit={'9' * 5000}", "limit must be a whole number from 1 to 1000"),
        ("candles?%FF", "this query string cannot be read"),
        ("trades?limit=201", "limit must be a whole number from 1 to 200"),
        ("trades?limit=many", "limit must be a whole number from 1 to 200"),
    ],
)
async def test_bad_input_is_refused_with_what_is_allowed(view: str, says: str) -> None:
    async with shelving() as shelves:
        answer = await get(shelves.world, f"/api/tokens/{MINT}/{view}")
        assert (400, "bad_query") == error_of(answer)
        assert says == answer.json["error"]["message"]
        assert ([], []) == (shelves.history.asked, await presences_of(shelves.world) or [])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/api/tokens/{mint_of(2)}/candles", 404, "unknown_mint"),
        (f"/api/tokens/{WRAPPED_SOL}/trades", 404, "unknown_mint"),
        ("/api/tokens/notamint/candles", 400, "bad_mint"),
        ("/api/tokens//candles", 400, "bad_mint"),
        (f"/api/tokens/{'1' * 4000}/trades", 400, "bad_mint"),
        (f"/api/tokens/{MINT}/holders", 404, "not_found"),
        (f"/api/tokens/{MINT}/candles/", 404, "not_found"),
        (f"/api/tokens/{MINT}/candles/1m", 404, "not_found"),
        (f"/api/tokens/{MINT}%2Fcandles", 400, "bad_mint"),
        (f"/api/tokens/../tokens/{MINT}/candles", 404, "not_found"),
        (f"/img/{mint_of(2)}", 404, "no_image"),
        ("/img/", 400, "bad_mint"),
        ("/img/../secret", 400, "bad_mint"),
        ("/img/..%2F..%2Fetc%2Fpasswd", 400, "bad_mint"),
        (f"/img/{MINT}/", 400, "bad_mint"),
        (f"/img/{MINT}%00", 400, "bad_mint"),
    ],
)
async def test_what_is_not_there_is_refused_without_reading(
    path: str, status: int, code: str
) -> None:
    async with shelving() as shelves:
        answer = await get(shelves.world, path)
        assert (status, code) == error_of(answer)
        assert ([], []) == (shelves.history.asked, shelves.images.asked)


@pytest.mark.parametrize("view", ["candles", "trades"])
async def test_while_the_store_is_away_clients_are_asked_to_come_again(view: str) -> None:
    async with shelving(ListedHistory(is_away=True)) as shelves:
        answer = await get(shelves.world, f"/api/tokens/{MINT}/{view}")
        assert (503, "history_away") == error_of(answer)
        assert "1" == answer.headers["retry-after"]
        shelves.history.is_away = False
        assert 200 == (await get(shelves.world, f"/api/tokens/{MINT}/{view}")).status


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("candles", 503, "history_away"), ("trades", 503, "history_away")],
)
async def test_a_service_without_a_history_says_so(path: str, status: int, code: str) -> None:
    async with serving() as world:
        await world.show(make_token(1))
        answer = await get(world, f"/api/tokens/{MINT}/{path}")
        assert (status, code) == error_of(answer)
        assert "not kept" in answer.json["error"]["message"]
        assert (404, "no_image") == error_of(await get(world, f"/img/{MINT}"))


async def test_reads_are_bounded_and_hold_up_nothing_else() -> None:
    gate = trio.Event()
    asking = READS_AT_ONCE + READS_WAITING
    async with shelving(ListedHistory(gate=gate), clients=1000) as shelves:
        world, statuses = shelves.world, list[int]()

        async def ask() -> None:
            statuses.append((await get(world, f"/api/tokens/{MINT}/trades")).status)

        async with trio.open_nursery() as nursery:
            for _ in range(asking):
                nursery.start_soon(ask)
            reading = world.gateway.server.routes._tokens._reading
            await until(lambda: reading.count_waiting() == READS_WAITING)
            answer = await get(world, f"/api/tokens/{MINT}/trades")
            assert (429, "too_many_requests") == error_of(answer)
            assert "1" == answer.headers["retry-after"]
            assert 200 == (await get(world, f"/api/tokens/{MINT}")).status
            gate.set()
        assert [200] * asking == statuses
        assert READS_AT_ONCE == shelves.history.most_reading


async def test_a_read_that_takes_too_long_is_given_up() -> None:
    async with shelving(ListedHistory(gate=trio.Event()), request_timeout_seconds=0.2) as shelves:
        answer = await get(shelves.world, f"/api/tokens/{MINT}/trades")
        assert (503, "busy") == error_of(answer)
        assert 0 == shelves.history.reading


async def test_a_client_that_leaves_takes_its_read_with_it_at_the_latest_when_it_is_answered() -> (
    None
):
    gate = trio.Event()
    async with shelving(ListedHistory(gate=gate)) as shelves:
        async with raw_client(shelves.world) as stream:
            await stream.send_all(
                f"GET /api/tokens/{MINT}/trades HTTP/1.1\r\nHost: a\r\n\r\n".encode()
            )
            await until(lambda: shelves.history.reading == 1)
        gate.set()
        await until(lambda: shelves.world.gateway.server.places.open == 0)
        assert 0 == shelves.history.reading


# Pictures.


async def test_a_picture_is_served_and_may_be_kept_but_not_for_ever() -> None:
    async with shelving() as shelves:
        answer = await get(shelves.world, f"/img/{MINT}", accept_encoding="gzip")
        assert (200, PICTURE.body) == (answer.status, answer.body)
        assert ("image/webp", '"a1b2"') == (answer.headers["content-type"], answer.headers["etag"])
        caching = answer.headers["cache-control"]
        assert caching.startswith("public, max-age=86400")
        assert "immutable" not in caching
        assert "nosniff" == answer.headers["x-content-type-options"]
        assert "content-encoding" not in answer.headers
        assert [FeedRequested()] == await presences_of(shelves.world)


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ({"if-none-match": '"a1b2"'}, 304),
        ({"if-none-match": 'W/"a1b2"'}, 304),
        ({"if-none-match": '"other", "a1b2"'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"other"'}, 200),
        ({"if-none-match": "a1b2"}, 200),
        ({"if-match": '"other"'}, 412),
        ({"if-match": '"a1b2"'}, 200),
    ],
)
async def test_a_picture_is_asked_for_by_its_tag(condition: dict[str, str], status: int) -> None:
    async with shelving() as shelves, http_client(shelves.world) as client:
        answer = await client.request(f"/img/{MINT}", headers=condition)
        assert status == answer.status
        if status == 304:
            assert (b"", '"a1b2"') == (answer.body, answer.headers["etag"])
            assert answer.headers["cache-control"].startswith("public, max-age=86400")


async def test_another_picture_has_another_tag() -> None:
    async with shelving() as shelves:
        shelves.images.images[MINT] = ListedImage(b"RIFF....WEBP2", "c3d4")
        answer = await get(shelves.world, f"/img/{MINT}", if_none_match='"a1b2"')
        assert (200, '"c3d4"', b"RIFF....WEBP2") == (
            answer.status,
            answer.headers["etag"],
            answer.body,
        )


async def test_a_picture_of_a_cache_is_served_byte_for_byte_and_anew_when_it_changes(
    tmp_path: Path,
) -> None:
    first, second = ((DRAWN / name).read_bytes() for name in ("drawn.webp", "drawn_anew.webp"))
    async with serving(library=Library(images=DirectoryImages(tmp_path))) as world:
        await world.show(make_token(1))
        assert 404 == (await get(world, f"/img/{MINT}")).status
        (tmp_path / f"{MINT}.webp").write_bytes(first)
        answer = await get(world, f"/img/{MINT}")
        assert (first, b"RIFF", b"WEBP") == (answer.body, answer.body[:4], answer.body[8:12])
        tag = answer.headers["etag"]
        assert 304 == (await get(world, f"/img/{MINT}", if_none_match=tag)).status
        (tmp_path / f"{MINT}.webp").write_bytes(second)
        answer = await get(world, f"/img/{MINT}", if_none_match=tag)
        assert (200, second) == (answer.status, answer.body)
        assert tag != answer.headers["etag"]


async def test_a_head_request_gets_the_picture_s_headers_alone() -> None:
    async with shelving() as shelves, raw_client(shelves.world) as stream:
        head = f"HEAD /img/{MINT} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        await stream.send_all(head.encode())
        head_bytes, _, body = (await everything(stream)).partition(b"\r\n\r\n")
        assert head_bytes.startswith(b"HTTP/1.1 200 ")
        assert b"Content-Length: 12" in head_bytes
        assert b'ETag: "a1b2"' in head_bytes
        assert b"" == body


async def test_a_coin_without_a_picture_is_asked_for_again_soon() -> None:
    async with shelving() as shelves:
        shelves.images.images.clear()
        answer = await get(shelves.world, f"/img/{MINT}")
        assert (404, "no_image") == error_of(answer)
        assert "public, max-age=30" == answer.headers["cache-control"]
        assert [MINT] == shelves.images.asked


@pytest.mark.parametrize("path", ["/api/tokens", f"/api/tokens/{MINT}/candles", f"/img/{MINT}"])
async def test_nothing_here_is_written_to(path: str) -> None:
    async with shelving() as shelves, http_client(shelves.world) as client:
        answer = await client.request(path, method="PUT")
        assert (405, "GET, HEAD, OPTIONS") == (answer.status, answer.headers["allow"])
