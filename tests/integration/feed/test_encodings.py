"""Clients that ask for deflated messages, beside clients that do not, on real sockets."""

import attrs
import orjson

from tests.integration.feed.clients import FeedClient, Frame, feed_client, serving
from tests.unit.feed.tokens import make_token
from tests.unit.feed.worlds import World

DEFLATE = {"encoding": "deflate"}
TOKENS = [make_token(number, name=f"Token {number} " * 20) for number in range(1, 6)]


async def fold_board(client: FeedClient, world: World, items: dict[str, Frame]) -> None:
    """Fold what comes, as docs/API.md tells clients to, until there is no more."""
    offset = -1
    while offset < world.gateway.boards.offset:
        frame = await client.hear()
        offset = frame["offset"]
        for change in frame.get("items", []) + frame.get("changes", []):
            if change.get("removed"):
                del items[change["mint"]]
            else:
                items[change["mint"]] = items.get(change["mint"], {}) | change


def read_board(world: World) -> dict[str, Frame]:
    snapshot = orjson.loads(world.gateway.boards.snapshot_message("new"))
    return {item["mint"]: item for item in snapshot["items"]}


async def test_clients_of_both_kinds_fold_the_same_board() -> None:
    async with serving() as world, feed_client(world) as plain, feed_client(world) as deflating:
        await world.show(*TOKENS)
        await plain.say({"type": "subscribe", "board": "new"})
        await deflating.say({"type": "subscribe", "board": "new", **DEFLATE})
        folded: list[dict[str, Frame]] = [{}, {}]
        for count in range(3):
            await world.show(*(attrs.evolve(token, holder_count=count) for token in TOKENS))
            await world.show(make_token(10 + count))  # pushes one off the board
            for client, items in zip((plain, deflating), folded, strict=True):
                await fold_board(client, world, items)
                assert read_board(world) == items
        assert 0 == plain.binary_messages < deflating.binary_messages


async def test_a_deflating_client_that_returns_resumes_with_what_it_missed() -> None:
    async with serving() as world:
        await world.show(*TOKENS)
        async with feed_client(world) as client:
            snapshot = await client.subscribe("new", **DEFLATE)
            assert 1 == client.binary_messages
        items = {item["mint"]: item for item in snapshot["items"]}
        await world.show(*(attrs.evolve(token, name="n" * 300) for token in TOKENS))
        since = {"epoch": snapshot["epoch"], "offset": snapshot["offset"]}
        async with feed_client(world) as client:
            assert "resumed" == (await client.subscribe("new", since=since, **DEFLATE))["type"]
            await fold_board(client, world, items)
            assert read_board(world) == items
            assert client.binary_messages > 0


async def test_nothing_is_deflated_for_clients_that_do_not_ask() -> None:
    async with serving() as world, feed_client(world) as client:
        await world.show(*TOKENS)
        await client.subscribe("new")
        await world.show(attrs.evolve(TOKENS[0], name="n" * 300))
        await client.hear()
        told = world.gateway.snapshot()
        assert (1, 0, 0) == (told.clients, told.clients_deflated, told.deflate_input_bytes)
        await client.subscribe("new", **DEFLATE)
        told = world.gateway.snapshot()
        assert (1, 1) == (told.clients, told.clients_deflated)
        assert told.deflate_input_bytes > 2.9 * told.deflate_output_bytes > 0
