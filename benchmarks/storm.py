"""The storm's table at the seeds' rates, with the peers of a Python team beside."""

import sys

import trio

from benchmarks.peers import PEERS
from benchmarks.results import Result
from commands.screen import Screen
from commands.storm import service_settings
from commands.storm.replay import Outcome, Plan, StrategyName, replay
from commands.storm.report import HEADINGS, Report
from commands.storm.server import StormServer, own_server
from commands.storm.strategies import every_strategy
from commands.storm.trace import HOUR_SECONDS, RATES, Trace

QUICK_TOKENS, QUICK_HOURS, QUICK_WARM_UP_SECONDS = 1000, 0.25, 300.0


def run(is_quick: bool, rates: str = "seeds", peers: tuple[StrategyName, ...] = PEERS) -> Result:
    warm_up_seconds = QUICK_WARM_UP_SECONDS if is_quick else float(HOUR_SECONDS)
    hours = warm_up_seconds / HOUR_SECONDS + (QUICK_HOURS if is_quick else 1.0)
    tokens = QUICK_TOKENS if is_quick else 50_000
    plan = Plan(
        trace=Trace(rates=RATES[rates], tokens=tokens, hours=hours, seed=7),
        checkpoint_seconds=300.0,
        warm_up_seconds=warm_up_seconds,
    )
    with own_server(None, None) as server:
        outcomes = trio.run(_outcomes, plan, server, peers)
        version = server.version
    report = Report(
        plan=plan, rates=rates, server_version=version, wal_compression="off", outcomes=outcomes
    )
    return Result(
        name=f"storm-{rates}",
        title=report.title(),
        headings=HEADINGS,
        lines=[report.line(outcome) for outcome in outcomes],
        conclusion=report.remarks(),
        figures=report.as_json(),
    )


async def _outcomes(
    plan: Plan, server: StormServer, peers: tuple[StrategyName, ...]
) -> list[Outcome]:
    """The storm's own strategies, the peers before the service."""
    own = every_strategy(service_settings())
    first = [each for each in own if not each.name.startswith(("service", "limit"))]
    outcomes = []
    screen = Screen(sys.stderr)
    for chosen in [*first, *peers, *own[len(first) :]]:
        with screen.step(chosen.title):
            outcomes.append(await replay(plan, server, chosen, lambda _: None))
    return outcomes
