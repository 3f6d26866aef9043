"""Views on /ws, with a real client on a real socket."""

import attrs
import trio

from feed.session import MOST_VIEWS
from tests.integration.feed.clients import feed_client, serving
from tests.unit.feed.tokens import make_token, mint_of
from tests.unit.feed.worlds import until

HELD = {"boards": ["new"], "filters": {"minHolders": 10}, "sort": "new", "limit": 5}


async def test_a_view_is_followed_left_and_resumed() -> None:
    async with serving() as world:
        few, many = make_token(1, holder_count=9), make_token(2, holder_count=10)
        await world.show(few, many)
        async with feed_client(world) as client:
            await client.say({"type": "subscribe", "view": HELD, "id": "held"})
            told, snapshot = await client.hear(), await client.hear()
            assert {"type": "view", "id": "held", "board": told["board"], "view": HELD} == told
            assert [many.mint] == [item["mint"] for item in snapshot["items"]]
            await world.show(few := attrs.evolve(few, holder_count=11))
            (change,) = (await client.hear())["changes"]
            assert (few.mint, 11) == (change["mint"], change["holderCount"])
        since = {"epoch": snapshot["epoch"], "offset": snapshot["offset"]}
        async with feed_client(world) as client:
            await client.say({"type": "subscribe", "view": HELD, "since": since})
            frames = [await client.hear() for _ in range(3)]
            assert ["view", "resumed", "delta"] == [frame["type"] for frame in frames]
            await world.show(attrs.evolve(few, holder_count=1))
            assert [{"mint": few.mint, "removed": True}] == (await client.hear())["changes"]
            await client.say({"type": "unsubscribe", "board": told["board"]})
            await client.say({"type": "subscribe", "board": told["board"]})
            assert "snapshot" == (await client.hear())["type"]


async def test_views_are_given_up_with_their_client_and_make_room_for_others() -> None:
    async with serving(views=1) as world:
        views = world.gateway.boards.views
        async with feed_client(world) as client, feed_client(world) as other:
            await client.say({"type": "subscribe", "view": {"limit": 1}})
            first = [await client.hear(), await client.hear()][0]["board"]
            await other.say({"type": "subscribe", "view": {"limit": 2}, "id": "second"})
            error = await other.hear()
            assert ("too_many_views", "second") == (error["code"], error["id"])
            await other.say({"type": "subscribe", "board": first})
            assert "snapshot" == (await other.hear())["type"]
        await until(lambda: not views.living[first].clients)
        async with feed_client(world) as client:
            await client.say({"type": "subscribe", "view": {"limit": 2}})
            assert "view" == (await client.hear())["type"]
            assert first not in views.living


async def test_what_is_wrong_is_told_and_the_connection_stays() -> None:
    async with serving(views=2 * MOST_VIEWS) as world, feed_client(world) as client:
        await client.say({"type": "subscribe", "view": {"filters": {"minVolumn5m": 1}}})
        error = await client.hear()
        message = "filters.minVolumn5m is not known; did you mean minVolume5m?"
        assert {"type": "error", "code": "bad_view", "message": message} == error
        for limit in range(1, MOST_VIEWS + 1):
            await client.say({"type": "subscribe", "view": {"limit": limit}})
            assert ["view", "snapshot"] == [(await client.hear())["type"] for _ in range(2)]
        await client.say({"type": "subscribe", "view": {"limit": 400}})
        assert "too_many_views" == (await client.hear())["code"]
        await client.say({"type": "subscribe", "board": "view:0123456789ab"})
        assert "unknown_board" == (await client.hear())["code"]


async def test_a_view_comes_deflated() -> None:
    async with serving() as world, feed_client(world) as client:
        await world.show(make_token(1))
        await client.say({"type": "subscribe", "view": {}, "encoding": "deflate"})
        assert "view" == (await client.hear())["type"]
        with trio.fail_after(5):
            message = await client.connection.get_message()
        assert isinstance(message, bytes)
        assert mint_of(1) in world.gateway.boards.catalogue.tokens
