"""Parameters that look like a filter, and are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import QueryRefused
from feed.parameters import FILTER_BEGINNINGS, read_parameters
from feed.query import KNOWN_PARAMETERS, parse_query


def refusal_of(text: str) -> str:
    with pytest.raises(QueryRefused) as refusal:
        parse_query(text)
    return str(refusal.value.reason)


@pytest.mark.parametrize(
    ("text", "name", "nearest"),
    [
        ("minHolder=5", "minHolder", "minHolders"),
        ("maxTopHolders=5", "maxTopHolders", "maxTop10Holders"),
        ("minliquidityusd=5", "minliquidityusd", "minLiquidityUsd"),
        ("MINVOLUME=5", "MINVOLUME", "minVolume6h"),
        ("maxMcap=5", "maxMcap", "maxMarketCap"),
        ("min_age=5", "min_age", "minAge"),
        ("minAge[]=5", "minAge[]", "minAge"),
        ("+minAge+=5", "minAge", "minAge"),
        ("%20onlywatched=1", "onlywatched", "onlyWatched"),
        ("requireTwiter=true", "requireTwiter", "requireTwitter"),
        ("sort=hot", "sort", "sortBy"),
        ("SortBy=hot", "SortBy", "sortBy"),
        ("Status=BONDED", "Status", "status"),
        ("dexpaid=true", "dexpaid", "dexPaid"),
        ("LIMIT=5", "LIMIT", "limit"),
    ],
)
def test_what_looks_like_a_filter_is_refused_with_the_nearest_name(
    text: str, name: str, nearest: str
) -> None:
    assert f"{name} is not known; did you mean {nearest}?" == refusal_of(text)
    assert f"{name} is not known; did you mean {nearest}?" == refusal_of(f"_=1&{text}&limit=5")


def test_a_long_name_is_repeated_in_part() -> None:
    assert refusal_of(f"min{'x' * 8000}=1").startswith(f"min{'x' * 57} is not known; did you mean ")


@pytest.mark.parametrize(
    "text", ["_=1", "t=2&t=3", "utm_source=min", "cacheBuster=x", "v", "=5", "&&", "admin=1"]
)
def test_other_unknown_parameters_are_ignored(text: str) -> None:
    assert parse_query("") == parse_query(text)


@given(st.sampled_from(FILTER_BEGINNINGS), st.text("abcXYZ09_", max_size=20))
def test_no_unknown_filter_is_let_through(beginning: str, rest: str) -> None:
    name = beginning + rest
    if name in KNOWN_PARAMETERS:
        assert {name: "1"} == read_parameters(f"{name}=1", KNOWN_PARAMETERS)
        return
    with pytest.raises(QueryRefused) as refusal:
        read_parameters(f"{name}=1", KNOWN_PARAMETERS)
    assert refusal.value.reason.rpartition(" ")[2].rstrip("?") in KNOWN_PARAMETERS
