"""`python -m tests.simulation MUTANT`: simulate the service with one mistake; 0 if it is caught."""

import sys

from tests.simulation.mutants import MUTANTS
from tests.simulation.mutation import install_mutant


def main(name: str) -> int:
    mutant = next(each for each in MUTANTS if each.name == name)
    install_mutant(mutant)
    # Only now: what is imported here imports the module that is to be broken.
    from commands.simulate.faults import parse_faults  # noqa: PLC0415
    from commands.simulate.running import SimulationPlan, run_seed  # noqa: PLC0415

    faults = parse_faults(mutant.schedule)
    outcome = run_seed(
        SimulationPlan(seed=mutant.seed, hours=mutant.hours, rate=0.05, faults=faults)
    )
    for violation in outcome.violations:
        print(violation)
    return 0 if outcome.has_failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
