"""The governor: what it allows, how it moves, and what it says; on a simple model of a server."""

from collections.abc import Callable

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.sync.allowance import Budget, CommitCost, GovernorPlan
from actors.sync.governor import (
    LEAST_SHARE,
    RECOVERY_INTERVALS,
    Governor,
)
from domain.token import Group

INTERVAL = 300.0
BUDGET = Budget(wal_bytes_per_second=4_000.0, rows_per_hour=60_000.0)
BOUNDS = {Group.LIFECYCLE: 300.0, Group.MARKET: 900.0}


def governor(**changes: object) -> Governor:
    chosen = {"interval_seconds": INTERVAL, "budget": BUDGET, "staleness_seconds": BOUNDS}
    return Governor(GovernorPlan(**{**chosen, **changes}))  # type: ignore[arg-type]


def quiet(seconds: float) -> bool:
    return False


@define
class Plant:
    """A server and its load: tokens become dirty at a rate, a row costs WAL, rivals come and go.

    A flush takes the oldest rows; what is granted is written at once. Every 30 s the governor
    hears of the server; while a rival is there each time of a requested checkpoint.
    """

    rows_a_second: float
    bytes_a_row: float = 200.0
    is_rival_there: Callable[[float], bool] = quiet
    governor: Governor = field(factory=governor)
    now: float = 0.0
    waiting: float = 0.0
    flushes: list[tuple[float, int, float]] = field(factory=list)  # second, rows, allowance
    shares: list[float] = field(factory=list)  # every 30 s

    def run(self, until: float) -> "Plant":
        while self.now < until:
            if self.now % INTERVAL == 0:
                self.flush()
            self.governor.note_server(
                wal_bytes_per_second=None,
                requested=int(self.is_rival_there(self.now)),
                seconds=30.0,
                now=self.now,
            )
            self.shares.append(self.governor.share)
            self.now += 30.0
            self.waiting += 30.0 * self.rows_a_second
        return self

    def flush(self) -> None:
        grant = self.governor.grant_rows(waiting=int(self.waiting), due=0, now=self.now)
        self.waiting -= grant.rows
        wal_bytes = int(grant.rows * self.bytes_a_row)
        if grant.rows:
            written = CommitCost(rows=grant.rows, wal_bytes=wal_bytes, seconds=0.01)
            self.governor.note_written(written, self.now)
        self.governor.note_flushed(grant, self.now)
        allowed = self.governor.allowed.wal_bytes_per_second
        self.flushes.append((self.now, wal_bytes, allowed))

    def wal_rate(self, since: float, until: float) -> float:
        return sum(size for at, size, _ in self.flushes if since < at <= until) / (until - since)


# What is allowed.


def test_everything_is_granted_while_all_is_well() -> None:
    plant = Plant(rows_a_second=3.0).run(7200.0)
    assert plant.waiting == pytest.approx(3.0 * INTERVAL)  # what came since the last flush
    assert [rows for _, rows, _ in plant.flushes[1:]] == [(900 * 200)] * 23
    assert set(plant.shares) == {1.0}
    assert plant.governor.list_reasons(7200.0) == []


def test_a_reload_changes_what_differs_and_a_reset_goes_back_to_it() -> None:
    governed = governor()
    governed.set_budget(wal_bytes_per_second=None, rows_per_hour=77.0, now=1.0)
    governed.set_configured_budget(
        Budget(wal_bytes_per_second=12_345.0, rows_per_hour=60_000.0), 2.0
    )
    assert Budget(wal_bytes_per_second=12_345.0, rows_per_hour=77.0) == governed.budget
    assert 2 == governed.counts["budgets_set"]  # `token-discovery govern` waits for it to grow
    governed.reset_budget()
    assert Budget(wal_bytes_per_second=12_345.0, rows_per_hour=60_000.0) == governed.budget


def test_rows_budget_bounds_a_flush() -> None:
    grant = governor().grant_rows(waiting=1_000_000, due=0, now=0.0)
    assert (grant.rows, grant.is_complete) == (5000, False)  # 60,000 an hour, for 300 s


