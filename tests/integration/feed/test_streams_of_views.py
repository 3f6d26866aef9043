"""Views and single tokens on /api/stream, with real clients on real sockets."""

from urllib.parse import quote

import attrs
import orjson
import pytest
import trio

from feed import Library, follower
from tests.integration.feed.clients import Answer, event_client, get, raw_client, serving
from tests.integration.feed.test_token_subscriptions import BOARD, MINT, trade
from tests.unit.feed.shelves import ListedHistory
from tests.unit.feed.test_history import make_trade
from tests.unit.feed.tokens import make_token
from tests.unit.feed.worlds import until

HELD = {"boards": ["new"], "filters": {"minHolders": 10}, "sort": "new", "limit": 5}


def ask_for(view: object) -> str:
    return f"?view={quote(orjson.dumps(view))}"


async def test_a_view_is_followed_left_and_resumed() -> None:
    async with serving() as world:
        few, many = make_token(1, holder_count=9), make_token(2, holder_count=10)
        await world.show(few, many)
        async with event_client(world, ask_for(HELD)) as client:
            told, snapshot = await client.hear_board(), await client.hear_board()
            board = told.data["board"]
            assert ("view", {"type": "view", "id": None, "board": board, "view": HELD}) == (
                told.kind,
                told.data,
            )
            assert [many.mint] == [item["mint"] for item in snapshot.data["items"]]
            last_id = client.last_id
            assert f"{snapshot.data['epoch']}:{snapshot.data['offset']}" == last_id
        await world.show(few := attrs.evolve(few, holder_count=11))
        # By the id of the view's first message: it began after the last round of the boards.
        async with event_client(world, ask_for(HELD), {"Last-Event-ID": last_id}) as client:
            _, resumed, delta = [await client.hear_board() for _ in range(3)]
            assert ("resumed", "delta") == (resumed.kind, delta.kind)
            assert [few.mint] == [change["mint"] for change in delta.data["changes"]]
            await world.show(attrs.evolve(few, holder_count=1))
            gone = await client.hear_board()
            assert [{"mint": few.mint, "removed": True}] == gone.data["changes"]


async def test_a_view_stands_beside_boards_under_one_id() -> None:
    async with serving() as world:
        await world.show(make_token(1, holder_count=10))
        query = f"{ask_for(HELD)}&boards=new"
        async with event_client(world, query) as client:
            events = [await client.hear_board() for _ in range(3)]
            assert ["view", "snapshot", "snapshot"] == [event.kind for event in events]
            assert [None, None] == [event.id for event in events[:2]]
            last_id = client.last_id
        async with event_client(world, query, {"Last-Event-ID": last_id}) as client:
            events = [await client.hear_board() for _ in range(3)]
            assert ["view", "resumed", "resumed"] == [event.kind for event in events]
            assert last_id == events[2].id


async def test_an_id_from_before_the_view_lived_takes_a_snapshot() -> None:
    async with serving() as world:
        await world.show(make_token(1, holder_count=10))
        epoch = world.gateway.boards.epoch
        async with event_client(world, ask_for(HELD), {"Last-Event-ID": f"{epoch}:1"}) as client:
            assert "view" == (await client.hear_board()).kind
            assert "snapshot" == (await client.hear_board()).kind


async def test_a_token_is_followed_with_its_trades_and_candles_and_left() -> None:
    history = ListedHistory(trades=[make_trade(1)])
    async with serving(library=Library(history=history)) as world:
        await world.show(make_token(1))
        living = world.gateway.boards.of_tokens.living
        async with event_client(world, f"?mint={MINT}") as client:
            snapshot, trades, candles = [await client.hear_board() for _ in range(3)]
            assert ("snapshot", BOARD) == (snapshot.kind, snapshot.data["board"])
            assert ("trades", True) == (trades.kind, trades.data["whole"])
            assert ("candles", MINT) == (candles.kind, candles.data["mint"])
            assert (None, None) == (trades.id, candles.id)
            await trade(world, history, 2)
            delta, news, _ = [await client.hear_board() for _ in range(3)]
            assert ("delta", BOARD) == (delta.kind, delta.data["board"])
            assert (False, [2]) == (news.data["whole"], [t["time"] for t in news.data["trades"]])
            last_id = client.last_id
        await until(lambda: not living)
        async with event_client(world, f"?mint={MINT}", {"Last-Event-ID": last_id}) as client:
            assert "snapshot" == (await client.hear_board()).kind
            assert (await client.hear_board()).data["whole"]


async def test_views_are_given_up_with_their_stream_and_make_room_for_others() -> None:
    async with serving(views=1) as world:
        views = world.gateway.boards.views
        async with event_client(world, ask_for({"limit": 1})) as client:
            first = (await client.hear_board()).data["board"]
            refused = await get(world, f"/api/stream{ask_for({'limit': 2})}")
            assert (503, "too_many_views") == (refused.status, refused.json["error"]["code"])
        await until(lambda: not views.living[first].clients)
        async with event_client(world, ask_for({"limit": 2})) as client:
            assert "view" == (await client.hear_board()).kind
            assert first not in views.living


async def test_a_drain_that_begins_while_a_view_is_made_refuses_its_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(follower, "NEW_VIEW_SECONDS", 0.2)
    async with serving() as world, trio.open_nursery() as nursery:
        making = world.gateway.server.hub.broadcast._new_views
        answers: list[Answer] = []

        async def ask() -> None:
            answers.append(await get(world, f"/api/stream{ask_for(HELD)}"))

        nursery.start_soon(ask)
        await until(lambda: making.borrowed_tokens == 1)
        world.inbox.close()
        await until(lambda: len(answers) == 1)
        assert (503, "draining") == (answers[0].status, answers[0].json["error"]["code"])


async def test_a_head_opens_no_view() -> None:
    async with serving() as world, raw_client(world) as stream:
        target = f"/api/stream{ask_for(HELD)}"
        await stream.send_all(f"HEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 OK\r\n")
        assert {} == world.gateway.boards.views.living


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("?view=new", "view must be a view as JSON"),
        ("?view=[]", "view must be a view: view is a JSON object"),
        ("?view=%7B%22filters%22:%7B%22minVolum%22:1%7D%7D", "filters.minVolum is not known"),
        ("?mint=nonsense", "mint must be the mint of a token"),
    ],
)
async def test_what_cannot_be_read_is_refused_in_words(query: str, told: str) -> None:
    async with serving() as world:
        answer = await get(world, f"/api/stream{query}")
        error = answer.json["error"]
        assert (400, "bad_query") == (answer.status, error["code"])
        assert told in error["message"]
