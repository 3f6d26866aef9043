"""Ingest: births are in Postgres at once, in groups; the rest goes on as updates."""

import json
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from domain.lifecycle import CURVE_FIELDS, CURVE_TOKENS_AT_COMPLETION
from domain.merging import Observations, fold_update
from domain.messages import SourceEvent, TokensAdmitted, TokenUpdated
from domain.token import Status, Token
from sources.pumpportal_frames import ControlFrame, parse_frame
from tests.unit.actors.ingest.events import created, migrated, pool, traded
from tests.unit.actors.ingest.ingest_world import IngestWorld
from tests.unit.actors.world import SETTINGS, at, mint, running, until
from wiring.mailboxes import Mailboxes

# Group commit.


async def test_lone_create_is_committed_and_announced_at_once(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        await until(1.0)
        await world.send(created(1, 1.0))
        await until(1.04)
    assert [(1.0, [(1, mint(1))])] == world.admitted
    [message] = world.sync.messages  # the row says it all
    [born] = message.tokens
    assert (0.0, 0.0, 85.0054) == (
        born.bonding_curve_progress,
        born.sol_raised,
        born.sol_to_graduate,
    )


async def test_burst_shares_commits_a_commit_delay_apart(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        for number in range(100):  # one each millisecond
            await trio.sleep_until(number / 1000)
            await world.send(created(number, number / 1000))
        await until(1.0)
    times = [second for second, _ in world.admitted]
    assert pytest.approx([0.0, 0.05, 0.10]) == times
    assert [mint(n) for n in range(100)] == [m for _, tokens in world.admitted for _, m in tokens]


async def test_commit_takes_no_more_than_its_share_of_tokens(autojump_clock: MockClock) -> None:
    world = IngestWorld(settings=attrs.evolve(SETTINGS.ingest, commit_tokens=10))
    await world.send(*(created(number) for number in range(25)))
    async with running(world.ingest()):
        await until(1.0)
    assert [10, 10, 5] == [len(tokens) for _, tokens in world.admitted]


async def test_trades_do_not_wait_for_a_commit_delay(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        for second in (0.0, 0.01, 0.02):
            await until(second)
            await world.send(traded(1, second))
        await until(0.02)
    assert [0.0, 0.01, 0.02] == world.trades.times()


async def test_ingest_is_ready_when_postgres_answers(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    world.store.go_down()
    async with running(world.ingest()):
        await until(5.0)
        assert {} == world.conditions.reasons
        world.store.come_up()
        await until(20.0)
    assert {"ingest": None} == world.conditions.reasons


# Duplicates.


async def test_create_that_is_repeated_is_stored_once(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    await world.send(created(1, 0.0), created(1, 0.0), created(2, 0.0))
    async with running(world.ingest()):
        await until(1.0)
        await world.send(created(1, 1.0))  # as after a reconnect
        await until(2.0)
    assert [(0.0, [(1, mint(1)), (2, mint(2))])] == world.admitted
    assert [] == world.updates()


async def test_create_that_an_earlier_life_stored_says_nothing_new(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    [stored] = await world.servers.insert(Token(mint=mint(1), first_seen_at=at(-900)))
    async with running(world.ingest()):
        await world.send(created(1, 0.0))
        await until(1.0)
    [message] = world.sync.messages
    assert message == TokensAdmitted(tokens=(stored,))


async def test_batch_that_is_offered_again_is_stored_once(autojump_clock: MockClock) -> None:
    world = IngestWorld()

    def crash(message: object) -> None:
        if isinstance(message, TokenUpdated):
            raise BrokenPipeError("the first life ends between the commit and the update")

    world.sync.on_send = crash
    nearly_sold_out = created(1, 0.0, curve_tokens=CURVE_TOKENS_AT_COMPLETION)
    await world.send(nearly_sold_out, traded(1, 0.2))
    with pytest.RaisesGroup(BrokenPipeError, flatten_subgroups=True):
        await world.ingest().run()
    world.events.offer_again(crashes_before_quarantine=3)
    world.sync.on_send = None
    await until(10.0)
    async with running(world.ingest()):
        await until(20.0)
    assert [[(1, mint(1))]] * 2 == [tokens for _, tokens in world.admitted]
    # The birth is told again, as old as it is: what came after it stands.
    assert [at(0.0), at(0.2)] == [update.observed_at for update in world.updates()]


async def test_only_the_newest_mints_are_remembered(autojump_clock: MockClock) -> None:
    world = IngestWorld(settings=attrs.evolve(SETTINGS.ingest, recent_mints=10))
    ingest = world.ingest()
    async with running(ingest):
        await world.send(*(created(number) for number in range(30)))
        await until(1.0)
    assert [mint(number) for number in range(20, 30)] == list(ingest.sights.by_mint)


# What goes on as an update.


async def test_trade_goes_to_sync_and_to_hot_score(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    trade = traded(1, 0.5)
    await world.send(trade)
    async with running(world.ingest()):
        await until(1.0)
    assert world.trades.messages == [trade]
    [update] = world.updates()
    assert (at(0.5), "ingest unnamed") == (update.observed_at, update.origin)
    assert {"last_trade_at": at(0.5), "silent": False} == update.values


async def test_pool_that_comes_late_keeps_the_time_it_was_seen_at(
    autojump_clock: MockClock,
) -> None:
    """Pools are looked up, so they come behind trades seen later; sync's mailbox holds both."""
    updates: Any = Mailboxes(tokens=10).updates
    world = IngestWorld(sync=updates)
    await world.send(traded(1, 100.0), pool(1, 80.0), traded(1, 101.0))
    async with running(world.ingest()):
        await until(1.0)
    quote = {"pool_type": "raydium-cpmm"}
    await updates.send(
        TokenUpdated(mint=mint(1), observed_at=at(95.0), origin="market-data", values=quote)
    )
    observed = Observations()
    for message in await updates.receive_batch(10):
        if isinstance(message, TokenUpdated):
            fold_update(observed, message)
    assert ("raydium-cpmm", at(95.0)) == (
        observed.values["pool_type"],
        observed.time_of("pool_type"),
    )
    assert at(101.0) == observed.values["last_trade_at"] == observed.time_of("last_trade_at")


async def test_trade_after_the_migration_leaves_the_progress_alone(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        await world.send(created(1), migrated(1, 1.0), pool(1, 1.5))
        await until(1.0)
        await world.send(traded(1, 2.0, curve_tokens=1e9))
        await until(2.0)
    [migration, _, trade] = world.updates()
    assert 100.0 == migration.values["bonding_curve_progress"]
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
    world = IngestWorld()
    async with running(world.ingest()):
        for batch in batches:
            await world.send(*batch)
            await until(trio.current_time() + 1)
    assert [mint(1)] == world.stored_mints
    merged: dict[str, Any] = {}
    for update in sorted(world.updates(), key=lambda each: each.observed_at):
        merged |= update.values
    assert (Status.BONDED, 100.0) == (merged["status"], merged["bonding_curve_progress"])


async def test_a_migration_told_again_is_no_later_for_it(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    await world.send(created(1), migrated(1, 1.0), migrated(1, 40.0))
    async with running(world.ingest()):
        await until(50.0)
    assert [at(1.0)] == [u.values["pool_created_at"] for u in world.updates()]


async def test_venue_of_a_migration_is_no_address(autojump_clock: MockClock) -> None:
    """Defect 6."""
    world = IngestWorld()
    await world.send(migrated(1, venue="pumpswap"))
    async with running(world.ingest()):
        await until(1.0)
    [update] = world.updates()
    assert "pumpswap" == update.values["pool_type"]
    assert "pool_address" not in update.values


async def test_pool_of_an_unknown_mint_creates_its_token(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    await world.send(pool(1, 0.5, is_migration=True))
    async with running(world.ingest()):
        await until(1.0)
    assert [[(1, mint(1))]] == [tokens for _, tokens in world.admitted]
    [update] = world.updates()
    assert (2, mint(10_001)) == (update.values["status"], update.values["pool_address"])


async def test_pool_of_a_known_mint_updates_it(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    async with running(world.ingest()):
        await world.send(created(1))
        await until(1.0)
        await world.send(pool(1, 1.0))
        await until(2.0)
    assert 1 == len(world.admitted)
    assert mint(10_001) == world.updates()[-1].values["pool_address"]


async def test_zeros_go_on_as_zeros(autojump_clock: MockClock) -> None:
    """Defect 5: falsy checks dropped zeros."""
    world = IngestWorld()
    await world.send(created(1, market_cap_sol=0.0))
    async with running(world.ingest()):
        await until(1.0)
    [message] = world.sync.messages
    [born] = message.tokens
    assert (0.0, 0.0) == (born.sol_raised, born.market_cap_sol)


# Curves.


@pytest.mark.parametrize(
    ("venue", "total_supply", "progress"),
    [
        ("launchlab", "1000000000", 18.03),
        ("launchlab", "10000000", None),
        ("launchlab", None, None),
        ("pumpfun", "1000000000", 18.03),
        ("pumpfun", "2000000000", 18.03),
        ("pumpfun", None, 18.03),
    ],
)
async def test_launchlab_trade_tells_of_the_curve_only_where_the_supply_is_the_usual_one(
    autojump_clock: MockClock, venue: str, total_supply: str | None, progress: float | None
) -> None:
    world = IngestWorld()
    trade = traded(1, 0.5, venue=venue, curve_tokens=9.3e8, curve_sol=34.0)
    await world.send(created(1, venue=venue, total_supply=total_supply, curve_tokens=None), trade)
    async with running(world.ingest()):
        await until(1.0)
    [update] = world.updates()
    assert progress == update.values.get("bonding_curve_progress")
    assert (progress is not None) == ("sol_raised" in update.values)


async def test_small_launchlab_coin_stays_new_at_zero_per_cent(autojump_clock: MockClock) -> None:
    said = {"mint": mint(1), "signature": "s", "pool": "bonk", "solInPool": 1}
    birth = {"txType": "create", "tokensInPool": 9658060.95, "initialBuy": 341939.05}
    buy = {"txType": "buy", "tokensInPool": 9600000.0, "solAmount": 0.1}
    world = IngestWorld()
    for number, frame in enumerate((birth, buy)):
        event = parse_frame(json.dumps(said | frame), at(number))
        assert not isinstance(event, ControlFrame)
        await world.send(event)
    async with running(world.ingest()):
        await until(2.0)
    [born] = world.sync.of(TokensAdmitted)[0].tokens
    assert (Status.NEW, 0.0) == (born.status, born.bonding_curve_progress)
    for update in world.updates():
        assert not update.values.keys() & {"status", *CURVE_FIELDS}


# The end.


async def test_ingest_admits_what_is_there_before_it_returns(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    await world.send(*(created(number) for number in range(3)))
    world.events.close()
    await world.ingest().run()
    assert [mint(number) for number in range(3)] == world.stored_mints


async def test_snapshot_tells_what_became_of_the_events(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    ingest = world.ingest()
    async with running(ingest):
        await world.send(created(1, 0.0), created(1, 0.0), created(2, 0.0), traded(1, 1.0))
        await world.send(migrated(1, 2.0), migrated(1, 3.0))
        await until(5.0)
        told = ingest.snapshot()
    assert (2, False, 0) == (told.recent_mints, told.spooling, told.unadmitted)
    assert (2, 1, 1) == (told.admitted, told.duplicate_creates, told.trades)
    assert (1, 1, 0) == (told.migrations, told.repeated_migrations, told.spooled)
