"""Ingest with several streams: everything counts once, and the best account of it wins."""

from typing import Any

import attrs
import pytest
from trio.testing import MockClock

from actors.ingest.repeats import TradeKeys
from domain.messages import (
    CurveCompleted,
    IngestMessage,
    SolPriceTold,
    SourceEvent,
    TokensAdmitted,
    TokenUpdated,
)
from domain.token import Status, Token
from domain.values import Mint, Sol, Usd
from tests.unit.actors.ingest.events import created, migrated, pool, traded
from tests.unit.actors.ingest.ingest_world import IngestWorld
from tests.unit.actors.world import at, mint, running, until

USDC = Mint("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
USD1 = Mint("USD1ttGY1N17NEEHLmELoaybftRBUSErhqYiQzvEmuB")
MINUTE = 60.0


async def take(world: IngestWorld, *events: IngestMessage) -> Any:
    """What ingest tells of itself once it has taken the events, each batch a second apart."""
    ingest = world.ingest()
    async with running(ingest):
        for second, event in enumerate(events):
            await until(float(second))
            await world.send(event)
        await until(len(events) + 1.0)
        return ingest.snapshot()


def born(world: IngestWorld) -> Token:
    [token] = [t for message in world.sync.of(TokensAdmitted) for t in message.tokens]
    assert isinstance(token, Token)
    return token


def last_values(world: IngestWorld) -> Any:
    return world.updates()[-1].values


# Counting once.


async def test_a_trade_from_two_streams_counts_once(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    same: list[SourceEvent] = [
        traded(1, 1.0, source=source, signature="s", ordinal=ordinal)
        for ordinal in (0, 1)
        for source in ("chain", "pumpapi", "pumpportal")
    ]
    told = await take(world, created(1), *same)
    assert [("chain", 0), ("chain", 1)] == [(t.source, t.ordinal) for t in world.trades.messages]
    assert {"unnamed": 0, "chain": 0, "pumpapi": 2, "pumpportal": 2} == told.repeated_events
    assert (2, 2, 0) == tuple(told.trades_first.get(s) for s in ("chain", "chain", "pumpapi"))
    assert (2, 2) == (told.trades, told.trades_brought["pumpportal"])


async def test_trades_differ_by_mint_side_and_ordinal(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    said = {"signature": "s", "source": "pumpportal"}
    trades = [
        traded(1, 1.0, **said),
        traded(2, 1.0, **said),
        traded(1, 1.0, side="sell", **said),
        traded(1, 1.0, ordinal=1, **said),
    ]
    await take(world, *trades)
    assert trades == world.trades.messages


async def test_a_restart_still_knows_which_trades_were_counted(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    await take(world, created(1), traded(1, 1.0, source="pumpportal", signature="s"))
    ingest = world.ingest()
    async with running(ingest):
        await until(10.0)
        await world.send(traded(1, 11.0, source="chain", signature="s"))
        await until(12.0)
    assert 1 == len(world.trades.messages)


async def test_a_migration_and_a_completion_from_two_streams_count_once(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    completed = CurveCompleted(mint=mint(1), seen_at=at(1.0), signature="c", source="chain")
    events: list[SourceEvent] = [
        created(1),
        completed,
        attrs.evolve(completed, source="pumpapi"),
        attrs.evolve(migrated(1, 2.0), source="pumpportal"),
        attrs.evolve(migrated(1, 3.0), source="chain"),
        pool(1, 4.0, source="pumpapi", is_migration=True, venue="pumpswap"),
    ]
    told = await take(world, *events)
    assert (1, 1, 1, 0) == (
        told.completions,
        told.migrations,
        told.repeated_migrations,
        told.pools,
    )
    assert {"unnamed": 0, "chain": 1, "pumpapi": 2, "pumpportal": 0} == told.repeated_events


# Who is followed.


@pytest.mark.parametrize("source", ["pumpapi", "chain"])
async def test_trades_of_mints_that_nobody_follows_leave_no_trace(
    autojump_clock: MockClock, source: str
) -> None:
    world = IngestWorld()
    ingest = world.ingest()
    async with running(ingest):
        await world.send(*(traded(n, 0.0, source=source) for n in range(1, 101)))
        await until(1.0)
        told = ingest.snapshot()
    assert (100, 0, 0) == (told.untracked_events[source], told.trades, told.recent_mints)
    assert [] == world.sync.messages == world.trades.messages
    assert {} == world.memory.held
    assert not world.memory.trade_keys.young


async def test_a_token_that_is_born_later_is_right(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    completed = CurveCompleted(mint=mint(1), seen_at=at(1.0), signature="c", source="chain")
    birth = created(1, 2.0, source="chain", curve_tokens=1.0e9)
    later = traded(1, 3.0, source="pumpapi")
    await take(world, traded(1, 0.0, source="pumpapi"), completed, birth, later)
    assert [later] == world.trades.messages
    [completion, trade] = world.updates()
    assert (Status.GRADUATING, 100.0) == (
        completion.values["status"],
        completion.values["bonding_curve_progress"],
    )
    assert at(3.0) == trade.values["last_trade_at"]


async def test_trades_of_a_birth_on_its_way_are_followed(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    world.store.go_down()
    world.servers.buffer.fail_next(10**9)
    ingest = world.ingest()
    async with running(ingest):
        await world.send(created(1, source="chain"), traded(1, 0.0, source="chain"))
        await until(1.0)
        assert (1, 1) == (ingest.snapshot().trades, len(world.trades.messages))


async def test_a_token_that_is_traded_is_not_forgotten_for_newer_ones(
    autojump_clock: MockClock,
) -> None:
    settings = attrs.evolve(IngestWorld().settings, recent_mints=3)
    world = IngestWorld(settings=settings)
    events: list[SourceEvent] = [created(1)]
    for number in range(2, 8):
        events += [created(number), traded(1, float(number), source="pumpapi")]
    await take(world, *events)
    assert 6 == len(world.trades.messages)


# Accounts of a birth.


async def test_a_second_account_fills_what_the_first_lacked(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    rich = created(
        1, 1.0, source="pumpapi", symbol="T", decimals=6, freeze_revoked=True, mint_renounced=False
    )
    await take(world, created(1, source="pumpportal", symbol=None), rich)
    [update] = world.updates()
    assert "ingest pumpapi" == update.origin
    filled = {"symbol": "T", "decimals": 6, "freeze_revoked": True, "mint_renounced": False}
    assert filled.items() <= update.values.items()


async def test_a_lesser_account_replaces_nothing(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    await take(
        world,
        created(1, source="chain", name="as the chain has it"),
        created(1, 1.0, source="pumpapi", name="another"),
        created(1, 2.0, source="pumpportal", name="a third", symbol="S"),
    )
    assert [{"symbol": "S"}] == [update.values for update in world.updates()]


async def test_a_better_account_replaces_what_a_lesser_one_told(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    await take(
        world,
        created(1, source="pumpportal", total_supply="1000000000"),
        created(1, 1.0, source="chain", total_supply="2000000000", quote_mint=USDC),
        traded(1, 2.0, source="chain", market_cap_usd=Usd(3000.0), quote_mint=USDC, usd=Usd(5.0)),
    )
    account, trade = world.updates()
    assert ("2000000000", USDC) == (account.values["total_supply"], account.values["quote_mint"])
    assert 6000.0 == trade.values["market_cap_usd"]


async def test_a_repeated_account_does_not_turn_the_curve_back(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    moved = traded(1, 1.0, source="chain", curve_tokens=6e8, curve_sol=Sol(50.0))
    await take(
        world,
        created(1, source="chain", curve_tokens=None),
        moved,
        created(1, 2.0, source="pumpapi"),
    )
    assert [59.64] == [update.values["bonding_curve_progress"] for update in world.updates()]


async def test_an_account_brings_the_curve_that_the_first_had_not(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    bare = created(1, source="pumpportal", curve_tokens=None, curve_sol=None)
    sold = created(1, 1.0, source="pumpapi", curve_tokens=3e8, market_cap_sol=Sol(300.0))
    await take(world, bare, sold)
    values = last_values(world)
    assert (97.47, 300.0, Status.GRADUATING) == (
        values["bonding_curve_progress"],
        values["market_cap_sol"],
        values["status"],
    )


async def test_a_token_of_a_pool_takes_the_account_of_its_birth(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    await take(world, pool(1), created(1, 1.0, source="chain", symbol="S"))
    values = last_values(world)
    assert ("S", "pumpfun", "Token 1") == (values["symbol"], values["launchpad"], values["name"])


async def test_a_crash_between_birth_and_commit_makes_no_second_account(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    world.store.go_down()
    world.servers.buffer.fail_next(10**9)
    async with running(world.ingest()):
        await world.send(created(1, source="pumpportal"))
        await until(1.0)
    async with running(world.ingest()):
        await world.send(created(1, 1.0, source="pumpportal"))
        await until(2.0)
        await world.send(created(1, 2.0, source="pumpapi", name="better"))
        await until(3.0)
    [update] = world.memory.held[mint(1)]
    assert "better" == update.values["name"]


async def test_an_earlier_lifes_token_takes_only_what_it_lacks(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    await world.servers.insert(Token(mint=mint(1), first_seen_at=at(-900), name="stored"))
    async with running(world.ingest()):
        await until(1.0)
        await world.send(created(1, 1.0, source="chain", name="told", symbol="S"))
        await until(2.0)
    values = last_values(world)
    assert "name" not in values
    assert "S" == values["symbol"]


async def test_a_start_knows_all_that_is_stored_of_a_token(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    bonded = Token(
        mint=mint(1),
        first_seen_at=at(-900),
        launchpad="pumpfun",
        total_supply="2000000000",
        quote_mint=USDC,
        pool_type="unknown",
        pool_address=mint(77),
        status=Status.BONDED,
    )
    await world.servers.insert(bonded)
    ingest = world.ingest()
    async with running(ingest):
        await until(1.0)
        sight = ingest.sights.find_sight(mint(1))
        assert sight is not None
        assert (True, True, True, "2000000000", USDC, mint(77)) == (
            sight.is_admitted,
            sight.is_bonded,
            sight.has_launchpad,
            sight.total_supply,
            sight.quote_mint,
            sight.pool_address,
        )
        told_again = attrs.evolve(migrated(1, 2.0), source="chain", pool_address=mint(66))
        await world.send(told_again, traded(1, 2.0, source="pumpapi"))
        await until(3.0)
    migration, trade = world.updates()
    assert {"pool_type": "pumpswap"} == migration.values
    assert at(2.0) == trade.values["last_trade_at"]


async def test_the_row_of_a_birth_has_launchpad_quote_and_first_purchase(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    await take(world, created(1, initial_buy_sol=Sol(0.25), quote_mint=USD1, venue="launchlab"))
    token = born(world)
    assert ("launchlab", USD1, 0.25) == (token.launchpad, token.quote_mint, token.initial_buy_sol)


async def test_a_venue_that_is_no_curve_is_no_launchpad(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    await take(world, created(1, venue="unknown"), created(1, 1.0, source="chain"))
    assert None is born(world).launchpad
    assert ("pumpfun", "pumpfun") == (
        last_values(world)["launchpad"],
        last_values(world)["pool_type"],
    )


# Migrations.


@pytest.mark.parametrize("venue", ["pumpswap", "unknown"])
async def test_the_pool_of_a_migration_comes_through_and_moves_no_time(
    autojump_clock: MockClock, venue: str
) -> None:
    world = IngestWorld()
    first = attrs.evolve(migrated(1, 1.0, venue=venue), source="pumpportal")
    second = attrs.evolve(migrated(1, 5.0), source="pumpapi", pool_address=mint(77), at=at(1.0))
    await take(world, created(1), first, second, attrs.evolve(second, seen_at=at(6.0)))
    migration, address = world.updates()
    assert at(1.0) == migration.values["pool_created_at"]
    assert {"pool_type": "pumpswap", "pool_address": mint(77)} == address.values


async def test_a_pool_that_a_person_opened_is_not_where_a_coin_of_a_launchpad_trades(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    foreign = pool(1, 1.0, source="pumpapi", venue="pumpswap")
    bonded = attrs.evolve(migrated(1, 2.0), source="chain", pool_address=mint(77))
    later = pool(1, 3.0, source="solana-pools")
    told = await take(world, created(1), foreign, bonded, later)
    assert (2, 0) == (told.foreign_pools, told.pools)
    assert [mint(77)] == [u.values["pool_address"] for u in world.updates()]


async def test_a_price_in_a_foreign_pool_is_not_the_coins(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    cap = {"source": "pumpapi", "market_cap_sol": Sol(1e6), "venue": "pumpswap"}
    bonded = attrs.evolve(migrated(1, 2.0), source="chain", pool_address=mint(77))
    events: list[SourceEvent] = [
        created(1),
        traded(1, 1.0, pool_address=mint(66), **cap),
        bonded,
        traded(1, 3.0, pool_address=mint(66), **cap),
        traded(1, 4.0, pool_address=mint(77), **cap),
    ]
    await take(world, *events)
    caps = [update.values.get("market_cap_sol") for update in world.updates()]
    assert [None, None, None, 1e6] == caps
    assert 3 == len(world.trades.messages)


async def test_the_same_pool_from_two_streams_counts_once(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    told = await take(world, pool(1), pool(1, 1.0, source="pumpapi", venue="raydium"))
    assert (1, 1, 1) == (told.pools, told.repeated_events["pumpapi"], len(world.updates()))


# Times.


async def test_a_birth_heard_late_was_seen_when_it_happened(autojump_clock: MockClock) -> None:
    for late, first_seen_at in ((29.0, at(0.0)), (31.0, at(-31.0)), (1e6, at(0.0))):
        world = IngestWorld()
        await world.send(created(1, 0.0, source="chain", at=at(-late), initial_buy_sol=Sol(1.0)))
        async with running(world.ingest()):
            await until(autojump_clock.current_time() + 1)
        token = born(world)
        assert first_seen_at == token.first_seen_at
        assert (at(-late) if late < 1e6 else at(0.0)) == token.last_trade_at


async def test_times_are_the_chains_and_never_in_the_future(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    await take(
        world,
        created(1),
        traded(1, 10.0, source="chain", at=at(8.0)),
        traded(1, 11.0, source="chain", at=at(99.0)),
        attrs.evolve(migrated(1, 20.0), source="chain", at=at(17.0)),
    )
    first, second, migration = world.updates()
    assert (at(8.0), at(11.0)) == (first.values["last_trade_at"], second.values["last_trade_at"])
    assert (at(17.0), at(17.0), at(20.0)) == (
        migration.values["pool_created_at"],
        migration.values["status_changed_at"],
        migration.observed_at,
    )


async def test_a_trade_of_an_earlier_slot_says_nothing_of_now(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    now = traded(1, 1.0, source="chain", slot=20, curve_tokens=5e8)
    earlier = traded(1, 2.0, source="pumpapi", slot=19, curve_tokens=9e8)
    long_ago = traded(1, 200.0, source="pumpapi", at=at(-100.0))
    told = await take(world, created(1), now, earlier, long_ago)
    assert [now, earlier, long_ago] == world.trades.messages
    assert (1, 2) == (len(world.updates()), told.overtaken_trades)


async def test_a_trade_that_may_have_been_forgotten_is_not_counted(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    world.memory.trade_keys = TradeKeys(limit=10)
    said: list[SourceEvent] = [
        traded(1, float(n), source="chain", signature=f"{n}", at=at(float(n))) for n in range(40)
    ]
    told = await take(world, created(1), *said, said[0], said[39])
    assert 40 == told.trades == len(world.trades.messages)
    assert ({"chain": 1, "unnamed": 0}, 1) == (told.too_late_trades, told.repeated_events["chain"])


# Tallies.


async def test_each_stream_has_a_tally(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    events: list[SourceEvent] = [created(1, source="pumpportal")]
    for n in range(1, 101):
        events.append(traded(1, float(n), source="chain", at=at(n - n / 100)))
    events.append(created(2, 200.0, source="chain", at=at(100.0)))
    told = await take(world, *events)
    assert ({"pumpportal": 1, "chain": 1}, {"pumpportal": 0, "chain": 100}) == (
        told.births_first,
        told.trades_brought,
    )
    assert {"chain": pytest.approx(1.0)} == told.newest_lag_seconds
    assert {"chain": pytest.approx(0.51)} == told.median_lag_seconds
    assert {"chain": pytest.approx(0.96)} == told.p95_lag_seconds
    assert {"pumpportal": 0, "chain": 1} == told.late_events


# Quotes.


PRICE = SolPriceTold(usd=Usd(200.0), observed_at=at(0.0))
DOLLARS: dict[str, Any] = {"source": "chain", "quote_mint": USDC}


async def test_dollars_become_sol_while_its_price_is_known(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    birth = created(
        1,
        **DOLLARS,
        curve_sol=None,
        curve_tokens=1_073_000_000.0,
        curve_usd=Usd(4400.0),
        initial_buy_usd=Usd(100.0),
        market_cap_usd=Usd(4000.0),
    )
    trade = traded(
        1,
        1.0,
        **DOLLARS,
        sol=None,
        usd=Usd(50.0),
        curve_tokens=536_500_000.0,
        curve_usd=Usd(8800.0),
        market_cap_usd=Usd(16_400.0),
    )
    await take(world, PRICE, birth, trade)
    token, values = born(world), last_values(world)
    assert (20.0, 4000.0, 0.5, 0.0) == (
        token.market_cap_sol,
        token.market_cap_usd,
        token.initial_buy_sol,
        token.sol_raised,
    )
    assert (82.0, 16_400.0, 22.0) == (
        values["market_cap_sol"],
        values["market_cap_usd"],
        values["sol_raised"],
    )
    # 8,800 dollars stand for half of the tokens; as many as are left want 8,067 more.
    assert pytest.approx(40.337, abs=0.001) == values["sol_to_graduate"]
    assert 67.65 == values["bonding_curve_progress"]
    [seen] = world.trades.messages
    assert (0.25, 50.0) == (seen.sol, seen.usd)


async def test_without_a_price_only_what_is_known_is_told(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    trade = traded(1, 1.0, **DOLLARS, sol=None, usd=Usd(50.0), curve_tokens=5e8, curve_usd=Usd(9e3))
    await take(world, created(1, **DOLLARS, curve_sol=None), trade)
    assert [trade] == world.trades.messages
    values = last_values(world)
    assert 72.25 == values["bonding_curve_progress"]
    assert not {"sol_raised", "sol_to_graduate", "market_cap_sol"} & values.keys()


async def test_sol_becomes_dollars(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    trade = traded(1, 1.0, sol=Sol(2.0), market_cap_sol=Sol(30.0))
    await take(world, PRICE, created(1, market_cap_sol=Sol(28.0)), trade)
    assert (400.0, 6000.0) == (world.trades.messages[0].usd, last_values(world)["market_cap_usd"])
    assert 5600.0 == born(world).market_cap_usd


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ([PRICE, attrs.evolve(PRICE, usd=Usd(100.0), observed_at=at(1.0))], 100.0),
        ([PRICE, attrs.evolve(PRICE, usd=Usd(100.0), observed_at=at(-1.0))], 200.0),
        ([PRICE, attrs.evolve(PRICE, usd=Usd(0.0), observed_at=at(1.0))], 200.0),
        ([attrs.evolve(PRICE, observed_at=at(-7 * 3600.0))], None),
    ],
)
async def test_the_newest_price_counts_while_it_is_not_too_old(
    autojump_clock: MockClock, prices: list[SolPriceTold], expected: float | None
) -> None:
    world = IngestWorld()
    told = await take(world, *prices, traded(1, 5.0, sol=Sol(1.0)))
    assert (expected, expected) == (world.trades.messages[0].usd, told.sol_usd)


async def test_sums_of_a_stream_that_names_no_quote_are_no_sol_of_a_dollar_coin(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    blind = traded(
        1,
        1.0,
        source="pumpportal",
        sol=Sol(50.0),
        tokens=7.0,
        curve_tokens=5e8,
        curve_sol=Sol(9e3),
        market_cap_sol=Sol(9e4),
    )
    await take(world, PRICE, created(1, **DOLLARS, curve_sol=None), blind)
    [seen] = world.trades.messages
    assert (None, None, 7.0) == (seen.sol, seen.usd, seen.tokens)
    assert 72.25 == last_values(world)["bonding_curve_progress"]
    assert not {"sol_raised", "market_cap_sol", "market_cap_usd"} & last_values(world).keys()


async def test_a_trade_on_the_curve_corrects_a_quote_that_was_only_assumed(
    autojump_clock: MockClock,
) -> None:
    world = IngestWorld()
    trade = traded(1, 1.0, **DOLLARS, venue="pumpfun", sol=None, usd=Usd(1.0))
    elsewhere = traded(2, 1.0, **DOLLARS, venue="orca", sol=None, usd=Usd(1.0))
    births = [created(n, source="pumpportal") for n in (1, 2)]
    await take(world, *births, trade, elsewhere)
    assert USDC == world.updates(1)[-1].values["quote_mint"]
    assert "quote_mint" not in world.updates(2)[-1].values


async def test_a_completed_curve_is_graduating_and_never_bonded(autojump_clock: MockClock) -> None:
    world = IngestWorld()
    completed = CurveCompleted(
        mint=mint(1), seen_at=at(3.0), signature="c", source="chain", at=at(2.0)
    )
    await take(world, created(1), completed)
    assert {
        "status": Status.GRADUATING,
        "status_changed_at": at(2.0),
        "bonding_curve_progress": 100.0,
        "sol_to_graduate": 0.0,
        "last_trade_at": at(2.0),
        "silent": False,
    } == last_values(world)
    assert isinstance(world.updates()[-1], TokenUpdated)
