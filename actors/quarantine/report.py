"""What the quarantine tells: QuarantineSnapshot -> metrics, dump; QuarantineReport -> operators."""

from collections.abc import Iterable, Mapping

from actors.quarantine.book import QuarantineBook
from domain.quarantine import ParkedUpdate, QuarantineEntry, list_longest_parked
from domain.snapshots import Snapshot, counter, detail, gauge, snapshot_class
from domain.values import Mint, UnixSeconds

MOST_PARKED_SHOWN = 1000


@snapshot_class
class QuarantineSnapshot(Snapshot):
    """Counters since the process started."""

    entries: Mapping[str, int] = gauge("Entries that wait for a person.", by="kind")
    replaying: int = gauge("Entries that are being handed back.")
    unsaved: int = gauge("Entries that Redis does not have yet.")
    refused: int = counter("Rows and messages that came into quarantine, or came again.")
    replays: int = counter("Replays that operators wanted.")
    settled: int = counter("Entries that were replayed and taken.")
    dropped: int = counter("Entries that were lost because the quarantine was full.")
    dropped_by_operators: int = counter("Entries that operators dropped.")


@snapshot_class
class EntrySnapshot(Snapshot):
    """One entry, without its content."""

    id: str = detail("Names it in orders.")
    kind: str = detail("A birth, an update, or a message.")
    place: str = detail("The mailbox that it goes back to.")
    mint: Mint | None = detail("The token that it is of.")
    reason: str = detail("Why it was refused.")
    refused_at: UnixSeconds = detail("When it was refused last.")
    tries: int = detail("How often it was refused.")
    state: str = detail("It waits, is being replayed, or is leaving.")
    is_replayable: bool = detail("Whether all of it was kept.")


@snapshot_class
class ParkedSnapshot(Snapshot):
    """An update that waits for its token, and is tried by itself."""

    mint: Mint = detail("Its token.")
    since: UnixSeconds = detail("Since when it waits.")
    fields: tuple[str, ...] = detail("What it has values of.")
    reason: str = detail("What it waits for.")


@snapshot_class
class QuarantineReport(Snapshot):
    """All that operators are shown."""

    entries: tuple[EntrySnapshot, ...] = detail("Oldest first.")
    limit: int = detail("Most entries; beyond it the oldest go.")
    dropped: int = detail("Entries that went so, since the start.")
    unsaved: int = detail("Entries that Redis does not have yet.")
    is_complete: bool = detail("Whether what an earlier process left in Redis is among them.")
    parked: tuple[ParkedSnapshot, ...] = detail("Some of the updates that are parked.")
    parked_count: int = detail("How many are.")


def report_quarantine(
    book: QuarantineBook, parked: Mapping[Mint, ParkedUpdate]
) -> QuarantineReport:
    """The quarantine as it is now, and what is parked beside it."""
    return QuarantineReport(
        entries=tuple(report_entry(book, entry) for entry in book.entries.values()),
        limit=book.limit,
        dropped=book.counts["dropped"],
        unsaved=len(book.unsaved),
        is_complete=book.is_loaded,
        parked=_report_parked(parked.values()),
        parked_count=len(parked),
    )


def report_entry(book: QuarantineBook, entry: QuarantineEntry) -> EntrySnapshot:
    return EntrySnapshot(
        id=entry.id,
        kind=entry.kind,
        place=entry.place,
        mint=entry.mint,
        reason=entry.reason,
        refused_at=entry.refused_at,
        tries=entry.tries,
        state=book.find_state(entry.id),
        is_replayable=entry.is_replayable,
    )


def _report_parked(parked: Iterable[ParkedUpdate]) -> tuple[ParkedSnapshot, ...]:
    return tuple(
        ParkedSnapshot(
            mint=update.mint,
            since=update.since,
            fields=update.fields,
            reason="Postgres does not have its token yet",
        )
        for update in list_longest_parked(parked, MOST_PARKED_SHOWN)
    )
