"""What people see of a simulation: a line a seed, the replay of each failure, and the sum."""

from collections import Counter
from collections.abc import Sequence

from commands.simulate.faults import FaultKind, render_faults
from commands.simulate.recoveries import RECOVERY_SIGNS, count_recoveries
from commands.simulate.running import SimulationOutcome

CHECKED = (
    "Checked all the time: what is shown stands in a store (3), no older value replaces a newer "
    "one (4), nothing is written or told twice (6), idle means no request upstream (7), mailboxes, "
    "calls and waits are bounded and balance (8), no actor fails of itself (9), folded deltas are "
    "the board (10), drains end in time with exit 0 (11), readiness says what is so (13). "
    "Books: every birth told stands somewhere, sync and the buffer hold the same unflushed values, "
    "rows that Postgres refuses are in quarantine. In the end: births within 250 ms while all was "
    "well (2), Postgres has what was shown last (4)."
)


def print_outcome(outcome: SimulationOutcome) -> None:
    plan = outcome.plan
    verdict = "FAILED" if outcome.has_failed else "ok"
    pace = plan.hours * 3600.0 / outcome.wall_seconds
    print(
        f"seed {plan.seed:>5}  {verdict:>6}  trace {outcome.trace}  {len(plan.faults):>3} faults  "
        f"{plan.hours:g} h in {outcome.wall_seconds:.1f} s: {pace:.0f} simulated seconds a second",
        flush=True,
    )


def print_replay(smallest: SimulationOutcome) -> None:
    """Say what went wrong, and the one command that shows it again."""
    for violation in smallest.violations:
        print(f"    {violation}")
    plan = smallest.plan
    print(
        f"    token-discovery simulate --seeds 1 --seed {plan.seed} --hours {plan.hours:g} "
        f'--rate {plan.rate:g} --schedule "{render_faults(plan.faults)}"',
        flush=True,
    )


def print_summary(outcomes: Sequence[SimulationOutcome], wall_seconds: float) -> None:
    """The sum over all seeds: faults, recoveries, and what else happened."""
    happened = sum((outcome.happened for outcome in outcomes), Counter[str]())
    hours = sum(outcome.plan.hours for outcome in outcomes)
    failed = sum(outcome.has_failed for outcome in outcomes)
    print(
        f"{len(outcomes)} seeds, {failed} failed; {hours:g} simulated hours in "
        f"{wall_seconds:.0f} s: {hours / wall_seconds:.2f} simulated hours a second, "
        f"{hours * 3600 / wall_seconds:.0f} times real time"
    )
    faults = {kind.value: happened.pop(f"fault: {kind.value}", 0) for kind in FaultKind}
    recoveries = count_recoveries(happened)
    for sign in RECOVERY_SIGNS.values():
        happened.pop(sign, None)
    _print_counts("faults", faults)
    _print_counts("recoveries", recoveries)
    _print_counts("what else happened", happened)
    _print_missing("fault of these kinds", faults)
    _print_missing("recovery of these kinds", recoveries)


def _print_counts(title: str, counts: "Counter[str] | dict[str, int]") -> None:
    print(f"{title}:")
    for name, number in sorted(counts.items()):
        if number:
            print(f"{number:>9}  {name}")


def _print_missing(title: str, counts: dict[str, int]) -> None:
    missing = [name for name, number in counts.items() if not number]
    if missing:
        print(f"no {title}: {', '.join(missing)}")
