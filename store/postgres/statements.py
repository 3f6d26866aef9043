"""What one call of the store sends. Everything here runs in a worker thread."""

from collections.abc import Iterable, Mapping, Sequence

import attrs
import psycopg

from domain.lifecycle import RETAIN_BONDED_SECONDS, RETAIN_NEW_SECONDS
from domain.token import Token
from domain.values import Mint, UnixSeconds, Value
from store import StoredChange, WriteReceipt
from store.columns import (
    DAY_SECONDS,
    PERIOD_SECONDS,
    born,
    first_of_each,
    later_values,
    period_of,
    refuse_repeated,
    token_from_record,
    token_row,
)
from store.postgres.session import Session, Transaction
from store.postgres.upkeep import make_partition, whole_side
from store.sending import Parameters, as_json, change_rows, new_token_rows, refuse_by_name

MOST_PARTITIONS_KEPT = 64  # in a session's memory; beyond that it asks the catalogue again
PERIODS_A_DAY = DAY_SECONDS // PERIOD_SECONDS


# -- New tokens ----------------------------------------------------------------------------


def insert_tokens(session: Session, tokens: Sequence[Token]) -> tuple[list[Token], WriteReceipt]:
    """The tokens as they are stored, in order, and what storing them cost."""
    offered = first_of_each(tokens)
    rows = {mint: token_row(token) for mint, token in offered.items()}
    later = {mint: later_values(token) for mint, token in offered.items()}
    periods = {period_of(token.first_seen_at) for token in offered.values()}
    with session.transaction("begin_insert") as transaction:
        _make_partitions(transaction, periods)
        known = {mint for (mint,) in session.read("known_mints", list(rows))}
        missing = [row for mint, row in rows.items() if mint not in known]
        ids = _insert_rows(transaction, missing)
        new = {mint: born(attrs.evolve(offered[mint], id=ids[mint])) for mint in ids}
        later_rows = new_token_rows((new[mint], later[mint]) for mint in ids)
        if any(later_rows.values()):
            transaction.lock_stats()
            _write_rows(transaction, later_rows)
        # Neither known nor new is what a writer that does not take our lock has put there since.
        before = [mint for mint in rows if mint not in new]
        stored = new | find_tokens(session, before) if before else new
    _remember_partitions(session, periods)
    return [stored[token.mint] for token in tokens], transaction.receipt()


def _make_partitions(transaction: Transaction, periods: Iterable[int]) -> None:
    """Make those of these periods that are missing, and with each the rest of its day.

    Twelve at once cost a third of what they cost one by one, each after a checkpoint.
    """
    session = transaction.session
    if session.partitions.issuperset(periods):
        return
    missing = session.read("periods_without_partition", sorted(periods))
    days = {period: period - period % PERIODS_A_DAY for (period,) in missing}
    wanted = {each for first, day in days.items() for each in range(first, day + PERIODS_A_DAY)}
    for (period,) in session.read("periods_without_partition", sorted(wanted)) if wanted else ():
        make_partition(transaction, f"token_{period}", period)


def _remember_partitions(session: Session, periods: Iterable[int]) -> None:
    """Once committed; what is rolled back was never made."""
    if len(session.partitions) > MOST_PARTITIONS_KEPT:
        session.partitions.clear()
    session.partitions.update(periods)


def _insert_rows(transaction: Transaction, rows: Sequence[Mapping[str, Value]]) -> dict[Mint, int]:
    if not rows:
        return {}
    cursor = transaction.write("insert_tokens", as_json(rows))
    return {Mint(mint): token_id for mint, token_id in cursor.fetchall()}


# -- Changes -------------------------------------------------------------------------------


def write_changes(session: Session, changes: Sequence[StoredChange]) -> WriteReceipt:
    """Write the changes, one statement for each kind of table that they touch."""
    refuse_repeated(changes)
    rows = change_rows(changes)
    with session.transaction("begin_write") as transaction:
        try:
            _write_rows(transaction, rows)
        except (psycopg.DataError, psycopg.IntegrityError):
            refuse_by_name(changes)  # says more than the server does, where it finds the value
            raise
    return transaction.receipt()


def _write_rows(transaction: Transaction, rows_by_table: Mapping[str, Parameters | None]) -> None:
    """The profile's statement last: it is rare, and logged by page."""
    side = whole_side(transaction)
    if rows := rows_by_table.get("token_stats"):
        transaction.write(f"write_token_stats_{side}", *rows)
    if rows := rows_by_table.get("token_profile"):
        transaction.write("write_token_profile", *rows)


# -- Reading -------------------------------------------------------------------------------


def find_tokens(session: Session, mints: Sequence[Mint]) -> dict[Mint, Token]:
    """The stored tokens of these mints."""
    records = session.read("find_tokens", list(mints))
    return {token.mint: token for token in map(token_from_record, records)}


def load_tokens(session: Session, now: UnixSeconds, limit: int) -> list[Token]:
    """The newest tokens that are retained at `now`, newest first."""
    with session.transaction("begin_load"):
        records = session.read_once(
            "load_tokens", now, RETAIN_NEW_SECONDS, RETAIN_BONDED_SECONDS, limit
        )
    return [token_from_record(record) for record in records]
