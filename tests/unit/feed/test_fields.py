"""Header fields: lists, entity tags and content codings, as RFC 9110 reads them."""

import pytest

from feed.fields import (
    choose_encoding,
    has_token,
    list_members,
    matches_strongly,
    matches_weakly,
)


@pytest.mark.parametrize(
    ("value", "members"),
    [
        ("", []),
        ("a", ["a"]),
        (" a ,\tb", ["a", "b"]),
        ("a,,  ,b,", ["a", "b"]),
        ('"a,b", W/"c"', ['"a,b"', 'W/"c"']),
        ('"a\\",b", c', ['"a\\",b"', "c"]),
        ('"open, c', ['"open, c']),
    ],
)
def test_a_list_is_split_at_its_commas_and_empty_members_are_ignored(
    value: str, members: list[str]
) -> None:
    assert members == list_members(value)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("upgrade", True),
        ("keep-alive, Upgrade", True),
        ("UPGRADE , keep-alive", True),
        ("no-upgrade", False),
        ("upgraded", False),
        ("", False),
    ],
)
def test_a_token_is_a_whole_member_in_any_case(value: str, found: bool) -> None:
    assert found == has_token(value, "upgrade")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('"x"', True),
        ('W/"x"', True),
        ('"a", "x"', True),
        ('"a",W/"x" , "b"', True),
        ("*", True),
        (" * ", True),
        ('"X"', False),
        ('w/"x"', False),
        ("x", False),
        ('"a,"x"', False),
        ('"a", "b"', False),
        ("", False),
    ],
)
def test_if_none_match_compares_weakly(value: str, found: bool) -> None:
    assert (found, found) == (matches_weakly(value, '"x"'), matches_weakly(value, 'W/"x"'))


@pytest.mark.parametrize(
    ("value", "found"),
    [('"x"', True), ('"a", "x"', True), ("*", True), ('W/"x"', False), ('"a"', False), ("", False)],
)
def test_if_match_compares_strongly(value: str, found: bool) -> None:
    assert found == matches_strongly(value, '"x"')


def test_a_weak_tag_never_matches_strongly() -> None:
    assert not matches_strongly('W/"x", "x"', 'W/"x"')


@pytest.mark.parametrize(
    ("accepted", "large", "small"),
    [
        (None, "identity", "identity"),
        ("", "identity", "identity"),
        ("gzip", "gzip", "identity"),
        ("GZIP", "gzip", "identity"),
        ("x-gzip", "gzip", "identity"),
        ("*", "gzip", "identity"),
        ("br, gzip;q=0.2", "gzip", "identity"),
        ("deflate, gzip ; Q=1.000", "gzip", "identity"),
        ("gzip;q=0.001", "gzip", "identity"),
        ("br", "identity", "identity"),
        ("gzip;q=0", "identity", "identity"),
        ("gzip;q=0.000, *", "identity", "identity"),
        ("*;q=1, gzip;q=0", "identity", "identity"),
        ("gzip;q=0.5, identity", "identity", "identity"),
        ("gzip;q=0.5, identity;q=0.5", "gzip", "identity"),
        ("gzip;q=nonsense", "identity", "identity"),
        ("gzip;q=2", "identity", "identity"),
        ("identity;q=0, gzip", "gzip", "gzip"),
        ("gzip, *;q=0", "gzip", "gzip"),
        ("*, identity;q=0", "gzip", "gzip"),
        ("identity;q=0", None, None),
        ("*;q=0", None, None),
        ("br, *;q=0", None, None),
        ("gzip;q=0, identity;q=0", None, None),
        ("identity, *;q=0", "identity", "identity"),
    ],
)
def test_the_coding_is_what_the_client_takes_and_prefers(
    accepted: str | None, large: str | None, small: str | None
) -> None:
    assert large == choose_encoding(accepted, prefer_gzip=True)
    assert small == choose_encoding(accepted, prefer_gzip=False)
