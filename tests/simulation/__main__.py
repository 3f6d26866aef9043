"""`python -m tests.simulation [MUTANT ...]`: does the simulation catch each mistake?

Prints a line for each, and ends with 1 where one survives. `--control` simulates the plans of all
mutants without any mistake instead, and ends with 1 where one of them fails.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial

from commands.simulate import HASH_SEED
from tests.simulation.mutants import MUTANTS
from tests.simulation.plans import PLANS
from tests.simulation.trials import Trial, run_trials, try_mutant, try_plan


def main(names: Sequence[str], *, is_control: bool) -> int:
    trials: list[tuple[str, Trial]] = [
        (mutant.name, partial(try_mutant, mutant))
        for mutant in MUTANTS
        if not names or mutant.name in names
    ]
    if is_control:
        trials = [
            (plan.name, partial(try_plan, plan))
            for plan in PLANS
            if not names or plan.name in names
        ]
    unexpected = 0
    for verdict in run_trials(trials):
        unexpected += not verdict.is_ended or bool(verdict.violations) is is_control
        told = "; ".join(verdict.violations) or "no violation"
        print(
            verdict.name,
            told if verdict.is_ended else "no end",
            f"{verdict.cpu_seconds:.1f}",
            sep="\t",
            flush=True,
        )
    return 1 if unexpected else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:  # the order of sets is part of a run
        os.environ["PYTHONHASHSEED"] = HASH_SEED
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of mutants, or plans (all)")
    parser.add_argument("--control", action="store_true", help="no mistake: nothing is caught")
    arguments = parser.parse_args()
    sys.exit(main(arguments.names, is_control=arguments.control))
