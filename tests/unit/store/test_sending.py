"""Changes become parameters as they are when they can, and are looked at when they must be."""

from collections.abc import Mapping

import pytest

from domain.changes import ChangeColumns
from domain.errors import RowsRefused
from domain.messages import TokenChange
from domain.values import Mint, UnixSeconds, Value, Version
from store import StoredChange, StoredChanges
from store.sending import Parameters
from store.sending import encode_changes as encode_columns

AT = UnixSeconds(1.76e9)


def change(number: int, **values: Value) -> StoredChange:
    return number, TokenChange(
        mint=Mint("m"), version=Version(9), dirty_since=Version(9), observed_at=AT, values=values
    )


def encode_changes(changes: list[StoredChange]) -> Mapping[str, Parameters | None]:
    return encode_columns(StoredChanges.of(changes))


def test_a_batch_is_two_json_texts_and_three_arrays() -> None:
    sent = encode_changes([change(1, price_usd=1.5), change(2, holder_count=3)])
    assert sent == {
        "token_stats": (
            '[{"price_usd":1.5},{"holder_count":3}]',
            "{1,2}",
            "{9,9}",
            "{1760000000.0,1760000000.0}",
            '["m","m"]',
        ),
        "token_profile": None,
    }


def test_plain_texts_go_as_they_are_beside_what_is_decoded() -> None:
    columns = ChangeColumns(
        [Mint("a"), Mint("b"), Mint("c")],
        [Version(7), Version(8), Version(9)],
        [Version(1)] * 3,
        [AT] * 3,
        ['{"price_usd":1.50}', {"status": 1.0, "twitter": "t"}, '{"silent":false}'],
    )
    sent = encode_columns(StoredChanges([1, 2, 3], columns))
    times = "{1760000000.0,1760000000.0,1760000000.0}"
    assert sent["token_stats"] == (
        '[{"price_usd":1.50},{"silent":false},{"status":1,"twitter":"t"}]',
        "{1,3,2}",
        "{7,9,8}",
        times,
        '["a","c","b"]',
    )
    assert sent["token_profile"] is not None
    assert sent["token_profile"][1] == "{2}"


def test_each_table_gets_the_rows_that_touch_it() -> None:
    sent = encode_changes([change(1, price_usd=1.5, twitter="t"), change(2, website="w")])
    ids = {table: rows[1] for table, rows in sent.items() if rows is not None}
    assert ids == {"token_stats": "{1}", "token_profile": "{1,2}"}


def test_whole_floats_go_as_integers() -> None:
    (rows,) = [rows for rows in encode_changes([change(1, holder_count=12.0)]).values() if rows]
    assert rows[0] == '[{"holder_count":12}]'


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_say_is_refused_by_name(value: float) -> None:
    with pytest.raises(RowsRefused, match="price_usd"):
        encode_changes([change(1, price_usd=1.0), change(2, price_usd=value)])


def test_the_word_null_in_a_text_is_a_text() -> None:
    sent = encode_changes([change(1, twitter="null")])["token_profile"]
    assert sent is not None
    assert sent[0] == '[{"twitter":"null"}]'


def test_a_change_of_nothing_sends_nothing() -> None:
    assert set(encode_changes([change(1)]).values()) == {None}
