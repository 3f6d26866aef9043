"""The history in Redis: three lists, each trimmed to its bound by the call that appends to it.

append_history -> MULTI, RPUSH and LTRIM a list, EXEC;  read_history -> LRANGE of all three
"""

from collections.abc import Iterator, Sequence
from typing import Any

import redis
from attrs import define, field

from buffer.history import (
    COARSE_POINTS,
    EVENTS_KEPT,
    RECENT_POINTS,
    HistoryBatch,
    decode_events,
    decode_points,
    encode_event,
    encode_point,
)
from buffer.redis import RedisOffload
from buffer.redis.connection import RedisConnections

KEYS = POINTS, COARSE, EVENTS = ("td:history:points", "td:history:coarse", "td:history:events")
BOUNDS = {POINTS: RECENT_POINTS, COARSE: COARSE_POINTS, EVENTS: EVENTS_KEPT}


@define(kw_only=True)
class RedisHistory:
    """The `HistoryShelf` of a Redis server."""

    url: str = field(repr=False)
    timeout_seconds: float  # to connect, and for one call
    offload: RedisOffload
    _connections: RedisConnections = field(init=False)

    @_connections.default
    def _new_connections(self) -> RedisConnections:
        return RedisConnections(self.url, self.timeout_seconds)

    async def append_history(self, batch: HistoryBatch) -> None:
        if rows := dict(_list_rows(batch)):
            await self.offload(self._append, rows)

    async def read_history(self) -> HistoryBatch:
        points, coarse, events = await self.offload(self._read)
        return HistoryBatch(
            points=decode_points(points),
            coarse=decode_points(coarse),
            events=decode_events(events),
        )

    async def close(self) -> None:
        self._connections.close()

    # Blocking from here on, in a worker thread.

    def _append(self, rows: dict[str, Sequence[bytes]]) -> None:
        def append(client: redis.Redis) -> None:
            pipeline: Any = client.pipeline()
            for key, texts in rows.items():
                pipeline.rpush(key, *texts)
                pipeline.ltrim(key, -BOUNDS[key], -1)
            pipeline.execute()

        self._connections.call(append)

    def _read(self) -> tuple[list[bytes], list[bytes], list[bytes]]:
        def read(client: redis.Redis) -> Any:
            pipeline: Any = client.pipeline()
            for key in KEYS:
                pipeline.lrange(key, 0, -1)
            return pipeline.execute()

        points, coarse, events = self._connections.call(read)
        return points, coarse, events


def _list_rows(batch: HistoryBatch) -> Iterator[tuple[str, Sequence[bytes]]]:
    """The rows of each list that has any."""
    if batch.points:
        yield POINTS, [encode_point(point) for point in batch.points]
    if batch.coarse:
        yield COARSE, [encode_point(point) for point in batch.coarse]
    if batch.events:
        yield EVENTS, [encode_event(event) for event in batch.events]
