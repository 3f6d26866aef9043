"""Each mistake is caught by the simulation alone; one that survives is a hole in its checks."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from commands.simulate.faults import parse_faults
from tests.simulation.mutants import MUTANTS
from tests.simulation.plans import PLANS

ROOT = Path(__file__).parents[2]
VIOLATION = re.compile(r"[0-9.]+ s: [0-9]+: ")  # when, and the number of the invariant
NO_SENSE = re.compile("TypeError|NameError|AttributeError")  # any test would have found it
MOST_SECONDS = 900.0  # of all trials together; they take a minute on two processors of their own


def run_all_trials(names: Iterable[str], *options: str) -> dict[str, str]:
    """What a command tells of each trial: its violations, or that there were none."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.simulation", *options, *names],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    assert "" == ended.stderr
    lines = (line.split("\t") for line in ended.stdout.splitlines())
    return {name: told for name, told, _ in lines}


@pytest.fixture(scope="module")
def told_of_mutants(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """The verdicts on all mutants that this session asks for, of one command."""
    parameters = (getattr(item, "callspec", None) for item in request.session.items)
    names = [each.params["mutant"] for each in parameters if each and "mutant" in each.params]
    return run_all_trials(names)


@pytest.fixture(scope="module")
def told_of_plans() -> Mapping[str, str]:
    return run_all_trials((), "--control")


@pytest.mark.parametrize("mutant", [mutant.name for mutant in MUTANTS])
def test_a_mistake_is_caught(mutant: str, told_of_mutants: Mapping[str, str]) -> None:
    told = told_of_mutants[mutant]
    assert VIOLATION.match(told), f"{mutant} survives: {told}"
    assert not NO_SENSE.search(told), f"{mutant} proves nothing: {told}"


@pytest.mark.parametrize("plan", [plan.name for plan in PLANS])
def test_the_service_without_a_mistake_passes(plan: str, told_of_plans: Mapping[str, str]) -> None:
    assert "no violation" == told_of_plans[plan]


def test_every_mistake_and_every_plan_has_a_name_of_its_own() -> None:
    assert len(MUTANTS) == len({mutant.name for mutant in MUTANTS})
    assert len(PLANS) == len({plan.name for plan in PLANS})


def test_every_plan_is_that_of_a_mistake() -> None:
    assert {mutant.plan.name for mutant in MUTANTS} == {plan.name for plan in PLANS}
    assert all(parse_faults(plan.schedule) or not plan.schedule for plan in PLANS)


def test_there_are_mistakes_of_every_room() -> None:
    rooms = {mutant.where.partition(":")[0].rpartition(".")[0] for mutant in MUTANTS}
    expected = {"actors", "actors.ingest", "actors.jobs", "actors.sync", "actors.trading"}
    assert {*expected, "domain", "feed", "sources", "supervision"} <= rooms
    assert len(MUTANTS) >= 60
