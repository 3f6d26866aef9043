"""The governor: when sync flushes to Postgres, and how many rows it may write.

    commits (rows, WAL bytes, latency), the server's checkpoints and WAL rate  ->  Governor
        ->  Grant (the rows of this flush), reasons

What is allowed is a share of the budget. The share grows by addition while all is well and
shrinks by multiplication upon pressure (AIMD: Chiu and Jain, "Analysis of the increase and
decrease algorithms for congestion avoidance in computer networks", 1989). Token buckets turn it
into rows, continuously: there is no pause and no resumption. A staleness bound goes before the
budget, and is then reported as overriding it. New tokens are exempt, and counted.

Pure and deterministic: it has no clock, `now` is seconds of one that never goes back.
"""

from collections import Counter
from collections.abc import Mapping
from math import inf

from attrs import Factory, define, evolve, field

from actors.sync.allowance import Bucket, Budget, CommitCost, GovernorPlan, Grant
from actors.sync.latency import UsualLatency
from actors.sync.snapshots import GovernorSnapshot, StalenessSnapshot
from domain.token import Group

# Where no source is named, a value is a choice that holds on the model of a server in the tests.

# share = share * DECREASE_FACTOR upon pressure. A half, as TCP does upon congestion: Jacobson,
# "Congestion avoidance and control", 1988.
DECREASE_FACTOR = 0.5
# Seconds from one decrease to the next, at least; or an interval, where that is shorter. One
# event shows itself several times, in pulses (every 30 s) and in the commits of a flush.
DECREASE_PAUSE_SECONDS = 60.0
# The lowest share. Not 0: what is never written tells nothing of the server's condition.
LEAST_SHARE = 0.05
# The share grows by 1 / (RECOVERY_INTERVALS * interval) a second, once an interval has passed
# without pressure: with the default of 300 s, from nothing to the whole budget in 30 minutes.
RECOVERY_INTERVALS = 6.0
# Capacity of the buckets = allowance a second * max(interval, BURST_SECONDS) while the share is
# whole, in seconds. Intervals of a few seconds could otherwise save up too little for a burst.
BURST_SECONDS = 60.0
# Own WAL is pressure when the WAL bucket is in debt by more than this part of its capacity. What
# a row costs is an estimate: the first change of a page after a checkpoint logs the whole page.
TOLERATED_DEBT = 0.25
# Seconds for which a cause is told as a reason; or an interval, where that is longer.
REMEMBERED_SECONDS = 300.0
# A bound counts as broken beyond bound + max(GRACE_SECONDS, GRACE_SHARE * bound), in seconds: a
# flush that begins in time also takes time.
GRACE_SHARE = 0.05
GRACE_SECONDS = 1.0
# WAL bytes that a row is thought to cost until a commit has told. Flushes of 500 rows cost 30 to 60
# a row (docs/decisions/0007); small ones cost more.
FIRST_BYTES_A_ROW = 300.0
# Rows that one flush is ever granted: keeps an infinite allowance out of integers.
MOST_ROWS = 1e9
# In rows: a sum of fractions that should be a whole number may be a little below it.
ROUNDING_ROWS = 1e-6
# Part of a commit's WAL. When others, at their last known rate, wrote more of it than this, what
# is left is too uncertain to learn from.
DOMINATING_SHARE = 0.5
# A commit's own WAL counts up to this many times what its rows usually cost: page images after a
# checkpoint cost that much, and more was written by somebody of whom no pulse has told yet.
MOST_GROWTH = 10.0
# bytes_a_row moves by LEARNING_RATE of its distance to the newest commit's (exponential
# smoothing): the commits before the last six together weigh 12 %.
LEARNING_RATE = 0.3


