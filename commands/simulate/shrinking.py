"""Shrinking: the shortest list of faults that still makes a plan fail.

    a plan that fails --shrink_plan--> one with fewer faults that fails, too

Source of the method: delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating
Failure-Inducing Input", IEEE TSE 28, 2002): leave out halves, then quarters, down to single
faults. A run that fails by another invariant counts as well, so the result may tell of another
fault of the service than the first run did; that is one to mend, too.
"""

from collections.abc import Callable

from attrs import evolve

from commands.simulate.running import SimulationOutcome, SimulationPlan

MOST_RUNS = 60


def shrink_plan(
    failed: SimulationOutcome, run_plan: Callable[[SimulationPlan], SimulationOutcome]
) -> SimulationOutcome:
    """The failure of the smallest plan that was found within the bound on runs."""
    best, part, runs = failed, 2, 0
    while best.plan.faults and runs < MOST_RUNS:
        size = max(len(best.plan.faults) // part, 1)
        smaller = None
        for begin in range(0, len(best.plan.faults), size):
            faults = [*best.plan.faults[:begin], *best.plan.faults[begin + size :]]
            runs += 1
            outcome = run_plan(evolve(best.plan, faults=faults))
            if outcome.has_failed:
                smaller = outcome
                break
            if runs >= MOST_RUNS:
                break
        if smaller is not None:
            best, part = smaller, max(part - 1, 2)
        elif size == 1:
            break
        else:
            part = min(part * 2, len(best.plan.faults))
    return best
