"""Trials: what the simulation says of a mistake, each in a process of its own.

    Mutant --fork--> break_function, Plan.simulate --pipe--> Verdict

Everything is imported once, before the first fork; as many run at once as there are processors.
"""

import os
import resource
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait

from attrs import frozen

from tests.simulation.mutation import Mutant, break_function
from tests.simulation.plans import Plan

MOST_CPU_SECONDS = 60  # of one trial; one that goes in a circle is ended
Trial = Callable[[], Sequence[str]]


@frozen(kw_only=True)
class Verdict:
    """What has come of one trial."""

    name: str
    violations: Sequence[str]  # the first one, where there is any
    cpu_seconds: float
    is_ended: bool = True  # False: it never came to an end of its own


def try_mutant(mutant: Mutant) -> Sequence[str]:
    """Make the mistake in this process, and simulate its plan until it shows."""
    break_function(mutant)
    return mutant.plan.simulate(stops_early=True).violations


def try_plan(plan: Plan) -> Sequence[str]:
    """Simulate a plan to its end, without any mistake."""
    return plan.simulate(stops_early=False).violations


def run_trials(trials: Sequence[tuple[str, Trial]]) -> Iterator[Verdict]:
    """The verdicts, in the order in which the trials end."""
    waiting, running = deque(trials), dict[Connection, str]()
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            name, trial = waiting.popleft()
            running[_fork(name, trial)] = name
        for connection in wait(running):
            assert isinstance(connection, Connection)
            yield _read_verdict(running.pop(connection), connection)


def _fork(name: str, trial: Trial) -> Connection:
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    context.Process(target=_send_verdict, args=(name, trial, sender), daemon=True).start()
    sender.close()
    return receiver


def _send_verdict(name: str, trial: Trial, sender: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_SECONDS, MOST_CPU_SECONDS))
    violations = trial()
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_seconds = used.ru_utime + used.ru_stime
    sender.send(Verdict(name=name, violations=violations, cpu_seconds=cpu_seconds))


def _read_verdict(name: str, connection: Connection) -> Verdict:
    with connection:
        try:
            verdict = connection.recv()
        except EOFError:
            verdict = Verdict(
                name=name, violations=(), cpu_seconds=MOST_CPU_SECONDS, is_ended=False
            )
    assert isinstance(verdict, Verdict)
    return verdict
