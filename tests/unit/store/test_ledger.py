"""The ledger adds up by component and hour, and forgets after 48 hours."""

from datetime import UTC, datetime
from typing import Any

import attrs
from attrs import define

from domain.values import UnixSeconds
from store import BackendWal, ServerPulse, WriteReceipt
from store.ledger import (
    BACKENDS_KEPT,
    HOURS_KEPT,
    Account,
    HourSnapshot,
    Ledger,
    LedgerSnapshot,
    ServerWal,
)
from store.memory_database import UNTROUBLED

HOUR = 3600
START = UnixSeconds(1_760_000_000.0)


@define
class Clock:
    now: UnixSeconds = START

    def __call__(self) -> UnixSeconds:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now = UnixSeconds(self.now + seconds)


def receipt(rows: int) -> WriteReceipt:
    return WriteReceipt(rows=rows, statements=1, wal_bytes=rows * 100, seconds=0.25)


def account(**sums: Any) -> Account:
    return Account(**sums, own_wal_bytes=None, full_page_images=None)  # no server has told


def hour_of_day(hour: int) -> datetime:
    return datetime(2025, 10, 9, hour, tzinfo=UTC)


def test_commits_add_up_by_component() -> None:
    ledger = Ledger(clock=Clock())
    for component, rows in (("sync", 10), ("ingest", 1), ("sync", 5)):
        ledger.book(component, receipt(rows))
    expected = {
        "ingest": account(commits=1, statements=1, rows=1, wal_bytes=100, seconds=0.25),
        "sync": account(commits=2, statements=2, rows=15, wal_bytes=1500, seconds=0.5),
    }
    assert (
        LedgerSnapshot(
            totals=expected,
            server=None,
            hours=(HourSnapshot(hour=hour_of_day(8), components=expected, server=None),),
        )
        == ledger.snapshot()
    )


def test_each_hour_has_its_own_account_newest_first() -> None:
    clock = Clock()
    ledger = Ledger(clock=clock)
    for rows in (1, 2, 3):
        ledger.book("sync", receipt(rows))
        clock.advance(HOUR)
    hours = ledger.snapshot().hours
    assert [(hour.hour, hour.components["sync"].rows) for hour in hours] == [
        (hour_of_day(10), 3),
        (hour_of_day(9), 2),
        (hour_of_day(8), 1),
    ]


def test_hours_are_forgotten_and_totals_are_not() -> None:
    clock = Clock()
    ledger = Ledger(clock=clock)
    for _ in range(HOURS_KEPT + 30):
        ledger.book("sync", receipt(1))
        clock.advance(HOUR)
    snapshot = ledger.snapshot()
    assert len(snapshot.hours) == 48
    assert snapshot.totals["sync"].commits == HOURS_KEPT + 30


def test_snapshot_stays_as_it_was_when_more_is_booked() -> None:
    ledger = Ledger(clock=Clock())
    ledger.book("sync", receipt(1))
    before = ledger.snapshot()
    ledger.book("sync", receipt(5))
    ledger.book("ingest", receipt(1))
    assert (before.totals["sync"].rows, list(before.hours[0].components)) == (1, ["sync"])


def pulse(wal_bytes: int, images: int, *own: BackendWal) -> ServerPulse:
    return attrs.evolve(UNTROUBLED, wal_bytes=wal_bytes, full_page_images=images, own=own)


def backend(number: int, wal_bytes: int, images: int) -> BackendWal:
    return BackendWal(
        component="sync", backend=number, wal_bytes=wal_bytes, full_page_images=images
    )


def test_page_images_of_the_whole_server_are_told_as_an_upper_bound() -> None:
    clock = Clock()
    ledger = Ledger(clock=clock)
    ledger.note_pulse(pulse(5000, 50))
    assert ledger.snapshot().server is None  # what was before the watch is nobody's
    clock.advance(HOUR)
    ledger.note_pulse(pulse(7000, 53))
    told = ServerWal(wal_bytes=2000, full_page_images=3, is_upper_bound=True)
    snapshot = ledger.snapshot()
    assert (snapshot.server, snapshot.hours[0].server) == (told, told)
    assert snapshot.totals == {}


def test_a_server_that_tells_nothing_of_its_wal_is_booked_nothing() -> None:
    ledger = Ledger(clock=Clock())
    silent = attrs.evolve(pulse(0, 0), wal_bytes=None, full_page_images=None)
    for each in (silent, silent, pulse(5000, 50), silent, pulse(7000, 53)):
        ledger.note_pulse(each)
    assert ledger.snapshot().server is None
    ledger.note_pulse(pulse(7100, 54))
    told = ledger.snapshot().server
    assert told is not None
    assert (100, 1) == (told.wal_bytes, told.full_page_images)


def test_a_connection_that_is_told_of_is_booked_to_its_component() -> None:
    ledger = Ledger(clock=Clock())
    ledger.book("sync", receipt(1))
    for wal_bytes, images in ((100, 1), (350, 2)):
        ledger.note_pulse(pulse(0, 0, backend(7, wal_bytes, images)))
    ledger.note_pulse(pulse(0, 0, backend(8, 30, 1)))  # connected anew
    total = ledger.snapshot().totals["sync"]
    assert (total.own_wal_bytes, total.full_page_images) == (380, 3)
    assert total.wal_bytes == 100


def test_a_passing_connection_of_the_same_name_books_nothing_twice() -> None:
    """As doctor's, which asks under sync's name while the service runs."""
    ledger = Ledger(clock=Clock())
    for seen in (backend(7, 100, 1), backend(9, 0, 0), backend(7, 130, 1), backend(7, 150, 2)):
        ledger.note_pulse(pulse(0, 0, seen))
    total = ledger.snapshot().totals["sync"]
    assert (total.own_wal_bytes, total.full_page_images) == (150, 2)


def test_connections_of_long_ago_are_forgotten() -> None:
    ledger = Ledger(clock=Clock())
    for number in range(BACKENDS_KEPT + 5):
        ledger.note_pulse(pulse(0, 0, backend(number, 10, 0)))
    assert 32 == len(ledger.backends)
    assert ("sync", 4) not in ledger.backends
