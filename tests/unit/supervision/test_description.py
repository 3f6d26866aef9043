"""Descriptions of any value: no secret gets out, nothing is unbounded, everything is JSON."""

import math

import orjson
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from config.redaction import HIDDEN
from supervision.description import (
    DEEPEST,
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


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError


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


def test_what_has_no_repr_is_named() -> None:
    assert "<Unprintable whose repr raises RuntimeError>" == describe_value(Unprintable())


trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
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
