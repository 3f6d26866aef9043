"""Ingest while a store is slow or away: one birth waits, and nothing else does."""

from math import inf

import trio
from trio.testing import MockClock

from actors.ingest.memory import HELD_UPDATES
from domain.messages import TokensAdmitted, TokenUpdated
from tests.unit.actors.ingest.events import created, migrated, pool, traded
from tests.unit.actors.ingest.ingest_world import IngestWorld
from tests.unit.actors.world import at, mint, running, until

FOR_EVER = 10**9


async def test_trades_go_on_while_a_commit_hangs(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        await until(1.0)
        world.store.delay_seconds = inf
        await world.send(created(1, 1.0))
        for second in (1.5, 2.0, 2.5):
            await until(second)
            await world.send(traded(2, second))
        await until(2.5)
        assert [1.5, 2.0, 2.5] == world.trades.times()
        assert [1.5, 2.0, 2.5] == world.sync.times(TokenUpdated)
        assert [] == world.admitted


async def test_births_are_spooled_while_the_commit_of_others_hangs_no_longer_than_it_may(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        await until(1.0)
        world.store.delay_seconds = inf
        await world.send(created(1, 1.0))
        await until(2.0)
        await world.send(created(2, 2.0))
        await until(6.2)
        assert [(6.0, [(None, mint(1))]), (6.05, [(None, mint(2))])] == [
            (round(second, 6), tokens) for second, tokens in world.admitted
        ]


async def test_what_is_said_of_an_unadmitted_token_follows_it_in_order(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        await until(1.0)
        world.store.delay_seconds = 0.5
        events = created(1, 1.0), traded(1, 1.1), migrated(1, 1.2), pool(1, 1.3)
        await world.events.send_all(events)
        await until(1.4)
        assert [] == world.sync.messages
        await until(2.0)
    kinds = [type(message) for message in world.sync.messages]
    # Trade and migration come of one origin, and together; the pool comes of another one.
    assert [TokensAdmitted, TokenUpdated, TokenUpdated] == kinds
    assert [at(1.2), at(1.3)] == [update.observed_at for update in world.updates()]
    assert at(1.1) == world.updates()[0].values["last_trade_at"]
    assert ({}, {}) == (world.memory.unadmitted, world.memory.held)


async def test_what_is_held_for_one_token_is_bounded(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        await until(1.0)
        world.store.go_down()
        world.servers.buffer.fail_next(FOR_EVER)
        await world.send(created(1, 1.0))
        for count in range(1000):
            await world.send(traded(1, 2.0 + count / 1000, curve_tokens=1e9 - count))
        await until(5.0)
        assert HELD_UPDATES == len(world.memory.held[mint(1)])
        world.store.come_up()
        await until(20.0)
    assert at(2.999) == world.updates()[-1].values["last_trade_at"]


async def test_other_events_go_on_while_neither_store_answers(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        await until(1.0)
        world.store.go_down()
        world.servers.buffer.fail_next(FOR_EVER)
        await world.send(created(1, 1.0))
        await until(2.0)
        await world.send(traded(9, 2.0), migrated(8, 2.0))
        await until(2.0)
        assert [2.0] == world.trades.times()
        assert {mint(8), mint(9)} == {u.mint for u in world.sync.of(TokenUpdated)}
        assert {"unadmitted tokens": 1} == world.memory.count_unsaved()
        away = {name for name, _ in world.conditions.problems}
        assert {"postgres", "redis"} == away


async def test_births_that_no_store_has_taken_survive_a_crash(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        await until(1.0)
        world.store.go_down()
        world.servers.buffer.fail_next(FOR_EVER)
        await world.send(created(1, 1.0), traded(1, 1.1))
        await until(2.0)
    world.store.come_up()
    world.servers.buffer.fail_next(0)
    async with running(world.ingest()):
        await until(3.0)
    assert [mint(1)] == world.stored_mints
    assert [at(1.1)] == [update.observed_at for update in world.updates()]
    assert {} == world.memory.count_unsaved()


async def test_drain_waits_for_a_store_as_long_as_it_is_let(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.ingest().run)
        await until(1.0)
        world.store.go_down()
        world.servers.buffer.fail_next(FOR_EVER)
        await world.send(created(1, 1.0))
        await until(2.0)
        world.events.close()
        await until(5.0)
        assert {"unadmitted tokens": 1} == world.memory.count_unsaved()
        world.store.come_up()
    assert [mint(1)] == world.stored_mints
    assert {} == world.memory.count_unsaved()
