"""SOL's price: three shapes that are read, and those that must not be."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SourceUnavailable
from domain.values import WRAPPED_SOL
from sources.sol_price import (
    COINGECKO_PATH,
    PYTH_PATH,
    PYTH_SOL_USD,
    JupiterSolPrice,
    parse_sol_usd,
)
from tests.unit.sources.answers import Upstream, ok
from tests.unit.sources.recordings import load


def pyth(price: object, exponent: object, feed: str = PYTH_SOL_USD) -> dict[str, Any]:
    return {"parsed": [{"id": feed, "price": {"price": price, "expo": exponent}}]}


@pytest.mark.parametrize(
    ("body", "price"),
    [
        (load("jupiter/price_v3_sol_bonk_2026-07-03.json"), 81.63299710462975),
        (load("sol-usd/coingecko_simple_price_solana.json"), 127.05),
        ({"solana": {"usd": 127}}, 127.0),
        ({WRAPPED_SOL: {"usdPrice": 81}}, 81.0),
        (pyth("18348721100", -8), 183.487211),
        (pyth("183", 0), 183.0),
        (pyth("18348721100", -8, "0x" + PYTH_SOL_USD.upper()), 183.487211),
    ],
)
def test_the_three_known_shapes_are_read(body: object, price: float) -> None:
    assert parse_sol_usd(body) == pytest.approx(price, rel=1e-12)


@pytest.mark.parametrize(
    "name",
    ["jupiter/price_v2_show_extra_info_2024-09.json", "jupiter/price_v2_vs_token_sol_2024-11.json"],
)
def test_another_version_of_the_api_is_an_error_not_a_constant_defect_8(name: str) -> None:
    """In the second of these SOL costs "1": it is priced in SOL."""
    with pytest.raises(SourceUnavailable):
        parse_sol_usd(load(name))


def test_other_feeds_of_pyth_are_not_sol() -> None:
    with pytest.raises(SourceUnavailable):
        parse_sol_usd(load("sol-usd/pyth_hermes_latest_near_eth_2026-07.json"))


@pytest.mark.parametrize("price", [0, -1, None, "81", True, 1e7, [], float("inf"), float("nan")])
def test_a_price_that_cannot_be_one_is_an_error(price: object) -> None:
    for body in ({"solana": {"usd": price}}, {WRAPPED_SOL: {"usdPrice": price}}):
        with pytest.raises(SourceUnavailable):
            parse_sol_usd(body)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        "<html>",
        {"code": 429},
        {WRAPPED_SOL: None},
        {"parsed": [None, {"id": 3}]},
        pyth("x", -8),
        pyth("5", None),
        pyth("5", 400),
        pyth("0", -8),
        pyth("-5", -8),
    ],
)
def test_anything_else_is_an_error(body: object) -> None:
    with pytest.raises(SourceUnavailable):
        parse_sol_usd(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([WRAPPED_SOL, "usdPrice", "solana", "usd", "parsed", "id"]), inner
        )
    ),
)


@given(JSON)
def test_a_price_is_always_positive_or_an_error(body: object) -> None:
    try:
        price = parse_sol_usd(body)
    except SourceUnavailable:
        return
    assert 0 < price < 1e6


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://lite-api.jup.ag", f"https://lite-api.jup.ag/price/v3?ids={WRAPPED_SOL}"),
        ("https://lite-api.jup.ag/", f"https://lite-api.jup.ag/price/v3?ids={WRAPPED_SOL}"),
        (
            "https://api.example/simple/price?ids=solana&vs_currencies=usd",
            "https://api.example/simple/price?ids=solana&vs_currencies=usd",
        ),
    ],
)
async def test_a_base_address_means_jupiter_a_full_one_is_asked_as_it_stands(
    url: str, asked: str
) -> None:
    upstream = Upstream([ok({"solana": {"usd": 127.05}})])
    assert await JupiterSolPrice(url=url, http=upstream.json_http()).fetch_sol_usd() == 127.05
    assert [str(request.url) for request in upstream.requests] == [asked]


async def test_pyth_and_coingecko_are_asked_at_their_own_paths() -> None:
    upstream = Upstream([ok(pyth("8160000000", -8)), ok({"solana": {"usd": 127}})])
    http = upstream.json_http()
    for path in (PYTH_PATH, COINGECKO_PATH):
        await JupiterSolPrice(url="https://x.test", http=http, path=path).fetch_sol_usd()
    assert [
        f"https://x.test/v2/updates/price/latest?ids[]={PYTH_SOL_USD}&parsed=true",
        "https://x.test/api/v3/simple/price?ids=solana&vs_currencies=usd",
    ] == [str(request.url).replace("%5B%5D", "[]") for request in upstream.requests]
