"""A flush of ever more dirty tokens: wall time, client CPU, and what it costs the event loop.

    the real sync, its buffer in a real Redis  ->  flush  ->  a real Postgres

Beside it psycopg's executemany writes the same changes into the seeds' table, from a plain dict:
no buffer to read, nothing durable before, no versions to compare.
"""

from collections.abc import Iterator, Mapping
from time import perf_counter, thread_time

import trio
from attrs import frozen

from benchmarks.peers import ExecuteMany, by_columns
from benchmarks.results import Result
from benchmarks.world import (
    Addresses,
    Spent,
    SyncWorld,
    schema_for_peer,
    servers,
    settings_for,
    spent_in,
)
from commands.storm.trace import Population, changed_values
from domain.chunks import chunks
from domain.messages import TokensAdmitted, TokenUpdated
from domain.values import Mint, UnixSeconds, Value
from supervision.garbage_collection import freeze_startup_objects

SIZES = (100, 1000, 10_000, 100_000)
QUICK_SIZES = (100, 1000)
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
    thousand = next(line for line in lines if line.tokens == 1000)
    return Result(
        name="flush-cost",
        title="A flush of the real sync (Redis to Postgres), beside psycopg executemany",
        headings=(
            "dirty tokens", "flush ms", "loop CPU ms", "client CPU ms",
            "executemany ms", "its CPU ms", "time ratio", "CPU ratio",
        ),
        lines=[_shown(line) for line in lines],
        conclusion=(
            f"1,000 changed tokens cost the event loop {thousand.ours.loop * 1000:.2f} ms and the "
            f"client {thousand.ours.client * 1000:.2f} ms of CPU."
        ),
    )  # fmt: skip


def _shown(line: Line) -> tuple[int | float, ...]:
    ours, peer = line.ours, line.peer
    return (
        line.tokens,
        *(seconds * 1000 for seconds in (ours.wall, ours.loop, ours.client)),
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
        ours.append(await spent_in(world.flush, world.store_offload))
        assert _rows(world) - before >= len(mints), "the flush did not write everything"
        theirs.append(_spent_by_peer(peer, changes))
    return Line(tokens=len(mints), ours=Spent.middle(ours), peer=Spent.middle(theirs))


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
    return Spent(wall=perf_counter() - wall, loop=0.0, client=spent)
