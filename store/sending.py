"""Changes and new values as the parameters that a statement takes.

    TokenChange  ->  change_rows  ->  {table: Rows}  ->  ROWS FROM (json_to_recordset, unnest ...)

A flush of 1,000 tokens has to cost its client little, so values are not looked at one by one,
nor even copied: types are checked column by column, NaN and infinity show in the JSON as null,
and ranges are left to the server. Only what is odd is looked at closely.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import orjson
from attrs import Factory, define

from domain.token import Token
from domain.values import Value
from store import TokenChange
from store.columns import CHANGE_TABLES, fits, stored_values, tables_with

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

    def add(self, change: TokenChange, values: Mapping[str, Value]) -> None:
        self.token_ids.append(change.token_id)
        self.versions.append(change.version)
        self.observed_at.append(change.observed_at)
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


def change_rows(changes: Sequence[TokenChange]) -> Mapping[str, Parameters | None]:
    """The changes by table, None where there are none; `RowsRefused` names what is no value."""
    by_table = _hot_rows(changes) or _looked_at(changes)
    try:
        parameters = {table: rows.parameters() for table, rows in by_table.items()}
    except TypeError:
        refuse_by_name(changes)
        raise
    if any(sent is not None and NOT_SAID in sent[0] for sent in parameters.values()):
        refuse_by_name(changes)  # else the word stands in a text
    return parameters


def _hot_rows(changes: Sequence[TokenChange]) -> dict[str, Rows] | None:
    """The usual batch: hot values only, all of the types that their columns have."""
    values = [change.values for change in changes]
    by_names: defaultdict[tuple[str, ...], list[Collection[Value]]] = defaultdict(list)
    for each in values:
        by_names[tuple(each)].append(each.values())
    for names, rows in by_names.items():
        columns = zip(names, zip(*rows, strict=True), strict=True)
        if tables_with(names) != (HOT,) or not all(fits(*column) for column in columns):
            return None
    return {
        HOT: Rows(
            [change.token_id for change in changes],
            [change.version for change in changes],
            [change.observed_at for change in changes],
            values,
        )
    }


def _looked_at(changes: Sequence[TokenChange]) -> dict[str, Rows]:
    by_table = {table: Rows() for table in CHANGE_TABLES}
    for change in changes:
        values = change.values
        if not all(fits(name, (value,)) for name, value in values.items()):
            values = stored_values(values)
        for table in tables_with(values):
            by_table[table].add(change, values)
    return by_table


def new_token_rows(
    values_of: Iterable[tuple[Token, Mapping[str, Value]]],
) -> Mapping[str, Parameters | None]:
    """What new tokens have beyond their first row, as version 0, by table."""
    by_table = {table: Rows() for table in CHANGE_TABLES}
    for token, values in values_of:
        for table in tables_with(values):
            rows = by_table[table]
            rows.token_ids.append(token.id)
            rows.versions.append(0)
            rows.observed_at.append(token.last_updated_at)
            rows.values.append(values)
    return {table: rows.parameters() for table, rows in by_table.items()}


def as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a JSON array of objects."""
    return orjson.dumps(rows).decode()


def _as_array(numbers: Sequence[float | None]) -> str:
    """The numbers as the text of a Postgres array."""
    return "{" + orjson.dumps(numbers).decode()[1:-1] + "}"


def refuse_by_name(changes: Iterable[TokenChange]) -> None:
    """`RowsRefused` with the first value that no column takes, if there is one."""
    for change in changes:
        stored_values(change.values)
