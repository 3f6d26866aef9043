"""Inserts, changes and reads of tokens: the statements of each call of the port.

Everything here runs in a worker thread, with a session of its own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import psycopg

from domain.lifecycle import RETAIN_BONDED_SECONDS, RETAIN_NEW_SECONDS
from domain.messages import TokenChange
from domain.outline import TokenOutline
from domain.token import Token
from domain.values import Mint, UnixSeconds, Value
from store import LossReport, StoredChange, StoredChanges, WriteReceipt
from store.columns import (
    DAY_SECONDS,
    PERIOD_SECONDS,
    find_period,
    keep_first_of_each,
    keep_newer,
    list_later_values,
    make_token_row,
    refuse_repeated_tokens,
    to_stored_token,
)
from store.losses import list_losses
from store.postgres.session import Record, Session, StoreTransaction
from store.postgres.upkeep import ensure_cold_partition, ensure_whole_stats, make_partition
from store.reading import outline_from_record, token_from_record
from store.sending import Parameters, encode_changes, encode_json, encode_new_tokens, refuse_by_name

MOST_PARTITIONS_KEPT = 64  # remembered by a session; then it forgets them and asks again
PERIODS_A_DAY = DAY_SECONDS // PERIOD_SECONDS


# -- For readers ---------------------------------------------------------------------------


def set_reader_settings(
    session: Session, status_words: str, hot_score_form: str, half_life_seconds: float
) -> None:
    """Tell the view for readers in which form to tell; nothing is written where it knows."""
    wanted = (status_words, hot_score_form, half_life_seconds)
    if session.read("reader_settings") != [wanted]:
        with session.transaction("begin_write") as transaction:
            transaction.write("set_reader_settings", *wanted)


# -- New tokens ----------------------------------------------------------------------------


def place_by_birth(token: Token) -> int:
    """The period of a token's first sight, by which new tokens share partitions."""
    return find_period(token.first_seen_at)


def insert_tokens(
    session: Session, tokens: Sequence[Token], place: Callable[[Token], int] = place_by_birth
) -> tuple[list[Token], WriteReceipt]:
    """Insert those of the tokens that are not stored yet, each in the partition of its `place`.

    Returns all of them as they are stored, in the order given, and what it cost.
    """
    try:
        return _insert_missing(session, tokens, place)
    except psycopg.errors.ExclusionViolation:
        # A writer that does not take our lock came between our look-up and our row: it is there
        # now, and the second look-up finds it.
        session.connection.rollback()
        return _insert_missing(session, tokens, place)


def _insert_missing(
    session: Session, tokens: Sequence[Token], place: Callable[[Token], int]
) -> tuple[list[Token], WriteReceipt]:
    offered = keep_first_of_each(tokens)
    places = {mint: place(token) for mint, token in offered.items()}
    rows = {m: make_token_row(token) | {"period": places[m]} for m, token in offered.items()}
    later = {mint: list_later_values(token) for mint, token in offered.items()}
    periods = set(places.values())
    with session.transaction("begin_insert") as transaction:
        _make_partitions(transaction, periods)
        known = {mint for (mint,) in session.read("known_mints", list(rows))}
        missing = [row for mint, row in rows.items() if mint not in known]
        ids = _insert_rows(transaction, missing)
        new = {mint: to_stored_token(offered[mint], ids[mint]) for mint in ids}
        later_rows = encode_new_tokens((new[mint], later[mint]) for mint in ids)
        if any(later_rows.values()):
            transaction.lock_stats()
            _write_rows(transaction, later_rows)
        before = [mint for mint in rows if mint not in new]
        stored = new | find_tokens(session, before) if before else new
    _remember_partitions(session, periods)
    return [stored[token.mint] for token in tokens], transaction.make_receipt()


