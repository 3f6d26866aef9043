"""The simulation itself: the same seed is the same run, and every kind of fault really happens."""

import os
import re
import subprocess
import sys
from functools import partial
from random import Random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from commands.simulate.clock import JumpingClock
from commands.simulate.faults import (
    CALM_AFTER_SECONDS,
    Fault,
    FaultKind,
    parse_faults,
    parse_kinds,
    plan_faults,
    render_faults,
)
from commands.simulate.running import SimulationOutcome, SimulationPlan, run_seed
from commands.simulate.shrinking import shrink_plan
from domain.errors import BadConfiguration
from tests.patience import PATIENCE_SECONDS

faults = st.builds(
    Fault,
    kind=st.sampled_from(FaultKind),
    at_seconds=st.floats(0, 1e5).map(lambda at: round(at, 1)),
    lasts_seconds=st.floats(0, 1e4).map(lambda lasts: round(lasts, 1)),
)


def simulate(*options: str, hash_seed: str = "random") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "commands.main", "simulate", *options],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
        check=False,
    )


@given(st.lists(faults, max_size=5))
def test_a_schedule_is_read_as_it_was_printed(planned: list[Fault]) -> None:
    assert sorted(planned, key=lambda fault: fault.at_seconds) == parse_faults(
        render_faults(planned)
    )


@pytest.mark.parametrize("text", ["redis-down", "redis-down@x+1", "earthquake@1+1", "redis-down@1"])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(BadConfiguration):
        parse_faults(text)


def test_unknown_kinds_are_refused_and_the_known_ones_named() -> None:
    assert [] == parse_kinds("none")
    assert list(FaultKind) == parse_kinds("all")
    with pytest.raises(BadConfiguration, match="redis-emptied"):
        parse_kinds("redis-down,earthquake")


def test_plans_have_every_kind_and_leave_the_end_calm() -> None:
    planned = [
        fault for seed in range(20) for fault in plan_faults(list(FaultKind), 2.0, Random(seed))
    ]
    assert set(FaultKind) == {fault.kind for fault in planned}
    assert max(fault.at_seconds for fault in planned) < 7_200 - CALM_AFTER_SECONDS


def test_no_invariant_breaks_while_every_kind_of_fault_happens() -> None:
    lasting = {FaultKind.LOOP_STALLED: 5.0, FaultKind.CLOCK_BACK: 1_000.0}
    planned = [
        Fault(kind=kind, at_seconds=60.0 + 25.0 * number, lasts_seconds=lasting.get(kind, 20.0))
        for number, kind in enumerate(FaultKind)
    ]
    outcome = run_seed(SimulationPlan(seed=5, hours=0.55, rate=0.05, faults=planned))
    assert [] == outcome.violations
    assert {kind.value for kind in FaultKind} == {
        name.removeprefix("fault: ") for name in outcome.happened if name.startswith("fault: ")
    }
    recoveries = ("buffer lost its data, putting it back", "new tokens go to the spool")
    for recovery in (*recoveries, "spooled tokens stored", "restarting actor", "dependency back"):
        assert outcome.happened[f"log: {recovery}"], recovery


def test_the_clock_jumps_to_the_next_deadline_and_over_it_when_the_loop_stalls() -> None:
    clock = JumpingClock()
    woken: list[tuple[str, float]] = []

    async def wait(name: str, *, seconds: float, stalls: float = 0.0) -> None:
        await trio.sleep(seconds)
        woken.append((name, trio.current_time()))
        clock.jump(stalls)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(wait, "late", seconds=3_600.0))
            nursery.start_soon(partial(wait, "early", seconds=0.25, stalls=2.0))
            nursery.start_soon(partial(wait, "stalled", seconds=1.0))

    trio.run(main, clock=clock)
    assert [("early", 0.25), ("stalled", 2.25), ("late", 3_600.0)] == woken


def test_a_seed_is_the_same_run_in_any_process_and_whatever_the_hashes_of_the_caller() -> None:
    options = ("--seeds", "2", "--seed", "7", "--hours", "0.35")
    in_one = simulate(*options, "--jobs", "1", hash_seed="1")
    in_two = simulate(*options, "--jobs", "2", hash_seed="2")
    traces = re.findall(r"seed +(\d+) .* trace (\w+)", in_one.stdout)
    assert traces == re.findall(r"seed +(\d+) .* trace (\w+)", in_two.stdout)
    assert ["7", "8"] == [seed for seed, _ in traces]
    assert 2 == len({trace for _, trace in traces})


def test_faults_and_ways_back_are_told_and_the_missing_ones_by_name() -> None:
    schedule = "postgres-down@100+20,redis-emptied@200+0,process-killed@250+0,clients-vanish@300+0"
    told = simulate("--seeds", "1", "--hours", "0.15", "--schedule", schedule).stdout
    *_, no_faults, no_recoveries = told.splitlines()
    missing = set(f"{no_faults}, {no_recoveries}".replace(": ", ", ").split(", "))
    ways = {"new tokens spooled", "spool drained", "values put back", "process started again"}
    happened = {fault.kind.value for fault in parse_faults(schedule)} | ways
    assert happened <= set(re.findall(r"^ +[1-9]\d*  ([^:\n]+)$", told, re.MULTILINE))
    assert not missing & happened
    assert {"redis-down", "clock slewed", "drain past the buffer"} <= missing


def test_bad_options_end_with_one_line_and_78() -> None:
    for options in (
        ["--seeds", "0"],
        ["--jobs", "0"],
        ["--faults", "earthquake"],
        ["--schedule", "x"],
    ):
        ended = simulate(*options)
        assert 78 == ended.returncode
        assert 1 == len(ended.stderr.splitlines())


def test_a_failing_plan_is_shrunk_to_the_faults_that_matter() -> None:
    def run_plan(plan: SimulationPlan) -> SimulationOutcome:
        at = {fault.at_seconds for fault in plan.faults}
        return SimulationOutcome(plan=plan, violations=["broken"] if {3.0, 11.0} <= at else [])

    planned = [
        Fault(kind=FaultKind.REDIS_DOWN, at_seconds=float(at), lasts_seconds=1.0)
        for at in range(20)
    ]
    smallest = shrink_plan(
        run_plan(SimulationPlan(seed=1, hours=1.0, rate=1.0, faults=planned)), run_plan
    )
    assert [3.0, 11.0] == [fault.at_seconds for fault in smallest.plan.faults]
    assert ["broken"] == smallest.violations
