"""Changes become parameters as they are when they can, and are looked at when they must be."""

import pytest

from domain.errors import RowsRefused
from domain.messages import TokenChange
from domain.values import Mint, UnixSeconds, Value, Version
from store import StoredChange
from store.sending import encode_changes

AT = UnixSeconds(1.76e9)


def change(number: int, **values: Value) -> StoredChange:
    return number, TokenChange(
        mint=Mint("m"), version=Version(9), dirty_since=Version(9), observed_at=AT, values=values
    )


def test_a_batch_is_one_json_text_and_three_arrays() -> None:
    sent = encode_changes([change(1, price_usd=1.5), change(2, holder_count=3)])
    assert sent == {
        "token_stats": (
            '[{"price_usd":1.5},{"holder_count":3}]',
            "{1,2}",
            "{9,9}",
            "{1760000000.0,1760000000.0}",
        )
    }


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
