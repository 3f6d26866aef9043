"""The whole flow under the mock clock: source, ingest, sync and the jobs, by real mailboxes."""

import re
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import attrs
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from buffer import Appended
from buffer.memory import MemoryBuffer
from domain.errors import InputRefused
from domain.merging import Observations
from domain.messages import (
    FeedRequested,
    MigrationSeen,
    PoolCreated,
    SourceEvent,
    TokenCreated,
    TokensPublished,
    TradeSeen,
)
from domain.precision import floor_time
from domain.quarantine import ReplayWanted
from domain.token import Status
from domain.values import QUOTE_MINTS, Mint
from sources import HolderStats, MarketQuote
from sources.pumpportal_frames import parse_frame
from tests.unit.actors.conftest import RARELY_SECONDS
from tests.unit.actors.ingest.events import created, migrated, traded
from tests.unit.actors.service_world import Script, ServiceWorld
from tests.unit.actors.world import HOUR, SETTINGS, Servers, at, clock, mint, token, until

FRAMES = Path(__file__).parents[2] / "data" / "pumpportal"
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
IDLE_AFTER_SECONDS = SETTINGS.activity.idle_after_seconds


def market_known(world: ServiceWorld, *numbers: int) -> None:
    for number in numbers:
        world.market_data.known[mint(number)] = MarketQuote(
            mint=mint(number),
            values={"volume_24h": 1000.0 + number, "price_change_24h": -1.5},
            traded_lately=False,
        )
        world.holders.known[mint(number)] = HolderStats(mint=mint(number), holder_count=number)


async def test_token_is_stored_and_shown_at_once_and_all_of_it_in_time(
    autojump_clock: MockClock,
) -> None:
    """Defects 1, 2, 6 and 7 from end to end."""
    world = ServiceWorld(
        script=[
            (5.0, created(1, 5.0)),
            (6.0, traded(1, 6.0, curve_tokens=300_000_000.0)),
            (7.0, migrated(1, 7.0)),
        ]
    )
    market_known(world, 1)
    async with world.serving():
        await until(5.0)
        assert (1, 0.0) == (world.stored(1).id, world.shown_token(1).bonding_curve_progress)
        assert 5.0 == world.shown[mint(1)][0]
        await until(6.1)
        assert world.shown_token(1).status is Status.GRADUATING
        await until(1000.0)
    seen = world.stored(1)
    assert (
        Status.BONDED,
        Status.GRADUATING,
        at(7.0),
    ) == (seen.status, seen.previous_status, seen.status_changed_at)
    assert (
        100.0,
        "pumpswap",
        None,
    ) == (seen.bonding_curve_progress, seen.pool_type, seen.pool_address)
    assert (1001.0, -1.5, 1) == (seen.volume_24h, seen.price_change_24h, seen.holder_count)
    assert seen.hot_score is not None
    assert seen == world.shown_token(1)


# Idle.


async def test_fully_idle_for_an_hour_asks_nobody_and_writes_nothing(
    autojump_clock: MockClock,
) -> None:
    world = ServiceWorld(script=[(float(n), created(n, float(n))) for n in range(1, 20)])
    market_known(world, *range(1, 20))
    async with world.serving():
        await until(IDLE_AFTER_SECONDS + 1)
        calls, writes = len(world.upstream_calls), len(world.sync_store.written)
        assert calls > 0
        assert writes > 0
        appended = world.buffer.data.newest
        await until(IDLE_AFTER_SECONDS + 1 + HOUR)
        assert (len(world.upstream_calls), len(world.sync_store.written)) == (calls, writes)
        assert world.buffer.data.newest == appended
        entries = world.log.entries("skipping job: system idle")
        assert {"no_active_users"} == {entry["reason"] for entry in entries}
        skipped = {entry["job"] for entry in entries}
        assert {"market-data", "holder-count", "hot-score", "metadata", "flush"} == skipped


async def test_market_goes_on_while_idle_without_an_upstream_call_or_an_update(
    autojump_clock: MockClock,
) -> None:
    script: list[tuple[float, SourceEvent]] = []
    for n in range(1, 420):
        script += [(n * 10.0, created(n, n * 10.0)), (n * 10.0 + 1, traded(n, n * 10.0 + 1))]
    world = ServiceWorld(script=script)
    async with world.serving():
        await until(IDLE_AFTER_SECONDS + 1)
        calls, writes = len(world.upstream_calls), len(world.sync_store.written)
        await until(IDLE_AFTER_SECONDS + 1 + HOUR)
        assert (len(world.upstream_calls), len(world.sync_store.written)) == (calls, writes)
        # New tokens are stored at once, and everything is shown and kept in the buffer.
        assert 419 == len(world.servers.database.tokens)
        assert at(4191.0) == world.shown_token(419).last_trade_at
        # The first request after that: fresh data is asked for, and Postgres caught up, at once.
        await world.mailboxes.presences.send(FeedRequested())
        asked_at = trio.current_time()
        await until(asked_at + 1)
        assert asked_at in world.upstream_calls
        assert at(4191.0) == world.stored(419).last_trade_at
        assert world.sync_store.write_times[-1] < asked_at + 1