def _make_partitions(transaction: StoreTransaction, periods: Iterable[int]) -> None:
    """Make the partitions of these periods that are missing, each with the rest of its day's.

    To make twelve at once writes a third of the WAL of making them one by one: after a checkpoint
    the first of them logs whole pages of the catalogue, which the others change again.
    """
    session = transaction.session
    if session.partitions.issuperset(periods):
        return
    for period in periods:
        if period < 0:
            ensure_cold_partition(transaction, period)
    missing = session.read("periods_without_partition", sorted(p for p in periods if p >= 0))
    days = {period: period - period % PERIODS_A_DAY for (period,) in missing}
    wanted = {each for first, day in days.items() for each in range(first, day + PERIODS_A_DAY)}
    for (period,) in session.read("periods_without_partition", sorted(wanted)) if wanted else ():
        make_partition(transaction, f"token_{period}", period)


def _remember_partitions(session: Session, periods: Iterable[int]) -> None:
    """Note that these partitions exist; only after the commit, for a rollback removes them."""
    if len(session.partitions) > MOST_PARTITIONS_KEPT:
        session.partitions.clear()
    session.partitions.update(periods)


def _insert_rows(
    transaction: StoreTransaction, rows: Sequence[Mapping[str, Value]]
) -> dict[Mint, int]:
    if not rows:
        return {}
    cursor = transaction.write("insert_tokens", encode_json(rows))
    return {Mint(mint): token_id for mint, token_id in cursor.fetchall()}


# -- Changes -------------------------------------------------------------------------------


def write_changes(session: Session, changes: Sequence[StoredChange]) -> WriteReceipt:
    """Write the changes, one statement for each table that they touch."""
    columns = StoredChanges.of(changes)
    refuse_repeated_tokens(columns)
    rows = encode_changes(columns)
    with session.transaction("begin_write") as transaction:
        try:
            _write_rows(transaction, rows)
        except (psycopg.DataError, psycopg.IntegrityError):
            refuse_by_name(changes)  # the server's error names no value
            raise
    return transaction.make_receipt()


def _write_rows(
    transaction: StoreTransaction, rows_by_table: Mapping[str, Parameters | None]
) -> None:
    """Write to each table that has rows; the profile last, for its statement is the rare one."""
    side = ensure_whole_stats(transaction)
    if rows := rows_by_table.get("token_stats"):
        transaction.write_placed(f"write_token_stats_{side}", *rows)
    if rows := rows_by_table.get("token_profile"):
        transaction.write_placed("write_token_profile", *rows)


# -- Reading -------------------------------------------------------------------------------


def find_tokens(session: Session, mints: Sequence[Mint]) -> dict[Mint, Token]:
    """The stored tokens of these mints."""
    records = session.read("find_tokens", list(mints))
    return {token.mint: token for token in map(token_from_record, records)}


def select_newer(session: Session, changes: Sequence[StoredChange]) -> list[TokenChange]:
    """The changes without what is stored with their version, or a later one."""
    ids, mints = zip(*((token_id, change.mint) for token_id, change in changes), strict=True)
    rows = session.read("stored_versions", list(ids), list(mints))
    versions = {(table, token_id): version for table, token_id, version in rows}
    return keep_newer(changes, versions)


def find_losses(session: Session, tokens: Sequence[Token], dead_band: float) -> LossReport:
    """What is not stored of these tokens, and the epoch that this was found in."""
    with session.transaction("begin_write") as transaction:
        ensure_whole_stats(transaction)
        found = find_tokens(session, [token.mint for token in tokens]) if tokens else {}
    return LossReport(
        epoch=transaction.make_receipt().epoch, losses=list_losses(tokens, found, dead_band)
    )


def load_tokens(session: Session, now: UnixSeconds, limit: int) -> list[Token]:
    """The newest tokens that are retained at `now`, newest first."""
    return list(map(token_from_record, _read_retained(session, "load_tokens", now, limit)))


def outline_tokens(session: Session, now: UnixSeconds, limit: int) -> list[TokenOutline]:
    """As `load_tokens`, of each token its outline."""
    return list(map(outline_from_record, _read_retained(session, "outline_tokens", now, limit)))


def _read_retained(session: Session, name: str, now: UnixSeconds, limit: int) -> list[Record]:
    with session.transaction("begin_load"):
        return session.read_once(name, now, RETAIN_NEW_SECONDS, RETAIN_BONDED_SECONDS, limit)
