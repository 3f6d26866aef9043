"""The feed's parameters: what they mean, and what is refused."""

from typing import Any
from unicodedata import normalize
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import QueryRefused
from domain.token import Status, Token
from domain.values import USDC, WRAPPED_SOL, UnixSeconds
from feed import token_columns
from feed.catalogue import Catalogue
from feed.orders import ORDERS
from feed.query import LISTS, STANDINGS, FeedQuery, find_matches, parse_query
from feed.search_text import to_search_text
from tests.unit.feed.tokens import NOW, make_statistics, make_token, mint_of, tokens


def catalogue_of(*history: Token) -> Catalogue:
    catalogue = Catalogue(limit=100_000)
    for token in history:
        catalogue.put_token(token)
    return catalogue


def found(catalogue: Catalogue, text: str, status: Status = Status.NEW) -> list[int]:
    """The numbers of the tokens that answer a query string."""
    numbers = {mint_of(number): number for number in range(20)}
    answers = find_matches(catalogue, parse_query(text), status, NOW)
    return [numbers[token.mint] for token in answers]


def test_without_parameters_fifty_tokens_a_list_hottest_first() -> None:
    assert FeedQuery(sort_by="hot", limit=50) == parse_query("")


def test_unknown_parameters_and_empty_values_are_ignored() -> None:
    assert FeedQuery() == parse_query("_=1722334455&cacheBuster=x&cacheBuster=y&minAge=&sortBy=")


PADS = "pumpfun, launchlab, meteora-dbc"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("limit=0", "limit must be a whole number from 1 to 100"),
        ("limit=101", "limit must be a whole number from 1 to 100"),
        ("limit=10.5", "limit must be a whole number from 1 to 100"),
        ("limit=%C2%B2", "limit must be a whole number from 1 to 100"),
        ("limit=" + "9" * 5000, "limit must be a whole number from 1 to 100"),
        ("minAge=old", "minAge must be a number"),
        ("maxMarketCap=nan", "maxMarketCap must be a finite number"),
        ("minVolume24h=1e999", "minVolume24h must be a finite number"),
        ("onlyWatched=maybe", "onlyWatched must be true or false"),
        ("sortBy=random", f"sortBy must be one of {', '.join(ORDERS)}"),
        ("searchQuery=" + "x" * 101, "searchQuery must be at most 100 characters"),
        ("limit=1&limit=2", "limit is given twice"),
        ("minSolToGraduate=nan", "minSolToGraduate must be a finite number"),
        ("maxSolToGraduate=-inf", "maxSolToGraduate must be a finite number"),
        ("maxTop10Holders=all", "maxTop10Holders must be a number"),
        ("maxTop10Holders=1&maxTop10Holders=2", "maxTop10Holders is given twice"),
        ("minLiquidity=0x10", "minLiquidityUsd must be a number"),
        ("minLiquidity=1&minLiquidity=1", "minLiquidity is given twice"),
        (
            "minLiquidity=1&minLiquidityUsd=1",
            "minLiquidity and minLiquidityUsd are the same: give one of them",
        ),
        ("minBuys5m=few", "minBuys5m must be a number"),
        ("creator=me", "creator must be an address, base58 of 32 bytes"),
        ("quote=EUR", "quote must be sol, usdc, usdt, usd1, or an address, base58 of 32 bytes"),
        ("launchpad=pump", f"launchpad must be some of {PADS}, separated by commas"),
        ("launchpad=pumpfun,raydium", f"launchpad must be some of {PADS}, separated by commas"),
        ("launchpad=" + "x," * 11, "launchpad must be at most 10, separated by commas"),
        ("requireSecurity=yes", "requireSecurity must be true or false"),
        ("dexPaid=2", "dexPaid must be true or false"),
        ("status=HOT", f"status must be one of {', '.join(STANDINGS)}"),
        ("status=NEW,BONDED", f"status must be one of {', '.join(STANDINGS)}"),
        ("status=NEW&status=NEW", "status is given twice"),
        ("searchQuery=%ff", "this query string cannot be read"),
        ("&".join(f"a{n}=1" for n in range(200)), "this query string cannot be read"),
    ],
)
def test_bad_values_are_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(QueryRefused) as refusal:
        parse_query(text)
    assert reason == refusal.value.reason


@given(st.text())
def test_any_query_string_is_parsed_or_refused(text: str) -> None:
    try:
        query = parse_query(text)
    except QueryRefused:
        return
    assert 1 <= query.limit <= 100


