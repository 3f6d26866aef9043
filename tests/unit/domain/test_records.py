"""Records: quick ways to make them, which make what their class makes."""

from typing import Any

from attrs import fields
from hypothesis import given
from hypothesis import strategies as st

from domain.records import make_copier, make_filler
from domain.token import FIELDS, Token
from domain.values import Mint, UnixSeconds

TOKENS = st.builds(
    Token,
    mint=st.text().map(Mint),
    first_seen_at=st.floats(allow_nan=False).map(UnixSeconds),
    symbol=st.none() | st.text(),
    hot_score=st.none() | st.floats(allow_nan=False),
)
fill_token = make_filler(Token, FIELDS)
copy_token = make_copier(Token)


def list_values(token: Token) -> dict[str, Any]:
    return {each.name: getattr(token, each.name) for each in fields(Token)}


@given(TOKENS)
def test_a_filled_record_has_the_values_and_the_defaults_of_the_others(token: Token) -> None:
    filled = fill_token([getattr(token, name) for name in FIELDS])
    assert list_values(token) == list_values(filled)


@given(TOKENS)
def test_a_copy_is_equal_and_another_object(token: Token) -> None:
    copy = copy_token(token)
    assert copy is not token
    assert list_values(token) == list_values(copy)