def test_wal_budget_bounds_a_flush_once_the_cost_of_a_row_is_known() -> None:
    governed = governor()
    for flush in range(20):
        governed.note_written(
            CommitCost(rows=1000, wal_bytes=1_000_000, seconds=0.01), flush * 600.0
        )
    grant = governed.grant_rows(waiting=100_000, due=0, now=20_000.0)
    assert grant.rows == pytest.approx(4000 * 300 * governed.share / 1000, rel=0.01)


def test_due_rows_go_before_the_allowance_and_are_reported() -> None:
    governed = governor()
    grant = governed.grant_rows(waiting=9000, due=8000, now=0.0)
    assert grant.rows == 8000
    assert governed.list_reasons(0.0) == [
        "staleness overrides the budget: 3000 rows cannot wait",
        "1000 of 9000 rows wait for the allowance",
    ]


def test_extra_flush_before_the_interval_takes_only_what_is_due() -> None:
    governed = governor(staleness_seconds={Group.LIFECYCLE: 60.0})
    assert governed.plan.tick_seconds == 60.0
    granted = []
    for tick in range(7):
        grant = governed.grant_rows(waiting=100, due=10, now=tick * 60.0)
        governed.note_flushed(grant, tick * 60.0)
        granted.append(grant.rows)
    assert granted == [100, 10, 10, 10, 10, 100, 10]


@pytest.mark.parametrize(
    ("bound", "tick"), [(900.0, 300.0), (300.0, 300.0), (299.0, 150.0), (70.0, 60.0), (1.0, 1.0)]
)
def test_ticks_divide_the_interval_and_are_within_every_bound(bound: float, tick: float) -> None:
    plan = governor(staleness_seconds={Group.MARKET: bound}).plan
    assert plan.tick_seconds == pytest.approx(tick)


def test_flush_that_failed_is_granted_again() -> None:
    governed = governor()
    governed.grant_rows(waiting=100, due=0, now=0.0)  # and then Postgres was away
    assert governed.grant_rows(waiting=100, due=0, now=0.25).rows == 100


def test_least_allowance_still_writes_a_row() -> None:
    governed = governor(budget=Budget(wal_bytes_per_second=1.0, rows_per_hour=1.0))
    granted = 0
    for flush in range(24):
        grant = governed.grant_rows(waiting=100, due=0, now=flush * INTERVAL)
        if grant.rows:
            governed.note_written(
                CommitCost(rows=grant.rows, wal_bytes=0, seconds=0.01), flush * 300
            )
        governed.note_flushed(grant, flush * INTERVAL)
        granted += grant.rows
    assert granted == pytest.approx(2, abs=1)  # in two hours


# How it moves.


def test_requested_checkpoint_halves_the_share_and_says_so() -> None:
    governed = governor()
    governed.note_server(wal_bytes_per_second=1e6, requested=3, seconds=30.0, now=30.0)
    assert governed.share == 0.5
    assert governed.list_reasons(30.0) == ["requested checkpoints: 3 in the last 5 min"]


def test_requested_checkpoints_are_told_of_as_long_as_they_are_remembered() -> None:
    governed = governor(interval_seconds=900.0)
    governed.note_server(wal_bytes_per_second=1e6, requested=3, seconds=30.0, now=30.0)
    governed.note_server(wal_bytes_per_second=None, requested=0, seconds=30.0, now=900.0)
    assert governed.list_reasons(900.0) == ["requested checkpoints: 3 in the last 15 min"]


def test_slow_commit_halves_the_share_and_says_so() -> None:
    governed = governor()
    for commit in range(10):
        governed.note_written(CommitCost(rows=500, wal_bytes=0, seconds=0.05), commit * 300.0)
    governed.note_written(CommitCost(rows=500, wal_bytes=0, seconds=1.0), 3000.0)
    assert governed.share == 0.5
    assert governed.list_reasons(3010.0) == ["commits take 1000 ms, usually 50 ms (10 s ago)"]


