"""What the process counts anyway, as Prometheus text; nothing is counted twice for it.

Supervisor.take_dump(), Ledger and Governor, CheckpointWatch -> exposition -> GET /metrics
"""

from collections.abc import Callable, Iterable, Iterator

from attrs import frozen
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from supervision.metrics import Document, actor_metrics

WRITE_COUNTERS = {
    "commits": "commits",
    "statements": "statements",
    "rows": "rows",
    "wal_bytes": "walBytes",
    "own_wal_bytes": "ownWalBytes",
    "full_page_images": "fullPageImages",
}
SERVER_COUNTERS = {"wal_bytes": "walBytes", "full_page_images": "fullPageImages"}
CHECKPOINT_COUNTERS = {"timed": "timed", "requested": "requested"}
CHECKPOINT_GAUGES = {
    "wal_since_checkpoint_bytes": "walSinceCheckpointBytes",
    "wal_before_requested_bytes": "walBeforeRequestedBytes",
    "max_wal_size_bytes": "maxWalSizeBytes",
    "wal_bytes_per_second": "walBytesPerSecond",
    "buffers_per_checkpoint": "buffersPerCheckpoint",
}


@frozen
class _Snapshot(Collector):
    inspect: Callable[[], Document]
    writes: Callable[[], Document]
    checkpoints: Callable[[], Document]

    def collect(self) -> Iterable[Metric]:
        yield from actor_metrics(self.inspect())
        writes = self.writes()
        yield from _of_writes(writes)
        yield from _of_governor(writes["governor"])
        yield from _of_checkpoints(self.checkpoints())


def exposition(
    inspect: Callable[[], Document],
    writes: Callable[[], Document],
    checkpoints: Callable[[], Document],
) -> Callable[[], bytes]:
    """A function that gives the metrics of the moment in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(inspect, writes, checkpoints))
    return lambda: generate_latest(registry)


def _of_writes(writes: Document) -> Iterator[Metric]:
    for name, key in WRITE_COUNTERS.items():
        counter = CounterMetricFamily(
            f"token_discovery_postgres_{name}",
            f"Postgres {name.replace('_', ' ')} since the start, by component.",
            labels=["component"],
        )
        for component, totals in writes["totals"].items():
            if totals[key] is not None:  # the server does not tell
                counter.add_metric([component], totals[key])
        yield counter
    for name, key in SERVER_COUNTERS.items():
        told = writes["server"]
        yield CounterMetricFamily(
            f"token_discovery_postgres_server_{name}",
            f"{name.replace('_', ' ')} of the whole server while watched: an upper bound of ours.",
            value=told[key] if told else 0,
        )


def _of_governor(governor: Document) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "token_discovery_governor_share", "Share of the budget allowed.", value=governor["share"]
    )
    for kind in ("budget", "allowed"):
        for name, key in (
            ("wal_bytes_per_second", "walBytesPerSecond"),
            ("rows_per_hour", "rowsPerHour"),
        ):
            yield GaugeMetricFamily(
                f"token_discovery_governor_{kind}_{name}",
                f"What updates may write, {kind}.",
                value=governor[kind][key],
            )
    for name, key in (
        ("own_wal_bytes_per_second", "ownWalBytesPerSecond"),
        ("rows_waiting", "waiting"),
        ("rows_held_back", "heldBack"),
        ("rows_overriding", "overriding"),
        ("reasons", "reasons"),
    ):
        value = governor[key]
        yield GaugeMetricFamily(
            f"token_discovery_governor_{name}",
            f"Governor: {name.replace('_', ' ')}, at the last flush.",
            value=float(len(value) if isinstance(value, list) else value),
        )
    yield from _of_staleness(governor["staleness"])
    events = CounterMetricFamily(
        "token_discovery_governor_events", "What the governor counted.", labels=["event"]
    )
    for event, count in governor["counts"].items():
        events.add_metric([event], count)
    yield events


def _of_staleness(staleness: Document) -> Iterator[Metric]:
    age = GaugeMetricFamily(
        "token_discovery_staleness_seconds", "Age of the oldest unflushed value.", labels=["group"]
    )
    broken = GaugeMetricFamily(
        "token_discovery_staleness_broken", "1: older than its bound.", labels=["group"]
    )
    for group, state in staleness.items():
        age.add_metric([group], state["seconds"])
        broken.add_metric([group], float(state["isBroken"]))
    yield from (age, broken)


def _of_checkpoints(checkpoints: Document) -> Iterator[Metric]:
    if not checkpoints["observed"]:
        return
    for name, key in CHECKPOINT_COUNTERS.items():
        yield CounterMetricFamily(
            f"token_discovery_postgres_checkpoints_{name}",
            "Checkpoints of the server, as it counts them.",
            value=checkpoints[key],
        )
    for name, key in CHECKPOINT_GAUGES.items():
        if checkpoints[key] is not None:
            yield GaugeMetricFamily(
                f"token_discovery_postgres_{name}",
                "As the server told at the last pulse.",
                value=checkpoints[key],
            )
