"""Everything that is counted anyway, as Prometheus text; nothing is counted twice for it.

Supervisor, Ledger, Governor, CheckpointWatch, Readiness  ->  snapshots  ->  GET /metrics
"""

from collections.abc import Callable, Iterable, Mapping

from attrs import frozen
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from actors.sync.snapshots import GovernorSnapshot
from domain.snapshots import Snapshot, gauge, snapshot_class
from store.checkpoints import CheckpointsSnapshot
from store.ledger import LedgerSnapshot, ServerWal
from supervision.dump import Dump
from supervision.metrics import MetricFamilies, add_dump
from supervision.readiness import Readiness

UNWATCHED = ServerWal(wal_bytes=0, full_page_images=0, is_upper_bound=True)


@snapshot_class
class HealthSnapshot(Snapshot):
    """Whether the service serves, and how its stores and sources are."""

    ready: bool = gauge("1 while the service serves, as /readyz says.")
    dependency_up: Mapping[str, bool] = gauge(
        "1 while a store or source answers, 0 while it is away.", by="dependency"
    )
    dependency_outage_seconds: Mapping[str, float] = gauge(
        "How long a store or source has been away; 0 while it answers.", by="dependency"
    )


def take_health_snapshot(readiness: Readiness) -> HealthSnapshot:
    """How the service is now."""
    now = readiness.clock()
    since = {outage.name: outage.since for outage in readiness.outages()}
    return HealthSnapshot(
        ready=readiness.is_ready,
        dependency_up=dict(readiness.dependencies),
        dependency_outage_seconds={
            name: now - since.get(name, now) for name in readiness.dependencies
        },
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
        families.add_snapshot("postgres", self.checkpoints())
        families.add_snapshot("", self.health())
        return families


def build_exposition(sources: MetricSources) -> Callable[[], bytes]:
    """A function that gives the metrics of the moment in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(sources)
    return lambda: generate_latest(registry)


def _add_ledger(families: MetricFamilies, ledger: LedgerSnapshot) -> None:
    for component, account in ledger.totals.items():
        families.add_snapshot("postgres", account, {"component": component})
    families.add_snapshot("postgres_server", ledger.server or UNWATCHED)


def _add_governor(families: MetricFamilies, governor: GovernorSnapshot) -> None:
    families.add_snapshot("governor", governor)
    families.add_snapshot("governor_budget", governor.budget)
    families.add_snapshot("governor_allowed", governor.allowed)
    for group, staleness in governor.staleness.items():
        families.add_snapshot("staleness", staleness, {"group": group})
