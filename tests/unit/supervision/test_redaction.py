"""Redaction: no secret gets out, nothing is unbounded, everything is JSON."""

import math

import orjson
import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from supervision.redaction import DEEPEST, HIDDEN, LEAVES, LONGEST_TEXT, describe_value, redact_text


@frozen
class Account:
    name: str
    api_key: str
    note: str | None = None
    pin: int = field(default=1234, repr=False)


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wss://host/api/data?api-key=s3cret&x=1", "wss://host/api/data?api-key=[hidden]&x=1"),
        ("postgresql://user:s3cret@host:5432/db", "postgresql://[hidden]@host:5432/db"),
        ("redis://:s3cret@host/0", "redis://[hidden]@host/0"),
        ("password=s3cret user=me", "password=[hidden] user=me"),
        ('{"auth_token": "s3cret"}', '{"auth_token": "[hidden]"}'),
        ("Authorization: Bearer s3.cret", "Authorization: Bearer [hidden]"),
        ("TOKEN = s3cret", "TOKEN = [hidden]"),
        ("tokens=500, token_id=7", "tokens=500, token_id=7"),
        ("https://host/path?mint=abc", "https://host/path?mint=abc"),
    ],
)
def test_secrets_in_text_are_hidden(text: str, expected: str) -> None:
    assert expected == redact_text(text)


def test_long_text_is_cut() -> None:
    assert "x" * LONGEST_TEXT + "..." == redact_text("x" * 10_000_000)


def test_secret_that_a_cut_would_halve_is_hidden() -> None:
    assert "s3cret" not in redact_text("x" * 190 + " password=s3cret" * 50)


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
    assert leaves(describe_value(tree)) <= LEAVES + 2 * DEEPEST