async def test_job_that_crashes_while_idle_stays_idle(autojump_clock: MockClock) -> None:
    world = ServiceWorld(script=[(float(n), created(n, float(n))) for n in range(1, 5)])
    async with world.serving():
        await until(IDLE_AFTER_SECONDS + 1)
        calls = len(world.upstream_calls)
        # A publication that no actor can read: each reader crashes, and is restarted.
        for box in world.mailboxes.publications.values():
            await box.send("poison")
        await until(IDLE_AFTER_SECONDS + HOUR)
        assert 3 * len(world.mailboxes.publications) == len(world.log.entries("actor failed"))
        assert len(world.upstream_calls) == calls
        quarantined = [
            box.statistics().quarantined for box in world.mailboxes.publications.values()
        ]
        assert [1] * len(quarantined) == quarantined


# What cannot be handled.


async def test_poison_is_put_aside_after_its_crashes_and_comes_back_when_it_is_replayed(
    autojump_clock: MockClock,
) -> None:
    world = ServiceWorld()
    async with world.serving():
        await until(1.0)
        box = world.mailboxes.publications["hot-score"]
        await box.send("poison")
        await box.send(TokensPublished(tokens={mint(1): token(1)}))
        await until(30.0)
        [entry] = await world.buffer.read_quarantined()
        assert ("message", "hot-score", "poison", 1) == (
            entry.kind,
            entry.place,
            entry.restore_content(),
            entry.tries,
        )
        assert "Error" in entry.reason
        assert (0, 3) == (box.statistics().depth, len(world.log.entries("actor failed")))
        await world.mailboxes.quarantine.send(ReplayWanted(entry_id=entry.id))
        await until(60.0)
        [again] = await world.buffer.read_quarantined()
        assert (entry.id, 2) == (again.id, again.tries)
        # Once is enough for one that is known.
        assert (0, 4) == (box.statistics().depth, len(world.log.entries("actor failed")))


# What the world really sends.


def recorded_events(refused: list[str]) -> list[SourceEvent]:
    """Every recorded frame, a tenth of a second apart; the reasons of those refused."""
    events: list[SourceEvent] = []
    paths = sorted(FRAMES.glob("*.jsonl"))
    lines = [line for path in paths for line in path.read_bytes().splitlines()]
    # PumpPortal takes some coins that trade against dollars for the dollar itself.
    create = next(line for line in lines if b'"txType":"create"' in line.replace(b": ", b":"))
    lines.append(re.sub(rb'"mint": ?"\w+"', b'"mint":"%s"' % USDC.encode(), create))
    for number, line in enumerate(lines):
        try:
            parsed = parse_frame(line, at(number / 10))
        except InputRefused as refusal:
            refused.append(refusal.reason)
            continue
        if isinstance(parsed, TokenCreated | TradeSeen | MigrationSeen | PoolCreated):
            events.append(parsed)
    return events


async def test_recorded_market_is_stored_without_its_junk(autojump_clock: MockClock) -> None:
    refused: list[str] = []
    events = recorded_events(refused)
    world = ServiceWorld(script=[(each.seen_at - at(0), each) for each in events])
    async with world.serving():
        await until(len(events) / 5)
    born = {event.mint for event in events if isinstance(event, TokenCreated)}
    migrated_mints = {event.mint for event in events if isinstance(event, MigrationSeen)}
    stored = world.servers.database.tokens
    assert len(born) > 30
    assert "quote_mint" in refused
    assert stored.keys() == born
    assert not stored.keys() & QUOTE_MINTS
    assert {m for m in born if stored[m].status is Status.BONDED} == migrated_mints & born
    assert all(stored[m].pool_address is None for m in born)
    assert {m: token for m, (_, token) in world.shown.items()} == stored


# Crashes.


@define
class CrashingBuffer(MemoryBuffer):
    """A twin of which some calls end in an error that nobody expects, before or after."""

    random: Random = field(factory=lambda: Random(3))
    is_quiet: bool = False

    async def append_observations(self, batch: Mapping[Mint, Observations], **how: Any) -> Appended:
        chance = 1.0 if self.is_quiet else self.random.random()
        if chance < 0.05:
            raise ZeroDivisionError("before the call")
        appended = await super().append_observations(batch, **how)
        if chance < 0.1:
            raise ZeroDivisionError("after the call")
        return appended


