"""Deterministic simulation: hours of the service's life in seconds, and all that can go wrong.

The real actors, supervision, streams, boards and sessions run on the in-memory twins of both
stores, under a clock that jumps and a scheduler that the seed decides. Every invariant is checked
while it runs; several seeds run at once, each in a process. A seed that fails prints the command
that replays it, with as few faults as still make it fail. The exit code is 1 where any seed failed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from random import Random

from commands.simulate.faults import FaultKind, parse_faults, parse_kinds, plan_faults
from commands.simulate.report import CHECKED, print_outcome, print_replay, print_summary
from commands.simulate.running import SimulationOutcome, SimulationPlan
from commands.simulate.seeds import run_plans
from domain.errors import BadConfiguration

HASH_SEED = "0"  # of Python's own hashes: the order of sets is part of a run
FAILED = 1
ROOMS = ("actors", "supervision")  # whose branches --coverage counts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="how many (10)")
    parser.add_argument("--seed", type=int, default=1, metavar="K", help="the first one (1)")
    parser.add_argument("--hours", type=float, default=2.0, metavar="H", help="of each seed (2)")
    parser.add_argument(
        "--rate", type=float, default=0.05, metavar="R", help="1 is the real market's (0.05)"
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="seeds at once, each in a process (one a CPU)"
    )
    parser.add_argument("--faults", default="all", help="all, none, or kinds by comma (all)")
    parser.add_argument(
        "--schedule", metavar="FAULTS", help="these faults: KIND@SECOND+SECONDS by comma"
    )
    parser.add_argument(
        "--no-shrink", action="store_true", help="print a failing seed's faults as they were drawn"
    )
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="tell which branches no seed entered; in one process",
    )


def run(arguments: argparse.Namespace) -> int:
    _require_sense(arguments)
    if arguments.coverage and "coverage" not in sys.modules:
        return _run_measured()
    _begin_again()
    kinds = parse_kinds(arguments.faults)
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    plans = [_make_plan(arguments, kinds, seed) for seed in seeds]
    outcomes: list[SimulationOutcome] = []
    began_at = time.perf_counter()
    print(CHECKED)
    for result in run_plans(plans, _count_jobs(arguments), shrinks=not arguments.no_shrink):
        outcomes.append(result.outcome)
        print_outcome(result.outcome)
        if result.outcome.has_failed:
            print_replay(result.smallest)
    print_summary(outcomes, time.perf_counter() - began_at)
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
    if arguments.jobs is not None and arguments.jobs < 1:
        raise BadConfiguration("--jobs is above 0")
    if arguments.coverage and find_spec("coverage") is None:
        raise BadConfiguration("--coverage needs the package coverage")


def _count_jobs(arguments: argparse.Namespace) -> int:
    """Processes to use; branches are counted in this one alone."""
    wanted: int = arguments.jobs or os.cpu_count() or 1
    return 1 if arguments.coverage else min(wanted, arguments.seeds)


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
