"""Recorded answers of DexScreener, and answers that are none."""

import copy
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import RateLimited, SourceUnavailable
from domain.token import UPDATE_FIELDS
from domain.trading import WindowStatistics
from domain.values import Mint, Usd
from sources import MarketQuote
from sources.dexscreener import DexScreener, parse_pairs
from tests.unit.sources.answers import Upstream, ok
from tests.unit.sources.recordings import load

KOLPACKS = Mint("FtvDpvtyVepN9YFhwymwQRC3oEuig57kiDxBSMgkpump")
PXMR = Mint("B5R7Xt9pXBHDAs2jkJ67nM2Wwch1napBsdzMxk56qpJk")
ONE_PERCENT = Mint("Dvx47FCHEa77thmxtgzfyx35vq3cPvy2D7mZfpCzVwUP")
WHALE = Mint("CS2T1HQRPCXaYR5V3SNDb5ceERwZg1Nb5uuw6Dg5hpsn")
BONK = Mint("DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263")
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
MIXED = [KOLPACKS, PXMR, ONE_PERCENT, WHALE]


def curve_pair(**changes: object) -> dict[str, Any]:
    """The recorded pair on pump.fun's curve; `...` takes a key away."""
    pair = copy.deepcopy(load("dexscreener/tokens_v1_mixed_dexids.json")[0]) | changes
    return {key: value for key, value in pair.items() if value is not ...}


def quote(*pairs: object) -> MarketQuote:
    quotes, _ = parse_pairs(list(pairs), [KOLPACKS])
    return quotes[KOLPACKS]


def window(volume: float, buys: int, sells: int, change: float) -> WindowStatistics:
    return WindowStatistics(volume_usd=Usd(volume), buys=buys, sells=sells, price_change=change)


def test_windows_of_which_nothing_is_told_are_absent_and_zeros_are_told() -> None:
    pair = curve_pair(
        volume={"m5": 0, "h1": None, "h6": "7", "h24": -1},
        txns={"m5": {"buys": 0}, "h1": [], "h6": None},
        priceChange=...,
    )
    assert {"5m": WindowStatistics(volume_usd=Usd(0.0), buys=0)} == quote(pair).windows


def test_the_recorded_mix_of_venues_is_read_in_full() -> None:
    quotes, refused = parse_pairs(load("dexscreener/tokens_v1_mixed_dexids.json"), MIXED)
    assert set(quotes) == set(MIXED)
    assert not refused
    assert quotes[PXMR] == MarketQuote(
        mint=PXMR,
        values={
            "price_usd": 0.00004282,
            "market_cap_usd": 41006.0,
            "liquidity_usd": 17075.29,
            "volume_24h": 321032.34,
            "volume_24h_sol": 321032.34 / (0.00004282 / 0.0000003605),
            "price_change_24h": -12.2,
            "buys_24h": 3352,
            "sells_24h": 2534,
            "tx_count_24h": 5886,
            "pool_address": "G5sqxttkSJv5wcj47Y4CPRDuqsPCZy7jCLuBQ7MyXhJ9",
            "pool_type": "pumpswap",
            "pool_created_at": 1790624360.0,
            "image_url": "https://cdn.dexscreener.com/cms/images/sUB77XQ-gjOovXz0?width=800&height=800&quality=95&format=auto",
            "website": "https://white-near-flamingo-764.mypinata.cloud/ipfs/bafkreidtgsmdi27asz42whrppdhftl6mtmqjearipl3iswdieqdmrjon5e",
            "twitter": "https://x.com/CryptoMagnus10/status/2104670980920750383",
        },
        traded_lately=True,
        sol_usd=0.00004282 / 0.0000003605,  # type: ignore[arg-type]
        windows={
            "5m": window(12083.14, 120, 54, 98.24),
            "1h": window(196206.6, 2026, 1535, -12.98),
            "6h": window(321032.34, 3352, 2534, -12.2),
            "24h": window(321032.34, 3352, 2534, -12.2),
        },
    )


