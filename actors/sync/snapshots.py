"""What sync tells of itself: SyncSnapshot -> metrics, dump; GovernorSnapshot -> /api/ops, too.

`Budget` (actors/sync/allowance.py) is part of the governor's.
"""

from collections.abc import Mapping

from actors.sync.allowance import Budget
from domain.quarantine import ParkedUpdate
from domain.snapshots import Snapshot, counter, detail, gauge, snapshot_class


@snapshot_class
class StalenessSnapshot(Snapshot):
    """The oldest unflushed value of one group of fields, at the last look."""

    seconds: float = gauge("Age of the oldest unflushed value, at the last look.")
    bound_seconds: float = gauge("The age that it must not exceed, by the settings.")
    is_broken: bool = gauge("1 while it is older than its bound.", metric="broken")


@snapshot_class
class GovernorSnapshot(Snapshot):
    """What updates may write, what they do write, and why no more; counters since the start."""

    share: float = gauge("Share of the budget that is allowed now.")
    budget: Budget = detail("What updates may write.")
    configured: Budget = detail("What they may by the settings.")
    allowed: Budget = detail("What they may now: the share of the budget.")
    own_wal_bytes_per_second: float = gauge("WAL of sync's own flushes, over the last interval.")
    others_wal_bytes_per_second: float = gauge("WAL of everybody else, at the last pulse.")
    bytes_per_row: float = gauge("WAL that a row usually costs.", metric="row_wal_bytes")
    waiting: int = gauge("Rows that waited, at the last flush.", metric="rows_waiting")
    held_back: int = gauge(
        "Rows that waited on for the allowance, at the last flush.", metric="rows_held_back"
    )
    overriding: int = gauge(
        "Rows over the allowance that could not wait, at the last flush.",
        metric="rows_overriding",
    )
    staleness: Mapping[str, StalenessSnapshot] = detail("By group of fields.")
    counts: Mapping[str, int] = counter(
        "Flushes, rows, WAL bytes, causes of pressure: what the governor counts.",
        by="event",
        metric="events",
    )
    reasons: tuple[str, ...] = gauge("Reasons why it holds back, or cannot.")


@snapshot_class
class SyncSnapshot(Snapshot):
    """Counters since sync's last start."""

    tokens: int = gauge("Tokens that are tracked.")
    unflushed: int = gauge("Tokens with values that Postgres does not have yet.")
    unappended: int = gauge("Tokens with values that the buffer does not have yet.")
    parked: int = gauge("Tokens whose values wait until Postgres has the token.")
    oldest_parked: tuple[ParkedUpdate, ...] = detail("Some of them, since when, and of what.")
    appended: int = counter("Updates that the buffer took because they were news.")
    failed_appends: int = counter("Appends that the buffer did not answer.")
    put_back: int = counter("Times that the buffer had lost data, which it is then given back.")
    lost_births: int = counter("Births that Postgres had acknowledged and lost.")
    lost_values: int = counter("Tokens with values that Postgres had acknowledged and lost.")
    unregained: int = gauge("Tokens of which Postgres has not got back yet what it lost.")
    failed_flushes: int = counter("Flushes that a store did not answer; they are repeated.")
    lost: int = counter("Unflushed tokens that a flush did not find in the buffer.")
    quarantined: int = counter("Updates that Postgres refused, or whose token never came.")
    refused: int = counter("Updates that make no sense, or that the buffer refused.")
    pulses_missed: int = counter("Pulses that the server did not answer.")
    failed_retentions: int = counter("Retentions that failed; they are tried again.")
    taken_from_others: int = counter("Updates taken from what others wrote through the view.")
    owed_to_others: int = gauge("Tokens of which others' texts may not be in our rows yet.")
    watched_by_others: int = gauge("Tokens that others' users watch.")
    governor: GovernorSnapshot = detail("It has metrics of its own.")
