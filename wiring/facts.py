"""What problems are found in: snapshots of one moment, and what has grown within ten minutes."""

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from actors.quarantine.book import QuarantineBook
from actors.sync.snapshots import GovernorSnapshot
from domain.snapshots import Snapshot
from domain.values import UnixSeconds
from store.checkpoints import CheckpointsSnapshot
from supervision.dump import Dump
from supervision.readiness import Outage

RECENT_SECONDS = 600.0  # for so long what only counts is a problem after it has grown


@frozen(kw_only=True)
class Facts:
    """What the problems are found in."""

    now: UnixSeconds
    has_started: bool  # the service has been ready once
    is_draining: bool
    reasons: Sequence[str]  # why it does not serve
    outages: Sequence[Outage]
    dump: Dump
    governor: GovernorSnapshot
    checkpoints: CheckpointsSnapshot
    quarantine: QuarantineBook
    # How far each counter has come within ten minutes, by its name; absent: not at all.
    recent: Mapping[str, float]
    stores_well_seconds: float = 0.0  # since a store was away, or since the start
    births_silent_seconds: float = 0.0  # since a new token was admitted, or since the start

    def find_summary(self, kind: type[Snapshot]) -> Snapshot | None:
        """What the actor tells that tells this kind of snapshot."""
        return next((a.summary for a in self.dump.actors if isinstance(a.summary, kind)), None)

    def list_grown(self, of: str) -> Iterator[tuple[str, int]]:
        """The counters named `of name` that have grown, by that name."""
        for counter, count in self.recent.items():
            if counter.startswith(f"{of} "):
                yield counter.removeprefix(f"{of} "), int(count)


def count_of(number: float, noun: str, plural: str = "") -> str:
    """A number and its noun."""
    return f"1 {noun}" if number == 1 else f"{number:,.0f} {plural or f'{noun}s'}"


def count_times(number: float) -> str:
    """How often, in words."""
    return "once" if number == 1 else f"{number:,.0f} times"
