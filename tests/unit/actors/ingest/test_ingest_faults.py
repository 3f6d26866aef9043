"""Ingest when a store is away, hangs or refuses: nothing is lost, nothing comes twice."""

from collections.abc import Sequence
from math import inf

import trio
from attrs import define
from trio.testing import MockClock

from domain.errors import StoreNeedsRepair
from domain.outline import TokenOutline
from domain.token import Token
from domain.values import UnixSeconds
from tests.unit.actors.ingest.events import created
from tests.unit.actors.ingest.ingest_world import IngestWorld
from tests.unit.actors.world import Servers, TimedStore, at, mint, running, until

# Postgres, Redis or both away.


@define(kw_only=True, eq=False)
class SlowlyLoadedStore(TimedStore):
    """A twin with much to read."""

    async def outline_tokens(self, now: UnixSeconds, limit: int) -> Sequence[TokenOutline]:
        await trio.sleep(20.0)
        return await super().outline_tokens(now, limit)


async def test_tokens_are_spooled_in_order_while_postgres_is_down(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    world.store.go_down()
    ingest = world.ingest()
    async with running(ingest):
        for number in (3, 1, 2):
            await world.send(created(number, trio.current_time()))
            await until(trio.current_time() + 1)
        # They are on the feed meanwhile, without an id.
        assert world.admitted == [(float(n), [(None, mint(m))]) for n, m in enumerate((3, 1, 2))]
        spooled = await world.servers.buffer.read_spooled(10)
        assert [mint(3), mint(1), mint(2)] == [token.mint for token in spooled]
        assert (True, 3) == (ingest.snapshot().spooling, ingest.snapshot().spooled)
        await until(5.0)
        world.store.come_up()
        await until(6.0)
        await world.send(created(4, 6.0))  # it must not overtake the others
        await until(20.0)
    # Postgres was tried at 0, 0.25, 0.75, 1.75, 3.75 and is tried again at 7.75.
    in_order = [(1, mint(3)), (2, mint(1)), (3, mint(2)), (4, mint(4))]
    assert world.admitted[3:] == [(6.0, [(None, mint(4))]), (7.75, in_order)]
    assert [] == await world.servers.buffer.read_spooled(10)


async def test_new_tokens_go_straight_to_postgres_after_the_spool_is_empty(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    world.store.go_down()
    async with running(world.ingest()):
        await world.send(created(1))
        await until(5.0)
        world.store.come_up()
        await until(20.0)
        await world.send(created(2, 20.0))
        await until(20.04)
    assert [(20.0, [(2, mint(2))])] == [each for each in world.admitted if each[0] > 10]


async def test_spool_of_an_earlier_life_is_stored_at_the_start(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    await world.servers.buffer.spool_tokens([Token(mint=mint(1), first_seen_at=at(-60))])
    async with running(world.ingest()):
        await until(0.0)
    assert [(0.0, [(1, mint(1))])] == world.admitted


async def test_token_put_back_into_the_spool_is_found_within_seconds(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        await until(1.0)
        await world.servers.buffer.spool_tokens([Token(mint=mint(1), first_seen_at=at(-60))])
        await until(11.0)
    assert [(10.0, [(1, mint(1))])] == world.admitted


async def test_births_that_the_buffer_has_lost_are_looked_for_again_soon(
    autojump_clock: MockClock,
) -> None:
    """The spool is empty until sync has put them back: ingest may look before that."""
    world = IngestWorld()
    async with running(world.ingest()):
        await until(1.0)
        state = world.servers.buffer.data.copy()
        world.store.go_down()
        await world.send(created(1, 1.0))
        await until(1.1)
        world.servers.buffer.data = state  # a promoted replica, which lagged
        world.store.come_up()
        await until(3.0)
        assert [] == world.stored_mints
        await world.servers.buffer.spool_tokens([Token(mint=mint(1), first_seen_at=at(1.0))])
        await until(15.0)
        assert [mint(1)] == world.stored_mints


async def test_new_tokens_wait_while_neither_store_answers(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        await until(1.0)
        world.store.go_down()
        world.servers.buffer.fail_next(3)
        await world.send(created(1, 1.0))
        await until(2.0)
        await world.send(created(2, 2.0))
        await until(4.0)
    # The spool was tried at 1, 1.25, 1.75 and 2.75 seconds.
    assert [(2.75, [(None, mint(1)), (None, mint(2))])] == world.admitted


async def test_new_tokens_go_to_postgres_when_redis_goes_away_with_the_spool(
    autojump_clock: MockClock,
) -> None:
    """What is in the spool is older, and comes when Redis comes back: late, but whole."""
    world = IngestWorld()
    async with running(world.ingest()):
        await until(1.0)
        world.store.go_down()
        await world.send(created(1, 1.0))
        await until(2.0)
        world.servers.buffer.fail_next(10**9)
        await world.send(created(2, 2.0))
        await until(3.0)
        assert [(1.0, [(None, mint(1))])] == world.admitted  # neither store answers
        world.store.come_up()
        await until(10.0)
        await world.send(created(3, 10.0), created(1, 10.0))
        await until(20.0)
        # The stores were tried at 2, 2.25, 2.75 and 3.75 seconds.
        assert [(3.75, [(1, mint(2))]), (10.0, [(2, mint(3))])] == world.admitted[1:]
        world.servers.buffer.fail_next(0)
        await until(40.0)
        await world.send(created(4, 40.0))
        await until(40.04)
    assert [[(3, mint(1))], [(4, mint(4))]] == [tokens for _, tokens in world.admitted[3:]]
    assert [at(1.0), at(2.0), at(10.0), at(40.0)] == sorted(
        token.first_seen_at for token in world.servers.database.tokens.values()
    )


async def test_commit_that_hangs_is_given_up_for_the_spool(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        await until(1.0)
        world.store.delay_seconds = inf
        await world.send(created(1, 1.0))
        await until(7.0)
        assert [(6.0, [(None, mint(1))])] == world.admitted
        world.store.delay_seconds = 0.0
        await until(60.0)
    assert [[(1, mint(1))]] == [tokens for _, tokens in world.admitted[1:]]


async def test_commit_that_happened_although_it_failed_is_harmless(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        await until(1.0)
        world.store.commit_then_fail_next()
        await world.send(created(1, 1.0))
        await until(10.0)
    assert [(1.0, [(None, mint(1))]), (1.0, [(1, mint(1))])] == world.admitted
    assert [mint(1)] == world.stored_mints


# Rows that Postgres refuses.


async def test_refused_token_is_quarantined_and_the_others_are_stored(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    await world.send(*(created(n, name="NUL \x00" if n == 3 else None) for n in range(7)))
    ingest = world.ingest()
    async with running(ingest):
        await until(1.0)
    assert (6, 1) == (ingest.snapshot().admitted, ingest.snapshot().quarantined)
    good = [mint(n) for n in range(7) if n != 3]
    assert world.stored_mints == good
    assert [m for _, tokens in world.admitted for _, m in tokens] == good
    [refused] = world.quarantined
    assert ("birth", mint(3), at(0.0)) == (refused.kind, refused.mint, refused.refused_at)
    assert "NUL" in refused.reason
    # All that was known of it can be looked at, and handed back.
    again = refused.restore_content()
    assert (mint(3), at(0.0), "NUL \x00") == (again.mint, again.first_seen_at, again.name)
    assert [] == world.updates(3)  # nothing is said of a token that is nowhere


async def test_refused_token_does_not_stop_the_spool(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    bad = Token(mint=mint(1), first_seen_at=at(0), name="NUL \x00")
    await world.servers.buffer.spool_tokens([bad, Token(mint=mint(2), first_seen_at=at(0))])
    async with running(world.ingest()):
        await until(1.0)
    assert ([mint(2)], []) == (world.stored_mints, await world.servers.buffer.read_spooled(9))
    assert [mint(1)] == [entry.mint for entry in world.quarantined]


@define(kw_only=True, eq=False)
class ForbiddenStore(TimedStore):
    """A twin that may be forbidden to insert."""

    is_forbidden: bool = False

    async def _insert_tokens(self, tokens: Sequence[Token]) -> Sequence[Token]:
        if tokens and self.is_forbidden:
            raise StoreNeedsRepair("InsufficientPrivilege: permission denied for table token")
        return await super()._insert_tokens(tokens)


async def test_a_right_that_is_missing_shows_until_it_is_granted(
    autojump_clock: MockClock,
) -> None:
    servers = Servers()
    store = ForbiddenStore(database=servers.database, is_forbidden=True)
    world = IngestWorld(servers=servers, store=store)
    async with running(world.ingest()):
        await world.send(created(1))
        await until(5.0)
        assert "permission denied" in f"{world.conditions.reasons['ingest']}"
        store.is_forbidden = False
        await until(20.0)
    assert ([mint(1)], {"ingest": None}) == (world.stored_mints, world.conditions.reasons)


async def test_slow_recall_at_a_start_is_not_cut_short(autojump_clock: MockClock) -> None:
    """It takes longer than a commit may, and the service is not ready before it."""
    store = SlowlyLoadedStore()
    world = IngestWorld(store=store)
    async with running(world.ingest()):
        await until(19.0)
        assert {} == world.conditions.reasons
        await until(20.0)
    assert {"ingest": None} == world.conditions.reasons
