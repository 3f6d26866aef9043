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

from actors.sync.allowance import Bucket, Budget, GovernorPlan, Grant, Written
from actors.sync.latency import UsualLatency
from actors.sync.snapshots import GovernorSnapshot, StalenessSnapshot
from domain.token import Group

DECREASE = 0.5  # what pressure multiplies the share by
DECREASE_EVERY_SECONDS = 60.0  # at most; or an interval, where that is shorter
LEAST_SHARE = 0.05
RECOVERY_INTERVALS = 6.0  # of health, from nothing to the whole budget
BURST_SECONDS = 60.0  # of the budget may be saved up while the share is whole
TOLERATED_EXCESS = 0.25  # of an interval's WAL: an estimate may be so wrong
REMEMBERED_SECONDS = 300.0  # at least
GRACE = 0.05  # of a bound: a flush that starts in time also takes time
GRACE_SECONDS = 1.0
FIRST_BYTES_A_ROW = 300.0
MOST_ROWS = 1e9
ROUNDING = 1e-6  # of a row: sums of fractions must not cost a whole one
DOMINATED = 0.5  # of a commit's WAL: beyond that it says nothing of our own
MOST_GROWTH = 10.0  # of what a row costs, from one commit to the next
LEARNING = 0.3  # weight of the newest flush in the bytes a row


