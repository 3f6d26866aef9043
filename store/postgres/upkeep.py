"""Upkeep of the tables: rows for readers, retention, the journal's length.

Everything here runs in a worker thread.

Rows for readers are rebuilt from the journal when the mark is missing (`ensure_whole_stats`). The
steps of `drop_unretained` drop what is off the feed, by whole partitions, and begin a journal that
has grown long anew on its other side: with a snapshot, or with nothing where its values went to the
base, as `postgres.stats_logged` has it (`prepare_tables`). See docs/decisions/0007.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from attrs import frozen
from psycopg import errors

from domain.lifecycle import RETAIN_NEW_SECONDS
from domain.values import UnixSeconds
from store import WriteReceipt
from store.columns import COLD_BLOCK_DAYS, DAY_SECONDS, PERIOD_SECONDS
from store.postgres.session import Session, StoreTransaction

PARTITIONS_A_CALL = 12  # dropped by one call of `drop_unretained`, at most; a day's worth
# A journal is begun anew when it is so much longer than the snapshot it began with. A page of 8 kB
# holds the changes of one flush, or a part: at 500 tokens in five minutes this is about 1.4 days,
# and to rebuild the rows for readers takes about a second.
JOURNAL_GROWTH_BYTES = 16 << 20  # beyond JOURNAL_GROWTH_FACTOR snapshots; 16 MiB
JOURNAL_GROWTH_FACTOR = 2
# Over a base each reader's query folds what the journal has, about 60 ms of it.
JOURNAL_OVER_BASE_BYTES = 1 << 20  # 1 MiB
NOTHING_DONE = WriteReceipt(rows=0, statements=0, wal_bytes=0, seconds=0.0)


# -- Whole rows for readers ----------------------------------------------------------------


def ensure_whole_stats(transaction: StoreTransaction) -> str:
    """Rebuild the rows for readers if a crash has emptied them; the journal's side to write to.

    The transaction must hold the lock of writers, and have begun with the state of both.
    """
    epoch, side = transaction.state
    if epoch is None:
        session = transaction.session
        transaction.state = (*(session.run_script(session.queries["rebuild_stats"]) or ()), side)
    return str(side)


def prepare_tables(session: Session, *, stats_logged: bool) -> str:
    """At the start: rebuild the rows for readers if need be, and make or remove the base.

    Returns the epoch of the rows.
    """
    with session.transaction("begin_write") as transaction:
        side = ensure_whole_stats(transaction)
        has_base = _read_journal(session).has_base
        if stats_logged and not has_base:
            _merge_into_base(transaction)
            session.run_script(session.queries["begin_base"])
        elif has_base and not stats_logged:
            transaction.write(f"write_snapshot_{side}")  # also of what only the base has
            session.run_script(session.queries["end_base"])
    return transaction.make_receipt().epoch


# -- Retention -----------------------------------------------------------------------------


UpkeepStep = Callable[[StoreTransaction], None]


def list_steps(now: UnixSeconds, cold_days: int) -> Mapping[str, UpkeepStep]:
    """What one call of `TokenStore.drop_unretained` does, by what it is called in a log."""
    return {
        "dropping what is off the feed": partial(_drop_overdue, now=now, cold_days=cold_days),
        "emptying the old journal": _empty_stale_journal,
        "beginning the journal anew": _begin_journal_anew,
    }


def run_step(session: Session, step: UpkeepStep) -> WriteReceipt:
    """One step in a transaction of its own; what it cost.

    One that would have to wait for a reader is left to the next call, when it will have no more to
    do than now: it costs nothing, and has not failed. So is the emptying of what has just been
    superseded: to a reader whose snapshot of the database is older it is not superseded.
    """
    try:
        with session.transaction("begin_upkeep") as transaction:
            ensure_whole_stats(transaction)
            step(transaction)
    except errors.LockNotAvailable:
        return NOTHING_DONE
    return transaction.make_receipt()


def sum_receipts(receipts: Sequence[WriteReceipt]) -> WriteReceipt:
    """What several transactions cost together."""
    return WriteReceipt(
        rows=sum(make_receipt.rows for make_receipt in receipts),
        statements=sum(make_receipt.statements for make_receipt in receipts),
        wal_bytes=sum(make_receipt.wal_bytes for make_receipt in receipts),
        seconds=sum(make_receipt.seconds for make_receipt in receipts),
        epoch=next((receipt.epoch for receipt in reversed(receipts) if receipt.epoch), ""),
    )


def _drop_overdue(transaction: StoreTransaction, now: UnixSeconds, cold_days: int) -> None:
    """Drop the partitions that are off the feed; bonded tokens move to a cold one first."""
    session = transaction.session
    newest, coldest = find_overdue_period(now), find_coldest_period(now, cold_days)
    overdue = session.read("overdue_partitions", newest, coldest, PARTITIONS_A_CALL)
    if not overdue:
        return
    periods = [period for _, period in overdue]
    transaction.write("forget_values", periods)
    transaction.write("forget_cards", periods)
    transaction.write("forget_profiles", periods)
    cold = find_cold_period(now)
    ensure_cold_partition(transaction, cold)
    transaction.write("keep_bonded", periods, cold)
    for partition, _ in overdue:
        session.run_script(f"DROP TABLE {partition}")
        transaction.statements += 1
    transaction.write("forget_overlay")


def find_overdue_period(now: UnixSeconds) -> int:
    """The newest period of which every token is off the feed at `now`, unless it has bonded."""
    return int((now - RETAIN_NEW_SECONDS) // PERIOD_SECONDS) - 1


def find_cold_period(moment: UnixSeconds) -> int:
    """The period number of tokens that turn cold at `moment`: below 0, later is lower."""
    return -int(moment // (COLD_BLOCK_DAYS * DAY_SECONDS))


def find_coldest_period(now: UnixSeconds, cold_days: int) -> int:
    """The newest cold period that is kept no longer at `now`."""
    return find_cold_period(UnixSeconds(now - cold_days * DAY_SECONDS)) + 1


def ensure_cold_partition(transaction: StoreTransaction, period: int) -> None:
    """Make the partition of a cold period if it is missing."""
    if not transaction.session.read("partition_of", period):
        make_partition(transaction, f"token_cold_{-period}", period)


def make_partition(transaction: StoreTransaction, name: str, period: int) -> None:
    """A partition for the tokens of one period; it must not exist."""
    template = transaction.session.queries["make_partition"]
    transaction.session.run_script(template.format(partition=name, period=period))
    transaction.statements += 1


# -- The journal ---------------------------------------------------------------------------


@frozen
class Journal:
    """The journal's two sides and their sizes."""

    side: str  # that is written to
    other_side: str
    has_base: bool
    snapshot_bytes: int  # with which the side began
    bytes: int
    stale_bytes: int  # of the other side

    @property
    def is_long(self) -> bool:
        if self.has_base:
            return self.bytes > JOURNAL_OVER_BASE_BYTES
        return self.bytes > JOURNAL_GROWTH_BYTES + self.snapshot_bytes * JOURNAL_GROWTH_FACTOR


