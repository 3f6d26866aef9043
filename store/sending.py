"""Encodes changes and new tokens as the parameters of a statement.

    TokenChange  ->  encode_changes  ->  {table: parameters}  ->  json_to_recordset, unnest

A flush of 1,000 tokens must cost the client little CPU, so the values of a usual batch are checked
together and not one by one: the types of whole numbers by column, and for text, NaN and infinity
the sum of all values. The server checks ranges. A batch that is unusual is checked value by value.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from attrs import Factory, define

from domain.token import Token
from domain.values import Value
from store import StoredChange
from store.columns import (
    CHANGE_TABLES,
    FIELDS_OF_ANY_NUMBER,
    convert_values,
    find_tables,
    has_fitting_types,
)

JSON_NULL = "null"  # which orjson writes for NaN and for infinity
HOT = "token_stats"
Parameters = tuple[str, str, str, str]


@define
class Rows:
    """Rows of one table, column by column."""

    token_ids: list[int | None] = Factory(list)
    versions: list[int] = Factory(list)
    observed_at: list[float | None] = Factory(list)
    values: list[Mapping[str, Value]] = Factory(list)

    def add(
        self,
        token_id: int | None,
        version: int,
        observed_at: float | None,
        values: Mapping[str, Value],
    ) -> None:
        self.token_ids.append(token_id)
        self.versions.append(version)
        self.observed_at.append(observed_at)
        self.values.append(values)

    def encode(self) -> Parameters | None:
        """The values as JSON, and ids, versions and times as arrays; None when there is no row.

        `TypeError` for a value that JSON has no form for.
        """
        if not self.values:
            return None
        return (
            encode_json(self.values),
            _encode_array(self.token_ids),
            _encode_array(self.versions),
            _encode_array(self.observed_at),
        )


def encode_changes(changes: Sequence[StoredChange]) -> Mapping[str, Parameters | None]:
    """The parameters by table, None for a table without changes.

    `RowsRefused` names the first value that its column cannot keep.
    """
    return _encode_usual_batch(changes) or _encode_checked_batch(changes)


def _encode_usual_batch(changes: Sequence[StoredChange]) -> dict[str, Parameters] | None:
    """The parameters of a usual batch: hot columns and numbers alone, whole where they must be.

    None if the batch is not of that kind.
    """
    token_ids, parts = zip(*changes, strict=True)
    _, versions, _, observed_at, values = zip(*parts, strict=True)
    names = set[str]().union(*values)
    if find_tables(names) != (HOT,):
        return None
    for name in names - FIELDS_OF_ANY_NUMBER:
        if not has_fitting_types(name, [each[name] for each in values if name in each]):
            return None
    try:
        total = sum(map(sum, map(dict.values, values)))  # TypeError if any value is text
        text = encode_json(values)
    except (TypeError, OverflowError):
        return None
    if total - total != 0:  # NaN: some value is NaN or infinite
        return None
    return {
        HOT: (text, _encode_array(token_ids), _encode_array(versions), _encode_array(observed_at))
    }


def _encode_checked_batch(changes: Sequence[StoredChange]) -> Mapping[str, Parameters | None]:
    """The parameters of any batch; values whose type does not fit are converted or refused."""
    by_table = {table: Rows() for table in CHANGE_TABLES}
    for token_id, change in changes:
        values = change.values
        if not all(has_fitting_types(name, (value,)) for name, value in values.items()):
            values = convert_values(values)
        for table in find_tables(values):
            by_table[table].add(token_id, change.version, change.observed_at, values)
    try:
        parameters = _encode_tables(by_table)
    except TypeError:
        refuse_by_name(changes)
        raise
    if any(sent is not None and JSON_NULL in sent[0] for sent in parameters.values()):
        refuse_by_name(changes)  # returns where the word is part of a text
    return parameters


def encode_new_tokens(
    values_of: Iterable[tuple[Token, Mapping[str, Value]]],
) -> Mapping[str, Parameters | None]:
    """The values of new tokens beyond their row of table `token`, by table, as version 0."""
    by_table = {table: Rows() for table in CHANGE_TABLES}
    for token, values in values_of:
        for table in find_tables(values):
            by_table[table].add(token.id, 0, token.last_updated_at, values)
    return _encode_tables(by_table)


def _encode_tables(by_table: Mapping[str, Rows]) -> dict[str, Parameters | None]:
    return {table: rows.encode() for table, rows in by_table.items()}


def encode_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a JSON array of objects."""
    return orjson.dumps(rows).decode()


def _encode_array(numbers: Sequence[float | None]) -> str:
    """The numbers as the text of a Postgres array."""
    return "{" + orjson.dumps(numbers).decode()[1:-1] + "}"


def refuse_by_name(changes: Iterable[StoredChange]) -> None:
    """Raise `RowsRefused` for the first value that its column cannot keep, if there is one."""
    for _, change in changes:
        convert_values(change.values)
