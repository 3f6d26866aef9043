"""Jupiter's answers about tokens: the recorded ones, and whatever else may come."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SourceUnavailable
from domain.token import UPDATE_FIELDS
from domain.trading import WINDOW_SECONDS, WindowStatistics
from domain.values import Mint
from sources import HolderStats
from sources.jupiter_tokens import parse_tokens
from tests.unit.sources.recordings import load

CORGI = Mint("7ehsmTN3JRgZ54A4T6WN2PSKgM2FhxJ4bbgGV8Y1pump")
OTHER = Mint("97QUsKyZ1tDbBkWzowCixaZHPfMHz3ME8LQzwa9Upump")
SOL = Mint("So11111111111111111111111111111111111111112")


def parse_one(**entry: object) -> HolderStats:
    found, _ = parse_tokens([{"id": CORGI, **entry}], [CORGI])
    return found[CORGI]


def test_the_recorded_search_gives_everything_that_a_card_shows() -> None:
    body = load("jupiter/tokens_v2_search_bonding_curve_pumpfun_token.json")
    window = WindowStatistics(
        volume_usd=1055.4137078924866 + 20.017327469048606,  # type: ignore[arg-type]
        buys=17,
        sells=4,
        unique_traders=17,
        price_change=-0.6526267903133846,
    )
    stats = HolderStats(
        mint=CORGI,
        holder_count=14,
        more={
            "mint_renounced": True,
            "freeze_revoked": True,
            "top_holders_percent": 24.51,
            "dev_balance_percent": 6.63,
            "dev_mints": 1264,
            "dev_migrations": 14,
            "organic_score": 0.0,
        },
        fillers={
            "logo_uri": "https://gateway.pinata.cloud/ipfs/"
            "bafkreidtmvpv4o3f33qbn35oamb4egurvqexb5oab3ftfgvvjnba6pgnmy",
            "launchpad": "pumpfun",
            "price_usd": 0.0000055398859815403985,
            "market_cap_usd": 5539.8859815403985,
            "liquidity_usd": 4598.314949757288,
            "unique_traders_24h": 17,
            "decimals": 6,
            "total_supply": "1000000000",
        },
        windows=dict.fromkeys(WINDOW_SECONDS, window),
    )
    assert ({CORGI: stats}, {}) == parse_tokens(body, [CORGI])


def test_the_recorded_older_token_has_a_change_of_volume_and_windows_that_differ() -> None:
    body = [load("jupiter/tokens_v2_sol_object_2025-10-19.json")]
    found, unusable = parse_tokens(body, [SOL])
    assert {} == unusable
    stats = found[SOL]
    assert 3820662 == stats.holder_count
    assert -11.2 == stats.more["volume_change_24h"]
    assert 98.72 == stats.more["organic_score"]
    assert {"mint_renounced": True, "freeze_revoked": True}.items() <= stats.more.items()
    assert "launchpad" not in stats.fillers
    assert "dev_mints" not in stats.more
    assert [32828, 489430, 2795646, 11471976] == [w.buys for w in stats.windows.values()]
    assert list(WINDOW_SECONDS) == list(stats.windows)


def test_what_is_told_of_a_token_has_names_that_sync_knows() -> None:
    body = load("jupiter/tokens_v2_search_bonding_curve_pumpfun_token.json")
    [stats] = parse_tokens(body, [CORGI])[0].values()
    assert {*stats.more, *stats.fillers} <= {*UPDATE_FIELDS}


def test_tokens_not_asked_for_or_of_which_nothing_is_told_are_left_out() -> None:
    body = [
        {"id": OTHER, "holderCount": 3},
        {"id": CORGI},
        {"id": CORGI, "holderCount": None, "stats5m": {}, "audit": None},
        {"id": 5, "holderCount": 3},
        None,
        "x",
    ]
    assert ({}, {"other_mint": 4, "no_holder_count": 2}) == parse_tokens(body, [CORGI])


def test_a_token_without_a_count_is_worth_its_rest() -> None:
    body = [{"id": CORGI, "audit": {"devMints": 3}}]
    found, unusable = parse_tokens(body, [CORGI])
    assert {CORGI: HolderStats(mint=CORGI, more={"dev_mints": 3})} == found
    assert {"no_holder_count": 1} == unusable


def test_zeros_are_values_defect_5() -> None:
    stats = parse_one(
        holderCount=0,
        audit={"mintAuthorityDisabled": False, "devBalancePercentage": 0, "devMints": 0},
        stats24h={"numTraders": 0, "buyVolume": 0, "numBuys": 0},
        liquidity=0,
    )
    assert 0 == stats.holder_count
    assert {"mint_renounced": False, "dev_balance_percent": 0.0, "dev_mints": 0} == stats.more
    assert {"unique_traders_24h": 0, "liquidity_usd": 0.0} == stats.fillers
    assert {"24h": WindowStatistics(volume_usd=0.0, buys=0, unique_traders=0)} == stats.windows  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "venue"),
    [
        ("pump.fun", "pumpfun"),
        ("letsbonk.fun", "launchlab"),
        ("LetsBonk.fun ", "launchlab"),
        ("Raydium", "launchlab"),  # as a launch-pad it is no pool of Raydium's
        ("met-dbc", "meteora-dbc"),
        ("Believe", "meteora-dbc"),
    ],
)
def test_a_launchpad_is_the_curve_where_the_token_was_born(name: str, venue: str) -> None:
    assert venue == parse_one(launchpad=name).fillers["launchpad"]


@pytest.mark.parametrize("name", ["virtuals", "orca", "", 7, ["pump.fun"]])
def test_a_launchpad_that_is_none_of_ours_is_counted_and_left_out(name: object) -> None:
    found, unusable = parse_tokens([{"id": CORGI, "holderCount": 1, "launchpad": name}], [CORGI])
    assert {} == found[CORGI].fillers
    assert {"unknown_launchpad": 1} == unusable


@pytest.mark.parametrize(
    "icon",
    [
        "javascript:alert(1)",
        "data:image/svg+xml,<svg/>",
        "ipfs://bafkrei",
        "https://a b",
        "https://" + "x" * 600,
        "https://x\x00",
        5,
    ],
)
def test_an_icon_is_a_link_or_nothing(icon: object) -> None:
    assert {} == parse_one(holderCount=1, icon=icon).fillers


@pytest.mark.parametrize("share", [-1, 100.01, 1e9, "50", True, None, float("nan"), [5]])
def test_a_share_that_cannot_be_one_costs_only_itself(share: object) -> None:
    audit = {"topHoldersPercentage": share, "devBalancePercentage": 100, "devMints": 2**40}
    assert {"dev_balance_percent": 100.0} == parse_one(audit=audit, organicScore=share).more


@pytest.mark.parametrize("body", [{"code": 429}, "<html>", None, {"data": []}])
def test_an_answer_that_is_no_list_is_unavailable(body: object) -> None:
    with pytest.raises(SourceUnavailable):
        parse_tokens(body, [CORGI])


NAMES = [
    *("id", "holderCount", "icon", "launchpad", "audit", "stats5m", "stats24h", "organicScore"),
    *("mintAuthorityDisabled", "topHoldersPercentage", "devMints", "numBuys", "buyVolume", "mcap"),
    *("usdPrice", "totalSupply", "decimals", "liquidity", "priceChange", "volumeChange"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(CORGI),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=8)
    ),
)


@given(
    st.lists(JSON | st.dictionaries(st.sampled_from(NAMES), JSON).map(lambda e: {**e, "id": CORGI}))
)
def test_whatever_comes_is_read_or_left_out_within_its_bounds(body: list[Any]) -> None:
    found, _ = parse_tokens(body, [CORGI])
    for stats in found.values():
        assert stats.more or stats.fillers or stats.windows or stats.holder_count is not None
        for name in ("top_holders_percent", "dev_balance_percent", "organic_score"):
            assert 0 <= float(stats.more.get(name, 0)) <= 100
        for window in stats.windows.values():
            assert window.buys is None or 0 <= window.buys < 2**31
