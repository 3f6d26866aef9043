"""A flush of ever more dirty tokens: wall time, client CPU, and what it costs the event loop.

    the real sync, its buffer in a real Redis  ->  flush  ->  a real Postgres

Beside it psycopg's executemany writes the same changes into the seeds' table, from a plain dict:
no buffer to read, nothing durable before, no versions to compare.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from statistics import median
from time import perf_counter, sleep, thread_time

import trio
from attrs import frozen

from benchmarks.peers import ExecuteMany, by_columns
from benchmarks.results import Figure, Result
from benchmarks.world import (
    Addresses,
    MeasuringOffload,
    OneCondition,
    Spent,
    SyncWorld,
    schema_for_peer,
    servers,
    settings_for,
    spent_in,
)
from commands.storm.trace import Population, changed_values
from domain.chunks import chunks
from domain.errors import StoreUnavailable
from domain.messages import TokensAdmitted, TokenUpdated
from domain.values import Mint, UnixSeconds, Value
from supervision.desk import Caller, Desk
from supervision.garbage_collection import freeze_startup_objects

SIZES = (100, 1000, 10_000, 100_000)
QUICK_SIZES = (100, 1000)
CALLS_OF_A_FLUSH = 3  # of one page: read, write, clear
REST_SECONDS = 0.01  # about what a call takes
ROUNDS = {100: 7, 1000: 7, 10_000: 3, 100_000: 1}
Changes = Mapping[Mint, Mapping[str, Value]]


@frozen(kw_only=True)
class Line:
    tokens: int
    ours: Spent
    peer: Spent


def run(is_quick: bool) -> Result:
    sizes = QUICK_SIZES if is_quick else SIZES
    with servers() as addresses:
        lines = trio.run(_measure, addresses, sizes)
        bare = trio.run(_measure_bare_calls)
    thousand = next(line for line in lines if line.tokens == 1000)
    return Result(
        name="flush-cost",
        title="A flush of the real sync (Redis to Postgres), beside psycopg executemany",
        headings=(
            "dirty tokens", "flush ms", "loop CPU ms", "Redis thread ms", "Postgres thread ms",
            "loop's share %", "executemany ms", "its CPU ms", "time ratio", "CPU ratio",
        ),
        lines=[_shown(line) for line in lines],
        conclusion=(
            f"1,000 changed tokens cost the event loop {thousand.ours.loop * 1000:.2f} ms of CPU, "
            f"and the threads of Redis and Postgres {thousand.ours.redis * 1000:.2f} and "
            f"{thousand.ours.client * 1000:.2f} ms. Three calls through a thread and a desk, with "
            f"nothing to do, cost it {bare * 1000:.2f} ms."
        ),
        figures={
            "1,000 tokens, event loop": Figure(value=thousand.ours.loop * 1000, unit="ms CPU"),
            "1,000 tokens, Redis thread": Figure(
                value=thousand.ours.redis * 1000, unit="ms CPU"
            ),
            "1,000 tokens, client": Figure(value=thousand.ours.client * 1000, unit="ms CPU"),
            "1,000 tokens, beside executemany": Figure(
                value=thousand.ours.wall / thousand.peer.wall, unit="ratio"
            ),
        },
    )  # fmt: skip


def _shown(line: Line) -> tuple[int | float, ...]:
    ours, peer = line.ours, line.peer
    return (
        line.tokens,
        *(seconds * 1000 for seconds in (ours.wall, ours.loop, ours.redis, ours.client)),
        100 * ours.loop / (ours.loop + ours.redis + ours.client),
        peer.wall * 1000,
        peer.client * 1000,
        peer.wall / ours.wall,
        peer.client / ours.client,
    )


async def _measure(addresses: Addresses, sizes: tuple[int, ...]) -> list[Line]:
    population = Population(7, max(sizes))
    world = SyncWorld(settings_for(addresses, TRACKING__TOKENS=str(max(sizes) + 1)))
    peer = ExecuteMany(schema_for_peer(addresses))
    try:
        async with world.serving():
            for tokens in chunks(population, 1000):
                stored, _ = await world.store.insert_tokens(tokens)
                await world.append([TokensAdmitted(tokens=tuple(stored))])
            await peer.open()
            await peer.prepare(population)
            mints = [token.mint for token in population]
            freeze_startup_objects()  # as the service does when it is ready
            return [await _line(world, peer, mints[:size]) for size in sizes]
    finally:
        await peer.close()
        await world.close()


async def _line(world: SyncWorld, peer: ExecuteMany, mints: list[Mint]) -> Line:
    ours, theirs = [], []
    for number in range(ROUNDS[len(mints)]):
        changes = {mint: changed_values(f"{number}/{mint}") for mint in mints}
        await _append(world, changes)
        before = _rows(world)
        ours.append(await spent_in(world.flush, world.store_offload, world.buffer_offload))
        assert _rows(world) - before >= len(mints), "the flush did not write everything"
        theirs.append(_spent_by_peer(peer, changes))
    return Line(tokens=len(mints), ours=Spent.middle(ours), peer=Spent.middle(theirs))


async def _measure_bare_calls() -> float:
    """CPU of the loop for what a flush cannot do without: read, write and clear, each a call."""
    offload = MeasuringOffload()
    spent: list[float] = []
    async with trio.open_nursery() as nursery:
        desk = Desk(nursery)
        caller = Caller(
            desk=desk, name="", reporter="", conditions=OneCondition(), expected=StoreUnavailable
        )
        for _ in range(ROUNDS[1000]):
            await trio.sleep(REST_SECONDS)
            loop = thread_time()
            for _ in range(CALLS_OF_A_FLUSH):
                caller.ask(partial(offload, sleep, REST_SECONDS), _ignore, _ignore)
                (await desk.take_note()).deliver()
            spent.append(thread_time() - loop)
        nursery.cancel_scope.cancel()
    return median(spent)


def _ignore(_: object) -> None:
    """The outcome of a bare call."""


async def _append(world: SyncWorld, changes: Changes) -> None:
    for part in chunks(_updates(world, changes), 1000):
        await world.append(part)


def _updates(world: SyncWorld, changes: Changes) -> Iterator[TokenUpdated]:
    now: UnixSeconds = world.clock()
    for mint, values in changes.items():
        yield TokenUpdated(mint=mint, observed_at=now, origin="market-data", values=values)


def _rows(world: SyncWorld) -> int:
    account = world.ledger.totals.get("sync")
    return account.rows if account else 0


def _spent_by_peer(peer: ExecuteMany, changes: Changes) -> Spent:
    wall, cpu = perf_counter(), thread_time()
    peer.write(by_columns(changes.items(), 0.0))
    spent = thread_time() - cpu
    return Spent(wall=perf_counter() - wall, loop=0.0, client=spent, redis=0.0)
