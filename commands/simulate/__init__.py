"""Deterministic simulation: hours of the service's life in seconds, and all that can go wrong.

The real actors, supervision, streams, boards and sessions run on the in-memory twins of both
stores, under a clock that jumps and a scheduler that the seed decides. Every invariant is checked
while it runs. A seed that fails prints the one command that replays it, with as few faults as
still make it fail. The exit code is 1 where any seed failed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from random import Random

from commands.simulate.faults import (
    FaultKind,
    parse_faults,
    parse_kinds,
    plan_faults,
    render_faults,
)
from commands.simulate.running import SimulationOutcome, SimulationPlan, run_seed
from commands.simulate.shrinking import shrink_plan
from domain.errors import BadConfiguration

HASH_SEED = "0"  # of Python's own hashes: the order of sets is part of a run
FAILED = 1
ROOMS = ("actors", "supervision")  # whose branches --coverage counts
CHECKED = (
    "Checked all the time: what is shown stands in a store (3), no older value replaces a newer "
    "one (4), idle means no request upstream (7), mailboxes are bounded and balance (8), no actor "
    "fails of itself (9), folded deltas are the board (10), drains end in time with exit 0 (11). "
    "In the end: births within 250 ms while all was well (2), Postgres has what was shown last (4)."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="how many (10)")
    parser.add_argument("--seed", type=int, default=1, metavar="K", help="the first one (1)")
    parser.add_argument("--hours", type=float, default=2.0, metavar="H", help="of each seed (2)")
    parser.add_argument(
        "--rate", type=float, default=0.05, metavar="R", help="1 is the real market's (0.05)"
    )
    parser.add_argument("--faults", default="all", help="all, none, or kinds by comma (all)")
    parser.add_argument(
        "--schedule", metavar="FAULTS", help="these faults: KIND@SECOND+SECONDS by comma"
    )
    parser.add_argument(
        "--no-shrink", action="store_true", help="print a failing seed's faults as they were drawn"
    )
    parser.add_argument(
        "--coverage", action="store_true", help="tell which branches of the actors no seed entered"
    )


def run(arguments: argparse.Namespace) -> int:
    _require_sense(arguments)
    if arguments.coverage and "coverage" not in sys.modules:
        return _run_measured()
    _begin_again()
    kinds = parse_kinds(arguments.faults)
    outcomes: list[SimulationOutcome] = []
    print(CHECKED)
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        outcome = run_seed(_make_plan(arguments, kinds, seed))
        outcomes.append(outcome)
        _print_outcome(outcome)
        if outcome.has_failed:
            _print_replay(outcome, shrinks=not arguments.no_shrink)
    _print_summary(outcomes)
    if arguments.coverage:
        _report_branches()
    return FAILED if any(outcome.has_failed for outcome in outcomes) else 0


def _make_plan(arguments: argparse.Namespace, kinds: list[FaultKind], seed: int) -> SimulationPlan:
    faults = (
        plan_faults(kinds, arguments.hours, Random(seed))
        if arguments.schedule is None
        else parse_faults(arguments.schedule)
    )
    return SimulationPlan(seed=seed, hours=arguments.hours, rate=arguments.rate, faults=faults)


def _require_sense(arguments: argparse.Namespace) -> None:
    if arguments.seeds < 1 or arguments.hours <= 0 or arguments.rate <= 0:
        raise BadConfiguration("--seeds, --hours and --rate are above 0")
    if arguments.coverage and find_spec("coverage") is None:
        raise BadConfiguration("--coverage needs the package coverage")


def _begin_again() -> None:
    """Be started anew where hashes are not those of every run."""
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        os.environ["PYTHONHASHSEED"] = HASH_SEED
        again = [sys.executable, "-m", "token_discovery", *sys.argv[1:]]
        os.execv(sys.executable, again)  # noqa: S606  # ourselves


def _run_measured() -> int:
    """The same command in a process whose branches are counted from its first import on."""
    root = Path(__file__).resolve().parents[2]
    rooms = ",".join(str(root / room) for room in ROOMS)
    with tempfile.TemporaryDirectory() as directory:
        counting = ["coverage", "run", "--branch", f"--source={rooms}"]
        counting.append(f"--data-file={directory}/branches")
        command = [sys.executable, "-m", *counting, "-m", "token_discovery", *sys.argv[1:]]
        environment = {**os.environ, "PYTHONHASHSEED": HASH_SEED}
        return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603  # ourselves


def _report_branches() -> None:
    """Print which lines and branches no seed has entered."""
    measured = sys.modules["coverage"].Coverage.current()
    measured.stop()
    measured.report(show_missing=True, skip_covered=True)


# What people see.


def _print_outcome(outcome: SimulationOutcome) -> None:
    plan = outcome.plan
    verdict = "FAILED" if outcome.has_failed else "ok"
    pace = plan.hours * 3600.0 / outcome.wall_seconds
    print(
        f"seed {plan.seed:>5}  {verdict:>6}  trace {outcome.trace}  {len(plan.faults):>3} faults  "
        f"{plan.hours:g} h in {outcome.wall_seconds:.1f} s: {pace:.0f} simulated seconds a second",
        flush=True,
    )


def _print_replay(outcome: SimulationOutcome, *, shrinks: bool) -> None:
    """Say what went wrong, and the one command that shows it again."""
    smallest = shrink_plan(outcome, run_seed) if shrinks else outcome
    for violation in smallest.violations:
        print(f"    {violation}")
    plan = smallest.plan
    print(
        f"    token-discovery simulate --seeds 1 --seed {plan.seed} --hours {plan.hours:g} "
        f'--rate {plan.rate:g} --schedule "{render_faults(plan.faults)}"',
        flush=True,
    )


def _print_summary(outcomes: list[SimulationOutcome]) -> None:
    happened = sum((outcome.happened for outcome in outcomes), Counter[str]())
    hours = sum(outcome.plan.hours for outcome in outcomes)
    seconds = sum(outcome.wall_seconds for outcome in outcomes)
    failed = sum(outcome.has_failed for outcome in outcomes)
    print(
        f"{len(outcomes)} seeds, {failed} failed; {hours:g} simulated hours in {seconds:.0f} s, "
        f"{hours * 3600 / seconds:.0f} simulated seconds a second"
    )
    for name, number in sorted(happened.items()):
        print(f"{number:>9}  {name}")
    missing = [kind.value for kind in FaultKind if not happened[f"fault: {kind.value}"]]
    if missing:
        print(f"no fault of these kinds: {', '.join(missing)}")
