"""In-memory twins of the ports: a stream and three look-ups that do what a script says.

They keep trio time, so that a test under the mock clock knows to the second who was asked what.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import trio
from attrs import define, field, frozen

from domain.errors import SourceUnavailable
from domain.messages import SourceEvent
from domain.snapshots import counter, gauge, snapshot_class
from domain.values import Mint, Usd
from sources import EventOutbox, HolderStats, MarketQuote, StreamSnapshot


@frozen(kw_only=True)
class Call:
    """One request that a twin was asked."""

    at_seconds: float  # trio time
    mints: tuple[Mint, ...] = ()


@define(kw_only=True)
class CallScript:
    """How a look-up behaves: how long each call takes, and which calls fail."""

    delay_seconds: float = 0.0
    failures: dict[int, Exception] = field(factory=dict)  # by number of the call, from 1
    is_down: bool = False  # every call fails
    calls: list[Call] = field(factory=list, init=False)

    async def play(self, mints: Sequence[Mint] = ()) -> None:
        """Record a call, take its time, and raise what the script has for it."""
        self.calls.append(Call(at_seconds=trio.current_time(), mints=tuple(mints)))
        number = len(self.calls)
        await trio.sleep(self.delay_seconds)
        if number in self.failures:
            raise self.failures[number]
        if self.is_down:
            raise SourceUnavailable


@snapshot_class
class ScriptedStreamSnapshot(StreamSnapshot):
    sent: int = counter("Events sent.")
    left: int = gauge("Events of the script that are still to come.")


@define(kw_only=True)
class ScriptedStream:
    """An `EventStream` that sends each event at its second after the start, then is silent."""

    events: EventOutbox
    script: Sequence[tuple[float, SourceEvent]]
    refused: Counter[str] = field(factory=Counter, init=False)
    sent: int = field(default=0, init=False)

    async def run(self) -> None:
        started_at = trio.current_time()
        for at_seconds, event in self.script:
            await trio.sleep_until(started_at + at_seconds)
            await self.events.send(event)
            self.sent += 1
        await trio.sleep_forever()

    def snapshot(self) -> ScriptedStreamSnapshot:
        return ScriptedStreamSnapshot(sent=self.sent, left=len(self.script) - self.sent)


@define(kw_only=True)
class ScriptedMarketData:
    """A `MarketData` that knows `known`, which a test may change at any time."""

    known: dict[Mint, MarketQuote] = field(factory=dict)
    script: CallScript = field(factory=CallScript)
    mints_per_request: int = 30

    async def quotes(self, mints: Sequence[Mint]) -> Mapping[Mint, MarketQuote]:
        await self.script.play(mints)
        return {mint: self.known[mint] for mint in mints if mint in self.known}


@define(kw_only=True)
class ScriptedHolderCounts:
    """A `HolderCounts` that knows `known`, which a test may change at any time."""

    known: dict[Mint, HolderStats] = field(factory=dict)
    script: CallScript = field(factory=CallScript)
    mints_per_request: int = 100

    async def counts(self, mints: Sequence[Mint]) -> Mapping[Mint, HolderStats]:
        await self.script.play(mints)
        return {mint: self.known[mint] for mint in mints if mint in self.known}


@define(kw_only=True)
class ScriptedSolPrice:
    """A `SolPrice` that always says `price`, which a test may change at any time."""

    price: Usd
    script: CallScript = field(factory=CallScript)

    async def sol_usd(self) -> Usd:
        await self.script.play()
        return self.price
