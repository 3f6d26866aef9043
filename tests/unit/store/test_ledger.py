"""The ledger adds up by component and hour, and forgets after 48 hours."""

import attrs
import orjson
from attrs import define

from domain.values import UnixSeconds
from store import BackendWal, ServerPulse, WriteReceipt
from store.ledger import BACKENDS_KEPT, HOURS_KEPT, Ledger
from store.memory import UNTROUBLED

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


def test_commits_add_up_by_component() -> None:
    ledger = Ledger(clock=Clock())
    for component, rows in (("sync", 10), ("ingest", 1), ("sync", 5)):
        ledger.book(component, receipt(rows))
    expected: dict[str, dict[str, object]] = {
        "ingest": {"commits": 1, "statements": 1, "rows": 1, "walBytes": 100, "seconds": 0.25},
        "sync": {"commits": 2, "statements": 2, "rows": 15, "walBytes": 1500, "seconds": 0.5},
    }
    for account in expected.values():
        account |= {"ownWalBytes": None, "fullPageImages": None}  # no server has told
    hour = {"hour": "2025-10-09T08:00:00Z", "components": expected, "server": None}
    assert ledger.snapshot() == {"totals": expected, "server": None, "hours": [hour]}


def test_each_hour_has_its_own_account_newest_first() -> None:
    clock = Clock()
    ledger = Ledger(clock=clock)
    for rows in (1, 2, 3):
        ledger.book("sync", receipt(rows))
        clock.advance(HOUR)
    hours = ledger.snapshot()["hours"]
    assert [(hour["hour"], hour["components"]["sync"]["rows"]) for hour in hours] == [
        ("2025-10-09T10:00:00Z", 3),
        ("2025-10-09T09:00:00Z", 2),
        ("2025-10-09T08:00:00Z", 1),
    ]


def test_hours_are_forgotten_and_totals_are_not() -> None:
    clock = Clock()
    ledger = Ledger(clock=clock)
    for _ in range(HOURS_KEPT + 30):
        ledger.book("sync", receipt(1))
        clock.advance(HOUR)
    snapshot = ledger.snapshot()
    assert len(snapshot["hours"]) == HOURS_KEPT
    assert snapshot["totals"]["sync"]["commits"] == HOURS_KEPT + 30


def test_the_snapshot_is_json() -> None:
    ledger = Ledger(clock=Clock())
    ledger.book("sync", receipt(1))
    assert ledger.snapshot() == orjson.loads(orjson.dumps(ledger.snapshot()))


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
    assert ledger.snapshot()["server"] is None  # what was before the watch is nobody's
    clock.advance(HOUR)
    ledger.note_pulse(pulse(7000, 53))
    told = {"walBytes": 2000, "fullPageImages": 3, "isUpperBound": True}
    snapshot = ledger.snapshot()
    assert (snapshot["server"], snapshot["hours"][0]["server"]) == (told, told)
    assert snapshot["totals"] == {}


def test_a_connection_that_is_told_of_is_booked_to_its_component() -> None:
    ledger = Ledger(clock=Clock())
    ledger.book("sync", receipt(1))
    for wal_bytes, images in ((100, 1), (350, 2)):
        ledger.note_pulse(pulse(0, 0, backend(7, wal_bytes, images)))
    ledger.note_pulse(pulse(0, 0, backend(8, 30, 1)))  # connected anew
    account = ledger.snapshot()["totals"]["sync"]
    assert (account["ownWalBytes"], account["fullPageImages"]) == (380, 3)
    assert account["walBytes"] == 100


def test_a_passing_connection_of_the_same_name_books_nothing_twice() -> None:
    """As doctor's, which asks under sync's name while the service runs."""
    ledger = Ledger(clock=Clock())
    for seen in (backend(7, 100, 1), backend(9, 0, 0), backend(7, 130, 1), backend(7, 150, 2)):
        ledger.note_pulse(pulse(0, 0, seen))
    account = ledger.snapshot()["totals"]["sync"]
    assert (account["ownWalBytes"], account["fullPageImages"]) == (150, 2)


def test_connections_of_long_ago_are_forgotten() -> None:
    ledger = Ledger(clock=Clock())
    for number in range(BACKENDS_KEPT + 5):
        ledger.note_pulse(pulse(0, 0, backend(number, 10, 0)))
    assert BACKENDS_KEPT == len(ledger.backends)
    assert ("sync", 4) not in ledger.backends
