"""The simulation itself: the same seed is the same run, and every kind of fault really happens."""

import re
import subprocess
import sys
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def simulate(*options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "commands.main", "simulate", *options],
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


def test_the_same_seed_is_the_same_run_in_another_process() -> None:
    options = ("--seeds", "1", "--seed", "7", "--hours", "0.4")
    traces = {re.search(r"trace (\w+)", simulate(*options).stdout)[1] for _ in range(2)}  # type: ignore[index]
    other = simulate("--seeds", "1", "--seed", "8", "--hours", "0.4").stdout
    assert 1 == len(traces)
    assert not traces & set(re.findall(r"trace (\w+)", other))


def test_bad_options_end_with_one_line_and_78() -> None:
    for options in (["--seeds", "0"], ["--faults", "earthquake"], ["--schedule", "x"]):
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
