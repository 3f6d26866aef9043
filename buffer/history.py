"""The history of the process: points of its figures and events, in Redis, bounded by count.

    every 15 s for 6 h, every 5 min for 7 days, the newest 500 events

Adapters: `buffer.redis.history.RedisHistory` (real) and `buffer.memory_history.MemoryHistory`
(twin); both pass tests/contract/test_history_shelf.py. Only actors.history uses it. Lost, it costs
the past of the charts on /ops and nothing else.
"""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any, Protocol

import orjson
from attrs import frozen

from domain.operations import SERIES, HistoryPoint, OperationsEvent
from domain.values import UnixSeconds

# A point takes some 600 bytes, an event some 150: all of it 2.3 MB at most.
RECENT_POINTS = 1440  # 6 h of one in 15 s
COARSE_POINTS = 2016  # 7 days of one in 5 min
EVENTS_KEPT = 500


@frozen(kw_only=True)
class HistoryBatch:
    """Points and events, each oldest first."""

    points: Sequence[HistoryPoint] = ()
    coarse: Sequence[HistoryPoint] = ()
    events: Sequence[OperationsEvent] = ()


class HistoryShelf(Protocol):
    """Every method raises `BufferUnavailable` while Redis is away."""

    async def append_history(self, batch: HistoryBatch) -> None:
        """Keep what is new, in one call; repeated, it changes nothing that is read."""

    async def read_history(self) -> HistoryBatch:
        """All that is kept, oldest first, in one call; what cannot be read is left out."""

    async def close(self) -> None:
        """Disconnect; harmless when already closed."""


# How rows read as text: JSON under the names of fields.


def encode_point(point: HistoryPoint) -> bytes:
    return orjson.dumps({"at": point.at, **point.values})


def encode_event(event: OperationsEvent) -> bytes:
    return orjson.dumps({"at": event.at, "kind": event.kind, "words": event.words})


def decode_points(rows: Iterable[bytes]) -> tuple[HistoryPoint, ...]:
    """The points of these rows, one a moment, without series that this release does not know."""
    points: dict[float, HistoryPoint] = {}
    for row in _read_objects(rows):
        at = row.pop("at", None)
        values = {name: row[name] for name in SERIES if _is_number(row.get(name))}
        if _is_number(at):
            points[at] = HistoryPoint(at=UnixSeconds(at), values=values)
    return tuple(points[at] for at in sorted(points))


def decode_events(rows: Iterable[bytes]) -> tuple[OperationsEvent, ...]:
    """The events of these rows, each once."""
    events: dict[OperationsEvent, None] = {}
    for row in _read_objects(rows):
        match row:
            case {"at": at, "kind": str(kind), "words": str(words)} if _is_number(at):
                events[OperationsEvent(at=UnixSeconds(at), kind=kind, words=words)] = None
    return tuple(sorted(events, key=lambda event: event.at))


def _read_objects(rows: Iterable[bytes]) -> Iterable[dict[str, Any]]:
    for row in rows:
        try:
            value = orjson.loads(row)
        except ValueError:
            continue  # not ours; it goes with its turn
        if isinstance(value, dict):
            yield value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