def test_a_pair_on_a_curve_has_no_liquidity_and_no_pool() -> None:
    body = load("dexscreener/token_pairs_v1_bonding_curve_only_no_liquidity.json")
    quotes, _ = parse_pairs(body, [KOLPACKS])
    values = quotes[KOLPACKS].values
    assert {"liquidity_usd", "pool_address", "pool_type", "pool_created_at"}.isdisjoint(values)
    assert values["market_cap_usd"] == 3434.65
    assert values["volume_24h"] == 62342.04
    assert values["tx_count_24h"] == 735 + 633
    assert values["website"] == "https://kolpacks.fun"
    assert quotes[KOLPACKS].sol_usd == pytest.approx(118.74, abs=0.01)


def test_a_label_tells_the_kind_of_raydium_pool() -> None:
    quotes, _ = parse_pairs(load("dexscreener/tokens_v1_mixed_dexids.json"), MIXED)
    assert quotes[WHALE].values["pool_type"] == "raydium-clmm"
    assert quotes[WHALE].values["telegram"] == "https://t.me/thewhalemonkey"
    assert "pool_type" not in quotes[ONE_PERCENT].values


def test_a_pair_priced_against_an_odd_quote_does_not_speak_for_a_token() -> None:
    """Recorded: the most liquid pair, BONK against MET, is priced 5,000 times too high."""
    body = load("dexscreener/latest_dex_tokens_bonk_2026-07-03.json")
    quotes, _ = parse_pairs(body, [BONK])
    assert quotes[BONK].values["price_usd"] == 0.000004502
    assert quotes[BONK].values["market_cap_usd"] == 396173734
    assert quotes[BONK].sol_usd == pytest.approx(81.74, abs=0.01)


def test_every_value_has_the_name_of_a_field() -> None:
    quotes, _ = parse_pairs(load("dexscreener/tokens_v1_mixed_dexids.json"), MIXED)
    for each in quotes.values():
        assert set(each.values) <= set(UPDATE_FIELDS)


def test_a_heartbeat_of_another_route_is_no_answer() -> None:
    with pytest.raises(SourceUnavailable):
        parse_pairs(load("dexscreener/ws_token_profiles_heartbeat_frame.json"), MIXED)


def test_zeros_are_kept_defect_5() -> None:
    found = quote(
        curve_pair(
            priceUsd="0",
            marketCap=0,
            fdv=5,
            liquidity={"usd": 0},
            volume={"h24": 0},
            priceChange={"h24": 0},
            txns={"h24": {"buys": 0, "sells": 0}, "m5": {"buys": 0, "sells": 0}},
        )
    )
    zeros = ["price_usd", "market_cap_usd", "liquidity_usd", "volume_24h", "price_change_24h"]
    zeros += ["buys_24h", "sells_24h", "tx_count_24h"]
    assert {name: found.values[name] for name in zeros} == dict.fromkeys(zeros, 0)
    assert not found.traded_lately


@pytest.mark.parametrize("value", [..., None, "x", [], {}, True])
def test_absent_and_unusable_fields_are_absent(value: object) -> None:
    names = ["priceUsd", "priceNative", "marketCap", "fdv", "liquidity", "volume", "priceChange"]
    found = quote(curve_pair(**dict.fromkeys([*names, "txns", "info", "pairCreatedAt"], value)))
    assert found == MarketQuote(mint=KOLPACKS, values={}, traded_lately=False)


def test_the_fully_diluted_value_stands_in_for_a_missing_cap() -> None:
    assert quote(curve_pair(marketCap=..., fdv=7)).values["market_cap_usd"] == 7


def test_a_pool_beats_the_dead_curve_pair_however_liquid_that_is() -> None:
    pool = curve_pair(dexId="pumpswap", marketCap=500_000, liquidity={"usd": 1})
    dead = curve_pair(marketCap=48_000, liquidity={"usd": 10_000_000})
    for pairs in ([pool, dead], [dead, pool]):
        assert quote(*pairs).values["market_cap_usd"] == 500_000


def test_among_pools_the_most_liquid_speaks() -> None:
    deep = curve_pair(dexId="raydium", marketCap=1, liquidity={"usd": 900})
    shallow = curve_pair(dexId="orca", marketCap=2, liquidity={"usd": 30})
    unknown = curve_pair(dexId="fluxbeam", marketCap=3, liquidity={"usd": 40})
    assert quote(shallow, deep, unknown).values["pool_type"] == "raydium"
    assert quote(shallow, unknown).values["market_cap_usd"] == 3


