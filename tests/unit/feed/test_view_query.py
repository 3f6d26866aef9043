"""What clients may ask of a view, and the one form of it."""

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import FrameRefused
from domain.token import Status
from domain.values import WRAPPED_SOL
from feed.orders import ORDERS
from feed.query import KNOWN_PARAMETERS, parse_query
from feed.token_columns import flag_of
from feed.view_query import is_view_name, parse_view
from tests.unit.feed.tokens import mint_of

NAMES = sorted(KNOWN_PARAMETERS)
VALUES = st.none() | st.booleans() | st.floats(-1e300, 1e300) | st.integers(-(2**70), 2**70)


def refusal_of(described: object) -> str | None:
    with pytest.raises(FrameRefused) as refusal:
        parse_view(described)
    assert "bad_view" == refusal.value.reason
    return refusal.value.message


def test_what_is_left_out_filters_nothing() -> None:
    view = parse_view({})
    expected = {
        "boards": ["bonded", "graduating", "new"],
        "filters": {},
        "sort": "hot",
        "limit": 100,
    }
    assert expected == view.document
    assert parse_query("").filters == view.filters


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"boards": ["new", "bonded", "new"]}, {"boards": ["bonded", "new"]}),
        ({"sort": "volume24h"}, {"sort": "volume"}),
        ({"filters": {"minAge": 5, "maxAge": 9}}, {"filters": {"maxAge": 9.0, "minAge": "5.0 "}}),
        ({"filters": {"minLiquidity": 5}}, {"filters": {"minLiquidityUsd": 5}}),
        ({"filters": {"onlyWatched": True}}, {"filters": {"onlyWatched": "1"}}),
        ({"filters": {"onlyWatched": False, "minAge": None, "searchQuery": " "}}, {}),
        ({"filters": {"status": "bonded"}}, {"filters": {"status": "BONDED"}}),
        ({"filters": {"quote": "sol, SOL"}}, {"filters": {"quote": WRAPPED_SOL}}),
        (
            {"filters": {"creator": f"{mint_of(2)},{mint_of(1)}"}},
            {"filters": {"creator": f"{mint_of(1)}, {mint_of(2)}"}},
        ),
        ({"filters": {"minPriceChange5m": -0.0}}, {"filters": {"minPriceChange5m": 0}}),
        ({"boards": None, "filters": None, "sort": None, "limit": None}, {}),
    ],
)
def test_what_means_the_same_is_one_view(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert parse_view(one) == parse_view(other)


@pytest.mark.parametrize(
    ("described", "message"),
    [
        (None, "view is a JSON object"),
        ([], "view is a JSON object"),
        ({"filter": {}}, "view.filter is not known; did you mean filters?"),
        ({"boards": "new"}, "boards is a list of bonded, graduating, new, or left out"),
        ({"boards": []}, "boards is a list of bonded, graduating, new, or left out"),
        ({"boards": ["news"]}, "boards: news is not known; did you mean new?"),
        ({"boards": [["new"]]}, "boards: ['new'] is not known; did you mean new?"),
        ({"filters": [1]}, "filters is a JSON object"),
        (
            {"filters": {"minVolum5m": 1}},
            "filters.minVolum5m is not known; did you mean minVolume5m?",
        ),
        ({"filters": {"cacheBuster": 1}}, None),
        ({"filters": {"sortBy": "hot"}}, "filters.sortBy is no filter: give sort beside filters"),
        ({"filters": {"limit": 5}}, "filters.limit is no filter: give limit beside filters"),
        ({"filters": {"minAge": True}}, "filters.minAge must be a number"),
        ({"filters": {"minAge": [1]}}, "filters.minAge must be a number"),
        ({"filters": {"minAge": "NaN"}}, "filters.minAge must be a finite number"),
        ({"filters": {"onlyWatched": 5}}, "filters.onlyWatched must be true or false"),
        ({"filters": {"creator": {}}}, "filters.creator must be a text"),
        (
            {"filters": {"creator": 5}},
            "filters.creator must be an address, base58 of 32 bytes",
        ),
        (
            {"filters": {"minLiquidity": 5, "minLiquidityUsd": 5}},
            "filters.minLiquidity and minLiquidityUsd are the same: give one of them",
        ),
        ({"sort": "hottest"}, "sort: hottest is not known; did you mean hot?"),
        ({"sort": 5}, None),
        ({"limit": 0}, "limit is a whole number from 1 to 500"),
        ({"limit": 501}, "limit is a whole number from 1 to 500"),
        ({"limit": True}, "limit is a whole number from 1 to 500"),
        ({"limit": 5.0}, "limit is a whole number from 1 to 500"),
    ],
)
def test_a_wrong_view_is_refused_by_the_name_of_its_field(
    described: object, message: str | None
) -> None:
    told = refusal_of(described)
    assert told if message is None else message == told


def test_a_view_of_some_boards_has_one_of_their_states() -> None:
    states = flag_of(Status.NEW) | flag_of(Status.BONDED)
    assert states == parse_view({"boards": ["new", "bonded"]}).filters.any_flags


def test_a_view_has_a_name_of_its_own() -> None:
    views = [parse_view({"sort": sort, "limit": n}) for sort in ORDERS for n in range(1, 501)]
    names = {view.name for view in views}
    assert len(views) == len(names)
    assert all(map(is_view_name, names))


@pytest.mark.parametrize("text", ["", "view:", "view:0123456789aB", "view:0123456789abc", "new"])
def test_other_names_are_no_views(text: str) -> None:
    assert not is_view_name(text)


@given(
    st.dictionaries(st.sampled_from(NAMES), VALUES | st.sampled_from(["5", "-1e9", "NEW", "pump"]))
)
def test_the_form_of_a_view_describes_the_same_view(filters: dict[str, object]) -> None:
    try:
        view = parse_view({"filters": filters})
    except FrameRefused:
        return
    again = orjson.loads(orjson.dumps(view.document))
    assert view == parse_view(again)
    assert view.filters == parse_view(again).filters


@given(
    st.recursive(
        VALUES | st.text() | st.sampled_from(NAMES),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(NAMES), inner),
    )
)
def test_whatever_is_described_is_read_or_refused(described: object) -> None:
    for value in (described, {"filters": described}, {"boards": described}, {"sort": described}):
        with suppress(FrameRefused):
            assert is_view_name(parse_view(value).name)