@pytest.mark.parametrize(
    ("sort_by", "values"),
    [
        ("hot", {"hot_score": [1.0, 3.0, 2.0]}),
        ("volume", {"volume_24h": [0.0, 9.0, 5.0]}),
        ("marketcap", {"market_cap_usd": [0.0, 9.0, 5.0]}),
        ("recent", {"last_trade_at": [NOW - 9, NOW, NOW - 5]}),
        ("graduating", {"bonding_curve_progress": [0.0, 79.0, 5.0]}),
        ("bonded", {"status_changed_at": [NOW - 9, NOW, NOW - 5]}),
        ("new", {"first_seen_at": [NOW - 9, NOW, NOW - 5]}),
        ("watched", {"watcher_count": [1, 3, 2]}),
        ("alphabetical", {"symbol": ["zeta", "Alpha", "beta"]}),
    ],
)
def test_each_sort_order_puts_its_greatest_or_first_in_front(
    sort_by: str, values: dict[str, list[Any]]
) -> None:
    ((name, column),) = values.items()
    catalogue = catalogue_of(
        *(make_token(n, **{name: value}) for n, value in enumerate(column, start=1))
    )
    assert found(catalogue, f"sortBy={sort_by}") == [2, 3, 1]


def test_unknown_values_come_last() -> None:
    catalogue = catalogue_of(make_token(1), make_token(2, volume_24h=0.0))
    assert found(catalogue, "sortBy=volume") == [2, 1]


@pytest.mark.parametrize(
    ("parameters", "values", "boundary", "outside"),
    [
        ("minLiquidityUsd=5&maxLiquidityUsd=7", "liquidity_usd", [5.0, 7.0], [4.9, 7.1]),
        ("minVolume24h=5&maxVolume24h=7", "volume_24h", [5.0, 7.0], [4.9, 7.1]),
        ("minMarketCap=5&maxMarketCap=7", "market_cap_usd", [5.0, 7.0], [4.9, 7.1]),
        ("minPriceUsd=5e-6&maxPriceUsd=7e-6", "price_usd", [5e-6, 7e-6], [4.9e-6, 7.1e-6]),
        ("minBondingProgress=0&maxBondingProgress=7", "bonding_curve_progress", [0.0, 7.0], [7.1]),
        ("minLiquidity=5&maxLiquidity=7", "liquidity_usd", [5.0, 7.0], [4.9, 7.1]),
        ("minSolToGraduate=0&maxSolToGraduate=7", "sol_to_graduate", [0.0, 7.0], [7.1]),
        ("minTop10Holders=5&maxTop10Holders=7", "top_holders_percent", [5.0, 7.0], [4.9, 7.1]),
        ("minAge=1&maxAge=2", "first_seen_at", [NOW - 60, NOW - 120], [NOW - 59, NOW - 121]),
    ],
)
def test_both_ends_of_a_range_belong_to_it_and_unknown_values_to_none(
    parameters: str, values: str, boundary: list[float], outside: list[float]
) -> None:
    within = [make_token(n, **{values: value}) for n, value in enumerate(boundary, start=1)]
    others = [make_token(n, **{values: value}) for n, value in enumerate(outside, start=10)]
    unknown = [] if values == "first_seen_at" else [make_token(5)]
    catalogue = catalogue_of(*within, *others, *unknown)
    assert set(range(1, len(within) + 1)) == set(found(catalogue, parameters))


@pytest.mark.parametrize(
    ("parameters", "values"),
    [
        ("requireTwitter=true", {"twitter": "https://x.com/a"}),
        ("requireTelegram=1", {"telegram": "https://t.me/a"}),
        ("requireWebsite=TRUE", {"website": "https://example.com"}),
        ("onlyWatched=true", {"watcher_count": 1}),
    ],
)
def test_what_is_required_must_be_there(parameters: str, values: dict[str, Any]) -> None:
    assert found(catalogue_of(make_token(1), make_token(2, **values)), parameters) == [2]


