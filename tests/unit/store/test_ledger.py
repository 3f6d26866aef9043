"""The ledger adds up by component and hour, and forgets after 48 hours."""

import orjson
from attrs import define

from domain.values import UnixSeconds
from store import WriteReceipt
from store.ledger import HOURS_KEPT, Ledger

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
    expected = {
        "ingest": {"commits": 1, "statements": 1, "rows": 1, "walBytes": 100, "seconds": 0.25},
        "sync": {"commits": 2, "statements": 2, "rows": 15, "walBytes": 1500, "seconds": 0.5},
    }
    hour = {"hour": "2025-10-09T08:00:00Z", "components": expected}
    assert ledger.snapshot() == {"totals": expected, "hours": [hour]}


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
