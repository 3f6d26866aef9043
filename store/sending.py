"""Encodes changes and new tokens as the parameters of a statement.

    StoredChanges  ->  encode_changes  ->  {table: parameters}  ->  json_to_recordset, unnest

A flush of 1,000 tokens must cost the client little CPU, so plain values, which nearly all are, go
from the buffer to the server as the texts they are: whoever has read them saw that they are of
their columns' types, and the server checks ranges. Other values are checked one by one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from attrs import Factory, define

from domain.changes import ChangeColumns
from domain.messages import Values
from domain.token import Token
from domain.values import Mint
from store import StoredChange, StoredChanges
from store.columns import CHANGE_TABLES, convert_values, find_tables, has_fitting_types

JSON_NULL = "null"  # which orjson writes for NaN and for infinity
HOT = "token_stats"
Parameters = tuple[str, str, str, str, str]


@define
class Rows:
    """Rows of one table, column by column."""

    token_ids: list[int | None] = Factory(list)
    versions: list[int] = Factory(list)
    observed_at: list[float | None] = Factory(list)
    mints: list[Mint] = Factory(list)
    texts: list[str] = Factory(list)  # the values of each, as a JSON object

    def add(
        self, token_id: int | None, version: int, observed_at: float | None, mint: Mint, text: str
    ) -> None:
        self.token_ids.append(token_id)
        self.versions.append(version)
        self.observed_at.append(observed_at)
        self.mints.append(mint)
        self.texts.append(text)

    def add_columns(self, ids: Sequence[int], changes: ChangeColumns) -> None:
        """Add rows whose values are texts."""
        self.token_ids += ids
        self.versions += changes.versions
        self.observed_at += changes.observed_at
        self.mints += changes.mints
        self.texts += changes.list_texts()

    def encode(self) -> Parameters | None:
        """The values as JSON, ids, versions and times as arrays, the mints as JSON.

        None when there is no row.
        """
        if not self.texts:
            return None
        return (
            "[" + ",".join(self.texts) + "]",
            _encode_array(self.token_ids),
            _encode_array(self.versions),
            _encode_array(self.observed_at),
            encode_json(self.mints),
        )


def encode_changes(changes: StoredChanges) -> Mapping[str, Parameters | None]:
    """The parameters by table, None for a table without changes.

    `RowsRefused` names the first of the values that are no texts that its column cannot keep.
    """
    by_table = {table: Rows() for table in CHANGE_TABLES}
    plain, others = changes.part_plain()
    by_table[HOT].add_columns(plain.ids, plain.changes)
    for token_id, change in others:
        values = change.values
        if not all(has_fitting_types(name, (value,)) for name, value in values.items()):
            values = convert_values(values)
        text = _encode_values(values)
        for table in find_tables(values):
            by_table[table].add(token_id, change.version, change.observed_at, change.mint, text)
    return _encode_tables(by_table)


def _encode_values(values: Values) -> str:
    try:
        text = encode_json(values)
    except TypeError:
        convert_values(values)  # the refusal names the value
        raise
    if JSON_NULL in text:
        convert_values(values)  # returns where the word is part of a text
    return text


def encode_new_tokens(
    values_of: Iterable[tuple[Token, Values]],
) -> Mapping[str, Parameters | None]:
    """The values of new tokens beyond their row of table `token`, by table, as version 0."""
    by_table = {table: Rows() for table in CHANGE_TABLES}
    for token, values in values_of:
        if not values:
            continue
        text = encode_json(values)
        for table in find_tables(values):
            by_table[table].add(token.id, 0, token.last_updated_at, token.mint, text)
    return _encode_tables(by_table)


def _encode_tables(by_table: Mapping[str, Rows]) -> dict[str, Parameters | None]:
    return {table: rows.encode() for table, rows in by_table.items()}


def encode_json(content: Any) -> str:
    """The content as JSON."""
    return orjson.dumps(content).decode()


def _encode_array(numbers: Sequence[float | None]) -> str:
    """The numbers as the text of a Postgres array."""
    return "{" + orjson.dumps(numbers).decode()[1:-1] + "}"


def refuse_by_name(changes: Iterable[StoredChange]) -> None:
    """Raise `RowsRefused` for the first value that its column cannot keep, if there is one."""
    for _, change in changes:
        convert_values(change.values)
