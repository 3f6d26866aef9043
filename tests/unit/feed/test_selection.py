"""Queries by columns answer what a look at every token would, whatever came and went before."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.messages import StatisticsPublished
from domain.token import Status, Token
from domain.values import USDC, WRAPPED_SOL, Mint, Sol, UnixSeconds, Usd
from feed.catalogue import Catalogue
from feed.orders import ORDERS
from feed.query import find_matches, parse_query
from feed.search_codes import make_search_code
from feed.search_text import to_search_text
from feed.selection import PROBED_ROWS
from feed.token_columns import NAME_BYTES, mint_key, name_keys
from tests.unit.feed.plain_scan import NUMBERS, REQUIRED, STANDING, Parameters, PlainScan
from tests.unit.feed.tokens import NOW, make_token, mint_of, statistics

RARE, WHOLE_LIST = 1 << 240, 100
# Few of the first eight characters, so that keys of mints tie.
MINTS = st.integers(0, 9).map(mint_of) | st.integers(0, 3).map(lambda n: mint_of(n * RARE))
NAMES = st.none() | st.sampled_from(
    [
        "",
        "A",
        "b",
        "Pepe",
        "PEPE ",
        "猫",
        "a\0",
        "pepe the first",
        "pepe the firstborn",
        "İ",
        "\ud800",
    ]
    + [f"a name of more than fifteen bytes, {end}" for end in "zyx"]
)
NUMBER = st.none() | st.sampled_from([0.0, 1.0, 1.5, 2.0, -1.0])
ODD_NUMBER = NUMBER | st.sampled_from([float("nan"), float("inf"), float("-inf")])
SECONDS = st.integers(0, 3).map(lambda n: UnixSeconds(NOW - 60.0004 + n / 2))
ODD_SECONDS = st.none() | SECONDS | st.sampled_from([-1.0, 1e300]).map(UnixSeconds)
COUNT = st.none() | st.integers(0, 2)
LAUNCHPADS = ["pumpfun", "launchlab"]
CREATORS = [mint_of(1), mint_of(2)]
FACT = st.none() | st.booleans()
LINK = st.sampled_from([None, "", "https://example.com"])

TOKENS = st.builds(
    Token,
    mint=MINTS,
    first_seen_at=SECONDS,
    symbol=NAMES,
    name=NAMES,
    status=st.sampled_from(Status),
    status_changed_at=ODD_SECONDS,
    silent=st.booleans(),
    bonding_curve_progress=NUMBER,
    sol_to_graduate=NUMBER,
    market_cap_usd=ODD_NUMBER.map(lambda n: n if n is None else Usd(n)),
    liquidity_usd=ODD_NUMBER.map(lambda n: n if n is None else Usd(n)),
    volume_24h=NUMBER.map(lambda n: n if n is None else Usd(n)),
    last_trade_at=ODD_SECONDS,
    top_holders_percent=NUMBER,
    hot_score=ODD_NUMBER,
    watcher_count=st.integers(0, 2),
    holder_count=COUNT,
    dev_balance_percent=NUMBER,
    dev_mints=COUNT,
    dev_migrations=COUNT,
    initial_buy_sol=NUMBER.map(lambda n: n if n is None else Sol(n)),
    sells_24h=COUNT,
    unique_traders_24h=COUNT,
    price_change_24h=ODD_NUMBER,
    launchpad=st.sampled_from([None, "", *LAUNCHPADS]),
    creator_wallet=st.sampled_from([None, *CREATORS]),
    quote_mint=st.sampled_from([None, WRAPPED_SOL, USDC]),
    freeze_revoked=FACT,
    mint_renounced=FACT,
    twitter=LINK,
    telegram=LINK,
    website=LINK,
)
FIGURES = statistics(
    wash_score=NUMBER, buys=COUNT, sells=COUNT, unique_traders=COUNT, price_change=ODD_NUMBER
)
NEWS = TOKENS | st.builds(
    StatisticsPublished, statistics=st.dictionaries(MINTS, FIGURES, min_size=1, max_size=3)
)
FILTERS: Mapping[str, list[str]] = {
    "status": sorted(STANDING),
    "searchQuery": ["p", "pe", "the", "PEPE", "b", "猫", "zz", "i", mint_of(1)[:3], mint_of(RARE)],
    **{name: ["true"] for name in REQUIRED},
    **{f"{end}{of}": ["0", "1", "1.5"] for end in ("min", "max") for of in NUMBERS},
    "launchpad": [*LAUNCHPADS, ",".join(LAUNCHPADS)],
    "creator": [*CREATORS],
    "quote": [WRAPPED_SOL, f"{USDC},{WRAPPED_SOL}"],
    "minAge": ["0.99", "1"],
    "maxAge": ["0.99", "1"],
}
# Few at once, so that something is found.
SOME_FILTERS = st.lists(
    st.sampled_from([(name, value) for name, values in FILTERS.items() for value in values]),
    max_size=2,
).map(dict)
SHAPES = st.fixed_dictionaries(
    {"sortBy": st.sampled_from(sorted(ORDERS)), "limit": st.sampled_from(["1", "2", "5", "100"])}
)
PARAMETERS = st.builds(lambda shape, filters: shape | filters, SHAPES, SOME_FILTERS)


def apply_news(catalogue: Catalogue, news: Token | StatisticsPublished) -> None:
    if isinstance(news, Token):
        catalogue.put_token(news)
    else:
        for mint, told in news.statistics.items():
            catalogue.put_statistics(mint, told)


def found(catalogue: Catalogue, parameters: Parameters, status: Status) -> list[Mint]:
    query = parse_query(urlencode(parameters))
    return [token.mint for token in find_matches(catalogue, query, status, NOW)]


@given(
    st.lists(NEWS, max_size=25),
    st.floats(0, 1.5),
    st.lists(NEWS, max_size=10),
    st.lists(PARAMETERS, min_size=1, max_size=12),
    st.integers(3, 20),
)
def test_queries_by_columns_answer_what_a_look_at_every_token_does(
    before: list[Token | StatisticsPublished],
    pruned_seconds: float,
    after: list[Token | StatisticsPublished],
    queries: list[Parameters],
    tracked: int,
) -> None:
    catalogue = Catalogue(tracked)
    for news in before:
        apply_news(catalogue, news)
    catalogue.prune_expired(UnixSeconds(NOW - 60.0004 + pruned_seconds + 48 * 3600), 100)
    for news in after:
        apply_news(catalogue, news)
    scan = PlainScan(list(catalogue.tokens.values()))
    for parameters in queries:
        for status in Status:
            expected = scan.find_mints(parameters, status, NOW)
            assert expected == found(catalogue, parameters, status)


def test_a_search_through_many_finds_the_first_in_order_whether_most_match_or_few() -> None:
    count = 4 * PROBED_ROWS
    names = {0: "rare", 7: "needle"}  # which hold letters that many hold, too
    tokens = [
        make_token(n, symbol=names.get(n % 1000, f"dealer {n % 10}"), hot_score=float(n % 97))
        for n in range(count)
    ]
    catalogue = Catalogue(count)
    for token in tokens:
        catalogue.put_token(token)
    scan = PlainScan(tokens)
    counts = []
    for search in ("dealer", "deal", "e", "rare", "needle", "dealer 3", "read", "r 3", "lae"):
        parameters = {"searchQuery": search, "limit": str(WHOLE_LIST)}
        expected = scan.find_mints(parameters, Status.NEW, NOW)
        assert expected == found(catalogue, parameters, Status.NEW)
        counts.append(len(expected))
    assert [100, 100, 100, 3, 3, 100, 0, 100, 0] == counts


def test_rows_of_tokens_that_have_gone_are_used_again() -> None:
    catalogue = Catalogue(limit=3)
    for number in range(50):
        catalogue.put_token(
            make_token(number, symbol=f"S{number}", first_seen_at=UnixSeconds(NOW + number))
        )
    assert [mint_of(n) for n in (49, 48, 47)] == found(catalogue, {"sortBy": "new"}, Status.NEW)
    assert [] == found(catalogue, {"searchQuery": "s46"}, Status.NEW)
    assert [mint_of(47)] == found(catalogue, {"searchQuery": "s47"}, Status.NEW)
    assert 4 == len(catalogue.selection.columns.mints)


@given(st.text(), st.text())
@example("a" * NAME_BYTES, "a" * NAME_BYTES + "b")
@example("a" * NAME_BYTES, "a" * (NAME_BYTES - 1) + "\0")
@example("a", "a\0")
@example("\ud800", "\ue000")
def test_keys_of_names_are_in_the_order_of_the_names(one: str, other: str) -> None:
    (*keys, is_whole), (*other_keys, _) = name_keys(one), name_keys(other)
    if keys == other_keys:
        assert one == other or not is_whole
    else:
        assert (one < other) == (keys < other_keys)


@given(st.text(max_size=12), st.text(max_size=12))
def test_keys_of_mints_are_in_the_order_of_the_mints_and_between_those_of_a_beginning(
    one: str, other: str
) -> None:
    if mint_key(one) != mint_key(other):
        assert (one < other) == (mint_key(one) < mint_key(other))
    assert mint_key(one) <= mint_key(one + other) <= mint_key(one, b"\xff")


@given(st.text(), st.text(), st.text())
def test_a_text_has_every_bit_of_what_it_holds(before: str, part: str, after: str) -> None:
    whole, held = make_search_code(before + part + after), make_search_code(part)
    assert held == tuple(bits & word for bits, word in zip(held, whole, strict=True))


@pytest.mark.parametrize("letter", "az09")
def test_a_search_for_one_letter_of_ascii_looks_at_no_other_text(letter: str) -> None:
    letters, _ = make_search_code(letter)
    others = [chr(code) for code in range(0x3000) if letter not in to_search_text(chr(code))]
    assert [] == [text for text in others if make_search_code(to_search_text(text))[0] & letters]


@pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="threads are listed by Linux alone"
)
def test_columns_bring_no_threads_of_their_own() -> None:
    program = "import os, feed.catalogue; print(len(os.listdir('/proc/self/task')))"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert b"1\n" == told.stdout
