"""What is kept of a value: enough digits, the same everywhere, and never less on a second look."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from domain.precision import round_token, round_value
from domain.token import UPDATE_FIELDS
from domain.values import UnixSeconds
from tests.unit.domain.tokens import BIRTH, token

finite = st.floats(-3.3e38, 3.3e38)


def test_prices_keep_six_significant_digits() -> None:
    assert round_value("price_usd", 0.000012345678) == 0.0000123457
    assert round_value("market_cap_usd", 123456789.0) == 123457000.0


def test_scores_keep_four_decimals_however_large() -> None:
    assert (
        round_value("hot_score", 33561.12345) == 33561.1234
    )  # the nearest double is below the half
    assert round_value("hot_score", 5_000_000.00004) == 5_000_000.0


def test_times_keep_the_second_they_fell_in() -> None:
    assert round_value("last_trade_at", BIRTH + 0.999) == BIRTH


def test_what_is_no_float_stays_as_it_is() -> None:
    for value in (7, True, "text"):
        assert round_value("price_usd", value) is value
    assert round_value("price_usd", float("inf")) == float("inf")


@given(st.sampled_from(UPDATE_FIELDS), finite)
def test_keeping_again_changes_nothing(name: str, value: float) -> None:
    once = round_value(name, value)
    assert round_value(name, once) == once


@given(finite)
def test_four_bytes_hold_what_is_kept_of_a_number(value: float) -> None:
    """A column of type real gives it back when it is read with six digits."""
    once = round_value("price_usd", value)
    assert isinstance(once, float)
    (single,) = struct.unpack("f", struct.pack("f", once))
    assert float(f"{single:.6g}") == once


def test_a_token_keeps_its_birth_exactly_and_its_values_as_kept() -> None:
    born = token(first_seen_at=UnixSeconds(BIRTH + 0.123456), sol_raised=1.23456789)
    rounded = round_token(born)
    assert (rounded.first_seen_at, rounded.sol_raised) == (BIRTH + 0.123456, 1.23457)
    assert round_token(rounded) is rounded
