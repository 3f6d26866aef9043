"""Alert rules: what may be asked for, and the one form of it."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import RuleRefused
from feed.alert_rules import (
    KINDS,
    MEMBERS,
    AlertRule,
    Arrival,
    Crossing,
    parse_rule,
    parse_rules,
)
from feed.token_columns import WATCHED
from tests.architecture.repository import ROOT
from tests.unit.feed.tokens import mint_of

ENDPOINTS = ("desk", "other")
PAGE = ROOT / "feed" / "pages" / "alert_rules.js"


def parse(**described: Any) -> AlertRule:
    return parse_rule(described, ENDPOINTS, 300.0)


def refusal_of(**described: Any) -> str:
    with pytest.raises(RuleRefused) as refusal:
        parse(**described)
    return str(refusal.value)


def test_what_is_left_out_is_filled_in_and_the_id_follows_from_the_rest() -> None:
    rule = parse(kind="capAbove", value=69_000, scope="watched")
    expected = {
        "id": rule.id,
        "name": "",
        "kind": "capAbove",
        "scope": "watched",
        "value": 69_000.0,
        "endpoints": [],
        "coolDownSeconds": 300.0,
    }
    assert expected == rule.document
    assert 10 == len(rule.id)
    assert rule == parse(kind="capAbove", value=69_000.0, scope="watched", name=None)
    assert rule.id != parse(kind="capAbove", value=69_001, scope="watched").id


def test_a_rule_is_a_filter_of_the_feed() -> None:
    asks = parse(kind="priceBelow", value=0.5, scope="watched").asks
    assert isinstance(asks, Crossing)
    assert 0.5 == asks.condition.numbers["price_usd"].most
    assert asks.within is not None
    assert WATCHED == asks.within.flags


def test_the_one_form_is_read_as_itself() -> None:
    view = {"filters": {"minVolume5m": 1000}, "sort": "volume24h", "limit": 20}
    for described in (
        {"kind": "bonded", "scope": [mint_of(2), mint_of(1), mint_of(2)]},
        {"kind": "graduating", "scope": mint_of(1), "endpoints": ["other", "desk"]},
        {"kind": "capBelow", "value": 5, "scope": {"boards": ["new"]}, "id": "my.rule_1-x"},
        {"kind": "newIn", "scope": view, "coolDownSeconds": 0, "name": "Vol"},
        {"kind": "newIn", "scope": "hot"},
    ):
        rule = parse(**described)
        stored = orjson.loads(orjson.dumps(rule.document))
        assert rule == parse(**stored)
        assert set(MEMBERS) == set(rule.document)


def test_a_view_that_goes_by_trading_is_known_as_such() -> None:
    by_volume = parse(kind="newIn", scope={"filters": {"minVolume5m": 1}}).asks
    by_cap = parse(kind="newIn", scope={"filters": {"minMarketCap": 1}}).asks
    assert isinstance(by_volume, Arrival)
    assert isinstance(by_cap, Arrival)
    assert (True, False) == (by_volume.goes_by_trading, by_cap.goes_by_trading)


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        ({"kind": "boom", "scope": "watched"}, "kind is one of graduating, bonded, capAbove"),
        ({"kind": ["bonded"], "scope": "watched"}, "kind is one of"),
        ({"kind": "bonded"}, "scope is watched, a mint, a list of at most 100 mints"),
        ({"kind": "bonded", "scope": []}, "scope is watched"),
        ({"kind": "bonded", "scope": "new"}, "scope: not_a_mint"),
        ({"kind": "bonded", "scope": ["x"]}, "scope: not_a_mint"),
        ({"kind": "bonded", "scope": {"sort": "hot"}}, "scope: sort is for newIn alone"),
        ({"kind": "bonded", "scope": {"filters": {"minAgee": 1}}}, "did you mean minAge?"),
        ({"kind": "newIn", "scope": "watched"}, "scope of newIn is new, graduating"),
        ({"kind": "newIn", "scope": {"limit": 0}}, "limit is a whole number from 1 to 500"),
        ({"kind": "newIn", "scope": "hot", "value": 1}, "newIn has no value"),
        ({"kind": "capAbove", "scope": "watched"}, "capAbove wants a value"),
        ({"kind": "capAbove", "scope": "watched", "value": 0}, "above 0"),
        ({"kind": "capAbove", "scope": "watched", "value": True}, "above 0"),
        ({"kind": "capAbove", "scope": "watched", "value": 10**400}, "above 0"),
        ({"kind": "bonded", "scope": "watched", "id": "a b"}, "id is a text"),
        ({"kind": "bonded", "scope": "watched", "name": "a\nb"}, "name is a text"),
        ({"kind": "bonded", "scope": "watched", "coolDownSeconds": -1}, "from 0 to 86400"),
        ({"kind": "bonded", "scope": "watched", "endpoints": ["no"]}, "a list of desk, other"),
        ({"kind": "bonded", "scope": "watched", "endpoints": "desk"}, "a list of desk, other"),
        ({"kind": "bonded", "scope": "watched", "sound": True}, "sound is not known"),
    ],
)
def test_what_is_wrong_is_named(described: dict[str, Any], reason: str) -> None:
    assert reason in refusal_of(**described)


def test_rules_of_a_setting_are_a_list_whose_wrong_one_is_named() -> None:
    assert [] == parse_rules(" ", ENDPOINTS, 300.0)
    [rule] = parse_rules('[{"kind": "bonded", "scope": "watched"}]', ENDPOINTS, 1.0)
    assert 1.0 == rule.cool_down_seconds
    for text, reason in (
        ("{", "must be a JSON list of rules"),
        ("{}", "must be a JSON list"),
        ('[{"kind": "bonded", "scope": "watched"}, 5]', "rule 2: a rule is a JSON object"),
        (f"[{','.join(['{}'] * 51)}]", "at most 50 rules"),
        ('[{"id":"a","kind":"bonded","scope":"watched"},'
         '{"id":"a","kind":"graduating","scope":"watched"}]', "another id each"),
    ):  # fmt: skip
        with pytest.raises(RuleRefused, match=reason):
            parse_rules(text, ENDPOINTS, 300.0)


def test_kinds_are_those_of_the_browsers_alerts() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = text.partition("export const KINDS = {")[2].partition("};")[0]
    assert list(KINDS) == [line.partition(":")[0].strip() for line in table.strip().splitlines()]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(MEMBERS, JSON)), st.sampled_from(KINDS))
def test_whatever_is_described_is_a_rule_or_refused(described: dict[str, Any], kind: str) -> None:
    for each in (described, {**described, "kind": kind}):
        try:
            rule = parse_rule(each, ENDPOINTS, 300.0)
        except RuleRefused:
            continue
        assert rule == parse_rule(rule.document, ENDPOINTS, 300.0)
        assert rule.describe_event()
