"""Many seeds: as many at once as there are processes for them, outcomes in the order of the plans.

    [SimulationPlan] -> run_plans -> processes (run_seed, shrink_plan) -> SeedResult, in order

Seeds share nothing, so that a seed's trace is the same in whichever process it runs.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from threading import Thread

from attrs import define

from commands.simulate.running import SimulationOutcome, SimulationPlan, run_seed
from commands.simulate.shrinking import shrink_plan


@define(kw_only=True)
class SeedResult:
    """What came of one seed."""

    outcome: SimulationOutcome
    smallest: SimulationOutcome  # of the fewest faults that still fail; the same where none did


def run_plans(plans: Iterable[SimulationPlan], jobs: int, *, shrinks: bool) -> Iterator[SeedResult]:
    """Simulate every plan, `jobs` of them at a time."""
    run = partial(_run_plan, shrinks=shrinks)
    if jobs == 1:
        yield from map(run, plans)
        return
    # Forked, so that Python's hashes and every import are those of this process.
    forks = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, mp_context=forks, initializer=_follow_parent) as pool:
        try:
            yield from pool.map(run, plans)
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _run_plan(plan: SimulationPlan, *, shrinks: bool) -> SeedResult:
    outcome = run_seed(plan)
    is_shrunk = shrinks and outcome.has_failed
    return SeedResult(
        outcome=outcome, smallest=shrink_plan(outcome, run_seed) if is_shrunk else outcome
    )


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, which ends its children; and end when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_after_parent, daemon=True).start()


def _end_after_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
