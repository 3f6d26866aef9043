"""The dump and the write ledger as Prometheus text; nothing is counted twice for it.

Supervisor.inspect(), Ledger.snapshot() -> exposition -> GET /metrics
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Document = Mapping[str, Any]

MAILBOX_GAUGES = ("depth", "capacity", "oldest_age_seconds", "senders_waiting", "receivers_waiting")
MAILBOX_COUNTERS = ("sent", "handled", "conflated", "dropped", "quarantined", "rejected")
WRITE_COUNTERS = {
    "commits": "commits",
    "statements": "statements",
    "rows": "rows",
    "wal_bytes": "walBytes",
}


@frozen
class _Snapshot(Collector):
    inspect: Callable[[], Document]
    writes: Callable[[], Document]

    def collect(self) -> Iterable[Metric]:
        document = self.inspect()
        yield from _of_mailboxes(document["mailboxes"])
        yield from _of_actors(document["actors"])
        yield from _of_writes(self.writes())


def exposition(
    inspect: Callable[[], Document], writes: Callable[[], Document]
) -> Callable[[], bytes]:
    """A function that gives the metrics of the moment in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(inspect, writes))
    return lambda: generate_latest(registry)


def _of_mailboxes(mailboxes: Iterable[Document]) -> Iterator[Metric]:
    boxes = list(mailboxes)
    for name in MAILBOX_GAUGES:
        gauge = GaugeMetricFamily(
            f"token_discovery_mailbox_{name}", f"Mailbox: {name}.", labels=["mailbox"]
        )
        for box in boxes:
            gauge.add_metric([box["name"]], float(box[name] or 0))
        yield gauge
    for name in MAILBOX_COUNTERS:
        counter = CounterMetricFamily(
            f"token_discovery_mailbox_messages_{name}",
            f"Messages {name}; sent = handled + conflated + dropped + quarantined + depth.",
            labels=["mailbox"],
        )
        for box in boxes:
            counter.add_metric([box["name"]], box[name])
        yield counter


def _of_actors(actors: Iterable[Document]) -> Iterator[Metric]:
    restarts = CounterMetricFamily(
        "token_discovery_actor_restarts", "Restarts after a failure.", labels=["actor"]
    )
    uptime = GaugeMetricFamily(
        "token_discovery_actor_uptime_seconds", "Seconds since the last start.", labels=["actor"]
    )
    state = GaugeMetricFamily(
        "token_discovery_actor_state", "Figures of an actor's summary.", labels=["actor", "figure"]
    )
    for actor in actors:
        restarts.add_metric([actor["name"]], actor["restarts"])
        uptime.add_metric([actor["name"]], float(actor["uptime_seconds"] or 0))
        for figure, value in _figures(actor["summary"]):
            state.add_metric([actor["name"], figure], value)
    yield from (restarts, uptime, state)


def _figures(summary: object, prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a summary; those of a nested mapping under dotted names."""
    if not isinstance(summary, Mapping):
        return
    for name, value in summary.items():
        if isinstance(value, bool | int | float):
            yield f"{prefix}{name}", float(value)
        elif isinstance(value, Mapping):
            yield from _figures(value, f"{prefix}{name}.")


def _of_writes(writes: Document) -> Iterator[Metric]:
    for name, key in WRITE_COUNTERS.items():
        counter = CounterMetricFamily(
            f"token_discovery_postgres_{name}",
            f"Postgres {name.replace('_', ' ')} since the start, by component.",
            labels=["component"],
        )
        for component, totals in writes["totals"].items():
            counter.add_metric([component], totals[key])
        yield counter
