"""Changes and new values as the parameters that a statement takes.

    TokenChange  ->  change_rows  ->  {table: Rows}  ->  ROWS FROM (json_to_recordset, unnest ...)

A flush of 1,000 tokens has to cost its client little, so values are not looked at one by one,
nor even copied: whole numbers are checked column by column, texts, NaN and infinity show in a
sum, and the rest is left to the server. Only what is odd is looked at closely.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from attrs import Factory, define

from domain.token import Token
from domain.values import Value
from store import StoredChange
from store.columns import CHANGE_TABLES, FIELDS_OF_ANY_NUMBER, fits, stored_values, tables_with

NOT_SAID = "null"  # what JSON has for NaN, and for infinity
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

    def parameters(self) -> Parameters | None:
        """JSON of the values and three arrays; None when there is no row.

        TypeError for what JSON cannot say.
        """
        if not self.values:
            return None
        return (
            as_json(self.values),
            _as_array(self.token_ids),
            _as_array(self.versions),
            _as_array(self.observed_at),
        )


def change_rows(changes: Sequence[StoredChange]) -> Mapping[str, Parameters | None]:
    """The changes by table, None where there are none; `RowsRefused` names what is no value."""
    return _usual(changes) or _looked_at(changes)


def _usual(changes: Sequence[StoredChange]) -> dict[str, Parameters] | None:
    """The usual batch: hot columns only, no texts, whole numbers where they must be; else None."""
    token_ids, parts = zip(*changes, strict=True)
    _, versions, _, observed_at, values = zip(*parts, strict=True)
    names = set[str]().union(*values)
    if tables_with(names) != (HOT,):
        return None
    for name in names - FIELDS_OF_ANY_NUMBER:
        if not fits(name, [each[name] for each in values if name in each]):
            return None
    try:
        total = sum(map(sum, map(dict.values, values)))  # which no text has a part in
        text = as_json(values)
    except (TypeError, OverflowError):
        return None
    if total - total != 0:  # NaN and infinity do not cancel out
        return None
    return {HOT: (text, _as_array(token_ids), _as_array(versions), _as_array(observed_at))}


def _looked_at(changes: Sequence[StoredChange]) -> Mapping[str, Parameters | None]:
    by_table = {table: Rows() for table in CHANGE_TABLES}
    for token_id, change in changes:
        values = change.values
        if not all(fits(name, (value,)) for name, value in values.items()):
            values = stored_values(values)
        for table in tables_with(values):
            by_table[table].add(token_id, change.version, change.observed_at, values)
    try:
        parameters = _parameters(by_table)
    except TypeError:
        refuse_by_name(changes)
        raise
    if any(sent is not None and NOT_SAID in sent[0] for sent in parameters.values()):
        refuse_by_name(changes)  # else the word stands in a text
    return parameters


def new_token_rows(
    values_of: Iterable[tuple[Token, Mapping[str, Value]]],
) -> Mapping[str, Parameters | None]:
    """What new tokens have beyond their first row, as version 0, by table."""
    by_table = {table: Rows() for table in CHANGE_TABLES}
    for token, values in values_of:
        for table in tables_with(values):
            by_table[table].add(token.id, 0, token.last_updated_at, values)
    return _parameters(by_table)


def _parameters(by_table: Mapping[str, Rows]) -> dict[str, Parameters | None]:
    return {table: rows.parameters() for table, rows in by_table.items()}


def as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a JSON array of objects."""
    return orjson.dumps(rows).decode()


def _as_array(numbers: Sequence[float | None]) -> str:
    """The numbers as the text of a Postgres array."""
    return "{" + orjson.dumps(numbers).decode()[1:-1] + "}"


def refuse_by_name(changes: Iterable[StoredChange]) -> None:
    """`RowsRefused` with the first value that no column takes, if there is one."""
    for _, change in changes:
        stored_values(change.values)
