"""Births that Postgres has refused, and that an operator hands back."""

from trio.testing import MockClock

from domain.messages import BirthReplayed
from domain.quarantine import EntrySettled
from domain.token import Token
from domain.values import Mint
from tests.unit.actors.ingest.events import created, traded
from tests.unit.actors.ingest.ingest_world import IngestWorld
from tests.unit.actors.world import PickyStore, Servers, mint, running, until


def picky_world(*refused: Mint) -> tuple[IngestWorld, PickyStore]:
    servers = Servers()
    store = PickyStore(database=servers.database, refused_mints=set(refused))
    return IngestWorld(servers=servers, store=store), store


async def replay_refused(world: IngestWorld) -> str:
    """Hand back what was refused last; the id of its entry."""
    entry = world.quarantined[-1]
    await world.send(BirthReplayed(entry_id=entry.id, token=entry.restore_content()))
    return entry.id


async def test_replayed_birth_is_stored_shown_and_settled_once(autojump_clock: MockClock) -> None:
    world, store = picky_world(mint(1))
    async with running(world.ingest()):
        await world.send(created(1, name="First"), created(2))
        await until(1.0)
        assert [mint(2)] == world.stored_mints
        store.refused_mints.clear()
        entry_id = await replay_refused(world)
        await until(2.0)
    assert [mint(2), mint(1)] == world.stored_mints
    assert "First" == world.servers.database.tokens[mint(1)].name
    assert mint(1) in [m for _, tokens in world.admitted for _, m in tokens]
    assert [EntrySettled(entry_id=entry_id)] == world.quarantine.of(EntrySettled)


async def test_replayed_birth_that_is_refused_again_is_the_same_entry(
    autojump_clock: MockClock,
) -> None:
    world, _ = picky_world(mint(1))
    async with running(world.ingest()):
        await world.send(created(1))
        await until(1.0)
        entry_id = await replay_refused(world)
        await until(2.0)
    assert [entry_id, entry_id] == [entry.id for entry in world.quarantined]
    assert [] == world.quarantine.of(EntrySettled)


async def test_replayed_birth_that_is_stored_already_is_settled(autojump_clock: MockClock) -> None:
    world, _ = picky_world()
    async with running(world.ingest()):
        await world.send(created(1))
        await until(1.0)
        stored = world.servers.database.tokens[mint(1)]
        again = Token(mint=mint(1), first_seen_at=stored.first_seen_at, name="Another")
        await world.send(BirthReplayed(entry_id="0123456789", token=again))
        await until(2.0)
    assert ([mint(1)], "Token 1") == (
        world.stored_mints,
        world.servers.database.tokens[mint(1)].name,
    )
    assert [EntrySettled(entry_id="0123456789")] == world.quarantine.of(EntrySettled)


async def test_replayed_birth_in_the_spool_is_settled_when_postgres_has_it(
    autojump_clock: MockClock,
) -> None:
    world, store = picky_world(mint(1))
    async with running(world.ingest()):
        await world.send(created(1))
        await until(1.0)
        store.refused_mints.clear()
        world.servers.database.is_down = True
        await replay_refused(world)
        await until(2.0)
        assert [mint(1)] == [token.mint for token in await world.servers.buffer.read_spooled(9)]
        assert [] == world.quarantine.of(EntrySettled)
        world.servers.database.is_down = False
        await until(30.0)
    assert ([mint(1)], 1) == (world.stored_mints, len(world.quarantine.of(EntrySettled)))


async def test_trades_of_a_replayed_birth_are_passed_on(autojump_clock: MockClock) -> None:
    world, store = picky_world(mint(1))
    async with running(world.ingest()):
        await world.send(created(1))
        await until(1.0)
        store.refused_mints.clear()
        await replay_refused(world)
        await world.send(traded(1, 2.0, source="pumpapi"))
        await until(3.0)
    assert [mint(1)] == [trade.mint for trade in world.trades.messages]