async def test_last_value_survives_crashes_anywhere(autojump_clock: MockClock) -> None:
    random = Random(11)
    script: Script = [
        (second, created(n, second))
        for n, second in ((n, n / 3 + random.random()) for n in range(1, 40))
    ]
    trades: list[tuple[float, SourceEvent]] = []
    for n in range(1, 1500):
        second, number = 15.0 + n / 5, random.randint(1, 39)
        trades.append((second, traded(number, second, curve_tokens=1e9 - n * 1e5)))
    buffer = CrashingBuffer(clock)
    supervision = attrs.evolve(SETTINGS.supervision, restarts=100_000, crashes_before_quarantine=50)
    world = ServiceWorld(
        script=[*script, *trades],
        servers=Servers(buffer=buffer),
        settings=attrs.evolve(SETTINGS, supervision=supervision),
    )
    async with world.serving():
        await until(330.0)
        buffer.is_quiet = True
        await until(340.0)
    assert len(world.log.entries("actor failed")) > 20
    last = {event.mint: event for _, event in trades}
    for token_mint, event in last.items():
        stored, (_, shown) = world.servers.database.tokens[token_mint], world.shown[token_mint]
        seen_at = floor_time(event.seen_at)
        assert (stored.last_trade_at, shown.last_trade_at) == (seen_at, seen_at)
        assert stored == shown


async def test_drain_brings_everything_to_postgres(autojump_clock: MockClock) -> None:
    world = ServiceWorld(
        script=[(1.0, created(n, 1.0)) for n in range(1, 50)]
        + [(2.0, traded(n, 2.0, curve_tokens=5e8)) for n in range(1, 50)]
    )
    async with world.serving():
        await until(2.0)
    assert trio.current_time() <= 2.0 + SETTINGS.shutdown.deadline_seconds
    assert {at(2.0)} == {token.last_trade_at for token in world.servers.database.tokens.values()}
    assert 0 == len(world.buffer.data.dirty_since)


# Idle for days, which pass quickly where all looks are rare.

RARELY_PUBLISHED = attrs.evolve(
    SETTINGS, trading=attrs.evolve(SETTINGS.trading, publish_seconds=RARELY_SECONDS)
)


@pytest.mark.usefixtures("rare_looks")
async def test_coin_that_bonds_while_idle_outlives_the_others_of_its_hours(
    autojump_clock: MockClock,
) -> None:
    script: Script = [(5.0, created(1, 5.0)), (5.0, created(2, 5.0)), (HOUR, migrated(1, HOUR))]
    world = ServiceWorld(script=script, settings=RARELY_PUBLISHED)
    async with world.serving():
        await until(HOUR + 1)
        assert Status.NEW is world.stored(1).status  # idle, so that nothing is flushed
        await until(51 * HOUR)
    assert {mint(1)} == world.servers.database.tokens.keys()
    assert Status.BONDED is world.stored(1).status


@pytest.mark.usefixtures("rare_looks")
async def test_nothing_is_written_for_tokens_that_postgres_gave_up_while_idle(
    autojump_clock: MockClock,
) -> None:
    script: list[tuple[float, SourceEvent]] = []
    for n in range(1, 101):
        script += [(700.0 + n, created(n, 700.0 + n)), (900.0 + n, traded(n, 900.0 + n))]
    world = ServiceWorld(script=script, settings=RARELY_PUBLISHED)
    async with world.serving():
        await until(60 * HOUR)
        await world.mailboxes.presences.send(FeedRequested())
        await until(60 * HOUR + 400)
        assert {} == world.buffer.data.dirty_since
    assert [] == [written for written in world.sync_store.written if written.receipt.rows]
    assert {} == world.servers.database.tokens


# The books.


async def test_every_mailbox_accounts_for_every_message(autojump_clock: MockClock) -> None:
    script: list[tuple[float, SourceEvent]] = []
    for n in range(1, 200):
        script += [(n / 10, created(n, n / 10)), (n / 10 + 0.05, traded(n, n / 10 + 0.05))]
    world = ServiceWorld(script=script)
    world.sync_store.delay_seconds = 0.5
    async with world.serving() as supervisor:
        for second in range(1, 400, 7):
            await until(float(second))
            for child in supervisor.children:
                for mailbox in child.spec.inboxes:
                    books = mailbox.statistics()
                    assert books.sent == (
                        books.handled
                        + books.conflated
                        + books.dropped
                        + books.quarantined
                        + books.depth
                    )
                    assert 0 == books.dropped
