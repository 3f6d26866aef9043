"""Ingest: births are in Postgres at once, in groups; nothing is lost when a store is away."""

from collections.abc import Sequence
from math import inf
from typing import Any

import attrs
import pytest
import trio
from attrs import Factory, define, field
from trio.testing import MockClock

from actors.ingest import Ingest, IngestDoors, IngestOutboxes
from domain.messages import SourceEvent, TokensAdmitted, TokenUpdated
from domain.token import Status, Token
from domain.values import Mint
from supervision.mailbox import Mailbox
from tests.unit.actors.events import created, migrated, pool, traded
from tests.unit.actors.world import (
    SETTINGS,
    Conditions,
    Sent,
    Servers,
    TimedStore,
    at,
    environment,
    mint,
    running,
    until,
)


def _store(world: "World") -> TimedStore:
    return world.servers.store()


@define
class World:
    """One ingest with its mailbox, which outlives it, and its servers."""

    servers: Servers = Factory(Servers)
    settings: Any = SETTINGS.ingest
    store: TimedStore = field(default=Factory(_store, takes_self=True))
    events: Mailbox[SourceEvent] = Factory(lambda: Mailbox("ingest", capacity=10_000))
    sync: Sent[Any] = Factory(Sent)
    trades: Sent[Any] = Factory(Sent)
    conditions: Conditions = Factory(Conditions)

    def ingest(self) -> Ingest:
        return Ingest(
            events=self.events,
            outboxes=IngestOutboxes(sync=self.sync, trades=self.trades),
            doors=IngestDoors(store=self.store, buffer=self.servers.buffer),
            settings=self.settings,
            environment=attrs.evolve(environment(), readiness=self.conditions),
        )

    async def send(self, *events: SourceEvent) -> None:
        for event in events:
            await self.events.send(event)

    @property
    def admitted(self) -> list[tuple[float, list[tuple[int | None, Mint]]]]:
        """(second, tokens as (id, mint)) of each announcement."""
        return [
            (second, [(token.id, token.mint) for token in message.tokens])
            for second, message in self.sync.entries
            if isinstance(message, TokensAdmitted)
        ]

    def updates(self, number: int = 1) -> list[TokenUpdated]:
        return [u for u in self.sync.of(TokenUpdated) if u.mint == mint(number)]

    @property
    def stored_mints(self) -> list[Mint]:
        return list(self.servers.database.tokens)


# Group commit.


async def test_lone_create_is_committed_and_announced_at_once(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.ingest()):
        await until(1.0)
        await world.send(created(1, 1.0))
        await until(1.04)
    assert world.admitted == [(1.0, [(1, mint(1))])]
    assert [update.values["bonding_curve_progress"] for update in world.updates()] == [0.0]


async def test_burst_shares_commits_a_commit_delay_apart(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.ingest()):
        for number in range(100):  # one each millisecond
            await trio.sleep_until(number / 1000)
            await world.send(created(number, number / 1000))
        await until(1.0)
    times = [second for second, _ in world.admitted]
    assert times == pytest.approx([0.0, 0.05, 0.10])
    assert [m for _, tokens in world.admitted for _, m in tokens] == [mint(n) for n in range(100)]


async def test_commit_takes_no_more_than_its_share_of_tokens(autojump_clock: MockClock) -> None:
    world = World(settings=attrs.evolve(SETTINGS.ingest, commit_tokens=10))
    await world.send(*(created(number) for number in range(25)))
    async with running(world.ingest()):
        await until(1.0)
    assert [len(tokens) for _, tokens in world.admitted] == [10, 10, 5]


async def test_trades_do_not_wait_for_a_commit_delay(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.ingest()):
        for second in (0.0, 0.01, 0.02):
            await until(second)
            await world.send(traded(1, second))
        await until(0.02)
    assert world.trades.times() == [0.0, 0.01, 0.02]


async def test_ingest_is_ready_when_postgres_answers(autojump_clock: MockClock) -> None:
    world = World()
    world.store.go_down()
    async with running(world.ingest()):
        await until(5.0)
        assert world.conditions.reasons == {}
        world.store.come_up()
        await until(20.0)
    assert world.conditions.reasons == {"ingest": None}


# Duplicates.


async def test_create_that_is_repeated_is_stored_once(autojump_clock: MockClock) -> None:
    world = World()
    await world.send(created(1, 0.0), created(1, 0.0), created(2, 0.0))
    async with running(world.ingest()):
        await until(1.0)
        await world.send(created(1, 1.0))  # as after a reconnect
        await until(2.0)
    assert world.admitted == [(0.0, [(1, mint(1)), (2, mint(2))])]
    assert len(world.updates()) == 1


async def test_create_that_an_earlier_life_stored_says_nothing_new(
    autojump_clock: MockClock,
) -> None:
    world = World()
    [stored] = await world.servers.insert(Token(mint=mint(1), first_seen_at=at(-900)))
    async with running(world.ingest()):
        await world.send(created(1, 0.0))
        await until(1.0)
    [message] = world.sync.messages
    assert message == TokensAdmitted(tokens=(stored,))


