"""What stands behind a coin's `uri`: mostly metadata and a picture, at times something else."""

from collections import Counter
from functools import cache
from io import BytesIO

import orjson
import pytest
from PIL import Image

from commands.market.metadata import (
    DOCUMENT_SHARES,
    IMAGE_SHARES,
    LARGEST_JSON_BYTES,
    answer_metadata,
    document_kind,
    image_kind,
)
from commands.market.model import Market
from commands.market.pictures import BOMB_SIDE, draw_bomb, draw_picture
from commands.market.token import MarketToken

FEW_TRADES_SECONDS = 600.0


@cache
def market() -> Market:
    market = Market(seed=2)
    market.advance(FEW_TRADES_SECONDS)
    market.move_metadata("http://127.0.0.1:1234/metadata/")
    return market


def some_token(kind: str, of_image: bool = False) -> MarketToken:
    """A token of the market whose document or picture is of this kind, found under a new mint."""
    token = next(iter(market().tokens.values()))
    find = image_kind if of_image else document_kind
    mint = next(f"{token.mint[:-4]}{number:04d}" for number in range(10_000)
                if find(f"{token.mint[:-4]}{number:04d}") == kind)  # fmt: skip
    made = type(token)(
        mint=type(token.mint)(mint), number=1, name=token.name, symbol=token.symbol,
        uri=f"http://127.0.0.1:1234/metadata/{mint}.json", venue="pump", mayhem=False,
        born_at=0.0, creator=1, fate=token.fate,
    )  # fmt: skip
    market().tokens[made.mint] = made
    return made


def test_uri_leads_to_metadata_and_that_to_a_picture() -> None:
    token = some_token("good")
    assert token.uri == f"http://127.0.0.1:1234/metadata/{token.mint}.json"
    document = orjson.loads(answer_metadata(market(), f"/metadata/{token.mint}.json").payload())
    assert (token.name, token.image_url) == (document["name"], document["image"])
    assert document["image"] == f"http://127.0.0.1:1234/images/{token.mint}"


def test_links_come_at_their_shares() -> None:
    found: Counter[str] = Counter()
    good = 0
    for token in list(market().tokens.values()):
        if document_kind(token.mint) == "good":
            good += 1
            path = f"/metadata/{token.mint}.json"
            found.update(orjson.loads(answer_metadata(market(), path).payload()).keys())
    for name, share in (("twitter", 0.8), ("telegram", 0.5), ("website", 0.6)):
        assert share == pytest.approx(found[name] / good, abs=0.12)


@pytest.mark.parametrize(
    ("kind", "status"),
    [("missing", 404), ("private", 302), ("broken", 200), ("wrong", 200), ("huge", 200)],
)
def test_some_documents_are_odd(kind: str, status: int) -> None:
    answer = answer_metadata(market(), f"/metadata/{some_token(kind).mint}.json")
    assert status == answer.status
    if kind == "huge":
        assert len(answer.payload()) > LARGEST_JSON_BYTES
    if kind == "broken":
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(answer.payload())
    if kind == "private":
        assert dict(answer.headers)["location"].startswith("http://")


def test_a_moved_document_is_found_where_it_went() -> None:
    token = some_token("moved")
    first = answer_metadata(market(), f"/metadata/{token.mint}.json")
    target = dict(first.headers)["location"]
    second = orjson.loads(answer_metadata(market(), target).payload())
    assert (302, token.name) == (first.status, second["name"])


@pytest.mark.parametrize("kind", ["svg", "html", "bomb", "large", "endless", "private", "missing"])
def test_some_pictures_are_hostile(kind: str) -> None:
    answer = answer_metadata(market(), f"/images/{some_token(kind, of_image=True).mint}")
    assert (kind == "endless") == answer.is_endless
    assert {"private": 302, "missing": 404}.get(kind, 200) == answer.status


def test_bomb_is_a_small_file_and_a_huge_picture() -> None:
    _, content = draw_bomb()
    assert len(content) < 200_000
    with (
        pytest.warns(Image.DecompressionBombWarning),
        Image.open(BytesIO(content)) as picture,
    ):
        assert (BOMB_SIDE, BOMB_SIDE) == picture.size


def test_every_coin_has_another_picture_and_keeps_it() -> None:
    mints = list(market().tokens)[:60]
    pictures = {draw_picture(mint) for mint in mints}
    assert len(mints) == len(pictures)
    assert {"image/png", "image/jpeg", "image/gif", "image/webp"} == {kind for kind, _ in pictures}
    draw_picture.cache_clear()
    assert pictures == {draw_picture(mint) for mint in mints}
    for _, content in pictures:
        with Image.open(BytesIO(content)) as picture:
            picture.load()
            assert (256, 256) == picture.size


def test_most_coins_are_as_they_should_be() -> None:
    assert sum(share for _, share in DOCUMENT_SHARES) < 20
    assert sum(share for _, share in IMAGE_SHARES) < 10


def test_unknown_mints_are_not_found() -> None:
    for path in ("/metadata/x.json", "/images/x", "/metadata/"):
        assert 404 == answer_metadata(market(), path).status
