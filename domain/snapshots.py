"""Snapshots: what a part of the service tells of itself at one moment, every field declared.

    actor, ledger, governor  --snapshot()-->  Snapshot  -->  supervision.metrics  -->  GET /metrics
                                                        -->  feed.operations  -->  JSON

    @snapshot_class
    class IngestSnapshot(Snapshot):
        recent_mints: int = gauge("Mints that are remembered.")
        admitted: int = counter("New tokens admitted.")
        refused: Mapping[str, int] = counter("Frames refused.", by="reason")
        last_problem: str | None = detail("What ended the last connection.")

A counter only grows within one life of an actor; a gauge may also fall; a detail is for people
and becomes no metric. The names of fields are the names of metrics, so units come last.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar, TypeVar, dataclass_transform

import attrs
from attrs import frozen

DECLARATION = "declaration"  # the key in an attrs field's metadata


class FieldKind(Enum):
    """What a field of a snapshot is for."""

    COUNTER = "counter"
    GAUGE = "gauge"
    DETAIL = "detail"


@frozen(kw_only=True)
class Declaration:
    """What a field of a snapshot means."""

    kind: FieldKind
    help: str  # one sentence; of a metric its HELP text
    by: str | None = None  # the Prometheus label of a mapping's keys
    metric: str | None = None  # the metric's name where it is not the field's


def counter(help: str, *, by: str | None = None, metric: str | None = None) -> Any:
    """Declare a number that only grows; with `by`, a mapping of such numbers."""
    return _declared(Declaration(kind=FieldKind.COUNTER, help=help, by=by, metric=metric))


def gauge(help: str, *, by: str | None = None, metric: str | None = None) -> Any:
    """Declare a number that may also fall, or a truth (1 or 0); with `by`, a mapping of such.

    A tuple is measured by its length. None is no sample: nobody knows.
    """
    return _declared(Declaration(kind=FieldKind.GAUGE, help=help, by=by, metric=metric))


def detail(help: str) -> Any:
    """Declare what is for people alone, and no metric."""
    return _declared(Declaration(kind=FieldKind.DETAIL, help=help))


def _declared(declaration: Declaration) -> Any:
    return attrs.field(metadata={DECLARATION: declaration})


class Snapshot:
    """The base of all snapshots.

    Those with the same `told_as` share their metrics, which an actor's name then labels: all
    streams have `token_discovery_stream_connected{stream="..."}`.
    """

    __slots__ = ()
    told_as: ClassVar[str | None] = None


S = TypeVar("S", bound=Snapshot)


@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(counter, gauge, detail)
)
def snapshot_class(kind: type[S]) -> type[S]:
    """Make a frozen attrs class of it; `TypeError` for a field that is not declared."""
    made = frozen(kw_only=True)(kind)
    undeclared = [each.name for each in _fields_of(made) if DECLARATION not in each.metadata]
    if undeclared:
        raise TypeError(f"{kind.__name__}: not declared: {', '.join(undeclared)}")
    return made


def read_declarations(kind: type[Snapshot]) -> Mapping[str, Declaration]:
    """The declaration of every field, in their order."""
    return {each.name: each.metadata[DECLARATION] for each in _fields_of(kind)}


def replace_fields(snapshot: S, **changes: Any) -> S:
    """The same with some other values."""
    return type(snapshot)(**{**read_fields(snapshot), **changes})


def read_fields(snapshot: Snapshot) -> dict[str, Any]:
    """The value of every field, in their order."""
    return {name: getattr(snapshot, name) for name in read_declarations(type(snapshot))}


def _fields_of(kind: type[Snapshot]) -> "tuple[attrs.Attribute[Any], ...]":
    return attrs.fields(kind)  # type: ignore[arg-type, no-any-return]  # not known to be attrs
