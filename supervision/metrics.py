"""Prometheus metrics of typed snapshots, and of what the supervisor knows.

    Snapshot  ->  MetricFamilies  ->  GET /metrics
    Supervisor.take_dump()  ->  Dump  ->  add_dump

A field's metric is `token_discovery_<subject>_<field>`; a counter's ends with `_total`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import Factory, define
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from domain.snapshots import Declaration, FieldKind, Snapshot, read_declarations, read_fields
from supervision.dump import Dump

PREFIX = "token_discovery"
FAMILY_CLASSES: Mapping[FieldKind, type[CounterMetricFamily | GaugeMetricFamily]] = {
    FieldKind.COUNTER: CounterMetricFamily,
    FieldKind.GAUGE: GaugeMetricFamily,
}

Family = CounterMetricFamily | GaugeMetricFamily
NO_LABELS: Mapping[str, str] = {}


@define
class MetricFamilies:
    """Metric families in the making: snapshots of the same subject share theirs."""

    _families: dict[str, Family] = Factory(dict)

    def __iter__(self) -> Iterator[Family]:
        yield from self._families.values()

    def add_snapshot(
        self, subject: str, snapshot: Snapshot, labels: Mapping[str, str] = NO_LABELS
    ) -> None:
        """Add a sample of each counter and gauge; `subject` may be empty."""
        declared = read_declarations(type(snapshot))
        for name, value in read_fields(snapshot).items():
            declaration = declared[name]
            if declaration.kind is not FieldKind.DETAIL:
                parts = (PREFIX, subject, declaration.metric or name)
                self._add_samples("_".join(filter(None, parts)), declaration, value, labels)

    def _add_samples(
        self, metric: str, declaration: Declaration, value: Any, labels: Mapping[str, str]
    ) -> None:
        label_names = [*labels, declaration.by] if declaration.by else [*labels]
        if metric not in self._families:
            family_class = FAMILY_CLASSES[declaration.kind]
            self._families[metric] = family_class(metric, declaration.help, labels=label_names)
        family, own = self._families[metric], list(labels.values())
        if declaration.by:
            for key, each in value.items():
                family.add_metric([*own, str(key)], _to_number(each))
        elif value is not None:
            family.add_metric(own, _to_number(value))


def add_dump(families: MetricFamilies, dump: Dump) -> None:
    """Add every actor with its own snapshot, every mailbox, the process and its event loop."""
    for mailbox in dump.mailboxes:
        families.add_snapshot("mailbox", mailbox, {"mailbox": mailbox.name})
    for actor in dump.actors:
        families.add_snapshot("actor", actor, {"actor": actor.name})
        if actor.summary is not None:
            kind = actor.summary.told_as
            subject, labels = (kind, {kind: actor.name}) if kind else (actor.name, NO_LABELS)
            families.add_snapshot(subject.replace("-", "_"), actor.summary, labels)
    families.add_snapshot("process", dump.process)
    families.add_snapshot("event_loop", dump.event_loop)


def _to_number(value: Any) -> float:
    return float(len(value) if isinstance(value, tuple) else value)