def _read_journal(session: Session) -> Journal:
    (state,) = session.read("journal_state")
    return Journal(*state)


def _begin_journal_anew(transaction: StoreTransaction) -> None:
    """If the journal is long: put all values on its other, empty side, or in the base, and switch.

    The old side is then superseded. Until it is emptied, both sides together still fold to the
    same values, so that readers may see it or not.
    """
    journal = _read_journal(transaction.session)
    if not journal.is_long or journal.stale_bytes > 0:
        return
    transaction.write("forget_orphans")
    transaction.write("forget_orphan_cards")
    transaction.write("forget_orphan_profiles")
    transaction.write("forget_overlay")
    if journal.has_base:
        _merge_into_base(transaction)
    else:
        transaction.write(f"write_snapshot_{journal.other_side}")
    transaction.write(f"switch_journal_{journal.other_side}")


def _merge_into_base(transaction: StoreTransaction) -> None:
    """Make the base equal to the rows for readers, by writing only the rows that differ."""
    for step in ("forget_base", "update_base", "extend_base"):
        transaction.write(step)


def _empty_stale_journal(transaction: StoreTransaction) -> None:
    """Truncate the side of the journal that the last switch has superseded."""
    journal = _read_journal(transaction.session)
    if journal.stale_bytes > 0:
        transaction.write(f"empty_journal_{journal.other_side}")