def test_a_pair_with_the_token_as_its_quote_is_refused() -> None:
    pair = curve_pair()
    pair["baseToken"], pair["quoteToken"] = pair["quoteToken"], pair["baseToken"]
    quotes, refused = parse_pairs([pair], [KOLPACKS])
    assert quotes == {}
    assert refused == {"other_base": 1}


def test_the_price_of_sol_comes_from_pairs_against_sol_only() -> None:
    found = quote(curve_pair(quoteToken={"address": USDC}))
    assert found.sol_usd is None
    assert "volume_24h_sol" not in found.values


@pytest.mark.parametrize("native", ["0", 0, "", None])
def test_a_price_of_zero_in_sol_implies_no_price_of_sol(native: object) -> None:
    assert quote(curve_pair(priceNative=native)).sol_usd is None


def test_bad_entries_cost_only_themselves() -> None:
    bad: list[object] = [
        None,
        5,
        "x",
        [],
        {},
        curve_pair(chainId="ethereum"),
        curve_pair(baseToken=None),
    ]
    quotes, refused = parse_pairs([*bad, curve_pair()], [KOLPACKS])
    assert set(quotes) == {KOLPACKS}
    assert refused == {"not_an_object": 4, "other_chain": 2, "other_base": 1}


def test_links_of_other_schemes_are_dropped() -> None:
    info = {
        "imageUrl": "data:image/png;base64,AAAA",
        "websites": [{"url": "javascript:alert(1)"}, 5, {"url": "https://second.example"}],
        "socials": [{"type": "twitter", "url": "x.com/a"}, {"type": ["telegram"]}, None],
    }
    values = quote(curve_pair(info=info)).values
    assert "image_url" not in values
    assert "twitter" not in values
    assert values["website"] == "https://second.example"


@pytest.mark.parametrize("body", ["<html>400</html>", 5, {"error": "x"}, {"pairs": "x"}])
def test_an_answer_of_another_shape_is_unavailable(body: object) -> None:
    with pytest.raises(SourceUnavailable):
        parse_pairs(body, MIXED)


@pytest.mark.parametrize("body", [[], {"pairs": None}, {"pairs": []}])
def test_unknown_mints_are_left_out(body: object) -> None:
    assert parse_pairs(body, MIXED) == ({}, {})


async def test_one_request_names_all_mints() -> None:
    upstream = Upstream([ok(load("dexscreener/tokens_v1_mixed_dexids.json"))])
    provider = DexScreener(url="https://api.dexscreener.com/", http=upstream.json_http())
    quotes = await provider.fetch_quotes(MIXED)
    assert set(quotes) == set(MIXED)
    address = "https://api.dexscreener.com/tokens/v1/solana/" + ",".join(MIXED)
    assert [str(request.url) for request in upstream.requests] == [address]
    assert provider.mints_per_request == 30


async def test_no_mints_take_no_request() -> None:
    upstream = Upstream([ok([])])
    provider = DexScreener(url="https://api.dexscreener.com", http=upstream.json_http())
    assert await provider.fetch_quotes([]) == {}
    assert upstream.requests == []


async def test_refused_pairs_are_counted() -> None:
    provider = DexScreener(url="https://x.example", http=Upstream([ok([1, 2])]).json_http())
    await provider.fetch_quotes(MIXED)
    assert provider.unusable == {"not_an_object": 2}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(400, content=b'"<!DOCTYPE html><html></html>"'), SourceUnavailable),
        (httpx.Response(429), RateLimited),
        (ok("<!DOCTYPE html><html></html>"), SourceUnavailable),
    ],
)
async def test_refusals_of_the_provider_are_errors(
    answer: httpx.Response, error: type[Exception]
) -> None:
    provider = DexScreener(url="https://x.example", http=Upstream([answer]).json_http())
    with pytest.raises(error):
        await provider.fetch_quotes(MIXED)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*curve_pair(), "labels", "liquidity"]), JSON))
def test_a_pair_with_any_values_harms_nothing(changes: dict[str, Any]) -> None:
    broken = curve_pair() | changes
    quotes, _ = parse_pairs([broken, curve_pair(baseToken={"address": PXMR})], [KOLPACKS, PXMR])
    assert PXMR in quotes
