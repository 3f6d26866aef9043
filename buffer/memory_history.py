"""The in-memory twin of the history in Redis: the same rows under the same bounds."""

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
from domain.errors import BufferUnavailable


@define
class MemoryHistory:
    """A `HistoryShelf` that ends with the process."""

    is_away: bool = False  # then every call fails
    points: list[bytes] = field(factory=list)
    coarse: list[bytes] = field(factory=list)
    events: list[bytes] = field(factory=list)
    appends: int = field(default=0, init=False)

    async def append_history(self, batch: HistoryBatch) -> None:
        self._require_presence()
        self.appends += 1
        self.points = [*self.points, *map(encode_point, batch.points)][-RECENT_POINTS:]
        self.coarse = [*self.coarse, *map(encode_point, batch.coarse)][-COARSE_POINTS:]
        self.events = [*self.events, *map(encode_event, batch.events)][-EVENTS_KEPT:]

    async def read_history(self) -> HistoryBatch:
        self._require_presence()
        return HistoryBatch(
            points=decode_points(self.points),
            coarse=decode_points(self.coarse),
            events=decode_events(self.events),
        )

    async def close(self) -> None:
        """There is nothing to disconnect."""

    def _require_presence(self) -> None:
        if self.is_away:
            raise BufferUnavailable("the history is away")