def test_larger_commit_is_not_taken_for_a_slow_one() -> None:
    governed = governor()
    for commit in range(10):
        governed.note_written(CommitCost(rows=10, wal_bytes=0, seconds=0.01), commit * 300.0)
    governed.note_written(CommitCost(rows=10_000, wal_bytes=0, seconds=1.0), 3000.0)
    assert governed.share == 1.0


def test_own_wal_over_its_allowance_halves_the_share_and_says_so() -> None:
    governed = governor()
    governed.note_written(CommitCost(rows=1000, wal_bytes=1_530_000, seconds=0.1), 300.0)
    assert governed.share == 0.5
    [reason] = governed.list_reasons(300.0)
    assert reason == "own WAL 5.1 kB/s over its 4.0 kB/s (0 s ago)"


def test_wal_of_a_rival_during_a_commit_is_not_held_against_us() -> None:
    governed = governor()
    governed.note_server(wal_bytes_per_second=1e7, requested=0, seconds=30.0, now=30.0)
    governed.note_written(CommitCost(rows=100, wal_bytes=2_000_000, seconds=0.2), 300.0)
    own = governed.own_bytes_per_second(300.0)
    assert (governed.share, own) == (1.0, 100 * 300.0 / INTERVAL)  # as usual


def test_share_grows_by_the_same_step_until_it_is_whole() -> None:
    governed = governor()
    governed.note_server(wal_bytes_per_second=None, requested=1, seconds=30.0, now=0.0)
    shares = []
    for interval in range(1, 8):
        governed.grant_rows(waiting=0, due=0, now=interval * INTERVAL)
        shares.append(governed.share)
    step = 1 / 6
    assert shares == pytest.approx([0.5, 0.5 + step, 0.5 + 2 * step, 1.0, 1.0, 1.0, 1.0])


@settings(max_examples=60)
@given(
    rows_a_second=st.floats(0.1, 100.0),
    bytes_a_row=st.floats(1.0, 2000.0),
    begins=st.integers(0, 40).map(lambda n: n * 30.0),
    lasts=st.integers(10, 200).map(lambda n: n * 30.0),
)
def test_settles_after_a_rival_has_come_and_gone(
    rows_a_second: float, bytes_a_row: float, begins: float, lasts: float
) -> None:
    ends = begins + lasts
    plant = Plant(
        rows_a_second=rows_a_second,
        bytes_a_row=bytes_a_row,
        is_rival_there=lambda now: begins <= now < ends,
    ).run(ends)
    assert plant.governor.share == 0.05
    plant.run(ends + 10 * RECOVERY_INTERVALS * INTERVAL)
    # Whatever is demanded, what is written stays within the budget and a tenth.
    rate = plant.wal_rate(ends, plant.now)
    assert rate <= BUDGET.wal_bytes_per_second * 1.1
    if rows_a_second * bytes_a_row < 0.5 * BUDGET.wal_bytes_per_second and rows_a_second < 8:
        assert plant.governor.share == 1.0
        assert plant.waiting <= rows_a_second * INTERVAL + 1
        assert set(plant.shares[-10:]) == {1.0}  # and rests there