@define
class Governor:
    """Holds the updates' write rate under its allowance, and says why."""

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
    knows_wal: bool = field(init=False, default=False)
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
        """The allowance of this moment."""
        return Budget(
            wal_bytes_per_second=self.share * self.budget.wal_bytes_per_second,
            rows_per_hour=self.share * self.budget.rows_per_hour,
        )

    def grant(self, *, waiting: int, due: int, now: float) -> Grant:
        """How many of the waiting tokens to flush now, `due` of which cannot wait longer."""
        self._advance(now)
        # Half a tick of tolerance: a tick that comes a moment early is still the regular one.
        regular_from = self.regular_at + self.plan.interval_seconds - self.plan.tick_seconds / 2
        is_regular = now >= regular_from
        allowed = self._rows_allowed()
        rows = min(waiting, max(allowed if is_regular else 0, due))
        self.waiting, self.held_back = waiting, waiting - rows
        self.overriding = max(0, due - allowed)
        return Grant(rows=rows, is_complete=rows >= waiting, is_regular=is_regular)

    def note_flushed(self, grant: Grant, now: float) -> None:
        """A flush has ended well; one that fails is repeated, and asks again."""
        if grant.is_regular:
            self.regular_at = now
        self.counts["flushes"] += grant.rows > 0
        self.counts["partial_flushes"] += not grant.is_complete
        self.counts["rows_over_allowance"] += self.overriding

    def _rows_allowed(self) -> int:
        by_wal = self.wal.level / self.bytes_a_row if self.knows_wal else inf
        return max(0, int(min(self.rows.level, by_wal, MOST_ROWS) + ROUNDING))

    # What is observed.

    def note_written(self, written: Written, now: float) -> None:
        """Spend what a commit cost, and learn from it."""
        self._advance(now)
        own = self._own_part(written)
        rows_capacity, wal_capacity = self._capacities()
        self.rows.spend(written.rows, rows_capacity)
        self.wal.spend(own, wal_capacity)
        self.spent.append((now, own))
        self.counts["rows"] += written.rows
        self.counts["wal_bytes"] += int(own)
        if self.wal.level < -TOLERATED_EXCESS * wal_capacity:
            self._press("own_wal", self._own_wal_in_words(now), now)
        if (usual := self.latency.note_commit(written.rows, written.seconds)) is not None:
            words = f"commits take {written.seconds * 1000:.0f} ms, usually {usual * 1000:.0f} ms"
            self._press("latency", words, now)

    def _own_part(self, written: Written) -> float:
        """The server tells what all wrote during a commit: what of it was ours, and learn that."""
        others = self.others_bytes_per_second * written.seconds
        if others > DOMINATED * written.wal_bytes:
            # Hidden behind a rival's: what our rows usually cost is the better guess.
            return min(float(written.wal_bytes), written.rows * self.bytes_a_row)
        # At most tenfold: that much whole pages cost after a checkpoint. A rival that nobody has
        # told of yet costs more.
        own = min(written.wal_bytes - others, MOST_GROWTH * written.rows * self.bytes_a_row)
        if own > 0:
            self.bytes_a_row += LEARNING * (max(own / written.rows, 1.0) - self.bytes_a_row)
            self.knows_wal = True
        return own

    def note_server(
        self, *, wal_bytes_per_second: float | None, requested: int, seconds: float, now: float
    ) -> None:
        """What the server did in the last `seconds`: its WAL, and checkpoints before their time."""
        self._advance(now)
        if wal_bytes_per_second is not None:
            own = sum(b for at, b in self.spent if at > now - seconds) / max(seconds, 1.0)
            self.others_bytes_per_second = max(0.0, wal_bytes_per_second - own)
        if requested > 0:
            self.requested.append((now, requested))
            self._press("requested", "", now)

    def note_ages(self, ages_seconds: Mapping[Group, float]) -> None:
        """How long the oldest unflushed value of each group has been waiting."""
        self.ages_seconds = ages_seconds

    def note_admitted(self, tokens: int) -> None:
        """New tokens: exempt, and counted."""
        self.counts["exempt_rows"] += tokens

    # What is told it.

    def set_budget(
        self, *, wal_bytes_per_second: float | None, rows_per_hour: float | None, now: float
    ) -> None:
        """Replace what is given; the allowance follows at once."""
        self._advance(now)
        self.counts["budgets_set"] += 1
        self.budget = Budget(
            wal_bytes_per_second=wal_bytes_per_second or self.budget.wal_bytes_per_second,
            rows_per_hour=rows_per_hour or self.budget.rows_per_hour,
        )
        self._advance(now)

    def configure(self, budget: Budget, now: float) -> None:
        """The settings' budget is another: what differs counts from now on, all after a reset."""
        before, self.plan = self.plan.budget, evolve(self.plan, budget=budget)
        wal, rows = budget.wal_bytes_per_second, budget.rows_per_hour
        self.set_budget(
            wal_bytes_per_second=None if wal == before.wal_bytes_per_second else wal,
            rows_per_hour=None if rows == before.rows_per_hour else rows,
            now=now,
        )

    def reset(self) -> None:
        """The configured budget, all of it, and nothing held against anybody."""
        self.budget, self.share, self.decreased_at = self.plan.budget, 1.0, -inf
        self.rows, self.wal = Bucket(), Bucket()
        self.causes.clear()
        self.requested.clear()

    def resume(self) -> None:
        """Somebody looks again: the next flush is a regular one."""
        self.regular_at = -inf

    # The control loop.

    def _advance(self, now: float) -> None:
        """Let time pass: grow the share while all is well, fill the buckets, forget old causes."""
        elapsed = 0.0 if self.seen_at is None else max(0.0, now - self.seen_at)
        pressed_at = max((at for at, _ in self.causes.values()), default=-inf)
        well = min(elapsed, max(0.0, now - pressed_at - self.plan.interval_seconds))
        growth = well / (RECOVERY_INTERVALS * self.plan.interval_seconds)
        self.share = min(1.0, self.share + growth)
        self.seen_at = now if self.seen_at is None else max(now, self.seen_at)
        rows_capacity, wal_capacity = self._capacities()
        self.rows.fill(self.allowed.rows_per_hour / 3600 * elapsed, rows_capacity)
        self.wal.fill(self.allowed.wal_bytes_per_second * elapsed, wal_capacity)
        self._forget(now)

    def _capacities(self) -> tuple[float, float]:
        """Rows and WAL bytes that can be saved up: an interval's, and a row at least."""
        seconds = self.plan.interval_seconds
        if self.share == 1.0:
            seconds = max(seconds, BURST_SECONDS)
        allowed = self.allowed
        return (
            max(1.0, allowed.rows_per_hour / 3600 * seconds),
            max(self.bytes_a_row, allowed.wal_bytes_per_second * seconds),
        )

    def _press(self, cause: str, words: str, now: float) -> None:
        """Pressure: halve the share, unless that was done a moment ago."""
        self.causes[cause] = now, words
        self.counts[f"pressure_{cause}"] += 1
        pause = min(DECREASE_EVERY_SECONDS, self.plan.interval_seconds)
        if now - self.decreased_at >= pause:
            self.decreased_at = now
            self.share = max(LEAST_SHARE, self.share * DECREASE)
            rows_capacity, wal_capacity = self._capacities()
            self.rows.fill(0.0, rows_capacity)  # what was saved up is forfeited
            self.wal.fill(0.0, wal_capacity)

    def _forget(self, now: float) -> None:
        horizon = now - self.remembered_seconds
        self.requested = [(at, n) for at, n in self.requested if at > horizon]
        self.spent = [(at, size) for at, size in self.spent if at > horizon]
        self.causes = {c: (at, words) for c, (at, words) in self.causes.items() if at > horizon}

    # What it says.

    @property
    def remembered_seconds(self) -> float:
        """How long a reason is told after its cause."""
        return max(REMEMBERED_SECONDS, self.plan.interval_seconds)

    def own_bytes_per_second(self, now: float) -> float:
        """WAL that sync's own flushes wrote, over the last interval."""
        seconds = max(self.plan.interval_seconds, 1.0)
        return sum(size for at, size in self.spent if at > now - seconds) / seconds

    @property
    def broken(self) -> dict[Group, float]:
        """The groups whose oldest value is older than its bound, and how old it is."""
        return {
            group: age
            for group, age in self.ages_seconds.items()
            if age
            > (bound := self.plan.staleness_seconds[group]) + max(GRACE_SECONDS, GRACE * bound)
        }

    def reasons(self, now: float) -> list[str]:
        """Why it holds back, or cannot; empty while all is well."""
        bounds = self.plan.staleness_seconds
        reasons = [
            f"staleness broken: {group.value} is {age:.0f} s old, over {bounds[group]:.0f} s"
            for group, age in self.broken.items()
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
        """Everything that an operator may want to know."""
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
                    is_broken=group in self.broken,
                )
                for group, bound in self.plan.staleness_seconds.items()
            },
            counts=dict(self.counts),
            reasons=tuple(self.reasons(now)),
        )
