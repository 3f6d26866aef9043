"""What one call of the store sends. Everything here runs in a worker thread."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import attrs
import orjson

from domain.lifecycle import RETAIN_BONDED_SECONDS, RETAIN_NEW_SECONDS
from domain.token import Token
from domain.values import Mint, UnixSeconds, Value
from store import TokenChange, WriteReceipt
from store.columns import (
    CHANGE_TABLES,
    FIRST_DAY,
    born,
    day_of,
    first_of_each,
    later_values,
    refuse_repeated,
    stored_values,
    token_from_record,
    token_row,
)
from store.postgres.session import Session, Transaction

LOOK_BACK_DAYS = 31  # a mint that comes again after so long is a new token
MOST_PARTITIONS_KEPT = 64  # in a session's memory; beyond that it asks the catalogue again


# -- New tokens ----------------------------------------------------------------------------


def insert_tokens(session: Session, tokens: Sequence[Token]) -> tuple[list[Token], WriteReceipt]:
    """The tokens as they are stored, in order, and what storing them cost."""
    offered = first_of_each(tokens)
    rows = {mint: token_row(token) for mint, token in offered.items()}
    later = {mint: later_values(token) for mint, token in offered.items()}
    days = {day_of(token.first_seen_at) for token in offered.values()}
    earliest = min(days) - timedelta(days=LOOK_BACK_DAYS)
    with session.transaction("begin_insert") as transaction:
        _make_partitions(transaction, sorted(days))
        stored = find_tokens(session, list(rows), earliest)
        ids = _insert_rows(transaction, [row for mint, row in rows.items() if mint not in stored])
        for mint, token_id in ids.items():
            stored[mint] = born(attrs.evolve(offered[mint], id=token_id))
        _insert_later_values(transaction, [(stored[mint], later[mint]) for mint in ids])
        # RETURNING leaves out rows that were there already, which only a writer that does not
        # take our lock can have put there since we looked.
        if missing := [mint for mint in rows if mint not in stored]:
            stored |= find_tokens(session, missing, earliest)
    _remember_partitions(session, days)
    return [stored[token.mint] for token in tokens], transaction.receipt()


def _make_partitions(transaction: Transaction, days: Sequence[date]) -> None:
    session = transaction.session
    if session.partitions.issuperset(days):
        return
    template = session.queries["make_partition"]
    for (day,) in session.read("days_without_partition", days):
        session.script(template.format(day=day, next_day=day + timedelta(days=1)))
        transaction.statements += 1


def _remember_partitions(session: Session, days: Iterable[date]) -> None:
    """Once committed; what is rolled back was never made."""
    if len(session.partitions) > MOST_PARTITIONS_KEPT:
        session.partitions.clear()
    session.partitions.update(days)


def _insert_rows(transaction: Transaction, rows: Sequence[Mapping[str, Value]]) -> dict[Mint, int]:
    if not rows:
        return {}
    cursor = transaction.write("insert_tokens", _json(rows))
    return {Mint(mint): token_id for mint, token_id in cursor.fetchall()}


def _insert_later_values(
    transaction: Transaction, values_of: Iterable[tuple[Token, Mapping[str, Value]]]
) -> None:
    """Write what new tokens already have beyond their first row, as version 0."""
    _write_rows(
        transaction,
        [
            {"token_id": token.id, "version": 0, "observed_at": token.last_updated_at, **values}
            for token, values in values_of
        ],
    )


# -- Changes -------------------------------------------------------------------------------


def write_changes(session: Session, changes: Sequence[TokenChange]) -> WriteReceipt:
    """Write the changes, one statement for each table that they touch."""
    refuse_repeated(changes)
    rows = [
        {
            "token_id": change.token_id,
            "version": change.version,
            "observed_at": change.observed_at,
            **stored_values(change.values),
        }
        for change in changes
    ]
    with session.transaction("begin_write") as transaction:
        _write_rows(transaction, rows)
    return transaction.receipt()


def _write_rows(transaction: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    for table, fields in CHANGE_TABLES.items():
        touched = [row for row in rows if not row.keys().isdisjoint(fields)]
        if touched:
            # The query takes the fields of its table and passes over the others.
            transaction.write(f"write_{table}", _json(touched))


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return orjson.dumps(rows).decode()


# -- Reading -------------------------------------------------------------------------------


def find_tokens(
    session: Session, mints: Sequence[Mint], earliest: date = FIRST_DAY
) -> dict[Mint, Token]:
    """The tokens of these mints that were first seen on `earliest` or later."""
    records = session.read("find_tokens", list(mints), earliest)
    return {token.mint: token for token in map(token_from_record, records)}


def load_tokens(session: Session, now: UnixSeconds, limit: int) -> list[Token]:
    """The newest tokens that are retained at `now`, newest first."""
    earliest = day_of(UnixSeconds(now - max(RETAIN_NEW_SECONDS, RETAIN_BONDED_SECONDS)))
    with session.transaction("begin_load"):
        records = session.read_once(
            "load_tokens", now, RETAIN_NEW_SECONDS, RETAIN_BONDED_SECONDS, limit, earliest
        )
    return [token_from_record(record) for record in records]
