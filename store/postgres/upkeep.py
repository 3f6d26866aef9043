"""What keeps the tables whole and bounded. Everything here runs in a worker thread.

Rows for readers are rebuilt from the journal when the mark is missing (`whole_side`); what is
off the feed leaves by whole partitions (`retain`); and a journal that has grown long begins
anew on its other side: with a snapshot, or with nothing where its values went to the base, as
`postgres.stats_logged` has it (`make_whole`). See docs/decisions/0007-storage-layout.md.
"""

from collections.abc import Callable
from functools import partial

from attrs import frozen
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
# Over a base each reader's query folds what the journal has, about 60 ms of it.
JOURNAL_OVER_BASE_BYTES = 1 << 20


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
    """At start: whole rows for readers, and with a base or without as it is set."""
    with session.transaction("begin_write") as transaction:
        side = whole_side(transaction)
        has_base = _journal(session).has_base
        if stats_logged and not has_base:
            _merge_into_base(transaction)
            session.script(session.queries["begin_base"])
        elif has_base and not stats_logged:
            transaction.write(f"write_snapshot_{side}")  # also of what only the base has
            session.script(session.queries["end_base"])


# -- Retention -----------------------------------------------------------------------------


def retain(session: Session, now: UnixSeconds, cold_days: int) -> WriteReceipt:
    """Drop what is off the feed, and begin the journal anew when it is long; what it cost.

    Steps of their own, each a transaction; one that would have to wait for a reader is left to
    the next call, when it will have no more to do than now. So is the emptying of what has just
    been superseded: to a reader whose snapshot of the database is older it is not superseded.
    """
    steps: list[Callable[[Transaction], None]] = [
        partial(_drop_overdue, now=now, cold_days=cold_days),
        _empty_stale_journal,
        _begin_journal_anew,
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


@frozen
class Journal:
    """How the journal stands."""

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


def _journal(session: Session) -> Journal:
    (state,) = session.read("journal_state")
    return Journal(*state)


def _begin_journal_anew(transaction: Transaction) -> None:
    """When the journal is long: continue on its empty side, with all values there or in the base.

    From then on nothing needs the older side, but while it is there it changes nothing either.
    """
    journal = _journal(transaction.session)
    if not journal.is_long or journal.stale_bytes > 0:
        return
    transaction.write("forget_orphans")
    transaction.write("forget_orphan_profiles")
    if journal.has_base:
        _merge_into_base(transaction)
    else:
        transaction.write(f"write_snapshot_{journal.other_side}")
    transaction.write(f"switch_journal_{journal.other_side}")


def _merge_into_base(transaction: Transaction) -> None:
    """Make the base equal to the rows for readers, and write no more than where it is not."""
    for step in ("forget_base", "update_base", "extend_base"):
        transaction.write(step)


def _empty_stale_journal(transaction: Transaction) -> None:
    """Give back what the last beginning has made superfluous."""
    journal = _journal(transaction.session)
    if journal.stale_bytes > 0:
        transaction.write(f"empty_journal_{journal.other_side}")
