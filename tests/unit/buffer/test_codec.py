"""Tokens and rows as JSON and back."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buffer.codec import decode_others, decode_token, encode_token, encode_values, is_plain
from domain.changes import ChangeColumns
from domain.token import FIELDS, Status, Token
from domain.values import Mint, UnixSeconds, Value, Version

NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
OTHER_FIELDS = FIELDS.keys() - {"mint", "first_seen_at", "status", "previous_status"}


@given(
    known=st.dictionaries(
        st.sampled_from(sorted(OTHER_FIELDS)), NUMBERS | st.booleans() | st.text(max_size=9)
    ),
    status=st.sampled_from(Status),
    previous_status=st.none() | st.sampled_from(Status),
)
def test_a_token_comes_back_exactly(
    known: dict[str, Any], status: Status, previous_status: Status | None
) -> None:
    token = Token(
        mint=Mint("A" * 44),
        first_seen_at=UnixSeconds(1_760_000_000.1234567),
        status=status,
        previous_status=previous_status,
        **known,
    )
    # The text of an object tells True from 1, and 1 from 1.0.
    assert repr(token) == repr(decode_token(orjson.loads(encode_token(token))))


def test_a_token_of_a_newer_release_loses_only_what_is_unknown_here() -> None:
    row = {"mint": "A" * 44, "first_seen_at": 1.5, "status": 1, "invented_later": 3}
    expected = Token(mint=Mint("A" * 44), first_seen_at=UnixSeconds(1.5), status=Status.GRADUATING)
    assert expected == decode_token(row)


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), NUMBERS | st.text(), min_size=1))
def test_a_value_is_the_json_that_orjson_reads_back(values: dict[str, Any]) -> None:
    numbers = {name: value for name, value in values.items() if name != "status"}
    texts = encode_values(numbers)
    assert list(map(repr, numbers.values())) == [repr(orjson.loads(text)) for text in texts]


def test_a_change_of_a_newer_release_loses_only_what_is_unknown_here() -> None:
    values = ['{"price_usd":1.5,"of_a_newer_release":2}', "{}"]
    mints, versions, times = [Mint("m"), Mint("n")], [Version(9)] * 2, [UnixSeconds(7.0)] * 2
    texts = ChangeColumns(mints, versions, [Version(8)] * 2, times, values)
    [change, other] = decode_others(texts, [0])
    assert ("m", 9, 8, 7.0, {"price_usd": 1.5}) == change
    assert {} == other.values


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("price_usd", -1.5e-7, True),
        ("price_usd", 3, True),
        ("price_usd", "3", False),
        ("price_usd", True, False),
        ("holder_count", -3, True),
        ("holder_count", 3.0, False),
        ("holder_count", 1e30, False),
        ("silent", True, True),
        ("silent", 1, False),
        ("status", 1, False),
        ("twitter", "t", False),
        ("pool_created_at", 1.0, False),
        ("of_a_newer_release", 1, False),
    ],
)
def test_a_value_of_the_type_of_a_field_that_changes_often_is_plain(
    name: str, value: Value, expected: bool
) -> None:
    assert expected == is_plain(name, orjson.dumps(value).decode())
