"""Names of tables of others: taken as they are written, refused where they are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.loading import load_settings
from config.table_name import parse_table_name, quote_table_name
from domain.errors import SettingsInvalid

ENVIRONMENT = {"DATABASE_URL": "postgresql://nowhere/test", "REDIS_URL": "redis://nowhere"}
WATCH_TABLE = "TOKEN_DISCOVERY__ACTIVITY__WATCH_TABLE"


@pytest.mark.parametrize(
    ("text", "parts", "quoted"),
    [
        ("TokenWatch", ("TokenWatch",), '"TokenWatch"'),
        ('"TokenWatch"', ("TokenWatch",), '"TokenWatch"'),
        ("public.TokenWatch", ("public", "TokenWatch"), '"public"."TokenWatch"'),
        ('"My own"."a.b"', ("My own", "a.b"), '"My own"."a.b"'),
        ('x."a""b; DROP TABLE c --"', ("x", 'a"b; DROP TABLE c --'), '"x"."a""b; DROP TABLE c --"'),
        ("größe.$名", None, None),
        ("größe.名$1", ("größe", "名$1"), '"größe"."名$1"'),
    ],
)
def test_a_name_is_taken_as_it_is_written(
    text: str, parts: tuple[str, ...] | None, quoted: str | None
) -> None:
    if parts is None:
        with pytest.raises(ValueError, match="TABLE or SCHEMA"):
            parse_table_name(text)
        return
    assert (parts, quoted) == (parse_table_name(text), quote_table_name(text))


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a.b.c", "a b", "1a", "a;b", "a--", '"', '""', '"a', 'a"b"', "a.b ",
     "(SELECT 1)", 'a"; DROP TABLE b; --', '"a\x00b"', "x" * 64, "é" * 32, '"' + "x" * 64 + '"'],
)  # fmt: skip
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_table_name(text)


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1))
def test_any_table_can_be_named(table: str) -> None:
    if len(table.encode()) <= 63:
        quoted = '"' + table.replace('"', '""') + '"'
        assert (table,) == parse_table_name(quoted)
        assert quoted == quote_table_name(quoted)


def test_the_setting_is_empty_by_default_and_checked_at_the_start() -> None:
    assert "" == load_settings(None, ENVIRONMENT).activity.watch_table
    given_name = load_settings(None, {**ENVIRONMENT, WATCH_TABLE: "public.TokenWatch"})
    assert "public.TokenWatch" == given_name.activity.watch_table
    with pytest.raises(SettingsInvalid, match=r"activity\.watch_table"):
        load_settings(None, {**ENVIRONMENT, WATCH_TABLE: "watch; DROP TABLE token"})
