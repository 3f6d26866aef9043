"""What one existing client reads beside an item's own keys."""

from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.token import Token
from domain.values import UnixSeconds
from feed.client_items import (
    CONSTANT_PRODUCT_VENUES,
    append_client_keys,
    find_price_impact,
    is_sellable,
    minutes_between,
)
from feed.wire import encode_json, make_item
from sources.venues import GRADUATED_VENUES
from tests.unit.feed.tokens import NOW, make_statistics, make_token, tokens

NOTHING_KNOWN = {
    "liqUsd": None,
    "poolAgeMin": None,
    "priceImpactPctAt1pct": None,
    "priceImpact1Pct": None,
    "isWatched": False,
    "mintAuthorityRevoked": None,
    "sellable": None,
    "creatorVerified": False,
    "ath": None,
    "top1HolderPct": None,
    "top5HolderPct": None,
    "tradeFailRate": None,
}


def shown(token: Token, now: float = NOW) -> dict[str, Any]:
    """The client's keys alone."""
    item = make_item(token)
    whole = orjson.loads(append_client_keys(encode_json(item), token, UnixSeconds(now)))
    return {key: value for key, value in whole.items() if key not in item}


def test_every_key_of_the_client_is_there_even_when_nothing_is_known() -> None:
    assert NOTHING_KNOWN == shown(make_token())


@given(tokens(st.just(1)))
def test_the_item_stands_unchanged_in_front_and_no_key_comes_twice(token: Token) -> None:
    item = make_item(token)
    whole = append_client_keys(encode_json(item), token, NOW)
    assert whole.startswith(encode_json(item)[:-1])
    assert [*item, *NOTHING_KNOWN] == list(orjson.loads(whole))
    assert set() == item.keys() & NOTHING_KNOWN.keys()


def test_other_names_follow_their_keys_and_zeros_stay_zeros() -> None:
    known = make_token(liquidity_usd=0.0, mint_renounced=False, watcher_count=2)
    assert {"liqUsd": 0.0, "mintAuthorityRevoked": False, "isWatched": True} == {
        key: shown(known)[key] for key in ("liqUsd", "mintAuthorityRevoked", "isWatched")
    }


@pytest.mark.parametrize(
    ("created_at", "minutes"),
    [
        (None, None),
        (NOW, 0),
        (NOW - 59.9, 0),
        (NOW - 60, 1),
        (NOW - 3599, 59),
        (NOW + 500, 0),  # a clock that is ahead
        (0.0, 29_750_000),
        (float("nan"), None),
        (1e300, None),
        (-1e300, None),
    ],
)
def test_the_age_of_a_pool_is_in_whole_minutes(
    created_at: float | None, minutes: int | None
) -> None:
    token = make_token(pool_created_at=created_at)
    assert minutes == shown(token)["poolAgeMin"]
    assert (make_item(token)["poolCreatedAt"] is None) == (minutes is None)


def test_an_age_grows_while_the_item_stays() -> None:
    token = make_token(pool_created_at=NOW)
    assert [0, 1, 2] == [shown(token, NOW + 60 * n)["poolAgeMin"] for n in range(3)]
    assert 1 == minutes_between(UnixSeconds(NOW), UnixSeconds(NOW + 119))


@pytest.mark.parametrize("liquidity", [0.01, 5000.0, 1e12])
@pytest.mark.parametrize("venue", sorted(CONSTANT_PRODUCT_VENUES))
def test_the_price_impact_is_that_of_the_constant_product(venue: str, liquidity: float) -> None:
    token = make_token(pool_type=venue, liquidity_usd=liquidity)
    # A pool of such reserves, in dollars, and a purchase worth 1 % of both together.
    quote = base = liquidity / 2
    paid = liquidity / 100
    received = base - quote * base / (quote + paid)
    assert find_price_impact(token) == pytest.approx(100 * (1 - received / paid), abs=0.005)
    assert shown(token)["priceImpact1Pct"] == shown(token)["priceImpactPctAt1pct"] == 1.96


@pytest.mark.parametrize(
    ("venue", "liquidity"),
    [
        *((venue, 5000.0) for venue in (None, "pumpfun", "raydium-clmm", "orca", "meteora")),
        *(("pumpswap", odd) for odd in (None, 0.0, -1.0, float("nan"), float("inf"))),
    ],
)
def test_no_price_impact_is_invented(venue: str | None, liquidity: float | None) -> None:
    assert None is find_price_impact(make_token(pool_type=venue, liquidity_usd=liquidity))


def test_venues_of_constant_product_are_venues() -> None:
    assert CONSTANT_PRODUCT_VENUES < GRADUATED_VENUES


def test_only_a_sale_shows_that_a_coin_can_be_sold() -> None:
    assert [True, None, None] == [is_sellable(make_token(sells_24h=n)) for n in (1, 0, None)]
    sold, unsold = (make_statistics(sells=n) for n in (2, 0))
    assert [True, None] == [is_sellable(make_token(statistics=s)) for s in (sold, unsold)]
    assert True is is_sellable(attrs.evolve(make_token(statistics=unsold), sells_24h=3))


def test_values_that_json_does_not_know_are_tamed() -> None:
    assert None is shown(make_token(liquidity_usd=float("nan")))["liqUsd"]
    assert 2.0**70 == shown(make_token(liquidity_usd=2**70))["liqUsd"]
