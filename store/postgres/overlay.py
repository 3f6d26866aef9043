"""What others write through the view, and what they watch: the statements of each call.

    token_overlay (written by the view's trigger)  ->  read_overlay  ->  OverlayRow
    others' table of watches  ->  count_watches  ->  set_watchers  ->  token_overlay

Everything here runs in a worker thread. See docs/decisions/0016-writes-of-others.md.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import orjson
import psycopg
from attrs import Factory, define, field
from psycopg import errors

from config.table_name import quote_table_name
from domain.values import Mint, UnixSeconds
from store import OverlayPage, OverlayPosition, OverlayRow, WatchCounts, WriteReceipt
from store.postgres.errors import describe_error
from store.postgres.session import Session
from store.postgres.upkeep import NOTHING_DONE

# What a write of a row costs beside the row itself: headers of its records, the index's, and its
# share of a commit. Measured on 15 to 18: 240 of a new row, 147 of an update; and page images.
RECORDS_BYTES = 240
TABLE_IS_TO_BLAME = (psycopg.ProgrammingError, errors.LockNotAvailable, errors.QueryCanceled)

WrittenRow = tuple[OverlayRow, int, int]  # how often others have written it, and its bytes


def read_overlay(
    session: Session, after: OverlayPosition, limit: int
) -> tuple[OverlayPage, Sequence[WrittenRow]]:
    """A page, and how often each of its rows was written."""
    records = session.read("read_overlay", str(after[0]), after[1], limit)
    written = [
        (_make_row(change_id, mint, watchers, texts, written_at), writes, row_bytes)
        for change_id, mint, watchers, texts, written_at, writes, row_bytes, _ in records
    ]
    # Where nothing was found, nothing is known of the horizon either: the same again is right.
    horizon = records[0][-1] if records else after[0]
    return OverlayPage(rows=[row for row, *_ in written], horizon=horizon), written


def _make_row(change_id: int, mint: str, watchers: int, texts: str, written_at: str) -> OverlayRow:
    return OverlayRow(
        mint=Mint(mint),
        change_id=change_id,
        watchers=watchers,
        texts=orjson.loads(texts),
        written_at={name: UnixSeconds(float(at)) for name, at in orjson.loads(written_at).items()},
    )


def settle_overlay(
    session: Session, taken: Sequence[tuple[Mint, int]]
) -> tuple[Mapping[Mint, bool], WriteReceipt]:
    """Remove what is settled; of which mints, whether their rows have gone, and what it cost."""
    mints, change_ids = zip(*taken, strict=True)
    try:
        with session.transaction("begin_overlay") as transaction:
            cursor = transaction.write("settle_overlay", list(mints), list(change_ids))
            settled = {Mint(mint): bool(is_gone) for mint, is_gone in cursor.fetchall()}
    except errors.LockNotAvailable:
        return {}, NOTHING_DONE
    return settled, transaction.make_receipt()


def set_watchers(session: Session, counts: Mapping[Mint, int]) -> WriteReceipt:
    """Set others' watchers of these mints."""
    try:
        with session.transaction("begin_overlay") as transaction:
            transaction.write("set_watchers", list(counts), list(counts.values()))
    except errors.LockNotAvailable:
        return NOTHING_DONE
    return transaction.make_receipt()


def count_watches(
    session: Session, table: str, limit: int, secrets: Collection[str]
) -> WatchCounts:
    """The counts, or what is wrong with the table."""
    query = session.queries["count_watches"].format(table=quote_table_name(table))
    try:
        with session.transaction("begin_count"):
            records = session.connection.execute(query, (limit,), prepare=False).fetchall()
    except TABLE_IS_TO_BLAME as error:
        session.connection.rollback()
        return WatchCounts(counts={}, problem=f"{table}: {describe_error(error, secrets)}")
    return WatchCounts(counts={Mint(mint): count for mint, count in records})


@define
class OverlayBook:
    """Which writes of others are booked already; those before the first look are an earlier life's.

    Several writes of one row between two looks count as one commit, and as one row each.
    """

    booked: dict[Mint, int] = Factory(dict)  # writes, by mint
    is_begun: bool = field(default=False, init=False)

    def note_page(self, written: Sequence[WrittenRow], *, is_last: bool) -> list[WriteReceipt]:
        """A receipt for each row that others have written since the last look."""
        receipts = []
        for row, writes, row_bytes in written:
            known = self.booked.get(row.mint, 0)
            self.booked[row.mint] = writes
            news = writes - known if writes >= known else writes
            if self.is_begun and news:
                receipts.append(_make_receipt(news, row_bytes))
        self.is_begun = self.is_begun or is_last
        return receipts

    def forget_rows(self, mints: Iterable[Mint]) -> None:
        """These rows have gone: new ones count from nothing."""
        for mint in mints:
            self.booked.pop(mint, None)


def _make_receipt(writes: int, row_bytes: int) -> WriteReceipt:
    """By the row's size, since no server tells the WAL of a statement of others."""
    wal_bytes = writes * (row_bytes + RECORDS_BYTES)
    return WriteReceipt(rows=writes, statements=writes, wal_bytes=wal_bytes, seconds=0.0)
