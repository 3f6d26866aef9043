"""The actor: what it writes, shows and weighs, in that order, under the mock clock."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import attrs
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from actors.trading.actor import (
    Trading,
    TradingInboxes,
    TradingOutboxes,
    TradingPlan,
)
from actors.trading.coverage import StreamCoverage, StreamReach
from actors.trading.memory import TradingMemory
from buffer.memory_tape import MemoryTape
from buffer.tape import TapeBounds, TapeEntry
from domain.messages import (
    RosterWanted,
    StatisticsPublished,
    SystemIdled,
    TokensPublished,
    TradesWeighed,
    WindowsQuoted,
)
from domain.trading import TokenStatistics, WindowStatistics
from domain.values import Sol, Usd
from supervision.mailbox import Mailbox
from tests.unit.actors.ingest.events import traded
from tests.unit.actors.world import (
    SETTINGS,
    Conditions,
    Log,
    Sent,
    at,
    environment,
    mint,
    running,
    token,
    until,
)

PUBLISH_SECONDS = SETTINGS.trading.publish_seconds
INTERVAL_SECONDS = SETTINGS.market_data.interval_seconds


class SlowTape(MemoryTape):
    """Takes its time to write, and keeps the second of every call."""

    seconds = 0.0

    def __init__(self) -> None:
        super().__init__(TapeBounds(trades=200, candle_days=2))
        self.called_at: list[float] = []

    async def append_entries(self, entries: Sequence[TapeEntry]) -> None:
        self.called_at.append(trio.current_time())
        await trio.sleep(self.seconds)
        await super().append_entries(entries)


def box(name: str) -> Mailbox[Any]:
    return Mailbox(name, capacity=10_000)


@define
class World:
    trades: Mailbox[Any] = field(factory=lambda: box("trades"))
    windows: Mailbox[Any] = field(factory=lambda: box("windows"))
    publications: Mailbox[Any] = field(factory=lambda: box("publications"))
    control: Mailbox[Any] = field(factory=lambda: box("control"))
    sync: Sent[Any] = field(factory=Sent)
    shown: Sent[Any] = field(factory=Sent)
    weighed: Sent[Any] = field(factory=Sent)
    tape: SlowTape = field(factory=SlowTape)
    memory: TradingMemory = field(factory=lambda: TradingMemory(limit=100))
    conditions: Conditions = field(factory=Conditions)
    log: Log = field(factory=Log)

    def actor(self) -> Trading:
        surroundings = attrs.evolve(environment(self.log), readiness=self.conditions)
        return Trading(
            inboxes=TradingInboxes(
                trades=self.trades,
                windows=self.windows,
                publications=self.publications,
                control=self.control,
            ),
            outboxes=TradingOutboxes(
                sync=self.sync, statistics=(self.shown,), weighed=self.weighed
            ),
            tape=self.tape,
            coverage=StreamCoverage({"chain": StreamReach()}),
            memory=self.memory,
            plan=TradingPlan(trading=SETTINGS.trading, market_data=SETTINGS.market_data),
            environment=surroundings,
        )

    async def trade(self, second: float, number: int = 1, **more: Any) -> None:
        await until(second)
        facts = {"source": "chain", "usd": Usd(100.0), "trader": f"w{second}", "tokens": 1e6}
        await self.trades.send(traded(number, second, **(facts | more)))

    async def begin_stream(self, *numbers: int) -> None:
        """A first trade of a token that was there before; then some are born under the stream."""
        await self.trade(0.1, number=99)
        for number in numbers or (1,):
            born = token(number, first_seen_at=at(0.2))
            await self.publications.send(TokensPublished(tokens={born.mint: born}))

    def statistics(self, number: int = 1) -> list[TokenStatistics]:
        told = self.shown.of(StatisticsPublished)
        return [each.statistics[mint(number)] for each in told if mint(number) in each.statistics]


async def test_it_asks_for_the_roster_when_it_starts(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.actor()):
        await until(0.1)
    assert [RosterWanted(subscriber="trading")] == world.sync.of(RosterWanted)


async def test_trades_are_written_and_then_shown(autojump_clock: MockClock) -> None:
    world = World()
    world.tape.seconds = 0.5
    async with running(world.actor()):
        born = token(1, first_seen_at=at(0.5))
        await world.publications.send(TokensPublished(tokens={mint(1): born}))
        await world.trade(0.2, number=2)
        await world.trade(1.0)
        await world.trade(1.5, side="sell")
        await until(10)
        assert [PUBLISH_SECONDS] == world.tape.called_at
        assert {PUBLISH_SECONDS + 0.5} == set(world.shown.times())
        [told] = world.statistics()
        window = told.windows["5m"]
        assert (200.0, 1, 1, 2) == (
            window.volume_usd,
            window.buys,
            window.sells,
            window.unique_traders,
        )
        assert {"trades"} == set(told.sources.values())
        [candle] = await world.tape.read_candles(mint(1), "1m", 10)
        assert (1, 1, 200.0) == (candle.buys, candle.sells, candle.volume_usd)
        assert 2 == len(await world.tape.read_trades(mint(1), 10))


@pytest.mark.parametrize("write_seconds", [0.0, 0.3, PUBLISH_SECONDS * 0.9])
async def test_a_token_is_shown_at_most_once_in_the_publish_time(
    write_seconds: float, autojump_clock: MockClock
) -> None:
    world = World()
    world.tape.seconds = write_seconds
    async with running(world.actor()):
        await world.begin_stream()
        for step in range(40):
            await world.trade(1 + step / 10)
        await until(20)
        shown = [second for second, told in world.shown.entries if mint(1) in told.statistics]
        assert all(later - earlier >= PUBLISH_SECONDS for earlier, later in pairwise(shown))
        assert 40 == world.statistics()[-1].windows["5m"].buys


async def test_windows_fall_to_zero_while_nobody_trades(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.actor()):
        await world.begin_stream()
        await world.trade(1.0)
        await until(330)
        told = world.statistics()[-1]
        assert (0, 1) == (told.windows["5m"].buys, told.windows["1h"].buys)
        await until(90_000)
        assert 0 == world.statistics()[-1].windows["24h"].buys
        assert {} == world.memory.books


async def test_a_window_that_was_empty_slides_before_the_longer_ones(
    autojump_clock: MockClock,
) -> None:
    world = World()
    async with running(world.actor()):
        await world.begin_stream()
        await world.trade(1.0)
        await world.trade(400.0)  # the first one has left the 5 minutes, and not the hour
        await until(402.5)
        assert (1, 2) == tuple(world.statistics()[-1].windows[name].buys for name in ("5m", "1h"))
        await until(800)
        assert (0, 2) == tuple(world.statistics()[-1].windows[name].buys for name in ("5m", "1h"))


async def test_while_redis_is_away_nothing_is_shown_and_nothing_is_lost(
    autojump_clock: MockClock,
) -> None:
    world = World()
    async with running(world.actor()):
        await world.begin_stream()
        world.tape.is_away = True
        await world.trade(1.0)
        await until(30)
        await world.trade(31.0)
        await until(60)
        assert [] == world.statistics()
        assert ("redis", "trading") in world.conditions.problems
        world.tape.is_away = False
        await until(90)
        assert 2 == world.statistics()[-1].windows["5m"].buys
        assert 2 == len(await world.tape.read_trades(mint(1), 10))
        candles = await world.tape.read_candles(mint(1), "1m", 10)
        assert 2 == sum(each.buys for each in candles)
        assert {} == world.conditions.problems


async def test_trades_that_the_tape_cannot_take_in_time_are_counted(
    autojump_clock: MockClock,
) -> None:
    world = World()
    actor = world.actor()
    async with running(actor):
        await world.begin_stream()
        world.tape.is_away = True
        for step in range(250):
            await world.trade(1 + step / 100)
        await until(20)
        assert 50 == actor.snapshot().trades_dropped
        world.tape.is_away = False
        await until(60)
        assert 250 == world.statistics()[-1].windows["1h"].buys  # the windows have them all


async def test_a_trade_that_comes_while_its_candle_is_written_is_written_next(
    autojump_clock: MockClock,
) -> None:
    world = World()
    world.tape.seconds = 1.0
    async with running(world.actor()):
        await world.trade(1.0)
        await world.trade(2.5)
        await until(20)
        [candle] = await world.tape.read_candles(mint(1), "1m", 10)
        assert 2 == candle.buys
        assert 2 == len(await world.tape.read_trades(mint(1), 10))


async def test_a_trade_that_comes_during_a_write_is_shown_after_the_next(
    autojump_clock: MockClock,
) -> None:
    world = World()
    world.tape.seconds = 1.0
    async with running(world.actor()):
        await world.begin_stream()
        await world.trade(1.0)
        await world.trade(PUBLISH_SECONDS + 0.5)
        await until(PUBLISH_SECONDS + 1.5)
        assert [1] == [told.windows["5m"].buys for told in world.statistics()]
        await until(10)
        assert [1, 2] == [told.windows["5m"].buys for told in world.statistics()]


async def test_what_is_counted_is_written_at_a_drain(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.actor()):
        await world.trade(0.5)
        world.trades.close()
        await until(1.0)
    assert 1 == len(await world.tape.read_trades(mint(1), 10))


async def test_a_drain_does_not_wait_for_a_tape_that_is_away(autojump_clock: MockClock) -> None:
    world = World()
    world.tape.is_away = True
    async with running(world.actor()):
        await world.trade(0.5)
        await until(5)
        world.trades.close()
        await until(6)
    assert {} == world.tape.trades


async def test_books_outlive_a_restart(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.actor()):
        await world.trade(1.0)
        await until(1.5)
    async with running(world.actor()):
        await world.trade(3.0)
        await until(10)
    book = world.memory.books[mint(1)]
    assert 2 == book.windows[0].take_statistics(None, book.opened).buys


async def test_an_outage_ends_the_coverage_and_a_provider_s_windows_count(
    autojump_clock: MockClock,
) -> None:
    world = World()
    quoted = WindowsQuoted(
        mint=mint(1), observed_at=at(0), source="jupiter", windows={"1h": WindowStatistics(buys=70)}
    )
    async with running(world.actor()):
        await world.windows.send(quoted)
        await world.trade(1.0)
        await world.trade(350.0)
        await until(360)
        assert ("trades", "jupiter") == (
            world.statistics()[-1].sources["5m"],
            world.statistics()[-1].sources["1h"],
        )
        world.conditions.report_outage("chain", "chain", "gone")
        await until(370)
        world.conditions.report_outage("chain", "chain", None)
        await world.trade(380)
        await until(390)
        told = world.statistics()[-1]
        assert "5m" not in told.sources
        assert 70 == told.windows["1h"].buys


async def test_windows_of_a_token_that_nobody_streams_are_the_provider_s(
    autojump_clock: MockClock,
) -> None:
    world = World()
    quoted = WindowsQuoted(
        mint=mint(7), observed_at=at(0), source="jupiter", windows={"5m": WindowStatistics(buys=3)}
    )
    async with running(world.actor()):
        await world.windows.send(quoted)
        await until(10)
    [told] = world.statistics(7)
    assert ({"5m": "jupiter"}, None) == (told.sources, told.wash_score)
    assert [] == world.tape.called_at


async def test_trades_are_weighed_once_a_token_and_batch(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.actor()):
        for number in range(3):
            world.trades.send_nowait(traded(1, 0.0, sol=Sol(2.0), trader=f"w{number}"))
        await until(1)
    assert [TradesWeighed(mint=mint(1), sol=Sol(6.0), at=at(0))] == world.weighed.messages


async def test_the_24h_figures_go_to_sync_at_the_interval_and_not_while_idle(
    autojump_clock: MockClock,
) -> None:
    world = World()
    async with running(world.actor()):
        born = token(1, first_seen_at=at(5))
        await world.publications.send(TokensPublished(tokens={mint(1): born}))
        await world.trade(1.0, number=2)  # which was there before the stream
        await world.trade(6.0)
        await until(INTERVAL_SECONDS + 1)
        [update] = [m for m in world.sync.messages if not isinstance(m, RosterWanted)]
        assert (mint(1), "trading trades") == (update.mint, update.origin)
        assert (100.0, 1, 1) == (
            update.values["volume_24h"],
            update.values["tx_count_24h"],
            update.values["unique_traders_24h"],
        )
        await until(2 * INTERVAL_SECONDS + 1)
        assert 2 == len(world.sync.messages)  # nothing was traded since
        await world.control.send(SystemIdled())
        await world.trade(2 * INTERVAL_SECONDS + 5)
        await until(4 * INTERVAL_SECONDS)
        assert 2 == len(world.sync.messages)


async def test_a_book_waits_once_for_its_next_slide_however_often_it_is_traded(
    autojump_clock: MockClock,
) -> None:
    world = World()
    actor = world.actor()
    async with running(actor):
        for step in range(300):
            await world.trade(1 + step / 2, number=step % 3)
        assert 3 == len(actor.expiries)
        await until(90_000)
        assert 0 == len(actor.expiries)