@define
class Governor:
    """Keeps what updates write within the allowance, and says why it holds back."""

    plan: GovernorPlan
    # State.
    budget: Budget = field(
        init=False, default=Factory(lambda self: self.plan.budget, takes_self=True)
    )
    share: float = field(init=False, default=1.0)  # of the budget
    rows: Bucket = field(init=False, factory=Bucket)
    wal: Bucket = field(init=False, factory=Bucket)
    latency: UsualLatency = field(init=False, factory=UsualLatency)
    bytes_a_row: float = field(init=False, default=FIRST_BYTES_A_ROW)
    knows_wal: bool = field(init=False, default=False)  # a commit's WAL has been told
    others_bytes_per_second: float = field(init=False, default=0.0)
    counts: Counter[str] = field(init=False, factory=Counter)
    # What happened when, on the clock of `now`.
    seen_at: float | None = field(init=False, default=None)
    regular_at: float = field(init=False, default=-inf)  # the last flush that was no extra one
    decreased_at: float = field(init=False, default=-inf)
    causes: dict[str, tuple[float, str]] = field(init=False, factory=dict)  # when, in words
    requested: list[tuple[float, int]] = field(init=False, factory=list)
    spent: list[tuple[float, float]] = field(init=False, factory=list)  # own WAL bytes
    # As last told by sync.
    waiting: int = field(init=False, default=0)
    held_back: int = field(init=False, default=0)
    overriding: int = field(init=False, default=0)
    ages_seconds: Mapping[Group, float] = field(init=False, factory=dict)

    # What is allowed.

    @property
    def allowed(self) -> Budget:
        """The budget's share that may be used now."""
        return Budget(
            wal_bytes_per_second=self.share * self.budget.wal_bytes_per_second,
            rows_per_hour=self.share * self.budget.rows_per_hour,
        )

    def grant_rows(self, *, waiting: int, due: int, now: float) -> Grant:
        """How many of the waiting tokens to flush now.

        `due` of them would exceed their staleness bound before the next tick: they are granted
        whatever the allowance is. The others get what is allowed, once an interval.
        """
        self._advance_to(now)
        # Half a tick of tolerance: a tick that comes a moment early is still the regular one.
        regular_from = self.regular_at + self.plan.interval_seconds - self.plan.tick_seconds / 2
        is_regular = now >= regular_from
        allowed = self._rows_allowed()
        rows = min(waiting, max(allowed if is_regular else 0, due))
        self.waiting, self.held_back = waiting, waiting - rows
        self.overriding = max(0, due - allowed)
        return Grant(rows=rows, is_complete=rows >= waiting, is_regular=is_regular)

    def note_flushed(self, grant: Grant, now: float) -> None:
        """Count a flush that has succeeded. One that failed is repeated, and asks again."""
        if grant.is_regular:
            self.regular_at = now
        self.counts["flushes"] += grant.rows > 0
        self.counts["partial_flushes"] += not grant.is_complete
        self.counts["rows_over_allowance"] += self.overriding

    def _rows_allowed(self) -> int:
        by_wal = self.wal.level / self.bytes_a_row if self.knows_wal else inf
        return max(0, int(min(self.rows.level, by_wal, MOST_ROWS) + ROUNDING_ROWS))

    # What is observed.

    def note_written(self, written: CommitCost, now: float) -> None:
        """Take what a commit cost from the buckets, and learn from it what a row costs.

        Too much own WAL, and a commit that took unusually long, are pressure.
        """
        self._advance_to(now)
        own = self._own_part(written)
        rows_capacity, wal_capacity = self._bucket_capacities()
        self.rows.spend(written.rows, rows_capacity)
        self.wal.spend(own, wal_capacity)
        self.spent.append((now, own))
        self.counts["rows"] += written.rows
        self.counts["wal_bytes"] += int(own)
        if self.wal.level < -TOLERATED_DEBT * wal_capacity:
            self._note_pressure("own_wal", self._own_wal_in_words(now), now)
        if (usual := self.latency.note_commit(written.rows, written.seconds)) is not None:
            words = f"commits take {written.seconds * 1000:.0f} ms, usually {usual * 1000:.0f} ms"
            self._note_pressure("latency", words, now)

    def _own_part(self, written: CommitCost) -> float:
        """The WAL bytes of a commit that are ours; updates `bytes_a_row`.

        The server tells the WAL of everybody during the commit. What others write a second is
        known from the last pulse.
        """
        others = self.others_bytes_per_second * written.seconds
        if others > DOMINATING_SHARE * written.wal_bytes:
            # Most of it is a rival's: what our rows usually cost is the better estimate.
            return min(float(written.wal_bytes), written.rows * self.bytes_a_row)
        own = min(written.wal_bytes - others, MOST_GROWTH * written.rows * self.bytes_a_row)
        if own > 0:
            self.bytes_a_row += LEARNING_RATE * (max(own / written.rows, 1.0) - self.bytes_a_row)
            self.knows_wal = True
        return own

    def note_server(
        self, *, wal_bytes_per_second: float | None, requested: int, seconds: float, now: float
    ) -> None:
        """Take what a pulse told of the `seconds` before it.

        `wal_bytes_per_second` is everybody's; None where the server does not tell. A requested
        checkpoint, one before its time, is pressure.
        """
        self._advance_to(now)
        if wal_bytes_per_second is not None:
            own = sum(b for at, b in self.spent if at > now - seconds) / max(seconds, 1.0)
            self.others_bytes_per_second = max(0.0, wal_bytes_per_second - own)
        if requested > 0:
            self.requested.append((now, requested))
            self._note_pressure("requested", "", now)

    def note_ages(self, ages_seconds: Mapping[Group, float]) -> None:
        """Take how long the oldest unflushed value of each group has waited."""
        self.ages_seconds = ages_seconds

    def note_admitted(self, tokens: int) -> None:
        """Count new tokens. They cost no allowance."""
        self.counts["exempt_rows"] += tokens

    # What is told it.

    def set_budget(
        self, *, wal_bytes_per_second: float | None, rows_per_hour: float | None, now: float
    ) -> None:
        """Replace those parts of the budget that are given; the allowance follows at once."""
        self._advance_to(now)
        self.counts["budgets_set"] += 1
        self.budget = Budget(
            wal_bytes_per_second=wal_bytes_per_second or self.budget.wal_bytes_per_second,
            rows_per_hour=rows_per_hour or self.budget.rows_per_hour,
        )
        self._advance_to(now)

    def set_configured_budget(self, budget: Budget, now: float) -> None:
        """Take the budget of changed settings.

        What differs from the settings before replaces the present budget; what does not leaves
        an operator's `set_budget` in force, until a `reset`.
        """
        before, self.plan = self.plan.budget, evolve(self.plan, budget=budget)
        wal, rows = budget.wal_bytes_per_second, budget.rows_per_hour
        self.set_budget(
            wal_bytes_per_second=None if wal == before.wal_bytes_per_second else wal,
            rows_per_hour=None if rows == before.rows_per_hour else rows,
            now=now,
        )

    def reset_budget(self) -> None:
        """Go back to the configured budget, the whole of it, and forget all pressure."""
        self.budget, self.share, self.decreased_at = self.plan.budget, 1.0, -inf
        self.rows, self.wal = Bucket(), Bucket()
        self.causes.clear()
        self.requested.clear()

    def make_next_regular(self) -> None:
        """Make the next flush a regular one: somebody looks again after an idle time."""
        self.regular_at = -inf

    # The control loop.

    def _advance_to(self, now: float) -> None:
        """Move to `now`: grow the share, fill the buckets, forget what is long ago."""
        elapsed = 0.0 if self.seen_at is None else max(0.0, now - self.seen_at)
        pressed_at = max((at for at, _ in self.causes.values()), default=-inf)
        well = min(elapsed, max(0.0, now - pressed_at - self.plan.interval_seconds))
        growth = well / (RECOVERY_INTERVALS * self.plan.interval_seconds)
        self.share = min(1.0, self.share + growth)
        self.seen_at = now if self.seen_at is None else max(now, self.seen_at)
        rows_capacity, wal_capacity = self._bucket_capacities()
        self.rows.fill(self.allowed.rows_per_hour / 3600 * elapsed, rows_capacity)
        self.wal.fill(self.allowed.wal_bytes_per_second * elapsed, wal_capacity)
        self._forget_old(now)

    def _bucket_capacities(self) -> tuple[float, float]:
        """The most that each bucket holds, in rows and WAL bytes; at least one row's."""
        seconds = self.plan.interval_seconds
        if self.share == 1.0:
            seconds = max(seconds, BURST_SECONDS)
        allowed = self.allowed
        return (
            max(1.0, allowed.rows_per_hour / 3600 * seconds),
            max(self.bytes_a_row, allowed.wal_bytes_per_second * seconds),
        )

    def _note_pressure(self, cause: str, words: str, now: float) -> None:
        """Note a cause of pressure, and halve the share unless that was done just now."""
        self.causes[cause] = now, words
        self.counts[f"pressure_{cause}"] += 1
        pause = min(DECREASE_PAUSE_SECONDS, self.plan.interval_seconds)
        if now - self.decreased_at >= pause:
            self.decreased_at = now
            self.share = max(LEAST_SHARE, self.share * DECREASE_FACTOR)
            rows_capacity, wal_capacity = self._bucket_capacities()
            self.rows.fill(0.0, rows_capacity)  # what is above the new capacity is lost
            self.wal.fill(0.0, wal_capacity)

    def _forget_old(self, now: float) -> None:
        horizon = now - self.remembered_seconds
        self.requested = [(at, n) for at, n in self.requested if at > horizon]
        self.spent = [(at, size) for at, size in self.spent if at > horizon]
        self.causes = {c: (at, words) for c, (at, words) in self.causes.items() if at > horizon}

    # What it says.

    @property
    def remembered_seconds(self) -> float:
        """For how long a cause is told as a reason."""
        return max(REMEMBERED_SECONDS, self.plan.interval_seconds)

    def own_bytes_per_second(self, now: float) -> float:
        """WAL bytes a second of sync's own flushes, averaged over the last interval."""
        seconds = max(self.plan.interval_seconds, 1.0)
        return sum(size for at, size in self.spent if at > now - seconds) / seconds

    @property
    def broken_groups(self) -> dict[Group, float]:
        """The groups whose oldest unflushed value is older than its bound, with its age."""
        return {
            group: age
            for group, age in self.ages_seconds.items()
            if age > _with_grace(self.plan.staleness_seconds[group])
        }

    def list_reasons(self, now: float) -> list[str]:
        """Why it holds back, or cannot; empty while all is well."""
        bounds = self.plan.staleness_seconds
        reasons = [
            f"staleness broken: {group.value} is {age:.0f} s old, over {bounds[group]:.0f} s"
            for group, age in self.broken_groups.items()
        ]
        if self.overriding:
            reasons.append(f"staleness overrides the budget: {self.overriding} rows cannot wait")
        for cause, (at, words) in self.causes.items():
            if cause == "requested":
                count = sum(n for _, n in self.requested)
                minutes = self.remembered_seconds / 60
                reasons.append(f"requested checkpoints: {count} in the last {minutes:.0f} min")
            else:
                reasons.append(f"{words} ({now - at:.0f} s ago)")
        if self.held_back:
            reasons.append(f"{self.held_back} of {self.waiting} rows wait for the allowance")
        if self.share < 1.0 and not self.causes:
            reasons.append(f"recovering: {self.share:.0%} of the budget")
        return reasons

    def _own_wal_in_words(self, now: float) -> str:
        own, allowed = self.own_bytes_per_second(now), self.allowed.wal_bytes_per_second
        return f"own WAL {own / 1000:.1f} kB/s over its {allowed / 1000:.1f} kB/s"

    def snapshot(self, now: float) -> GovernorSnapshot:
        """What operators and metrics are told."""
        return GovernorSnapshot(
            share=self.share,
            budget=self.budget,
            configured=self.plan.budget,
            allowed=self.allowed,
            own_wal_bytes_per_second=self.own_bytes_per_second(now),
            others_wal_bytes_per_second=self.others_bytes_per_second,
            bytes_per_row=self.bytes_a_row,
            waiting=self.waiting,
            held_back=self.held_back,
            overriding=self.overriding,
            staleness={
                group.value: StalenessSnapshot(
                    seconds=self.ages_seconds.get(group, 0.0),
                    bound_seconds=bound,
                    is_broken=group in self.broken_groups,
                )
                for group, bound in self.plan.staleness_seconds.items()
            },
            counts=dict(self.counts),
            reasons=tuple(self.list_reasons(now)),
        )


def _with_grace(bound_seconds: float) -> float:
    return bound_seconds + max(GRACE_SECONDS, GRACE_SHARE * bound_seconds)
