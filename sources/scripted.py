"""In-memory twins of the ports: a stream and three providers that do what a script says.

They keep trio time, so that a test under the mock clock knows to the second who was asked what.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import trio
from attrs import define, field, frozen

from domain.errors import SourceInTrouble
from domain.messages import SourceEvent
from domain.snapshots import counter, gauge, snapshot_class
from domain.values import Mint, Usd
from sources import EventOutbox, HolderStats, MarketQuote, StreamSnapshot
from sources.refusals import LastingRefusal


def _new_refusal() -> LastingRefusal:
    return LastingRefusal(url_setting="scripted.url", key_setting="scripted.api_key")


@frozen(kw_only=True)
class Call:
    """One request that a twin was asked."""

    at_seconds: float  # trio time
    mints: tuple[Mint, ...] = ()


@define(kw_only=True)
class CallScript:
    """How a provider behaves: how long each call takes, and which calls fail."""

    delay_seconds: float = 0.0
    failures: dict[int, Exception] = field(factory=dict)  # by number of the call, from 1
    refused: dict[Mint, Exception] = field(factory=dict)  # every call with such a mint fails
    is_down: bool = False  # every call fails
    calls: list[Call] = field(factory=list, init=False)

    async def play_call(self, mints: Sequence[Mint] = ()) -> None:
        """Record a call, take its time, and raise what the script has for it."""
        self.calls.append(Call(at_seconds=trio.current_time(), mints=tuple(mints)))
        number = len(self.calls)
        await trio.sleep(self.delay_seconds)
        if number in self.failures:
            raise self.failures[number]
        if self.is_down:
            raise SourceInTrouble
        for mint in mints:
            if mint in self.refused:
                raise self.refused[mint]


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
class ScriptedQuotes:
    """A `QuoteProvider` that knows `known`, which a test may change at any time."""

    known: dict[Mint, MarketQuote] = field(factory=dict)
    script: CallScript = field(factory=CallScript)
    name: str = "scripted-quotes"
    mints_per_request: int = 30
    unusable: Counter[str] = field(factory=Counter, init=False)
    refusal: LastingRefusal = field(factory=_new_refusal)

    async def fetch_quotes(self, mints: Sequence[Mint]) -> Mapping[Mint, MarketQuote]:
        await self.script.play_call(mints)
        return {mint: self.known[mint] for mint in mints if mint in self.known}


@define(kw_only=True)
class ScriptedHolders:
    """A `HolderProvider` that knows `known`, which a test may change at any time."""

    known: dict[Mint, HolderStats] = field(factory=dict)
    script: CallScript = field(factory=CallScript)
    name: str = "scripted-holders"
    mints_per_request: int = 100
    unusable: Counter[str] = field(factory=Counter, init=False)
    refusal: LastingRefusal = field(factory=_new_refusal)

    async def fetch_holders(self, mints: Sequence[Mint]) -> Mapping[Mint, HolderStats]:
        await self.script.play_call(mints)
        return {mint: self.known[mint] for mint in mints if mint in self.known}


@define(kw_only=True)
class ScriptedSolPrice:
    """A `SolPriceProvider` that always says `price`, which a test may change at any time."""

    price: Usd
    script: CallScript = field(factory=CallScript)
    name: str = "scripted-sol-price"
    refusal: LastingRefusal = field(factory=_new_refusal)

    async def fetch_sol_usd(self) -> Usd:
        await self.script.play_call()
        return self.price
