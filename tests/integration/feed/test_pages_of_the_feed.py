"""What a program does with the feed: turns pages, asks again, and asks for some fields alone."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import pytest

from domain.token import Status
from tests.integration.feed.clients import Answer, get, http_client, serving
from tests.unit.feed.tokens import make_token, mint_of

FEED = "/api/warp-pipes/feed"
LISTS = ("new", "graduating", "bonded")


def mints(answer: Mapping[str, Any]) -> list[str]:
    return [item["mint"] for name in LISTS for item in answer[name]]


async def test_pages_follow_one_another_until_every_list_has_ended() -> None:
    statuses = [Status.NEW] * 5 + [Status.BONDED] * 2
    async with serving() as world, http_client(world) as client:
        shown = [make_token(n, status=s, hot_score=1.0 * n) for n, s in enumerate(statuses)]
        await world.show(*shown)
        pages = [(await client.request(f"{FEED}?limit=2")).json]
        while pages[-1]["next"] is not None:
            after = pages[-1]["next"]
            pages.append((await client.request(f"{FEED}?limit=2&after={after}")).json)
        new = [[item["mint"] for item in page["new"]] for page in pages]
        assert [[mint_of(4), mint_of(3)], [mint_of(2), mint_of(1)], [mint_of(0)]] == new
        assert [2, 0, 0] == [len(page["bonded"]) for page in pages]
        assert sorted(token.mint for token in shown) == sorted(chain(*map(mints, pages)))


@pytest.mark.parametrize("query", ["after=x", "sortBy=new&after=WyJob3QiLCB7fV0", "fields=prise"])
async def test_what_is_no_page_and_no_field_is_refused(query: str) -> None:
    async with serving() as world:
        answer = await get(world, f"{FEED}?{query}")
        assert (400, "bad_query") == (answer.status, answer.json["error"]["code"])


async def test_the_same_content_is_not_sent_twice() -> None:
    paths = [FEED, f"/api/tokens/{mint_of(1)}", f"/api/tokens?mints={mint_of(1)}"]
    paths.append(f"/api/warp-pipes/token/{mint_of(1)}")
    async with serving() as world, http_client(world) as client:
        await world.show(make_token(1))

        async def ask(path: str, tag: str) -> Answer:
            return await client.request(path, headers={"If-None-Match": tag})

        for path in paths:
            first = await client.request(path)
            assert (200, "no-cache") == (first.status, first.headers["cache-control"])
            tag = first.headers["etag"]
            second = await ask(path, tag)
            assert (304, b"", tag) == (second.status, second.body, second.headers["etag"])
            assert "Accept-Encoding" in second.headers["vary"]
            await world.show(make_token(1, holder_count=world.gateway.boards.offset))
            assert 200 == (await ask(path, tag)).status


async def test_a_feed_whose_cursor_alone_has_moved_is_the_same() -> None:
    async with serving() as world:
        await world.show(make_token(1, holder_count=5))
        query = f"{FEED}?searchQuery={mint_of(1)}"
        tag = (await get(world, query)).headers["etag"]
        await world.show(make_token(2))
        assert 304 == (await get(world, query, If_None_Match=tag)).status


async def test_a_client_that_takes_gzip_alone_gets_no_body_with_304() -> None:
    async with serving() as world:
        await world.show(make_token(1))
        fields = {"Accept_Encoding": "gzip, identity;q=0"}
        tag = (await get(world, FEED, **fields)).headers["etag"]
        again = await get(world, FEED, **fields, If_None_Match=tag)
        assert (304, b"") == (again.status, again.body)


async def test_fields_hold_for_the_feed_and_for_tokens() -> None:
    async with serving() as world:
        await world.show(make_token(1, holder_count=7))
        item = {"mint": mint_of(1), "holderCount": 7}
        assert [item] == (await get(world, f"{FEED}?fields=holderCount")).json["new"]
        path = f"/api/tokens/{mint_of(1)}?fields=holderCount,mint"
        assert item == (await get(world, path)).json
        both = await get(world, f"/api/tokens?mints={mint_of(1)},{mint_of(2)}&fields=holderCount")
        assert {"tokens": [item]} == both.json
