"""A row of the owner's table becomes a token of ours, value by value."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.past.rows import find_differences, read_row, select_news
from domain.errors import MintRefused, RowsRefused
from domain.token import Status, Token, with_values
from domain.values import USDC, UnixSeconds

NOW = UnixSeconds(1_795_000_000.0)
BORN = Decimal("1794990000.123")
MINT = "3wt5SGySRNayXvR7N7izyCHfAfg378jTqfq9gQTSJEYd"


def a_row(**values: Any) -> dict[str, Any]:
    return {"mint": MINT, "firstSeenAt": BORN, "state": "new", "status": "LAUNCHING", **values}


def read(**values: Any) -> Token:
    return read_row(a_row(**values), NOW)


def stored(token: Token, **values: Any) -> Token:
    return with_values(token, values, UnixSeconds(token.last_updated_at or 0.0))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"state": "new", "status": "LAUNCHING"}, (Status.NEW, False)),
        ({"state": "new", "status": "ACTIVE"}, (Status.NEW, False)),
        ({"state": "new", "status": "ABOUT_TO_BOND"}, (Status.GRADUATING, False)),
        ({"state": "graduating", "status": "DEAD"}, (Status.GRADUATING, True)),
        ({"state": "bonded", "status": "ACTIVE"}, (Status.BONDED, False)),
        ({"state": "Bonded ", "status": " bonded"}, (Status.BONDED, False)),
        ({"state": "dead", "status": "DEAD"}, (Status.NEW, True)),
        ({"state": None, "status": None}, (Status.NEW, False)),
        ({"state": None, "status": "GRADUATING"}, (Status.GRADUATING, False)),
    ],
)
def test_state_and_status_are_a_status_and_a_silence(
    row: Mapping[str, Any], expected: tuple[Status, bool]
) -> None:
    token = read(**row)
    assert expected == (token.status, token.silent)


def test_birth_is_exact_to_the_millisecond_and_other_times_to_the_second() -> None:
    token = read(
        lastTradeTs=Decimal("1794990500.999"),
        stateChangedAt=Decimal("1794990400.5"),
        lastUpdatedAt=Decimal("1794990600.25"),
        poolCreatedAt=Decimal("1794990450.75"),
    )
    times = (token.last_trade_at, token.status_changed_at, token.pool_created_at)
    assert 1794990000.123 == token.first_seen_at
    assert [1794990500.0, 1794990400.0, 1794990450.0] == list(times)


@pytest.mark.parametrize(
    ("updated_at", "expected"),
    [(None, 1794990000.123), (Decimal(5), 1794990000.123), (Decimal(1_999_999_999), NOW)],
)
def test_the_last_update_lies_between_birth_and_now(
    updated_at: Decimal | None, expected: float
) -> None:
    assert expected == read(lastUpdatedAt=updated_at).last_updated_at


def test_numbers_have_six_digits_and_integers_are_whole() -> None:
    token = read(priceUsd=Decimal("0.000012345678901234567890"), holderCount=Decimal(7))
    assert (0.0000123457, 7) == (token.price_usd, token.holder_count)


def test_his_score_and_watchers_are_not_taken() -> None:
    token = read(hotScore=Decimal(87), watcherCount=12)
    assert (None, 0) == (token.hot_score, token.watcher_count)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"priceUsd": Decimal("NaN")}, "priceUsd: NaN is no number"),
        ({"priceUsd": float("nan")}, "price_usd: nan is out of range"),
        ({"priceUsd": "1e999"}, "priceUsd: 1e999 is no number"),
        ({"priceUsd": "dear"}, "priceUsd: 'dear' is not a number"),
        ({"marketCapUsd": Decimal(10) ** 60}, "market_cap_usd: 1e+60 is out of range"),
        ({"holderCount": Decimal("1.5")}, "holder_count: 1.5 is not whole"),
        ({"holderCount": True}, "holder_count: True is not a number"),
        ({"freezeRevoked": "yes"}, "freeze_revoked: 'yes' is neither true nor false"),
        ({"symbol": ["a"]}, "symbol: ['a'] is not text"),
        ({"state": 7}, "state: 7 is no state that is known"),
        ({"previousState": "?"}, "previousState: '?' is no state that is known"),
        ({"firstSeenAt": None}, "firstSeenAt: there is none"),
        ({"lastTradeTs": Decimal(1_999_999_999)}, "lastTradeTs: 1999999999 lies in the future"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(row: Mapping[str, Any], reason: str) -> None:
    with pytest.raises(RowsRefused) as refused:
        read(**row)
    assert reason == str(refused.value)


@pytest.mark.parametrize("mint", [None, 5, "", USDC, "pump"])
def test_what_is_no_coin_is_refused(mint: object) -> None:
    with pytest.raises(MintRefused):
        read(mint=mint)


def test_an_older_row_only_completes() -> None:
    his = read(priceUsd=Decimal(5), holderCount=7, symbol="HIS")
    ours = stored(read(symbol="OURS"), price_usd=9.0)
    assert {"holder_count": 7} == select_news(ours, his)


def test_a_newer_row_brings_its_values_but_not_another_birth() -> None:
    his = read(priceUsd=Decimal(5), symbol="HIS", lastUpdatedAt=BORN + 100)
    ours = stored(read(symbol="OURS"), price_usd=9.0)
    assert {"price_usd": 5.0} == select_news(ours, his)


def test_a_status_that_grew_takes_its_times_along_and_one_that_fell_says_nothing() -> None:
    bonded = read(state="bonded", previousState="graduating", stateChangedAt=BORN + 50)
    young = read()
    assert {
        "status": 2,
        "previous_status": 1,
        "status_changed_at": 1794990050.0,
    } == select_news(young, bonded)
    assert {} == select_news(bonded, read(lastUpdatedAt=BORN + 900))


numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**12)


@given(price=numbers, cap=numbers, volume=numbers, buys=st.integers(0, 2**31 - 1))
def test_what_was_taken_differs_in_nothing_and_brings_no_news(
    price: Decimal, cap: Decimal, volume: Decimal, buys: int
) -> None:
    token = read(priceUsd=price, marketCapUsd=cap, volume24hSol=volume, buys24h=buys)
    again = read(priceUsd=price, marketCapUsd=cap, volume24hSol=volume, buys24h=buys)
    assert ({}, {}) == (find_differences(token, again), select_news(token, again))


def test_a_difference_tells_both_values_under_his_name() -> None:
    his, ours = read(priceUsd=Decimal(5), state="graduating"), read(priceUsd=Decimal(6))
    assert {"priceUsd": (5.0, 6.0), "state": ("graduating", "new")} == find_differences(ours, his)
