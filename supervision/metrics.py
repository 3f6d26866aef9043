"""What the supervisor counts anyway, as Prometheus metrics.

Supervisor.take_dump() -> actor_metrics -> wiring.metrics -> GET /metrics
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Document = Mapping[str, Any]

MAILBOX_GAUGES = ("depth", "capacity", "oldest_age_seconds", "senders_waiting", "receivers_waiting")
MAILBOX_COUNTERS = ("sent", "handled", "conflated", "dropped", "quarantined")


def actor_metrics(document: Document) -> Iterator[Metric]:
    """Of every mailbox and every actor."""
    yield from _of_mailboxes(document["mailboxes"])
    yield from _of_actors(document["actors"])


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
