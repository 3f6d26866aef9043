"""Passes simulated time over one strategy, as fast as the server allows.

    Trace  ->  events, a flush every five minutes, a checkpoint every so often  ->  Outcome

The first simulated hour is not measured: it brings tables and indexes into the state that they
are in on any later hour.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from heapq import merge
from typing import Any

import trio
from attrs import field, frozen

from commands.storm.meter import Cost, Meter, cpu_seconds
from commands.storm.server import StormServer
from commands.storm.strategy import Advance, Strategy
from commands.storm.trace import HOUR_SECONDS, Event, Trace
from domain.values import Mint, Value

FLUSH_SECONDS = 300.0
WARM_UP_SECONDS = float(HOUR_SECONDS)
RELATIVE_PRECISION = 1e-5  # single precision keeps six digits
PROGRESS_EVENTS = 10


@frozen(kw_only=True)
class StrategyName:
    """A strategy as the command line and the table know it."""

    name: str
    title: str
    build: Callable[[str], Strategy]  # for a connection string
    reads_back: bool = True  # False: it keeps no rows


@frozen(kw_only=True)
class Outcome:
    """One strategy's line of the table."""

    name: str
    title: str
    statements: int
    rows: int
    seconds: float
    wal_bytes_a_birth: float | None  # None: the strategy cannot tell
    wrong_values: int  # tokens whose stored values are not the trace's last ones
    cost: Cost


@frozen(kw_only=True)
class Plan:
    """How a trace is replayed."""

    trace: Trace
    checkpoint_seconds: float
    warm_up_seconds: float = field(default=WARM_UP_SECONDS)

    @property
    def measured_hours(self) -> float:
        return (self.trace.seconds - self.warm_up_seconds) / HOUR_SECONDS

    def timeline(self, start: float, end: float) -> Iterator[tuple[float, int, Event | None]]:
        """Moments in order: events (kind 0), flushes (1), checkpoints (2)."""
        events = ((e.at_seconds, 0, e) for e in self.trace.events if start <= e.at_seconds < end)
        flushes = ((at, 1, None) for at in _marks(start, end, FLUSH_SECONDS))
        checkpoints = ((at, 2, None) for at in _marks(start, end, self.checkpoint_seconds))
        return merge(events, flushes, checkpoints, key=lambda entry: entry[:2])


def _marks(start: float, end: float, interval: float) -> Iterator[float]:
    """The multiples of the interval after `start`, and the end."""
    count = math.ceil((end - start) / interval)
    return (min(start + number * interval, end) for number in range(1, count + 1))


async def replay(
    plan: Plan, server: StormServer, chosen: StrategyName, advance: Advance
) -> Outcome:
    """Run one strategy in a schema of its own."""
    schema = f"token_discovery_storm_{os.getpid()}"
    with server.schema(schema) as url:
        strategy, meter = chosen.build(url), Meter(server, schema)
        try:
            await _warm_up(plan, strategy, advance)
            outcome = await _measured(plan, server, (chosen, strategy), meter, advance)
        finally:
            with trio.CancelScope(shield=True):
                await strategy.close()
                await trio.to_thread.run_sync(meter.close)
    return outcome


async def _warm_up(plan: Plan, strategy: Strategy, advance: Advance) -> None:
    await strategy.open()
    advance(f"loading {plan.trace.tokens:,} tokens")
    await strategy.prepare(plan.trace.population)
    advance("an hour to warm up")
    await _pass_time(plan, strategy, (0.0, plan.warm_up_seconds), None, advance)
    await strategy.close()  # its counters reach the server now, before the measuring


async def _measured(
    plan: Plan,
    server: StormServer,
    subject: tuple[StrategyName, Strategy],
    meter: Meter,
    advance: Advance,
) -> Outcome:
    chosen, strategy = subject
    await trio.to_thread.run_sync(meter.begin)
    await strategy.open()
    backends = [pid for pid in await strategy.backends() if pid != meter.connection.backend]
    with server.quiet():
        spent = cpu_seconds(backends) if server.is_own else 0.0
        started, before = trio.current_time(), copy(strategy.counts)
        await _pass_time(plan, strategy, (plan.warm_up_seconds, plan.trace.seconds), meter, advance)
        seconds = trio.current_time() - started
        cpu = cpu_seconds(backends) - spent if server.is_own else None
        await strategy.close()
        cost = await trio.to_thread.run_sync(meter.end, backends, cpu)
    sent = strategy.counts.since(before)
    return Outcome(
        name=chosen.name,
        title=chosen.title,
        statements=sent.statements,
        rows=sent.rows,
        seconds=seconds,
        wal_bytes_a_birth=sent.birth_wal_bytes / sent.births if sent.births else None,
        wrong_values=await _wrong_values(plan.trace, strategy) if chosen.reads_back else 0,
        cost=cost,
    )


async def _pass_time(
    plan: Plan,
    strategy: Strategy,
    span: tuple[float, float],
    meter: Meter | None,
    advance: Advance,
) -> None:
    """Everything that happens within a span of simulated time; without a meter no checkpoint."""
    for number, (at_seconds, kind, event) in enumerate(plan.timeline(*span)):
        if event is not None:
            await strategy.take(event)
        elif kind == 1:
            await strategy.flush()
        elif meter is not None:
            await trio.to_thread.run_sync(meter.checkpoint)
        if number % PROGRESS_EVENTS == 0:
            advance(
                f"{(at_seconds - span[0]) / (span[1] - span[0]):.0%}"
                + (" of what is measured" if meter else " of the warm-up")
            )


async def _wrong_values(trace: Trace, strategy: Strategy) -> int:
    """Read everything that changed back; how many tokens are not as the trace left them."""
    await strategy.open()
    expected = trace.final_values()
    stored = await strategy.final_values(list(expected))
    return len(differing(expected, stored))


def agrees(expected: Mapping[str, Value], stored: Mapping[str, Any]) -> bool:
    """Whether every expected value is stored, to the precision that is kept."""
    return all(
        name in stored
        and math.isclose(float(value), float(stored[name]), rel_tol=RELATIVE_PRECISION)
        for name, value in expected.items()
    )


def differing(
    expected: Mapping[Mint, Mapping[str, Value]], stored: Mapping[Mint, Mapping[str, Value]]
) -> Sequence[Mint]:
    """The tokens whose stored values are not the expected ones."""
    return [mint for mint, values in expected.items() if not agrees(values, stored.get(mint, {}))]
