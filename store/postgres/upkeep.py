"""What keeps the tables whole and bounded. Everything here runs in a worker thread.

Rows for readers are rebuilt from the journal when the mark is missing (`whole_side`); what is
off the feed leaves by whole partitions (`retain`); and a journal that has grown long begins
anew on its other side with a snapshot. See docs/decisions/0007-storage-layout.md.
"""

from collections.abc import Callable
from functools import partial

from psycopg import errors

from domain.lifecycle import RETAIN_NEW_SECONDS
from domain.values import UnixSeconds
from store import WriteReceipt
from store.columns import COLD_BLOCK_DAYS, DAY_SECONDS, PERIOD_SECONDS
from store.postgres.session import Session, Transaction

PARTITIONS_A_CALL = 12  # dropped by one call of `retain`, at most; a day's worth
# A journal is begun anew when it is so much longer than the snapshot it began with. A page of 8 kB
# holds the changes of one flush, or a part: at 500 tokens in five minutes this is about 1.4 days,
# and to rebuild the rows for readers takes about a second.
JOURNAL_GROWTH_BYTES = 16 << 20
JOURNAL_GROWTH_FACTOR = 2
OTHER_SIDE = {"a": "b", "b": "a"}


# -- Whole rows for readers ----------------------------------------------------------------


def whole_side(transaction: Transaction) -> str:
    """The side of the journal to write to, once the rows for readers are whole.

    The transaction holds the lock of writers, and began with the state of stats and journal.
    """
    is_whole, side = transaction.state
    if not is_whole:
        transaction.session.script(transaction.session.queries["rebuild_stats"])
        transaction.state = (True, side)
    return str(side)


def make_whole(session: Session, *, stats_logged: bool) -> None:
    """At start: rows for readers as the journal has them, logged or not as it is set."""
    with session.transaction("begin_write") as transaction:
        whole_side(transaction)
        wanted = "LOGGED" if stats_logged else "UNLOGGED"
        for table, is_logged in session.read("persistence"):
            if is_logged != stats_logged:
                session.script(f"ALTER TABLE {table} SET {wanted}")


# -- Retention -----------------------------------------------------------------------------


def retain(session: Session, now: UnixSeconds, cold_days: int) -> WriteReceipt:
    """Drop what is off the feed, and begin the journal anew when it is long; what it cost.

    Steps of their own, each a transaction; one that would have to wait for a reader is left to
    the next call, when it will have no more to do than now.
    """
    steps: list[Callable[[Transaction], None]] = [
        partial(_drop_overdue, now=now, cold_days=cold_days),
        _empty_stale_journal,
        _begin_journal_anew,
        _empty_stale_journal,
    ]
    receipts: list[WriteReceipt] = []
    for step in steps:
        try:
            with session.transaction("begin_upkeep") as transaction:
                whole_side(transaction)
                step(transaction)
        except errors.LockNotAvailable:
            session.connection.rollback()
        else:
            receipts.append(transaction.receipt())
    return WriteReceipt(
        rows=sum(receipt.rows for receipt in receipts),
        statements=sum(receipt.statements for receipt in receipts),
        wal_bytes=sum(receipt.wal_bytes for receipt in receipts),
        seconds=sum(receipt.seconds for receipt in receipts),
    )


def _drop_overdue(transaction: Transaction, now: UnixSeconds, cold_days: int) -> None:
    """Drop partitions with all they hold; what was bonded moves from the feed's to the cold."""
    session = transaction.session
    newest = int((now - RETAIN_NEW_SECONDS) // PERIOD_SECONDS) - 1
    coldest = _cold_period(UnixSeconds(now - cold_days * DAY_SECONDS)) + 1
    overdue = session.read("overdue_partitions", newest, coldest, PARTITIONS_A_CALL)
    if not overdue:
        return
    periods = [period for _, period in overdue]
    transaction.write("forget_values", periods)
    transaction.write("forget_profiles", periods)
    cold = _cold_period(now)
    if not session.read("partition_of", cold):
        make_partition(transaction, f"token_cold_{-cold}", cold)
    transaction.write("keep_bonded", periods, cold)
    for partition, _ in overdue:
        session.script(f"DROP TABLE {partition}")
        transaction.statements += 1


def _cold_period(moment: UnixSeconds) -> int:
    """The partition of what gets cold at `moment`: below 0, and the later the lower."""
    return -int(moment // (COLD_BLOCK_DAYS * DAY_SECONDS))


def make_partition(transaction: Transaction, name: str, period: int) -> None:
    """A partition for the tokens of one period; it must not exist."""
    template = transaction.session.queries["make_partition"]
    transaction.session.script(template.format(partition=name, period=period))
    transaction.statements += 1


# -- The journal ---------------------------------------------------------------------------


def _begin_journal_anew(transaction: Transaction) -> None:
    """When the journal is long: all values of all tokens on its other side, which is empty.

    From then on nothing needs the older side, but while it is there it changes nothing either.
    """
    session = transaction.session
    side, snapshot_bytes, sizes = _journal_sizes(session)
    longest = snapshot_bytes * JOURNAL_GROWTH_FACTOR + JOURNAL_GROWTH_BYTES
    other = OTHER_SIDE[side]
    if sizes[side] <= longest or sizes[other] > 0:
        return
    transaction.write("forget_orphans")
    transaction.write(f"write_snapshot_{other}")
    transaction.write(f"switch_journal_{other}")


def _empty_stale_journal(transaction: Transaction) -> None:
    """Give back what a snapshot has made superfluous."""
    side, _, sizes = _journal_sizes(transaction.session)
    if sizes[OTHER_SIDE[side]] > 0:
        transaction.write(f"empty_journal_{OTHER_SIDE[side]}")


def _journal_sizes(session: Session) -> tuple[str, int, dict[str, int]]:
    """The side written to, the bytes it began with, and the bytes of each side."""
    ((side, snapshot_bytes, bytes_a, bytes_b),) = session.read("journal_sizes")
    return side, snapshot_bytes, {"a": bytes_a, "b": bytes_b}
