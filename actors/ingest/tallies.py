"""What each stream has brought, how much of it first, and how far it is behind the chain.

SourceEvent -> StreamTally -> IngestSnapshot -> metrics, GET /api/ops/actors
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

from actors.ingest.times import LATE_SECONDS, read_chain_time
from domain.messages import (
    CurveCompleted,
    MigrationSeen,
    PoolCreated,
    SourceEvent,
    TokenCreated,
    TradeSeen,
)
from domain.values import UnixSeconds

LAGS_KEPT = 500  # the newest, of which the quantiles are told
KINDS: Mapping[type, str] = {
    TokenCreated: "births",
    TradeSeen: "trades",
    CurveCompleted: "completions",
    MigrationSeen: "migrations",
    PoolCreated: "pools",
}


@define
class StreamTally:
    """The account of one stream, since ingest's last start."""

    brought: Counter[str] = field(factory=Counter)  # by kind
    first: Counter[str] = field(factory=Counter)  # by kind: nobody had told before
    repeated: int = 0  # told before, by another stream or by this one
    untracked: int = 0  # of mints that nobody here follows
    too_late: int = 0  # trades that may have been counted long ago
    late: int = 0  # fetched for a gap
    lag_seconds: float | None = None  # of the newest event
    lags: deque[float] = field(factory=lambda: deque(maxlen=LAGS_KEPT))

    def note_event(self, event: SourceEvent) -> UnixSeconds | None:
        """Count what it has brought; the chain's time of it, where it is told."""
        self.brought[KINDS[type(event)]] += 1
        at = read_chain_time(event)
        if at is not None:
            lag = event.seen_at - at
            if lag > LATE_SECONDS:
                self.late += 1
            else:
                self.lag_seconds = lag
                self.lags.append(lag)
        return at

    def note_first(self, event: SourceEvent) -> None:
        """The event is news."""
        self.first[KINDS[type(event)]] += 1

    def read_lag_seconds(self, share: float) -> float | None:
        """The lag that this share of the newest events does not exceed."""
        ordered = sorted(self.lags)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None


@define
class Tallies:
    """One tally for each stream; the streams are few."""

    by_source: dict[str, StreamTally] = field(factory=dict)

    def find_tally(self, source: str) -> StreamTally:
        tally = self.by_source.get(source)
        if tally is None:
            tally = self.by_source[source] = StreamTally()
        return tally

    def tell(self) -> dict[str, Any]:
        """The fields of IngestSnapshot that have one figure a stream."""
        return {
            **self._tell_kinds(),
            "repeated_events": self._by_source(lambda tally: tally.repeated),
            "untracked_events": self._by_source(lambda tally: tally.untracked),
            "too_late_trades": self._by_source(lambda tally: tally.too_late),
            "late_events": self._by_source(lambda tally: tally.late),
            "newest_lag_seconds": self._by_source(lambda tally: tally.lag_seconds),
            "median_lag_seconds": self._by_source(lambda tally: tally.read_lag_seconds(0.5)),
            "p95_lag_seconds": self._by_source(lambda tally: tally.read_lag_seconds(0.95)),
        }

    def _tell_kinds(self) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for kind in KINDS.values():
            told[f"{kind}_brought"] = {s: t.brought[kind] for s, t in self.by_source.items()}
            told[f"{kind}_first"] = {s: t.first[kind] for s, t in self.by_source.items()}
        return told

    def _by_source(self, read: Callable[[StreamTally], Any]) -> dict[str, Any]:
        """A figure of each stream that has one."""
        figures = {source: read(tally) for source, tally in self.by_source.items()}
        return {source: figure for source, figure in figures.items() if figure is not None}
