"""Ingest: what a start takes up of an earlier life, and what it knows of each coin's supply."""

from trio.testing import MockClock

from domain.values import Mint, Sol
from tests.unit.actors.ingest.events import created, migrated, traded
from tests.unit.actors.ingest.ingest_world import IngestWorld
from tests.unit.actors.world import mint, running, until

MAYHEM = "2000000000"


async def test_a_start_follows_the_trades_of_the_newest_tokens_first(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    await world.send(created(1, 0.0), created(2, 1.0))
    async with running(world.ingest()):
        await until(2.0)
    followed: list[Mint] = []
    later = world.ingest()
    later.follow_tokens = lambda tokens: followed.extend(each.mint for each in tokens)
    async with running(later):
        await until(3.0)
    assert [mint(2), mint(1)] == followed


async def test_a_mayhem_coin_is_worth_its_whole_supply(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    await world.send(created(1, total_supply=MAYHEM), traded(1, 1.0, market_cap_sol=Sol(28.0)))
    async with running(world.ingest()):
        await until(1.0)
    assert 56.0 == world.updates()[-1].values["market_cap_sol"]


async def test_a_restart_still_knows_a_mayhem_coin(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    await world.send(created(1, total_supply=MAYHEM))
    async with running(world.ingest()):
        await until(1.0)
    async with running(world.ingest()):
        await until(2.0)
        await world.send(traded(1, 2.0, market_cap_sol=Sol(28.0)))
        await until(3.0)
    assert 56.0 == world.updates()[-1].values["market_cap_sol"]


async def test_a_create_repeated_after_a_restart_is_no_birth(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    await world.send(created(1, 0.0), migrated(1, 0.5))
    async with running(world.ingest()):
        await until(1.0)
    before = len(world.updates())
    async with running(world.ingest()):
        await until(2.0)
        await world.send(created(1, 2.0))
        await until(3.0)
    assert before == len(world.updates())
