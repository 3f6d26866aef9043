"""The page of a token, and the coins of its creator, on real sockets."""

import pytest

from domain.messages import FeedRequested
from feed.creator_routes import MOST_TOKENS
from tests.integration.feed.clients import get, serving
from tests.unit.feed.tokens import NOW, make_token, mint_of

CREATOR, OTHER = mint_of(900), mint_of(901)


async def test_every_mint_has_a_page_tracked_or_not() -> None:
    async with serving() as world:
        answer = await get(world, f"/token/{mint_of(5)}")
        assert (200, "text/html; charset=utf-8") == (answer.status, answer.headers["content-type"])
        assert b"/assets/token.js" in answer.body
        seen = await get(world, f"/token/{mint_of(6)}", If_None_Match=answer.headers["etag"])
        assert (304, b"") == (seen.status, seen.body)


@pytest.mark.parametrize(
    "text", ["", "404", "{mint}", mint_of(1)[:-9], f"{mint_of(1)}/x", "%2e%2e"]
)
async def test_what_is_no_mint_has_a_page_that_says_so(text: str) -> None:
    async with serving() as world:
        for _ in range(2):
            answer = await get(world, f"/token/{text}", If_None_Match="*")
            assert 404 == answer.status
            assert b"This is no token's address" in answer.body


async def test_the_page_is_told_the_links_of_the_settings() -> None:
    async with serving(links="Place=https://place.example/{mint}") as world:
        answer = await get(world, "/assets/links.js", Accept_Encoding="identity")
        assert b'[["Place","https://place.example/{mint}"]]' in answer.body


# A creator's coins.


async def test_the_coins_of_a_creator_come_newest_first_with_their_number() -> None:
    async with serving() as world:
        await world.show(
            make_token(1, creator_wallet=CREATOR, first_seen_at=NOW - 60),
            make_token(2, creator_wallet=OTHER),
            make_token(3, creator_wallet=CREATOR, first_seen_at=NOW - 30),
            make_token(4),
            make_token(5, creator_wallet=CREATOR, first_seen_at=NOW - 90, silent=True),
        )
        await world.presences.receive_batch(100)
        answer = await get(world, f"/api/creators/{CREATOR}/tokens?limit=2")
        assert (CREATOR, 3) == (answer.json["creator"], answer.json["total"])
        assert [mint_of(3), mint_of(1)] == [item["mint"] for item in answer.json["tokens"]]
        assert [FeedRequested()] == await world.presences.receive_batch(100)
        whole = await get(world, f"/api/creators/{CREATOR}/tokens")
        assert "DEAD" == whole.json["tokens"][2]["status"]


async def test_a_creator_of_nothing_has_no_coins() -> None:
    async with serving() as world:
        answer = await get(world, f"/api/creators/{CREATOR}/tokens")
        assert {"creator": CREATOR, "total": 0, "tokens": []} == answer.json


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/creators/nobody/tokens", 400, "bad_address"),
        (f"/api/creators/{CREATOR}/tokens?limit=0", 400, "bad_query"),
        (f"/api/creators/{CREATOR}/tokens?limit={MOST_TOKENS + 1}", 400, "bad_query"),
        (f"/api/creators/{CREATOR}/tokens?limit=1&limit=2", 400, "bad_query"),
        (f"/api/creators/{CREATOR}", 404, "not_found"),
        (f"/api/creators/{CREATOR}/x/tokens", 404, "not_found"),
    ],
)
async def test_what_is_asked_wrongly_of_a_creator_is_refused(
    path: str, status: int, code: str
) -> None:
    async with serving() as world:
        answer = await get(world, path)
        assert (status, code) == (answer.status, answer.json["error"]["code"])
