"""Every field of a token has one place, one type, and one value back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import RowsRefused
from domain.precision import round_value
from domain.token import FIELDS, IDENTITY_FIELDS, UPDATE_FIELDS, Status, Token
from domain.values import Mint, UnixSeconds, Value
from store.columns import (
    BIRTH_FIELDS,
    CHANGE_TABLES,
    KINDS,
    PROFILE_FIELDS,
    STATS_FIELDS,
    TOKEN_FIELDS,
    Kind,
    convert_value,
    find_period,
    has_fitting_types,
    keep_first_of_each,
    list_later_values,
    make_token_row,
    render_difference,
    to_stored_token,
)
from store.reading import token_from_record

BARE = Token(mint=Mint("m"), first_seen_at=UnixSeconds(1.76e9))


def token(**values: Any) -> Token:
    return Token(mint=Mint("m"), first_seen_at=UnixSeconds(1.76e9), **values)


def test_every_field_that_changes_stands_in_exactly_one_table() -> None:
    assert sorted(UPDATE_FIELDS) == sorted(STATS_FIELDS + PROFILE_FIELDS)
    assert set(TOKEN_FIELDS) == (set(IDENTITY_FIELDS) - {"id"}) | set(BIRTH_FIELDS)
    assert CHANGE_TABLES == {"token_stats": STATS_FIELDS, "token_profile": PROFILE_FIELDS}


def test_hot_rows_hold_no_text() -> None:
    assert Kind.TEXT not in {KINDS[name] for name in STATS_FIELDS}


def test_kinds_follow_from_the_annotations_of_the_domain() -> None:
    names = ("mint", "price_usd", "first_seen_at", "holder_count", "silent", "status", "mint")
    assert [KINDS[name] for name in names] == [
        Kind.TEXT,
        Kind.NUMBER,
        Kind.PRECISE,
        Kind.INTEGER,
        Kind.FLAG,
        Kind.STATUS,
        Kind.TEXT,
    ]
    assert FIELDS.keys() == KINDS.keys()


def test_a_token_as_it_is_born_needs_one_row_only() -> None:
    newborn = token(bonding_curve_progress=0.0, pool_type="pumpfun", sol_raised=0.0)
    assert list_later_values(newborn) == {}
    assert make_token_row(newborn) == {
        "period": 244_444,
        "mint": "m",
        "first_seen_at": 1.76e9,
        "bonding_curve_progress": 0.0,
        "sol_raised": 0.0,
        "pool_type": "pumpfun",
    }


def test_what_a_token_has_beyond_its_birth_is_kept_apart() -> None:
    assert list_later_values(token(status=Status.BONDED, price_usd=0.0, silent=False)) == {
        "status": 2,
        "price_usd": 0.0,
    }


def test_a_birth_is_the_first_update() -> None:
    assert to_stored_token(BARE).last_updated_at == BARE.first_seen_at
    later = UnixSeconds(BARE.first_seen_at + 5)
    assert to_stored_token(token(price_usd=1.0, last_updated_at=later)).last_updated_at == later


def test_the_first_of_each_mint_counts() -> None:
    first, again = token(name="first"), token(name="again")
    assert keep_first_of_each([first, again]) == {first.mint: first}


@pytest.mark.parametrize(
    ("moment", "period"),
    [(1_759_968_000.0 - 0.001, 244_439), (1_759_968_000.0, 244_440), (1_577_836_800.0, 219_144)],
)
def test_periods_are_two_hours_from_midnight_utc(moment: float, period: int) -> None:
    assert find_period(UnixSeconds(moment)) == period


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_moment_has_a_period_or_is_refused(moment: float) -> None:
    try:
        period = find_period(UnixSeconds(moment))
    except RowsRefused:
        return
    assert 219_144 <= period < 520_000


@given(st.floats(-1e38, 1e38).map(lambda value: round_value("price_usd", value)))
def test_a_number_is_kept_as_domain_precision_has_it(value: Value) -> None:
    assert convert_value("price_usd", value) == value


@given(st.integers())
def test_an_integer_is_kept_as_it_is_or_refused_by_its_range(value: int) -> None:
    if -(2**31) <= value < 2**31:
        assert convert_value("holder_count", value) == value
    else:
        with pytest.raises(RowsRefused, match=f"holder_count: {value} is out of range"):
            convert_value("holder_count", value)


@given(st.text())
def test_text_is_kept_as_it_is_or_refused_for_nul(value: str) -> None:
    try:
        kept = convert_value("twitter", value)
    except RowsRefused:
        assert "\x00" in value
    else:
        assert kept == value
        assert "\x00" not in value


def test_a_record_becomes_a_token() -> None:
    values = {name: getattr(to_stored_token(BARE), name) for name in FIELDS}
    record = [*(values | {"id": 7, "status": 1, "previous_status": 0}).values()]
    expected = token(
        id=7, status=Status.GRADUATING, previous_status=Status.NEW, last_updated_at=1.76e9
    )
    assert token_from_record(record) == expected


def test_only_what_differs_is_kept_of_a_change() -> None:
    assert (
        render_difference("holder_count", "new", "old", 0)
        == "nullif(new.holder_count, old.holder_count)"
    )
    assert render_difference("status", "new", "old", 0) == (
        "CASE WHEN old.status IS NULL OR new.status > old.status THEN new.status END"
    )


def test_a_dead_band_is_for_numbers_only() -> None:
    assert "* 0.01" in render_difference("price_usd", "new", "old", 0.01)
    for name in ("holder_count", "hot_score", "last_trade_at", "silent", "status"):
        assert render_difference(name, "new", "old", 0.01) == render_difference(
            name, "new", "old", 0
        )


def test_values_go_as_they_are_when_their_types_are_the_columns() -> None:
    assert has_fitting_types("price_usd", (1.5, 2))
    assert has_fitting_types("holder_count", (1, 2))
    assert has_fitting_types("twitter", ("t",))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("holder_count", 5.0),
        ("holder_count", True),
        ("silent", 1),
        ("price_usd", "1.5"),
        ("price_usd", True),
        ("twitter", 5),
        ("status", 1),
    ],
)
def test_values_of_other_types_are_looked_at_closely(name: str, value: Value) -> None:
    assert not has_fitting_types(name, (value,))