async def test_batch_that_is_offered_again_is_stored_once(autojump_clock: MockClock) -> None:
    world = World()

    def crash(message: object) -> None:
        if isinstance(message, TokenUpdated):
            raise BrokenPipeError("the first life ends between the commit and the update")

    world.sync.on_send = crash
    await world.send(created(1, 0.0), traded(1, 0.2))
    with pytest.RaisesGroup(BrokenPipeError, flatten_subgroups=True):
        await world.ingest().run()
    world.events.reoffer(crashes_before_quarantine=3)
    world.sync.on_send = None
    await until(10.0)
    async with running(world.ingest()):
        await until(20.0)
    assert [tokens for _, tokens in world.admitted] == [[(1, mint(1))]] * 2
    # The birth is told again, as old as it is: what came after it stands.
    assert [update.observed_at for update in world.updates()] == [at(0.0), at(0.2)]


async def test_only_the_newest_mints_are_remembered(autojump_clock: MockClock) -> None:
    world = World(settings=attrs.evolve(SETTINGS.ingest, recent_mints=10))
    ingest = world.ingest()
    async with running(ingest):
        await world.send(*(created(number) for number in range(30)))
        await until(1.0)
    assert list(ingest.sights) == [mint(number) for number in range(20, 30)]


# Postgres, Redis or both away.


async def test_tokens_are_spooled_in_order_while_postgres_is_down(
    autojump_clock: MockClock,
) -> None:
    world = World()
    world.store.go_down()
    async with running(world.ingest()):
        for number in (3, 1, 2):
            await world.send(created(number, trio.current_time()))
            await until(trio.current_time() + 1)
        # They are on the feed meanwhile, without an id.
        assert world.admitted == [(float(n), [(None, mint(m))]) for n, m in enumerate((3, 1, 2))]
        spooled = await world.servers.buffer.spooled(10)
        assert [token.mint for token in spooled] == [mint(3), mint(1), mint(2)]
        await until(5.0)
        world.store.come_up()
        await until(20.0)
    # Postgres was tried at 0, 0.25, 0.75, 1.75, 3.75 and is tried again at 7.75.
    assert world.admitted[3:] == [(7.75, [(1, mint(3)), (2, mint(1)), (3, mint(2))])]
    assert await world.servers.buffer.spooled(10) == []


async def test_new_tokens_go_straight_to_postgres_after_the_spool_is_empty(
    autojump_clock: MockClock,
) -> None:
    world = World()
    world.store.go_down()
    async with running(world.ingest()):
        await world.send(created(1))
        await until(5.0)
        world.store.come_up()
        await until(20.0)
        await world.send(created(2, 20.0))
        await until(20.04)
    assert world.admitted[-1] == (20.0, [(2, mint(2))])


async def test_spool_of_an_earlier_life_is_stored_at_the_start(autojump_clock: MockClock) -> None:
    world = World()
    await world.servers.buffer.spool([Token(mint=mint(1), first_seen_at=at(-60))])
    async with running(world.ingest()):
        await until(0.0)
    assert world.admitted == [(0.0, [(1, mint(1))])]


async def test_token_put_back_into_the_spool_is_found_within_a_minute(
    autojump_clock: MockClock,
) -> None:
    world = World()
    async with running(world.ingest()):
        await until(1.0)
        await world.servers.buffer.spool([Token(mint=mint(1), first_seen_at=at(-60))])
        await until(61.0)
    assert world.admitted == [(60.0, [(1, mint(1))])]


async def test_new_tokens_wait_while_neither_store_answers(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.ingest()):
        await until(1.0)
        world.store.go_down()
        world.servers.buffer.fail_next(3)
        await world.send(created(1, 1.0))
        await until(2.0)
        await world.send(created(2, 2.0))
        await until(4.0)
    # The spool was tried at 1, 1.25, 1.75 and 2.75 seconds.
    assert world.admitted == [(2.75, [(None, mint(1))]), (2.8, [(None, mint(2))])]


async def test_commit_that_hangs_is_given_up_for_the_spool(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.ingest()):
        await until(1.0)
        world.store.delay_seconds = inf
        await world.send(created(1, 1.0))
        await until(7.0)
        assert world.admitted == [(6.0, [(None, mint(1))])]
        world.store.delay_seconds = 0.0
        await until(60.0)
    assert [tokens for _, tokens in world.admitted[1:]] == [[(1, mint(1))]]


async def test_commit_that_happened_although_it_failed_is_harmless(
    autojump_clock: MockClock,
) -> None:
    world = World()
    async with running(world.ingest()):
        await until(1.0)
        world.store.commit_then_fail_next()
        await world.send(created(1, 1.0))
        await until(10.0)
    assert world.admitted == [(1.0, [(None, mint(1))]), (1.0, [(1, mint(1))])]
    assert world.stored_mints == [mint(1)]


# Rows that Postgres refuses.


