"""The in-memory twins do exactly what their script says, when it says it."""

import pytest
import trio
from trio.testing import MockClock

from domain.errors import RateLimited, SourceUnavailable
from domain.messages import MigrationSeen, SourceEvent
from domain.values import Mint, UnixSeconds, Usd
from sources import (
    EventStream,
    HolderCounts,
    HolderStats,
    MarketData,
    MarketQuote,
    SolPrice,
)
from sources.scripted import (
    Call,
    CallScript,
    ScriptedHolderCounts,
    ScriptedMarketData,
    ScriptedSolPrice,
    ScriptedStream,
    ScriptedStreamSnapshot,
)
from tests.unit.sources.doubles import KeepingOutbox

FIRST, SECOND = Mint("first"), Mint("second")


def migration(mint: Mint) -> MigrationSeen:
    return MigrationSeen(mint=mint, seen_at=UnixSeconds(0), signature="s", venue="pumpswap")


async def test_a_stream_sends_at_exact_times_then_is_silent(autojump_clock: MockClock) -> None:
    times: list[tuple[float, Mint]] = []

    class TimingOutbox(KeepingOutbox):
        async def send(self, message: SourceEvent) -> None:
            times.append((trio.current_time(), message.mint))

    script = [(1, migration(FIRST)), (1, migration(SECOND)), (90, migration(FIRST))]
    stream: EventStream = ScriptedStream(events=TimingOutbox(), script=script)
    with trio.move_on_after(1000) as scope:
        await stream.run()
    assert scope.cancelled_caught
    assert times == [(1, FIRST), (1, SECOND), (90, FIRST)]
    assert stream.snapshot() == ScriptedStreamSnapshot(sent=3, left=0)


async def test_look_ups_know_what_they_were_told_and_record_calls(
    autojump_clock: MockClock,
) -> None:
    quote = MarketQuote(mint=FIRST, values={"price_usd": 1.0}, traded_lately=True)
    stats = HolderStats(mint=SECOND, holder_count=5)
    market = ScriptedMarketData(known={FIRST: quote}, script=CallScript(delay_seconds=2))
    holders = ScriptedHolderCounts(known={SECOND: stats})
    sol = ScriptedSolPrice(price=Usd(150.0))
    as_market: MarketData = market
    as_holders: HolderCounts = holders
    as_sol: SolPrice = sol
    assert await as_market.quotes([FIRST, SECOND]) == {FIRST: quote}
    assert await as_holders.counts([FIRST, SECOND]) == {SECOND: stats}
    assert await as_sol.sol_usd() == Usd(150.0)
    assert market.script.calls == [Call(at_seconds=0, mints=(FIRST, SECOND))]
    assert holders.script.calls == [Call(at_seconds=2, mints=(FIRST, SECOND))]
    assert sol.script.calls == [Call(at_seconds=2)]


async def test_chosen_calls_fail_with_the_chosen_error() -> None:
    failures: dict[int, Exception] = {2: RateLimited(retry_after_seconds=3)}
    sol = ScriptedSolPrice(price=Usd(1.0), script=CallScript(failures=failures))
    assert await sol.sol_usd() == Usd(1.0)
    with pytest.raises(RateLimited):
        await sol.sol_usd()
    assert await sol.sol_usd() == Usd(1.0)


async def test_a_source_that_is_down_fails_every_call_until_it_is_up() -> None:
    market = ScriptedMarketData()
    market.script.is_down = True
    for _ in range(2):
        with pytest.raises(SourceUnavailable):
            await market.quotes([FIRST])
    market.script.is_down = False
    assert await market.quotes([FIRST]) == {}
