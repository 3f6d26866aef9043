"""What operators are told of the process as a whole: problems, events, points of its history.

Look (one a second)  ->  actors.history  ->  HistoryPoint, OperationsEvent  ->  Redis
                                         ->  problems with the time since when  ->  /ops
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from attrs import field, frozen

from domain.values import UnixSeconds

# Something is lost or not served; something is delayed or near its bound; worth knowing.
Severity = Literal["critical", "warning", "notice"]
SEVERITIES: Sequence[Severity] = ("critical", "warning", "notice")

# What a point tells of a figure: its value, how far a counter has come, or that in a second.
Kind = Literal["gauge", "count", "rate"]
# How points become one: by their mean, their greatest value, or their sum.
Fold = Literal["mean", "max", "sum"]


@frozen(kw_only=True)
class Series:
    """One figure over time."""

    kind: Kind
    fold: Fold
    meaning: str


SERIES: Mapping[str, Series] = {
    "events_per_second": Series(kind="rate", fold="mean", meaning="Messages of the streams."),
    "new_tokens_per_second": Series(kind="rate", fold="mean", meaning="New tokens admitted."),
    "updates_per_second": Series(
        kind="rate", fold="mean", meaning="Updates that brought news, appended."
    ),
    "rows_per_second": Series(kind="rate", fold="mean", meaning="Rows written to Postgres."),
    "rows_before_per_second": Series(
        kind="rate", fold="mean", meaning="Rows that one UPDATE a change would have written."
    ),
    "own_wal_bytes_per_second": Series(kind="rate", fold="mean", meaning="WAL during our commits."),
    "server_wal_bytes_per_second": Series(
        kind="gauge", fold="mean", meaning="WAL of the whole server."
    ),
    "checkpoints_timed": Series(kind="count", fold="sum", meaning="Checkpoints that were due."),
    "checkpoints_requested": Series(
        kind="count", fold="sum", meaning="Checkpoints before their time."
    ),
    "checkpoint_seconds": Series(
        kind="count", fold="sum", meaning="What checkpoints that ended took to write and to sync."
    ),
    "unflushed_tokens": Series(
        kind="gauge", fold="max", meaning="Tokens with values not in Postgres yet."
    ),
    "oldest_unflushed_seconds": Series(
        kind="gauge", fold="max", meaning="Age of the oldest such value."
    ),
    "held_back_rows": Series(
        kind="gauge", fold="max", meaning="Rows that the governor holds back."
    ),
    "clients": Series(kind="gauge", fold="max", meaning="Clients that follow the boards."),
    "fullest_mailbox_share": Series(
        kind="gauge", fold="max", meaning="How full the fullest mailbox is."
    ),
    "dropped_messages": Series(
        kind="count", fold="sum", meaning="Messages that mailboxes dropped."
    ),
    "loop_lag_seconds": Series(
        kind="gauge", fold="max", meaning="How late the event loop ran a due task."
    ),
    "cpu_share": Series(kind="rate", fold="mean", meaning="Of one core."),
    "memory_bytes": Series(kind="gauge", fold="max", meaning="Resident memory."),
    "problems": Series(kind="gauge", fold="max", meaning="Problems that stood."),
}


@frozen(kw_only=True)
class Problem:
    """One thing that is wrong, in words."""

    severity: Severity
    subject: str  # what it is about: a store, a source, an actor, a mailbox
    kind: str  # what is wrong with it; with the subject it names the problem
    what: str  # in words
    advice: str  # what to do
    section: str  # of the runbook: its anchor
    since: UnixSeconds | None = None  # None: nobody knows but who has seen it before

    @property
    def name(self) -> tuple[str, str]:
        """The same while the same thing is wrong."""
        return self.subject, self.kind


@frozen(kw_only=True)
class OperationsEvent:
    """Something that changed the state of the process."""

    at: UnixSeconds
    kind: str  # "problem", "solved", "restart", "pace", "epoch", "settings" or "service"
    words: str


@frozen(kw_only=True)
class HistoryPoint:
    """The figures of some seconds, by `SERIES`; what nobody knows is left out."""

    at: UnixSeconds  # when those seconds ended
    values: Mapping[str, float]


@frozen
class Mark:
    """Something whose change is an event."""

    kind: str  # of the event
    value: float | str
    words: str  # what to tell when the value has changed; empty: this change is not told


@frozen(kw_only=True)
class Look:
    """The process at one moment, as far as its history is made of it."""

    at: UnixSeconds
    problems: Sequence[Problem] = ()
    gauges: Mapping[str, float] = field(factory=dict)  # by series
    # Counters by series, as the parts of their sum: each grows, but begins anew with its actor.
    counters: Mapping[str, Sequence[float]] = field(factory=dict)
    marks: Mapping[str, Mark] = field(factory=dict)  # by name
