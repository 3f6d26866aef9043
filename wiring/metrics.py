"""Everything that is counted anyway, as Prometheus text; nothing is counted twice for it.

Supervisor, Ledger, Governor, CheckpointWatch, Readiness  ->  snapshots  ->  GET /metrics
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from attrs import frozen
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from actors.sync.snapshots import GovernorSnapshot
from domain.snapshots import Snapshot, gauge, snapshot_class
from domain.values import UnixSeconds
from store.checkpoints import CheckpointsSnapshot
from store.ledger import LedgerSnapshot, ServerWal
from supervision import WallClock
from supervision.dump import Dump
from supervision.metrics import MetricFamilies, add_dump

UNWATCHED = ServerWal(wal_bytes=0, full_page_images=0, is_upper_bound=True)


class OngoingOutage(Protocol):
    """A store or source that is away."""

    @property
    def name(self) -> str: ...

    @property
    def since(self) -> UnixSeconds: ...


class HealthSource(Protocol):
    """Whether the service serves, and which stores and sources it has found away."""

    @property
    def is_ready(self) -> bool: ...

    @property
    def dependencies(self) -> Iterable[str]:
        """Every store and source that anybody has used so far."""

    def outages(self) -> Sequence[OngoingOutage]:
        """Those of them that are away now."""


@snapshot_class
class HealthSnapshot(Snapshot):
    """Whether the service serves, and how its stores and sources are."""

    ready: bool = gauge("1 while the service serves, as /readyz says.")
    dependency_up: dict[str, bool] = gauge(
        "1 while a store or source answers, 0 while it is away.", by="dependency"
    )
    dependency_outage_seconds: dict[str, float] = gauge(
        "How long a store or source has been away; 0 while it answers.", by="dependency"
    )


def take_health_snapshot(source: HealthSource, clock: WallClock) -> HealthSnapshot:
    """How the service is now, by the clock that the outages are dated with."""
    now = clock()
    away = {outage.name: max(0.0, now - outage.since) for outage in source.outages()}
    names = sorted({*source.dependencies, *away})
    return HealthSnapshot(
        ready=source.is_ready,
        dependency_up={name: name not in away for name in names},
        dependency_outage_seconds={name: away.get(name, 0.0) for name in names},
    )


@frozen(kw_only=True)
class MetricSources(Collector):
    """Where the snapshots come from; each call is cheap, and answered from memory."""

    dump: Callable[[], Dump]
    ledger: Callable[[], LedgerSnapshot]
    governor: Callable[[], GovernorSnapshot]
    checkpoints: Callable[[], CheckpointsSnapshot]
    health: Callable[[], HealthSnapshot]

    def collect(self) -> Iterable[Metric]:
        """The metrics of this moment."""
        families = MetricFamilies()
        add_dump(families, self.dump())
        _add_ledger(families, self.ledger())
        _add_governor(families, self.governor())
        families.add("postgres", self.checkpoints())
        families.add("", self.health())
        return families


def exposition(sources: MetricSources) -> Callable[[], bytes]:
    """A function that gives the metrics of the moment in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(sources)
    return lambda: generate_latest(registry)


def _add_ledger(families: MetricFamilies, ledger: LedgerSnapshot) -> None:
    for component, account in ledger.totals.items():
        families.add("postgres", account, {"component": component})
    families.add("postgres_server", ledger.server or UNWATCHED)


def _add_governor(families: MetricFamilies, governor: GovernorSnapshot) -> None:
    families.add("governor", governor)
    families.add("governor_budget", governor.budget)
    families.add("governor_allowed", governor.allowed)
    for group, staleness in governor.staleness.items():
        families.add("staleness", staleness, {"group": group})
