import unicodedata
from collections.abc import Callable
from contextlib import suppress
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.fields import (
    JOINERS,
    decode_json,
    read_address,
    read_count,
    read_decimal,
    read_label,
    read_link,
    read_metadata_link,
    read_number,
    read_signed_number,
    read_sol,
    read_text,
    read_tokens,
)

NOT_NUMBERS: list[object] = [None, True, False, "1", [], {}, nan, inf, -inf, 1e31, 10**400, 1e-40]


@pytest.mark.parametrize("value", NOT_NUMBERS)
def test_what_is_no_usable_number_is_absent(value: object) -> None:
    assert read_number(value) is None
    assert read_signed_number(value) is None
    assert read_count(value) is None
    assert read_sol(value) is None
    assert read_tokens(value) is None


@pytest.mark.parametrize(("read", "greatest"), [(read_sol, 6e8), (read_tokens, 1e15)])
def test_an_amount_is_no_greater_than_it_can_be(
    read: Callable[[object], float | None], greatest: float
) -> None:
    assert [0.0, greatest, None, None] == [read(n) for n in (0, greatest, greatest * 1.001, -1)]


@pytest.mark.parametrize("value", [0, 0.0, 5, 5.5])
def test_numbers_are_kept_whether_whole_or_not(value: float) -> None:
    assert value == read_number(value)


def test_zero_is_a_value_not_an_absence_defect_5() -> None:
    assert read_number(0) == 0
    assert read_count(0) == 0
    assert read_decimal("0") == 0


def test_only_signed_numbers_may_be_negative() -> None:
    assert read_number(-1) is None
    assert read_signed_number(-1) == -1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.00000002954", 2.954e-8),
        ("150", 150.0),
        ("1e-7", 1e-7),
        ("-1", None),
        ("NaN", None),
        ("Infinity", None),
        ("1_000", None),
        ("٣", None),
        ("", None),
        ("1e999", None),
        (3, 3.0),
    ],
)
def test_decimal_text_is_read_as_a_number(text: object, value: float | None) -> None:
    assert value == read_decimal(text)


def test_a_count_is_whole_and_fits_postgres() -> None:
    assert read_count(3.0) == 3
    assert read_count(3.5) is None
    assert read_count(2**31 - 1) == 2**31 - 1
    assert read_count(2**31) is None


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (" Liberty", "Liberty"),
        ("Cash Elon ", "Cash Elon"),
        (" ", None),
        ("", None),
        ("\u3000", None),
        ("\u200b\u200b", None),
        ("a\x00b\nc", "ab c"),
        ("two\r\n\tlines", "two lines"),
        ("tab\there", "tab here"),
        ("a  b \n c", "a b c"),
        ("\nfirst\x0b\x0c\x1clast\x85", "first last"),
        ("a\u2028b\u2029c\u00a0d\u3000e", "a b c d e"),
        ("a\u200bb\u00adc\ufeffd", "abcd"),
        ("a \u200b b", "a b"),
        ("\u202egpj.exe", "gpj.exe"),
        ("a\u202ab\u202bc\u202cd\u202de\u2066f\u2067g\u2068h\u2069i", "abcdefghi"),
        ("a\u200eb\u200fc\u061cd", "abcd"),
        ("\x1b[31mred\x07", "[31mred"),
        ("\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05dc\u05d5\u05dd"),
        ("\u0645\u06cc\u200c\u0631\u0648\u0645", "\u0645\u06cc\u200c\u0631\u0648\u0645"),
        ("\u200d\n\u200c", None),
        ("x\n" * 20, "x x x x x x x x x x"),
        ("half \ud83d", "half \N{REPLACEMENT CHARACTER}"),
        ("狗狗币", "狗狗币"),
        ("👨\u200d👩", "👨\u200d👩"),
        ("x" * 30, "x" * 20),
        ("x" * 19 + "  y", "x" * 19),
        (None, None),
        (7, None),
    ],
)
def test_labels_are_what_people_see_and_postgres_can_store(raw: object, clean: str | None) -> None:
    assert clean == read_label(raw, 20)


@given(st.text(alphabet=st.characters(), max_size=300), st.integers(1, 40))
def test_a_label_can_be_encoded_is_bounded_and_stays_as_it_is(text: str, longest: int) -> None:
    clean = read_label(text, longest)
    if clean is not None:
        assert len(clean) <= longest
        assert b"\x00" not in clean.encode()
        assert " ".join(clean.split()) == clean
        assert {unicodedata.category(each) for each in set(clean) - set(JOINERS)}.isdisjoint(
            {"Cc", "Cf", "Cs", "Zl", "Zp"}
        )
        assert clean == read_label(clean, longest)


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("https://ipfs.io/ipfs/Qm", True),
        ("http://93.205.10.67:4141/metadata/C9htJ1BB", True),
        ("ipfs://bafkrei", True),
        ("ar://abc", True),
        ("data:application/json;base64,e30=", False),
        ("javascript:alert(1)", False),
        ("93.205.10.67:4141/metadata", False),
        ("https://", False),
        ("https://a b", False),
        ("https://a/\x00", False),
        ("https://a/" + "x" * 600, False),
        (None, False),
        (5, False),
    ],
)
def test_only_addresses_that_a_client_can_load_are_kept(raw: object, kept: bool) -> None:
    assert read_metadata_link(raw) == (raw if kept else None)


def test_a_link_is_http_only() -> None:
    assert read_link("https://t.me/x") == "https://t.me/x"
    assert read_link("ipfs://bafkrei") is None


def test_an_account_is_base58_of_32_bytes() -> None:
    address = "HpARLxzXXfsssHUqzKE1mDC7CNF19vwQArdAvKSbwoF3"
    assert address == read_address(address)
    assert read_address(address[:-9]) is None
    assert read_address(address.replace("H", "0")) is None
    assert read_address(None) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (b'{"a": 1}', {"a": 1}),
        ('{"a": NaN, "b": -Infinity}', {"a": None, "b": None}),
        ('"\\ud83d"', "\ud83d"),
        ("[1e999]", [inf]),
    ],
)
def test_json_of_careless_senders_is_decoded(text: str | bytes, value: object) -> None:
    assert value == decode_json(text)


@pytest.mark.parametrize("text", ["", "{", "<html>", b"\xff\xfe\x00", "[" * 5000, "1" * 5000])
def test_what_is_no_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        decode_json(text)


@given(st.one_of(st.text(), st.binary()))
def test_decoding_raises_nothing_but_value_error(text: str | bytes) -> None:
    with suppress(ValueError):
        decode_json(text)


@given(st.text(max_size=60), st.integers(1, 40))
def test_a_text_of_lines_is_bounded_and_never_blank(text: str, longest: int) -> None:
    read = read_text(text, longest)
    assert read is None or (0 < len(read) <= longest and read.strip() == read)


@pytest.mark.parametrize(
    ("given_text", "read"),
    [
        ("", None),
        ("\n \n", None),
        ("one", "one"),
        ("one\n\n\n\ntwo \n", "one\n\ntwo"),
        ("\x00\u202eone\r\ntwo\ttwo", "one\ntwo two"),
    ],
)
def test_a_text_keeps_its_lines(given_text: str, read: str | None) -> None:
    assert read == read_text(given_text, 100)
