"""The table of an item's fields is what items are."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import QueryRefused
from domain.token import Token
from feed.client_items import encode_client_item
from feed.item_fields import (
    INTEGER,
    ITEM_FIELDS,
    NULL,
    NUMBER,
    OBJECT,
    TEXT,
    TIME,
    TRUTH,
    write_table,
)
from feed.query import parse_query
from feed.wire import ItemCache, make_item
from tests.architecture.repository import ROOT
from tests.unit.feed.tokens import NOW, make_token, statistics, tokens

KINDS = {
    TEXT: str,
    INTEGER: int,
    NUMBER: int | float,
    TRUTH: bool,
    TIME: str,
    OBJECT: dict,
    NULL: type(None),
}


def test_the_table_names_all_keys_and_no_other() -> None:
    live = {key for key, each in ITEM_FIELDS.items() if each.is_live}
    assert set(make_item(make_token())) == live
    whole = orjson.loads(encode_client_item(ItemCache(1), make_token(), NOW))
    assert list(whole)[-12:] == list(ITEM_FIELDS)[-12:]
    assert set(whole) == set(ITEM_FIELDS)


@given(tokens(st.integers(0, 3)), st.none() | statistics())
def test_values_are_of_the_kinds_that_the_table_tells(token: Token, known: object) -> None:
    object.__setattr__(token, "statistics", known)
    whole = orjson.loads(encode_client_item(ItemCache(1), token, NOW))
    for key, value in whole.items():
        rule = ITEM_FIELDS[key]
        assert rule.is_nullable if value is None else isinstance(value, KINDS[rule.kind]), key


@pytest.mark.parametrize("is_live", [True, False])
def test_the_document_has_the_table(is_live: bool) -> None:
    text = (ROOT / "docs" / "API.md").read_text(encoding="utf-8")
    assert write_table(is_live=is_live) in text


def test_only_the_fields_that_are_asked_for_are_told_and_the_mint() -> None:
    keys = parse_query("fields=priceUsd,isWatched").keys
    item = orjson.loads(encode_client_item(ItemCache(1), make_token(), NOW, keys))
    assert {"mint": make_token().mint, "priceUsd": None, "isWatched": False} == item


@pytest.mark.parametrize(
    ("fields", "nearest"), [("priceUSD", "priceUsd"), ("mint,hotscore", "hotScore"), ("x" * 99, "")]
)
def test_a_field_that_is_none_is_refused_with_the_nearest(fields: str, nearest: str) -> None:
    with pytest.raises(QueryRefused) as refusal:
        parse_query(f"fields={fields}")
    assert "is none: did you mean " + nearest in refusal.value.reason
