"""Who caused how much writing, by the hour.

    WriteReceipt (one a commit), ServerPulse  ->  Ledger  ->  /api/ops/writes, metrics

One ledger serves both stores; it lives in the Trio thread and needs no lock.

Full-page images are known by component where the server tells what each connection wrote
(PostgreSQL 18). Elsewhere only the whole server's are known: an upper bound for ours.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from attrs import define, field

from domain.snapshots import Snapshot, counter, detail, replace_fields, snapshot_class
from domain.values import UnixSeconds
from store import BackendWal, ServerPulse, WriteReceipt

HOURS_KEPT = 48
BACKENDS_KEPT = 32  # connections whose counters are remembered
SECONDS_AN_HOUR = 3600
SERVER = "server"  # beside the components: what everybody on it wrote together


@snapshot_class
class Account(Snapshot):
    """The sum of some commits.

    What the server tells of a connection (None where it does not) is more than what its commits
    are booked for: migrations are in it, too.
    """

    commits: int = counter("Commits.")
    statements: int = counter("Statements that write.")
    rows: int = counter("Rows of tokens, really inserted or updated.")
    wal_bytes: int = counter("WAL of the server while the commits ran: others' is in it.")
    seconds: float = counter("Time from begin to commit.", metric="commit_seconds")
    own_wal_bytes: int | None = counter("WAL of the component's own connections.")
    full_page_images: int | None = counter("Page images that its own connections wrote.")

    def with_receipt(self, receipt: WriteReceipt) -> "Account":
        return replace_fields(
            self,
            commits=self.commits + 1,
            statements=self.statements + receipt.statements,
            rows=self.rows + receipt.rows,
            wal_bytes=self.wal_bytes + receipt.wal_bytes,
            seconds=self.seconds + receipt.seconds,
        )

    def with_told(self, wal_bytes: int, full_page_images: int) -> "Account":
        return replace_fields(
            self,
            own_wal_bytes=(self.own_wal_bytes or 0) + wal_bytes,
            full_page_images=(self.full_page_images or 0) + full_page_images,
        )


NO_COMMITS = Account(
    commits=0,
    statements=0,
    rows=0,
    wal_bytes=0,
    seconds=0.0,
    own_wal_bytes=None,
    full_page_images=None,
)

Accounts = dict[str, Account]  # by component


@snapshot_class
class ServerWal(Snapshot):
    """Everybody's WAL while it was watched."""

    wal_bytes: int = counter("WAL of the whole server while it was watched.")
    full_page_images: int = counter("Page images of the whole server while it was watched.")
    is_upper_bound: bool = detail("True: ours is part of it, and nobody tells which.")


@snapshot_class
class HourSnapshot(Snapshot):
    """What was written in one hour."""

    hour: datetime = detail("The hour's beginning, in UTC.")
    components: Mapping[str, Account] = detail("By component.")
    server: ServerWal | None = detail("The whole server; None before it was watched.")


@snapshot_class
class LedgerSnapshot(Snapshot):
    """Who wrote how much."""

    totals: Mapping[str, Account] = detail("Since the start, by component.")
    server: ServerWal | None = detail("The whole server; None before it was watched.")
    hours: tuple[HourSnapshot, ...] = detail("The newest hours, newest first.")


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
            accounts[component] = accounts.get(component, NO_COMMITS).with_receipt(receipt)

    def note_pulse(self, pulse: ServerPulse) -> None:
        """Book what the server has told more than at the last pulse."""
        before, self.server_pulse = self.server_pulse, pulse
        if before is not None:
            wal_bytes = _count_told(before.wal_bytes, pulse.wal_bytes)
            images = _count_told(before.full_page_images, pulse.full_page_images)
            if wal_bytes is not None and images is not None:
                self._book_told(SERVER, wal_bytes, images)
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
            _count_since(first_bytes, backend.wal_bytes),
            _count_since(first_images, backend.full_page_images),
        )

    def _book_told(self, component: str, wal_bytes: int, full_page_images: int) -> None:
        for accounts in self._open_accounts():
            known = accounts.get(component, NO_COMMITS)
            accounts[component] = known.with_told(wal_bytes, full_page_images)

    def _open_accounts(self) -> tuple[Accounts, Accounts]:
        """This hour's and the totals, once the oldest hour has made room."""
        hour = int(self.clock() // SECONDS_AN_HOUR)
        accounts = self.hours.setdefault(hour, {})
        while len(self.hours) > HOURS_KEPT:
            del self.hours[min(self.hours)]
        return accounts, self.totals

    def snapshot(self) -> LedgerSnapshot:
        """The totals, and every hour that is kept."""
        return LedgerSnapshot(
            totals=_by_component(self.totals),
            server=_server_wal(self.totals),
            hours=tuple(
                HourSnapshot(
                    hour=datetime.fromtimestamp(hour * SECONDS_AN_HOUR, UTC),
                    components=_by_component(self.hours[hour]),
                    server=_server_wal(self.hours[hour]),
                )
                for hour in sorted(self.hours, reverse=True)
            ),
        )


def _count_since(before: int, now: int) -> int:
    """How far a counter has come; one that is lower than before began anew."""
    return now - before if now >= before else now


def _count_told(before: int | None, now: int | None) -> int | None:
    """As `_count_since`; None where the server does not tell."""
    return None if before is None or now is None else _count_since(before, now)


def _by_component(accounts: Accounts) -> Accounts:
    return {name: accounts[name] for name in sorted(accounts) if name != SERVER}


def _server_wal(accounts: Accounts) -> ServerWal | None:
    if SERVER not in accounts:
        return None
    account = accounts[SERVER]
    return ServerWal(
        wal_bytes=account.own_wal_bytes or 0,
        full_page_images=account.full_page_images or 0,
        is_upper_bound=True,
    )