@pytest.mark.parametrize(
    "search", ["pep", "PEPE", "the+frog", "FROG", f"{mint_of(1)[:12]}", f"{mint_of(1)}"]
)
def test_a_search_matches_symbol_name_or_the_start_of_the_mint(search: str) -> None:
    catalogue = catalogue_of(
        make_token(1, symbol="Pepe", name="Pepe the Frog"), make_token(2**200, symbol="Dog")
    )
    assert found(catalogue, f"searchQuery={search}") == [1]


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize(
    ("name", "search"),
    [
        ("Pokémon Café", "mon café"),
        ("ＰＥＰＥ　ＣＯＩＮ", "pepe coin"),
        ("Diyarbakır", "BAKIR"),
        ("İSTANBUL", "istanbul"),
        ("ZÜRICH", "zürich"),
        ("❤\ufe0f Love", "❤ love"),
    ],
)
def test_a_search_finds_every_form_of_a_text(form: Any, name: str, search: str) -> None:
    for field in ("symbol", "name"):
        catalogue = catalogue_of(
            make_token(1, **{field: normalize(form, name)}), make_token(2, **{field: "Pokemon"})
        )
        for asked in (search, search.upper(), normalize("NFD", search)):
            assert found(catalogue, urlencode({"searchQuery": asked})) == [1]


def test_a_search_does_not_match_across_symbol_and_name() -> None:
    catalogue = catalogue_of(make_token(1, symbol="AB", name="CD"))
    for search in ("abcd", "b c", "b\nc", "b%0Ac"):
        assert found(catalogue, f"searchQuery={search}") == []


def test_a_search_follows_a_token_whose_name_becomes_known_and_is_forgotten_with_it() -> None:
    catalogue = catalogue_of(make_token(1))
    assert found(catalogue, "searchQuery=late") == []
    catalogue.put_token(make_token(1, name="Late"))
    assert found(catalogue, "searchQuery=late") == [1]
    catalogue.put_token(make_token(1, name="Late", holder_count=1))
    assert found(catalogue, "searchQuery=late") == [1]
    assert 1 == catalogue.prune_expired(UnixSeconds(NOW + 1e6), 10)
    assert found(catalogue, "searchQuery=late") == []