async def test_refused_token_is_quarantined_and_the_others_are_stored(
    autojump_clock: MockClock,
) -> None:
    world = World()
    await world.send(*(created(n, name="NUL \x00" if n == 3 else None) for n in range(7)))
    async with running(world.ingest()):
        await until(1.0)
    good = [mint(n) for n in range(7) if n != 3]
    assert world.stored_mints == good
    assert [m for _, tokens in world.admitted for _, m in tokens] == good
    [refused] = await world.servers.buffer.quarantined()
    assert (refused.mint, refused.refused_at) == (mint(3), at(0.0))
    assert "NUL" in refused.reason
    assert world.updates(3) == []  # nothing is said of a token that is nowhere


async def test_refused_token_does_not_stop_the_spool(autojump_clock: MockClock) -> None:
    world = World()
    bad = Token(mint=mint(1), first_seen_at=at(0), name="NUL \x00")
    await world.servers.buffer.spool([bad, Token(mint=mint(2), first_seen_at=at(0))])
    async with running(world.ingest()):
        await until(1.0)
    assert (world.stored_mints, await world.servers.buffer.spooled(9)) == ([mint(2)], [])


# What goes on as an update.


async def test_trade_goes_to_sync_and_to_hot_score(autojump_clock: MockClock) -> None:
    world = World()
    trade = traded(1, 0.5)
    await world.send(trade)
    async with running(world.ingest()):
        await until(1.0)
    assert world.trades.messages == [trade]
    [update] = world.updates()
    assert (update.observed_at, update.origin) == (at(0.5), "ingest")
    assert update.values == {"last_trade_at": at(0.5), "silent": False}


async def test_trade_after_the_migration_leaves_the_progress_alone(
    autojump_clock: MockClock,
) -> None:
    world = World()
    await world.send(created(1), migrated(1, 1.0), traded(1, 2.0, curve_tokens=1e9))
    async with running(world.ingest()):
        await until(1.0)
    [_, migration, trade] = world.updates()
    assert migration.values["bonding_curve_progress"] == 100.0
    assert "bonding_curve_progress" not in trade.values


@pytest.mark.parametrize(
    "batches",
    [
        [[migrated(1, 0.0)], [created(1, 0.08)]],
        [[migrated(1, 0.0), created(1, 0.08)]],
        [[created(1, 0.0), migrated(1, 0.08)]],
        [[created(1, 0.0)], [migrated(1, 0.08)]],
    ],
    ids=["before", "before, in a batch", "after, in a batch", "after"],
)
async def test_token_is_stored_however_its_migration_comes(
    autojump_clock: MockClock, batches: Sequence[Sequence[SourceEvent]]
) -> None:
    """Defect 7: the migration of a token that was only buffered was dropped."""
    world = World()
    async with running(world.ingest()):
        for batch in batches:
            await world.send(*batch)
            await until(trio.current_time() + 1)
    assert world.stored_mints == [mint(1)]
    merged: dict[str, Any] = {}
    for update in sorted(world.updates(), key=lambda each: each.observed_at):
        merged |= update.values
    assert (merged["status"], merged["bonding_curve_progress"]) == (Status.BONDED, 100.0)


async def test_venue_of_a_migration_is_no_address(autojump_clock: MockClock) -> None:
    """Defect 6."""
    world = World()
    await world.send(migrated(1, venue="pumpswap"))
    async with running(world.ingest()):
        await until(1.0)
    [update] = world.updates()
    assert update.values["pool_type"] == "pumpswap"
    assert "pool_address" not in update.values


async def test_pool_of_an_unknown_mint_creates_its_token(autojump_clock: MockClock) -> None:
    world = World()
    await world.send(pool(1, 0.5, is_migration=True))
    async with running(world.ingest()):
        await until(1.0)
    assert [tokens for _, tokens in world.admitted] == [[(1, mint(1))]]
    [update] = world.updates()
    assert (update.values["status"], update.values["pool_address"]) == (2, mint(10_001))


async def test_pool_of_a_known_mint_updates_it(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.ingest()):
        await world.send(created(1))
        await until(1.0)
        await world.send(pool(1, 1.0))
        await until(2.0)
    assert len(world.admitted) == 1
    assert world.updates()[-1].values["pool_address"] == mint(10_001)


async def test_zeros_go_on_as_zeros(autojump_clock: MockClock) -> None:
    """Defect 5: falsy checks dropped zeros."""
    world = World()
    await world.send(created(1, market_cap_sol=0.0))
    async with running(world.ingest()):
        await until(1.0)
    [update] = world.updates()
    assert (update.values["sol_raised"], update.values["market_cap_sol"]) == (0.0, 0.0)


# The end.


async def test_ingest_admits_what_is_there_before_it_returns(autojump_clock: MockClock) -> None:
    world = World()
    await world.send(*(created(number) for number in range(3)))
    world.events.close()
    await world.ingest().run()
    assert world.stored_mints == [mint(number) for number in range(3)]
