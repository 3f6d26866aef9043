"""Who caused how much writing, by the hour.

    WriteReceipt (one a commit)  ->  Ledger  ->  /api/ops/writes, metrics, the governor

One ledger serves both stores; it lives in the Trio thread and needs no lock.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import define, field, frozen

from domain.values import UnixSeconds
from store import WriteReceipt

HOURS_KEPT = 48
SECONDS_AN_HOUR = 3600


@frozen(kw_only=True)
class Account:
    """The sum of some commits."""

    commits: int = 0
    statements: int = 0
    rows: int = 0
    wal_bytes: int = 0
    seconds: float = 0.0

    def with_receipt(self, receipt: WriteReceipt) -> "Account":
        return Account(
            commits=self.commits + 1,
            statements=self.statements + receipt.statements,
            rows=self.rows + receipt.rows,
            wal_bytes=self.wal_bytes + receipt.wal_bytes,
            seconds=self.seconds + receipt.seconds,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "commits": self.commits,
            "statements": self.statements,
            "rows": self.rows,
            "walBytes": self.wal_bytes,
            "seconds": round(self.seconds, 6),
        }


@define(kw_only=True)
class Ledger:
    """Accounts by component and hour; the newest 48 hours are kept, and totals since the start."""

    clock: Callable[[], UnixSeconds]
    hours: dict[int, dict[str, Account]] = field(factory=dict, init=False)
    totals: dict[str, Account] = field(factory=dict, init=False)

    def book(self, component: str, receipt: WriteReceipt) -> None:
        """Add one commit to the component's account of this hour."""
        hour = int(self.clock() // SECONDS_AN_HOUR)
        for accounts in (self.hours.setdefault(hour, {}), self.totals):
            accounts[component] = accounts.get(component, Account()).with_receipt(receipt)
        while len(self.hours) > HOURS_KEPT:
            del self.hours[min(self.hours)]

    def snapshot(self) -> Mapping[str, Any]:
        """Totals by component, and every hour by component, newest hour first; JSON values."""
        return {
            "totals": _by_component(self.totals),
            "hours": [
                {"hour": _named(hour), "components": _by_component(self.hours[hour])}
                for hour in sorted(self.hours, reverse=True)
            ],
        }


def _by_component(accounts: Mapping[str, Account]) -> dict[str, Any]:
    return {component: accounts[component].as_json() for component in sorted(accounts)}


def _named(hour: int) -> str:
    return datetime.fromtimestamp(hour * SECONDS_AN_HOUR, UTC).strftime("%Y-%m-%dT%H:00:00Z")
