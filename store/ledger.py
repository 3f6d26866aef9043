"""Who caused how much writing, by the hour.

    WriteReceipt (one a commit), ServerPulse  ->  Ledger  ->  /api/ops/writes, metrics

One ledger serves both stores; it lives in the Trio thread and needs no lock.

Full-page images are known by component where the server tells what each connection wrote
(PostgreSQL 18). Elsewhere only the whole server's are known: an upper bound for ours.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import define, evolve, field, frozen

from domain.values import UnixSeconds
from store import BackendWal, ServerPulse, WriteReceipt

HOURS_KEPT = 48
BACKENDS_KEPT = 32  # connections whose counters are remembered
SECONDS_AN_HOUR = 3600
SERVER = "server"  # beside the components: what everybody on it wrote together


@frozen(kw_only=True)
class Account:
    """The sum of some commits."""

    commits: int = 0
    statements: int = 0
    rows: int = 0
    wal_bytes: int = 0  # while the commits ran: what others wrote meanwhile is in it
    seconds: float = 0.0
    # None: the server does not tell. Also what no commit of ours is booked for, like migrations.
    own_wal_bytes: int | None = None
    full_page_images: int | None = None

    def with_receipt(self, receipt: WriteReceipt) -> "Account":
        return evolve(
            self,
            commits=self.commits + 1,
            statements=self.statements + receipt.statements,
            rows=self.rows + receipt.rows,
            wal_bytes=self.wal_bytes + receipt.wal_bytes,
            seconds=self.seconds + receipt.seconds,
        )

    def with_told(self, wal_bytes: int, full_page_images: int) -> "Account":
        return evolve(
            self,
            own_wal_bytes=(self.own_wal_bytes or 0) + wal_bytes,
            full_page_images=(self.full_page_images or 0) + full_page_images,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "commits": self.commits,
            "statements": self.statements,
            "rows": self.rows,
            "walBytes": self.wal_bytes,
            "seconds": round(self.seconds, 6),
            "ownWalBytes": self.own_wal_bytes,
            "fullPageImages": self.full_page_images,
        }


Accounts = dict[str, Account]


@define(kw_only=True)
class Ledger:
    """Accounts by component and hour; the newest 48 hours are kept, and totals since the start."""

    clock: Callable[[], UnixSeconds]
    hours: dict[int, Accounts] = field(factory=dict, init=False)
    totals: Accounts = field(factory=dict, init=False)
    server_pulse: ServerPulse | None = field(default=None, init=False)  # the newest
    # As last told, by component and process; doctor's may pass by under the name of sync.
    backends: dict[tuple[str, int], BackendWal] = field(factory=dict, init=False)

    def book(self, component: str, receipt: WriteReceipt) -> None:
        """Add one commit to the component's account of this hour."""
        for accounts in self._open_accounts():
            accounts[component] = accounts.get(component, Account()).with_receipt(receipt)

    def note_pulse(self, pulse: ServerPulse) -> None:
        """Book what the server has told more than at the last pulse."""
        before, self.server_pulse = self.server_pulse, pulse
        if before is not None:
            self._book_told(
                SERVER,
                _more(before.wal_bytes, pulse.wal_bytes),
                _more(before.full_page_images, pulse.full_page_images),
            )
        for backend in pulse.own:
            self._note_backend(backend)

    def _note_backend(self, backend: BackendWal) -> None:
        name = backend.component, backend.backend
        known = self.backends.pop(name, None)
        self.backends[name] = backend  # the latest stands last
        if len(self.backends) > BACKENDS_KEPT:
            del self.backends[next(iter(self.backends))]
        first_bytes, first_images = (known.wal_bytes, known.full_page_images) if known else (0, 0)
        self._book_told(
            backend.component,
            _more(first_bytes, backend.wal_bytes),
            _more(first_images, backend.full_page_images),
        )

    def _book_told(self, component: str, wal_bytes: int, full_page_images: int) -> None:
        for accounts in self._open_accounts():
            known = accounts.get(component, Account())
            accounts[component] = known.with_told(wal_bytes, full_page_images)

    def _open_accounts(self) -> tuple[Accounts, Accounts]:
        """This hour's and the totals, once the oldest hour has made room."""
        hour = int(self.clock() // SECONDS_AN_HOUR)
        accounts = self.hours.setdefault(hour, {})
        while len(self.hours) > HOURS_KEPT:
            del self.hours[min(self.hours)]
        return accounts, self.totals

    def snapshot(self) -> Mapping[str, Any]:
        """Totals by component, and every hour by component, newest hour first; JSON values."""
        return {
            "totals": _by_component(self.totals),
            "server": _of_server(self.totals),
            "hours": [
                {
                    "hour": _named(hour),
                    "components": _by_component(self.hours[hour]),
                    "server": _of_server(self.hours[hour]),
                }
                for hour in sorted(self.hours, reverse=True)
            ],
        }


def _more(before: int, now: int) -> int:
    """How far a counter has come; one that is lower than before began anew."""
    return now - before if now >= before else now


def _by_component(accounts: Accounts) -> dict[str, Any]:
    return {name: accounts[name].as_json() for name in sorted(accounts) if name != SERVER}


def _of_server(accounts: Accounts) -> dict[str, Any] | None:
    """Everybody's WAL while it was watched: an upper bound of ours. None before it is known."""
    if SERVER not in accounts:
        return None
    account = accounts[SERVER]
    return {
        "walBytes": account.own_wal_bytes,
        "fullPageImages": account.full_page_images,
        "isUpperBound": True,
    }


def _named(hour: int) -> str:
    return datetime.fromtimestamp(hour * SECONDS_AN_HOUR, UTC).strftime("%Y-%m-%dT%H:00:00Z")
