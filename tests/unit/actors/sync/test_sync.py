"""Sync takes updates: durable before anybody sees them, and nothing twice."""

import attrs
import pytest
import trio
from trio.testing import MockClock

from domain.messages import RosterTold, RosterWanted, TokensAdmitted, TokensPublished, TokenUpdated
from domain.token import UPDATE_FIELDS, Status, Token
from tests.unit.actors.sync.sync_world import SyncWorld
from tests.unit.actors.world import SETTINGS, at, mint, running, token, until


def are_durable(world: SyncWorld, message: TokensPublished) -> bool:
    """True when every value of the published tokens is in Postgres or in the buffer."""
    return all(is_durable(world, each) for each in message.tokens.values())


def is_durable(world: SyncWorld, published: Token) -> bool:
    stored = world.servers.database.tokens.get(published.mint, token())
    fields = world.servers.buffer.data.tokens.get(published.mint)
    buffered = {} if fields is None else {n: f.text for n, f in fields.by_name.items()}
    return all(
        getattr(published, name) == getattr(stored, name) or name in buffered
        for name in UPDATE_FIELDS
    )


# Durable, then visible.


async def test_update_is_visible_at_once(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await until(1.0)
        await world.admit(token(1))
        await until(2.0)
        await world.update(2.0, holder_count=7)
        await until(2.0)
    assert [1.0, 2.0] == world.published.times()
    assert (1, 7) == (world.shown().id, world.shown().holder_count)
    assert world.published.messages == world.market_data.messages


@pytest.mark.parametrize("after_effect", [False, True], ids=["not done", "done, answer lost"])
async def test_nothing_is_visible_that_the_buffer_does_not_hold(
    autojump_clock: MockClock, after_effect: bool
) -> None:
    world = SyncWorld()
    lies: list[TokensPublished] = []
    world.published.on_send = lambda each: None if are_durable(world, each) else lies.append(each)
    async with running(world.sync()):
        await world.admit(token(1))
        await until(1.0)
        world.servers.buffer.fail_next(3, after_effect=after_effect)
        await world.update(1.0, holder_count=7)
        await until(2.7)
        assert world.shown().holder_count is None  # tried at 1, 1.25 and 1.75
        await until(3.0)
    assert (2.75, 7) == (world.published.times()[-1], world.shown().holder_count)
    assert [] == lies


# The busier the loop, the fewer appends.


@pytest.mark.parametrize(("show_seconds", "rest_seconds"), [(0.04, 0.2), (0.1, 0.25)])
async def test_after_an_append_sync_rests_by_what_showing_it_took(
    show_seconds: float, rest_seconds: float, autojump_clock: MockClock
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await world.admit(token(1))
        await until(1.0)
        world.published.on_send = lambda _: autojump_clock.jump(show_seconds)
        shown_before = len(world.published.messages)
        for number in range(4):
            await until(2.0 + show_seconds * (number > 0) + number * 0.06)
            await world.update(2.0 + number, holder_count=number)
        rested_at = 2.0 + show_seconds + rest_seconds
        await until(rested_at - 0.001)
        assert 0 == world.shown().holder_count
        await until(rested_at)
    shown = [each.tokens[mint(1)] for each in world.published.messages[shown_before:]]
    assert [0, 3] == [each.holder_count for each in shown]


async def test_new_tokens_are_visible_and_a_drain_goes_on_while_sync_rests(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await world.admit(token(1))
        await until(1.0)
        world.published.on_send = lambda _: autojump_clock.jump(0.1)
        await world.update(1.0, holder_count=1)
        await until(1.15)
        world.published.on_send = None
        await world.admit(token(2))
        await until(1.2)
        assert mint(2) in world.shown_by_mint
        await world.update(2.0, holder_count=2)
        world.messages.close()
        await until(1.3)
        assert 2 == world.shown().holder_count


async def test_new_token_is_visible_while_the_buffer_is_away(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await until(1.0)
        world.servers.buffer.fail_next(2)
        stored = await world.servers.insert(token(1))
        update = TokenUpdated(
            mint=mint(1), observed_at=at(1.0), origin="ingest", values={"holder_count": 7}
        )
        world.messages.send_nowait(TokensAdmitted(tokens=tuple(stored)))  # in one batch
        world.messages.send_nowait(update)
        await until(1.0)
        assert (1, None) == (world.shown().id, world.shown().holder_count)
        await until(2.0)
    assert 7 == world.shown().holder_count


async def test_unchanged_values_are_neither_buffered_nor_published(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await world.admit(token(1))
        await world.update(0.0, holder_count=7, silent=False)
        await until(1.0)
        publications = len(world.published.messages)
        await world.update(1.0, holder_count=7)
        await until(2.0)
    assert len(world.published.messages) == publications
    [buffered] = world.servers.buffer.data.published
    assert {"holder_count": 7} == buffered.values


async def test_zero_is_a_value(autojump_clock: MockClock) -> None:
    """Defect 5: falsy checks dropped zeros."""
    world = SyncWorld()
    async with running(world.sync()):
        await world.admit(token(1))
        await world.update(1.0, holder_count=9, price_usd=1.5)
        await until(1.0)
        await world.update(2.0, holder_count=0, price_usd=0.0)
        await until(301.0)
    assert (0, 0.0) == (world.stored().holder_count, world.stored().price_usd)
    assert (0, 0.0) == (world.shown().holder_count, world.shown().price_usd)


async def test_older_observation_does_not_replace_a_newer_one(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await world.admit(token(1))
        await world.update(5.0, holder_count=9)
        await until(5.0)
        await world.update(4.0, holder_count=8)
        await until(6.0)
    assert 9 == world.shown().holder_count


async def test_update_of_one_observer_does_not_age_that_of_another(
    autojump_clock: MockClock,
) -> None:
    """A score stamped later came between two trades; the second trade must stand."""
    world = SyncWorld()
    await world.admit(token(1))
    async with running(world.sync()):
        await until(7.0)
        await world.update(5.0, bonding_curve_progress=10.0)
        await world.update(6.0, origin="hot-score", hot_score=1.0)
        await until(7.0)
        await world.update(5.5, bonding_curve_progress=20.0)
        await until(8.0)
        assert 20.0 == world.shown().bonding_curve_progress
        # Nor does it when the buffer has lost its data and gets it back.
        world.servers.buffer.lose_data()
        await world.update(5.75, bonding_curve_progress=30.0)
        await until(9.0)
        await until(301.0)
    assert world.shown().bonding_curve_progress == world.stored().bonding_curve_progress == 30.0


async def test_token_may_be_forgotten_while_others_are_published(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    sync = world.sync()
    async with running(sync):
        await until(1.0)
        world.published.on_send = lambda _: sync.table.forget_flushed(at(1e6))
        await world.admit(*(token(number) for number in range(1, 6)))
        await until(2.0)
    [told] = world.published.messages  # as they were when the first reader was told
    assert {mint(number) for number in range(1, 6)} == told.tokens.keys()


# Status.


async def test_status_goes_forward_and_says_from_what_and_when(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await world.admit(token(1))
        await world.update(1.0, status=1)
        await until(1.0)
        await world.update(2.0, status=2)
        await until(2.0)
        await world.update(3.0, status=1)
        await until(301.0)
    for seen in (world.shown(), world.stored()):
        assert (
            Status.BONDED,
            Status.GRADUATING,
            at(2.0),
        ) == (seen.status, seen.previous_status, seen.status_changed_at)


# Updates before their token.


async def test_update_before_its_token_is_parked_and_applies_when_it_is_admitted(
    autojump_clock: MockClock,
) -> None:
    """Defect 7: the migration of a token that is still only buffered was dropped."""
    world = SyncWorld()
    async with running(world.sync()):
        await world.update(0.0, status=2, pool_type="pumpswap")
        await until(10.0)
        assert [] == world.published.messages
        await world.admit(token(1, first_seen_at=at(10)))
        await until(10.0)
        assert (Status.BONDED, "pumpswap") == (world.shown().status, world.shown().pool_type)
        await until(300.0)
    [(second, rows)] = world.rows_written
    assert (300.0, 2) == (second, rows[mint(1)]["status"])
    assert (Status.BONDED, "pumpswap") == (world.stored().status, world.stored().pool_type)


async def test_update_of_a_token_that_left_the_table_reaches_postgres(
    autojump_clock: MockClock,
) -> None:
    """An old coin graduates: the table knows it no more, Postgres does."""
    world = SyncWorld()
    async with running(world.sync()):
        await until(1.0)
        await world.servers.insert(token(1, first_seen_at=at(-60 * 3600)))
        await world.update(1.0, status=2)
        await until(300.0)
    assert world.stored().status is Status.BONDED
    assert world.shown().status is Status.BONDED


async def test_update_whose_token_never_comes_is_quarantined(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    sync = world.sync()
    async with running(sync):
        await until(1.0)
        await world.update(1.0, holder_count=7)
        await until(3600.0)
        assert [] == await world.servers.buffer.read_quarantined()
        await until(3900.0)
        [row] = await world.servers.buffer.read_quarantined()
    [said] = world.log.entries("update quarantined")
    assert (mint(1), "no such token") == (said["mint"], said["reason"])
    assert (1, 0) == (sync.snapshot().quarantined, sync.snapshot().lost)
    assert (mint(1), "no such token") == (row.mint, row.reason)
    assert {"holder_count": 7} == row.restore_content().values
    assert at(3900.0) == row.refused_at
    assert 0 == len(world.servers.buffer.data.dirty_since)
    assert {} == world.sync().table.unflushed


async def test_update_of_a_spooled_token_is_parked_however_long_postgres_is_away(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await world.messages.send(TokensAdmitted(tokens=(token(1),)))
        await world.update(0.0, holder_count=7)
        await until(8000.0)
        assert (None, 7) == (world.shown().id, world.shown().holder_count)
        assert [] == await world.servers.buffer.read_quarantined()
        await world.admit(token(1))
        await until(8100.0)
        assert 1 == world.shown().id
        await until(8500.0)
    assert 7 == world.stored().holder_count


async def test_update_is_parked_as_long_as_the_settings_say(autojump_clock: MockClock) -> None:
    world = SyncWorld(settings=attrs.evolve(SETTINGS.sync, park_seconds=1000.0))
    async with running(world.sync()):
        await until(1.0)
        await world.update(1.0, holder_count=7)
        await until(901.0)
        assert [] == await world.servers.buffer.read_quarantined()
        await until(1201.0)
        [row] = await world.servers.buffer.read_quarantined()
    assert at(1200.0) == row.refused_at


# Restarts.


async def test_restart_restores_what_is_stored_spooled_and_buffered(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await world.admit(token(1), token(2, holder_count=3))
        await world.servers.buffer.spool_tokens([token(3)])
        await world.messages.send(TokensAdmitted(tokens=(token(3),)))
        await world.update(1.0, number=1, holder_count=7, status=1)
        await world.update(1.0, number=3, holder_count=9)
        await until(2.0)
    before = world.shown_by_mint
    world.published.entries.clear()
    async with running(world.sync()):
        await until(3.0)
        assert world.shown_by_mint == before
        await until(302.0)
    assert (7, Status.GRADUATING) == (world.stored(1).holder_count, world.stored(1).status)


async def test_restart_waits_until_both_stores_answer(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    await world.servers.insert(token(1))
    world.store.go_down()
    async with running(world.sync()):
        await until(3.0)
        assert [] == world.published.messages
        assert {"sync": "the database is down"} == world.conditions.reasons
        world.store.come_up()
        await until(4.0)  # tried at 0, 0.25, 0.75, 1.75 and 3.75
    assert ([3.75], {"sync": None}) == (world.published.times(), world.conditions.reasons)


async def test_watchers_of_an_earlier_life_are_forgotten(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    await world.servers.insert(token(1, watcher_count=3), token(2))
    async with running(world.sync()):
        await until(1.0)
        assert [0, 0] == [world.shown(number).watcher_count for number in (1, 2)]
    assert 0 == world.stored(1).watcher_count


async def test_buffered_field_of_another_release_is_left_alone(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await until(1.0)
        await world.admit(token(1))
        await world.update(1.0, holder_count=7)
        await until(2.0)
    assert 1 == len(world.servers.buffer.data.dirty_since)
    fields = world.servers.buffer.data.tokens[mint(1)].by_name
    fields["of_a_newer_release"] = fields["holder_count"]
    async with running(world.sync()):
        await until(301.0)
    assert 7 == world.stored().holder_count
    assert 0 == len(world.servers.buffer.data.dirty_since)


# The roster.


async def test_actor_that_restarted_is_told_of_every_token(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await world.admit(*(token(number) for number in range(1, 6)))
        await world.update(0.0, number=5, holder_count=7)
        await until(1.0)
        world.market_data.entries.clear()
        told = len(world.published.messages)
        await world.messages.send(RosterWanted(subscriber="market-data"))
        await until(2.0)
    [told_again] = world.market_data.messages
    assert world.shown_by_mint == told_again.tokens
    assert len(world.published.messages) == told  # the others are left in peace


async def test_the_end_of_a_roster_names_the_ask_that_it_answers(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        for ask in (1, 2):
            await world.messages.send(
                RosterWanted(subscriber="market-data", wants_end=True, ask=ask)
            )
            await until(float(ask))
    ends: list[object] = [m for m in world.market_data.messages if isinstance(m, RosterTold)]
    assert [RosterTold(ask=1), RosterTold(ask=2)] == ends


async def test_roster_is_told_while_tokens_come_and_go(autojump_clock: MockClock) -> None:
    """Telling takes time, in which a flush finds and forgets tokens."""
    world = SyncWorld()
    await world.servers.insert(*(token(n, first_seen_at=at(-47.95 * 3600)) for n in range(1, 750)))
    sync = world.sync()
    async with running(sync):
        await until(299.0)
        await world.servers.insert(token(999, first_seen_at=at(-80 * 3600)))
        await world.update(299.0, number=999, holder_count=1)

        def flush_meanwhile(_: TokensPublished) -> None:
            sync.table.forget_flushed(at(3600))

        world.market_data.on_send = flush_meanwhile
        await world.messages.send(RosterWanted(subscriber="market-data"))
        await until(301.0)
    assert 1 == world.stored(999).holder_count
    assert 301.0 == trio.current_time()
