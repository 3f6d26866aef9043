"""What the governor is given and gives: budget, plan, grant, and the bucket between them."""

from collections.abc import Mapping
from math import ceil, inf

from attrs import define, frozen

from domain.snapshots import Snapshot, gauge, snapshot_class
from domain.token import Group


@snapshot_class
class Budget(Snapshot):
    """The most that updates may cost; new tokens are not counted against it."""

    wal_bytes_per_second: float = gauge("WAL that updates may write.")
    rows_per_hour: float = gauge("Rows that updates may write.")


@frozen(kw_only=True)
class GovernorPlan:
    """What is wanted of the governor."""

    interval_seconds: float  # between flushes while all is well
    budget: Budget
    staleness_seconds: Mapping[Group, float]  # the oldest unflushed value may be so old

    @property
    def tick_seconds(self) -> float:
        """How often to ask: an interval, or an even part of it where a bound is shorter."""
        shortest = min(self.staleness_seconds.values(), default=inf)
        return self.interval_seconds / max(1, ceil(self.interval_seconds / shortest))


@frozen(kw_only=True)
class CommitCost:
    """What one commit of sync cost."""

    rows: int
    wal_bytes: int  # others' WAL of the same time included; 0 where the server does not tell
    seconds: float


@frozen(kw_only=True)
class Grant:
    """What a flush may take: its due rows always, others as far as the allowance goes."""

    rows: int
    is_complete: bool  # all that waits
    is_regular: bool  # not an extra one for what is due alone


@define
class Bucket:
    """What may be spent now. It fills at a rate up to a capacity; a debt is paid off likewise."""

    level: float = inf  # full, before anything is known of its capacity

    def fill(self, amount: float, capacity: float) -> None:
        self.level = min(capacity, self.level + amount)

    def spend(self, amount: float, capacity: float) -> None:
        """Down to a debt of one capacity: more would silence the future for the past."""
        self.level = max(-capacity, min(self.level, capacity) - amount)
