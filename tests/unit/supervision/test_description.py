"""Descriptions of any value: no secret gets out, nothing is unbounded, everything is JSON."""

import math
from collections import UserDict, deque
from collections.abc import ItemsView
from typing import NamedTuple

import orjson
import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from config.redaction import HIDDEN
from supervision.description import (
    DEEPEST,
    LONGEST_COLLECTION,
    LONGEST_TEXT,
    MOST_VALUES,
    describe_value,
    shorten_text,
)


@frozen
class Account:
    name: str
    api_key: str
    note: str | None = None
    pin: int = field(default=1234, repr=False)


class Sale(NamedTuple):
    name: str
    api_key: str = ""
    note: str | None = None


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError

    __str__ = __repr__


class Unreadable(UserDict[str, str]):
    def items(self) -> ItemsView[str, str]:
        raise RuntimeError


class Share(float):
    """orjson takes numbers of no class of their own."""


def test_long_text_is_cut() -> None:
    assert "x" * LONGEST_TEXT + "..." == shorten_text("x" * 10_000_000)


def test_secret_that_a_cut_would_halve_is_hidden() -> None:
    assert "s3cret" not in shorten_text("x" * 190 + " password=s3cret" * 50)


def test_address_that_a_cut_halves_is_hidden() -> None:
    shown = shorten_text("password=x" * 80 + " postgresql://me:s3cret@host")
    assert "s3c" not in shown


def test_attrs_object_shows_its_known_fields_without_secrets() -> None:
    expected = {"Account": {"name": "me", "api_key": HIDDEN, "pin": HIDDEN}}
    assert expected == describe_value(Account("me", "s3cret"))


def test_values_of_secret_keys_are_hidden_and_objects_under_them_shown() -> None:
    secrets = {"password": "s3cret", "token": Account("me", "s3cret"), "tokens": 5}
    shown = describe_value(secrets)
    assert isinstance(shown, dict)
    assert (HIDDEN, 5) == (shown["password"], shown["tokens"])
    assert "me" == shown["token"]["Account"]["name"]


def test_deep_trees_are_cut() -> None:
    tree: list[object] = []
    for _ in range(DEEPEST + 5):
        tree = [tree]
    assert "[" * DEEPEST + '"..."' + "]" * DEEPEST == orjson.dumps(describe_value(tree)).decode()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Unprintable(), "<Unprintable that raises RuntimeError>"),
        (Unreadable(a="b"), "<Unreadable that raises RuntimeError>"),
        ({Unprintable(): 1}, {"<Unprintable that raises RuntimeError>": 1}),
        (10**5000, "<a number of 16610 bits>"),  # Python refuses to write it in decimal digits
        (-(2**64), "-18446744073709551616"),
        ({10**5000: 1}, {"<a number of 16610 bits>": 1}),
        (Share(0.5), 0.5),
        (math.nan, "nan"),
        ("half of a pair: \ud83d", r"half of a pair: \ud83d"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_hostile_value_is_told_and_spares_those_beside_it(value: object, shown: object) -> None:
    described = describe_value([value, "beside it"])
    assert [shown, "beside it"] == orjson.loads(orjson.dumps(described))


def test_large_values_are_cut_before_they_are_looked_at() -> None:
    """Or these would take minutes: a `repr` of all, and a search for secrets in it."""
    shown = describe_value([b"\xff" * 100_000_000, deque(["x" * 100_000] * 100_000)])
    assert len(orjson.dumps(shown)) < LONGEST_TEXT * (LONGEST_COLLECTION + 5)


def test_secret_in_bytes_that_a_cut_would_halve_is_hidden() -> None:
    assert "s3cret" not in str(describe_value(b"x" * 190 + b" password=s3cret" * 50))


trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())  # with halves of surrogate pairs
    | st.binary()
    | st.sampled_from([math.inf, math.nan, object(), Account("a", "b")]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.tuples(inner, inner)
    ),
    max_leaves=50,
)


@given(trees)
def test_any_value_becomes_json(value: object) -> None:
    orjson.dumps(describe_value(value))


def leaves(value: object) -> int:
    if isinstance(value, dict):
        return 1 + sum(leaves(item) for item in value.values())
    if isinstance(value, list):
        return 1 + sum(leaves(item) for item in value)
    return 1


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
def test_any_tree_is_bounded(first: int, second: int, third: int) -> None:
    tree = [[list(range(third)) for _ in range(second)] for _ in range(first)]
    # The budget, and one mark of a cut for each collection that is still open.
    assert leaves(describe_value(tree)) <= MOST_VALUES + 2 * DEEPEST


def test_a_named_tuple_becomes_its_known_fields_and_hides_its_secrets() -> None:
    shown = describe_value([Sale("a", api_key="topsecret"), (1, 2)])
    assert [{"Sale": {"name": "a", "api_key": HIDDEN}}, [1, 2]] == shown