@settings(max_examples=60)
@given(rows_a_second=st.floats(20.0, 1000.0), bytes_a_row=st.floats(50.0, 5000.0))
def test_demand_over_the_budget_does_not_make_it_swing(
    rows_a_second: float, bytes_a_row: float
) -> None:
    plant = Plant(rows_a_second=rows_a_second, bytes_a_row=bytes_a_row).run(40 * INTERVAL)
    settled = [size for at, size, _ in plant.flushes if at > 20 * INTERVAL]
    mean = sum(settled) / len(settled)
    # At most the budget, and what is written is spread evenly over the flushes.
    assert mean / INTERVAL <= BUDGET.wal_bytes_per_second * 1.05
    assert max(settled) <= 2.5 * mean
    assert min(settled) >= mean / 2.5


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 1000.0),
            st.sampled_from(["requested", "slow", "heavy", "flush", "set"]),
            st.integers(0, 100_000),
        ),
        max_size=60,
    )
)
def test_allowance_stays_between_its_floor_and_the_budget(
    steps: list[tuple[float, str, int]],
) -> None:
    governed, now = governor(), 0.0
    for elapsed, kind, size in steps:
        now += elapsed
        match kind:
            case "requested":
                governed.note_server(
                    wal_bytes_per_second=float(size), requested=1, seconds=30.0, now=now
                )
            case "slow":
                governed.note_written(CommitCost(rows=size, wal_bytes=size, seconds=9.0), now)
            case "heavy":
                governed.note_written(CommitCost(rows=1, wal_bytes=size * 1000, seconds=0.01), now)
            case "set":
                governed.set_budget(wal_bytes_per_second=size + 1.0, rows_per_hour=None, now=now)
            case _:
                grant = governed.grant_rows(waiting=size, due=size // 3, now=now)
                assert size // 3 <= grant.rows <= size
                governed.note_flushed(grant, now)
        assert LEAST_SHARE <= governed.share <= 1.0
        assert governed.allowed.rows_per_hour <= governed.budget.rows_per_hour
        governed.snapshot(now)


# Its constants, one by one.


def press(governed: Governor, now: float) -> None:
    governed.note_server(wal_bytes_per_second=None, requested=1, seconds=30.0, now=now)


def test_pressure_that_follows_within_a_minute_is_no_second_decrease() -> None:
    governed, shares = governor(), []
    for now in (0.0, 59.0, 61.0, 119.0, 122.0):
        press(governed, now)
        shares.append(governed.share)
    assert [0.5, 0.5, 0.25, 0.25, 0.125] == shares
    assert 5 == governed.counts["pressure_requested"]


def test_decreases_are_an_interval_apart_where_that_is_shorter() -> None:
    governed, shares = governor(interval_seconds=10.0), []
    for now in (0.0, 9.0, 10.5):
        press(governed, now)
        shares.append(governed.share)
    assert [0.5, 0.5] == shares[:2]
    assert shares[2] == pytest.approx(0.25, abs=0.01)


def test_share_never_falls_below_a_twentieth() -> None:
    governed = governor()
    for minute in range(20):
        press(governed, minute * 61.0)
    assert 0.05 == governed.share


def test_interval_of_seconds_can_save_up_a_minute_while_the_share_is_whole() -> None:
    governed = governor(interval_seconds=6.0)  # 60,000 rows an hour are 1,000 a minute
    assert 1000 == governed.grant_rows(waiting=100_000, due=0, now=0.0).rows
    press(governed, 1.0)
    assert 50 == governed.grant_rows(waiting=100_000, due=0, now=7.0).rows  # half of six seconds


@pytest.mark.parametrize(("wal_bytes", "share"), [(1_490_000, 1.0), (1_510_000, 0.5)])
def test_debt_of_a_quarter_of_an_intervals_wal_is_tolerated(wal_bytes: int, share: float) -> None:
    governed = governor()  # 4,000 B a second, for 300 s: 1,200,000 B
    governed.note_written(CommitCost(rows=5000, wal_bytes=wal_bytes, seconds=0.1), 0.0)
    assert share == governed.share


@pytest.mark.parametrize(
    ("interval", "remembered"), [(300.0, 300.0), (60.0, 300.0), (900.0, 900.0)]
)
def test_cause_is_told_for_five_minutes_or_an_interval(interval: float, remembered: float) -> None:
    governed = governor(interval_seconds=interval)
    for commit in range(10):
        governed.note_written(CommitCost(rows=5, wal_bytes=0, seconds=0.05), commit * 1000.0)
    governed.note_written(CommitCost(rows=5, wal_bytes=0, seconds=1.0), 10_000.0)

    def tells_of_it(now: float) -> bool:
        governed.grant_rows(waiting=0, due=0, now=now)
        return any(reason.startswith("commits take") for reason in governed.list_reasons(now))

    assert tells_of_it(10_000.0 + remembered - 1)
    assert not tells_of_it(10_000.0 + remembered + 1)


@pytest.mark.parametrize(
    ("bound", "age", "is_broken"),
    [
        (300.0, 315.0, False),  # a twentieth more is granted ...
        (300.0, 315.5, True),
        (5.0, 6.0, False),  # ... or a second
        (5.0, 6.1, True),
    ],
)
def test_bound_is_broken_beyond_its_grace(bound: float, age: float, is_broken: bool) -> None:
    governed = governor(staleness_seconds={Group.MARKET: bound})
    governed.note_ages({Group.MARKET: age})
    assert is_broken == (Group.MARKET in governed.broken_groups)


def test_cost_of_a_row_moves_by_three_tenths_towards_the_newest_commit() -> None:
    governed = governor()
    governed.note_written(CommitCost(rows=100, wal_bytes=10_000, seconds=0.01), 0.0)
    assert 300.0 + 0.3 * (100.0 - 300.0) == governed.snapshot(0.0).bytes_per_row
    assert 10_000 / INTERVAL == governed.snapshot(0.0).own_wal_bytes_per_second


def test_commit_counts_up_to_ten_times_what_its_rows_usually_cost() -> None:
    """More was written by a rival of whom no pulse has told yet."""
    governed = governor()
    governed.note_written(CommitCost(rows=10, wal_bytes=10_000_000, seconds=0.01), 0.0)
    assert 10 * 10 * 300.0 / INTERVAL == governed.own_bytes_per_second(0.0)


@pytest.mark.parametrize(
    ("rate", "own"),
    [
        (40_000.0, 10_000 - 4_000),  # of 10,000 B, others wrote two fifths
        (60_000.0, 20 * 300.0),  # most of it: what rows usually cost is the better estimate
    ],
)
def test_wal_of_others_is_taken_off_a_commit(rate: float, own: float) -> None:
    governed = governor()
    governed.note_server(wal_bytes_per_second=rate, requested=0, seconds=30.0, now=0.0)
    governed.note_written(CommitCost(rows=20, wal_bytes=10_000, seconds=0.1), 1.0)
    assert own / INTERVAL == pytest.approx(governed.own_bytes_per_second(1.0))


def test_wal_of_others_is_the_servers_without_our_own() -> None:
    governed = governor()
    governed.note_written(CommitCost(rows=20, wal_bytes=6000, seconds=0.1), 10.0)
    governed.note_server(wal_bytes_per_second=1000.0, requested=0, seconds=30.0, now=30.0)
    assert 1000.0 - 6000 / 30.0 == governed.snapshot(30.0).others_wal_bytes_per_second


@pytest.mark.parametrize(("milliseconds", "share"), [(90, 1.0), (110, 0.5)])
def test_commit_under_a_tenth_of_a_second_is_never_slow(milliseconds: int, share: float) -> None:
    governed = governor()
    for commit in range(10):
        governed.note_written(CommitCost(rows=5, wal_bytes=0, seconds=0.001), commit * 300.0)
    governed.note_written(CommitCost(rows=5, wal_bytes=0, seconds=milliseconds / 1000), 3000.0)
    assert share == governed.share


@pytest.mark.parametrize(("seconds", "share"), [(0.79, 1.0), (0.81, 0.5)])
def test_commit_is_slow_beyond_four_times_the_usual(seconds: float, share: float) -> None:
    governed = governor()
    for commit in range(10):
        governed.note_written(CommitCost(rows=5, wal_bytes=0, seconds=0.2), commit * 300.0)
    governed.note_written(CommitCost(rows=5, wal_bytes=0, seconds=seconds), 3000.0)
    assert share == governed.share


def test_usual_time_of_a_size_is_known_after_five_commits() -> None:
    governed = governor()
    for commit in range(5):
        governed.note_written(CommitCost(rows=5, wal_bytes=0, seconds=0.2), commit * 300.0)
    assert 1.0 == governed.share
    governed.note_written(CommitCost(rows=5, wal_bytes=0, seconds=9.0), 1500.0)
    assert 0.5 == governed.share
    for rows in (50, 500):  # of other sizes nothing is known
        governed.note_written(CommitCost(rows=rows, wal_bytes=0, seconds=9.0), 1800.0)
    assert 1 == governed.counts["pressure_latency"]


def test_flushes_are_counted_by_what_became_of_them() -> None:
    governed = governor()
    for now, waiting, due in ((0.0, 100, 0), (300.0, 9000, 8000), (600.0, 0, 0)):
        grant = governed.grant_rows(waiting=waiting, due=due, now=now)
        governed.note_flushed(grant, now)
    counts = governed.snapshot(600.0).counts
    assert (2, 1, 3000) == tuple(
        counts[name] for name in ("flushes", "partial_flushes", "rows_over_allowance")
    )


@pytest.mark.parametrize(("early", "rows"), [(29.0, 100), (31.0, 0)])
def test_tick_up_to_half_a_tick_early_is_the_regular_one(early: float, rows: int) -> None:
    governed = governor(staleness_seconds={Group.LIFECYCLE: 60.0})
    governed.note_flushed(governed.grant_rows(waiting=1, due=0, now=0.0), 0.0)
    assert rows == governed.grant_rows(waiting=100, due=0, now=INTERVAL - early).rows


@pytest.mark.parametrize(("later", "own"), [(299.0, 6000 / INTERVAL), (301.0, 0.0)])
def test_own_wal_is_told_for_an_interval(later: float, own: float) -> None:
    governed = governor()
    governed.note_written(CommitCost(rows=20, wal_bytes=6000, seconds=0.1), 10.0)
    assert own == governed.own_bytes_per_second(10.0 + later)


def test_server_that_has_become_slower_for_good_is_in_time_the_new_usual() -> None:
    governed = governor()
    for commit in range(200):
        seconds = 0.1 if commit < 10 else 1.0
        governed.note_written(CommitCost(rows=5, wal_bytes=0, seconds=seconds), commit * 300.0)
    # The usual, 0.1 + 0.9 * (1 - 0.98 ** n), passes a quarter of a second after ten slow commits.
    assert 10 == governed.counts["pressure_latency"]


def test_flush_of_one_row_is_counted_and_one_of_none_is_not() -> None:
    governed = governor()
    for now, waiting in ((0.0, 1), (300.0, 0)):
        governed.note_flushed(governed.grant_rows(waiting=waiting, due=0, now=now), now)
    assert 1 == governed.counts["flushes"]


# What it says, and is told.


def test_value_older_than_its_bound_is_reported_as_broken() -> None:
    governed = governor()
    governed.note_ages({Group.LIFECYCLE: 412.0, Group.MARKET: 412.0})
    assert governed.broken_groups == {Group.LIFECYCLE: 412.0}
    assert governed.list_reasons(0.0) == ["staleness broken: lifecycle is 412 s old, over 300 s"]


def test_flush_may_take_a_moment_before_the_bound_counts_as_broken() -> None:
    governed = governor()
    governed.note_ages({Group.LIFECYCLE: 310.0})
    assert governed.broken_groups == {}


def test_budget_can_be_set_and_reset() -> None:
    governed = governor()
    governed.note_server(wal_bytes_per_second=None, requested=1, seconds=30.0, now=0.0)
    governed.set_budget(wal_bytes_per_second=1000.0, rows_per_hour=None, now=1.0)
    assert governed.allowed == Budget(wal_bytes_per_second=500.0, rows_per_hour=30_000.0)
    governed.reset_budget()
    assert governed.allowed == BUDGET
    assert governed.list_reasons(1.0) == []


def test_new_tokens_are_counted_and_cost_no_allowance() -> None:
    governed = governor()
    governed.note_admitted(100_000)
    assert governed.grant_rows(waiting=5000, due=0, now=0.0).is_complete
    assert governed.snapshot(0.0).counts["exempt_rows"] == 100_000