def test_search_texts_are_made_once_a_token_and_not_at_each_query(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []

    def make(text: str) -> str:
        made.append(text)
        return to_search_text(text)

    monkeypatch.setattr(token_columns, "to_search_text", make)
    catalogue = catalogue_of(*(make_token(n, symbol=f"S{n}", name=f"N{n}") for n in range(10)))
    for count in range(5):
        catalogue.put_token(make_token(1, symbol="S1", name="N1", holder_count=count))
        assert found(catalogue, "searchQuery=n1") == [1]
    assert 20 == len(made)


def test_a_range_that_holds_nothing_finds_nothing() -> None:
    catalogue = catalogue_of(make_token(1, liquidity_usd=5.0))
    assert [] == found(catalogue, "minLiquidity=6&maxLiquidity=4")


def test_an_empty_second_name_is_no_double() -> None:
    assert parse_query("minLiquidityUsd=5") == parse_query("minLiquidity=&minLiquidityUsd=5")
    assert parse_query("minLiquidityUsd=5") == parse_query("minLiquidity=5&minLiquidityUsd=")


@pytest.mark.parametrize(
    ("key", "order"),
    [
        ("hotScore", "hot"),
        ("volume24h", "volume"),
        ("firstSeenAt", "new"),
        ("stateChangedAt", "bonded"),
    ],
)
def test_an_order_can_be_asked_for_by_the_key_that_it_goes_by(key: str, order: str) -> None:
    assert FeedQuery(sort_by=order) == parse_query(f"sortBy={key}")


@pytest.mark.parametrize(
    ("freeze", "mint", "is_found"),
    [(True, True, True), (True, None, False), (None, True, False), (False, True, False)],
)
def test_security_is_required_of_both_authorities_and_unknown_is_not_secure(
    freeze: bool | None, mint: bool | None, is_found: bool
) -> None:
    catalogue = catalogue_of(make_token(1, freeze_revoked=freeze, mint_renounced=mint))
    assert is_found == bool(found(catalogue, "requireSecurity=true"))
    assert [1] == found(catalogue, "requireSecurity=false")


def test_texts_are_compared_as_wholes_and_several_may_be_given() -> None:
    catalogue = catalogue_of(
        make_token(1, launchpad="pumpfun", creator_wallet=mint_of(7), quote_mint=WRAPPED_SOL),
        make_token(2, launchpad="launchlab", creator_wallet=mint_of(8), quote_mint=USDC),
        make_token(3),
    )
    assert [1] == found(catalogue, "launchpad=PumpFun")
    assert [1, 2] == sorted(found(catalogue, "launchpad=launchlab, pumpfun,"))
    assert [] == found(catalogue, "launchpad=meteora-dbc")
    assert [2] == found(catalogue, f"creator={mint_of(8)}")
    assert [1] == found(catalogue, "quote=SOL")
    assert [2] == found(catalogue, f"quote={USDC}")
    assert [1, 2, 3] == sorted(found(catalogue, "launchpad=,&quote="))


def test_a_window_that_is_not_known_is_within_no_bounds() -> None:
    catalogue = catalogue_of(*(make_token(n) for n in (1, 2, 3)))
    catalogue.put_statistics(mint_of(1), make_statistics(buys=5, wash_score=0.5))
    catalogue.put_statistics(mint_of(2), make_statistics(sells=5))
    assert [1] == found(catalogue, "minBuys1h=0")
    assert [2] == found(catalogue, "maxSells5m=5")
    assert [1] == found(catalogue, "maxWashScore=0.5")
    catalogue.put_token(make_token(1, symbol="KNOWN"))
    assert [1] == found(catalogue, "minBuys24h=5&minBuys6h=5")


def test_a_row_that_is_used_again_has_none_of_its_figures() -> None:
    catalogue = Catalogue(limit=1)
    catalogue.put_token(make_token(1))
    catalogue.put_statistics(mint_of(1), make_statistics(buys=5))
    for number in (2, 3):  # the first leaves its row to the second of these
        catalogue.put_token(make_token(number, first_seen_at=UnixSeconds(NOW + number)))
        assert [] == found(catalogue, "minBuys5m=0")


def test_what_no_source_tells_of_can_be_required_of_no_token() -> None:
    catalogue = catalogue_of(make_token(1), make_token(2, status=Status.BONDED))
    assert [[], []] == [found(catalogue, "dexPaid=true", s) for s in (Status.NEW, Status.BONDED)]
    assert [1] == found(catalogue, "dexPaid=false")


STANDING = {  # a token of each standing
    "fresh": make_token(1),
    "traded": make_token(2, hot_score=0.0),
    "graduating": make_token(3, status=Status.GRADUATING),
    "bonded": make_token(4, status=Status.BONDED, silent=True),
    "dead new": make_token(5, silent=True),
    "dead graduating": make_token(6, status=Status.GRADUATING, silent=True, hot_score=1.0),
}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("NEW", {"fresh", "traded"}),
        ("new", {"fresh", "traded"}),
        ("LAUNCHING", {"fresh"}),
        ("ACTIVE", {"traded"}),
        ("GRADUATING", {"graduating"}),
        ("graduating", {"graduating"}),
        ("ABOUT_TO_BOND", {"graduating"}),
        ("BONDED", {"bonded"}),
        ("bonded", {"bonded"}),
        ("DEAD", {"dead new", "dead graduating"}),
        ("Dead", {"dead new", "dead graduating"}),
        ("", {"fresh", "traded", "graduating", "bonded"}),
    ],
)
def test_each_word_of_a_status_finds_its_tokens_in_the_list_of_their_state(
    word: str, expected: set[str]
) -> None:
    catalogue = catalogue_of(*STANDING.values())
    for status in Status:
        wanted = {STANDING[name].mint for name in expected if STANDING[name].status is status}
        answers = find_matches(catalogue, parse_query(f"status={word}"), status, NOW)
        assert wanted == {token.mint for token in answers}


@given(st.lists(tokens(st.integers(0, 15)), max_size=30), st.integers(1, 5))
def test_dead_tokens_come_in_the_order_asked_for(history: list[Token], limit: int) -> None:
    catalogue = catalogue_of(*history)
    for name, order in ORDERS.items():
        dead = [t for t in catalogue.tokens.values() if t.silent and t.status is Status.NEW]
        ranks = sorted((order.rule(token), token.mint) for token in dead)
        query = parse_query(f"status=DEAD&sortBy={name}&limit={limit}")
        answers = find_matches(catalogue, query, Status.NEW, NOW)
        assert [mint for _, mint in ranks][:limit] == [t.mint for t in answers]


def test_dead_tokens_are_in_no_list() -> None:
    catalogue = catalogue_of(make_token(1, silent=True))
    assert [found(catalogue, "", status) for status in LISTS.values()] == [[], [], []]


@given(st.lists(tokens(st.integers(0, 15)), max_size=30), st.integers(1, 5))
def test_the_limit_cuts_the_same_list_short(history: list[Token], limit: int) -> None:
    catalogue = catalogue_of(*history)
    whole = found(catalogue, "limit=100&onlyWatched=true")
    assert whole[:limit] == found(catalogue, f"limit={limit}&onlyWatched=true")
