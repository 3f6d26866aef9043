"""The same changes over ever more tokens that did not change: the cost must follow the changes.

Half an hour at the real rates (500 active tokens) on tables of growing size; beside it the same
coalesced flush on the seeds' wide table, up to the size that is still loaded in a minute.
"""

import trio

from benchmarks.results import Cell, Figure, Result
from commands.storm import service_settings
from commands.storm.replay import Outcome, Plan, StrategyName, replay
from commands.storm.server import StormServer, own_server
from commands.storm.strategies import every_strategy
from commands.storm.trace import HOUR_SECONDS, RATES, Trace
from store.columns import PERIOD_SECONDS

SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (1000, 10_000)
LARGEST_PEER = 100_000
MEASURED_HOURS, WARM_UP_SECONDS = 0.5, 300.0
# What exists is older than the period that tokens are born into. Within it, a birth costs by the
# number of births before it: that is the rate of births, not the total.
YOUNGEST_SECONDS = float(PERIOD_SECONDS)


def run(is_quick: bool) -> Result:
    sizes = QUICK_SIZES if is_quick else SIZES
    with own_server(None, None) as server:
        measured = trio.run(_measure, server, sizes)
    first, last = measured[0][1], measured[-1][1]
    growth = last.cost.wal_bytes / first.cost.wal_bytes
    return Result(
        name="total-tokens",
        title="Half an hour of 500 active tokens, over tables of growing size",
        headings=(
            "tokens in all", "service WAL kB", "statements", "seconds",
            "wide table WAL kB", "its seconds", "WAL ratio",
        ),
        lines=[_shown(*line) for line in measured],
        conclusion=(
            f"{sizes[-1] // sizes[0]} times the tokens: {growth:.2f} times the WAL of this service."
        ),
        figures={"WAL over all sizes": Figure(value=growth, unit="ratio", tolerance=0.1)},
    )  # fmt: skip


def _shown(tokens: int, ours: Outcome, peer: Outcome | None) -> list[Cell]:
    line: list[Cell] = [tokens, ours.cost.wal_bytes / 1000, ours.statements, ours.seconds]
    if peer is None:
        return [*line, None, None, None]
    ratio = peer.cost.wal_bytes / ours.cost.wal_bytes
    return [*line, peer.cost.wal_bytes / 1000, peer.seconds, ratio]


async def _measure(
    server: StormServer, sizes: tuple[int, ...]
) -> list[tuple[int, Outcome, Outcome | None]]:
    by_name = {each.name: each for each in every_strategy(service_settings())}
    return [
        (
            tokens,
            await _replayed(server, tokens, by_name["service"]),
            await _replayed(server, tokens, by_name["coalesced"])
            if tokens <= LARGEST_PEER
            else None,
        )
        for tokens in sizes
    ]


async def _replayed(server: StormServer, tokens: int, chosen: StrategyName) -> Outcome:
    hours = WARM_UP_SECONDS / HOUR_SECONDS + MEASURED_HOURS
    plan = Plan(
        # Most tokens are never looked at again, which also loads a million of them faster.
        trace=Trace(
            rates=RATES["real"],
            tokens=tokens,
            hours=hours,
            seed=7,
            population_is_known=False,
            youngest_seconds=YOUNGEST_SECONDS,
        ),
        checkpoint_seconds=300.0,
        warm_up_seconds=WARM_UP_SECONDS,
    )
    return await replay(plan, server, chosen, lambda _: None)
