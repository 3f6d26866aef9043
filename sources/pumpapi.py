"""PumpAPI: every event of every launch-pad and pool, with the chain's time, free of charge.

    wss://stream.pumpapi.io/ -> PumpApi -> SourceEvent -> ingest

Nothing is subscribed to: whoever connects hears all of it, some hundred trades a second, of coins
that nobody here follows too; ingest drops those. One connection is allowed a client. What was
missed while a socket was down does not come again.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from attrs import define, field

from domain.messages import SourceEvent, TradeSeen
from domain.snapshots import counter, read_fields, snapshot_class
from sources import EventOutbox, SourceEnvironment
from sources.connection import SourceConnection
from sources.frame_splitter import Frame
from sources.line import Line, LineSettings, LineSnapshot, parse_each
from sources.names import PUMPAPI
from sources.pumpapi_frames import parse_frame
from sources.pumpportal_frames import ControlFrame

NAME = PUMPAPI
RECENT_TRADES = 20_000  # transactions by mint and side: half a minute of all trades

Sums = tuple[float | None, float | None, float | None]  # tokens, SOL, dollars


@snapshot_class
class PumpApiSnapshot(LineSnapshot):
    received: Mapping[str, int] = counter("What came, or became of it, by kind.", by="kind")
    refused: Mapping[str, int] = counter("Messages that make no sense.", by="reason")


@define(kw_only=True)
class TradeNumbers:
    """Tells the trades of one transaction, mint and side apart, and a repetition from another.

    Two trades of one transaction never change hands of the same sums, since the first moves the
    price. The newest `limit` transactions are remembered; a later repetition passes for new, and
    ingest drops it.
    """

    limit: int = RECENT_TRADES
    known: OrderedDict[tuple[str, str, str], list[Sums]] = field(factory=OrderedDict, init=False)

    def number_trades(self, trades: Iterable[TradeSeen]) -> list[TradeSeen]:
        """Those that are new, each with its ordinal."""
        new: list[TradeSeen] = []
        for trade in trades:
            key = (trade.signature, trade.mint, trade.side)
            sums = (trade.tokens, trade.sol, trade.usd)
            earlier = self.known.get(key)
            if earlier is None:
                self.known[key] = [sums]
                if len(self.known) > self.limit:
                    self.known.popitem(last=False)
                new.append(trade)
            elif sums not in earlier:
                ordinal = len(earlier)
                earlier.append(sums)
                new.append(trade if trade.ordinal == ordinal else trade._replace(ordinal=ordinal))
        return new


@define(kw_only=True)
class PumpApiMemory:
    """What outlives a restart of the stream."""

    numbers: TradeNumbers = field(factory=TradeNumbers)


@define(kw_only=True)
class PumpApi:
    """An `EventStream`: frames in, events out, junk counted."""

    # Messages out.
    events: EventOutbox
    # State.
    settings: LineSettings
    environment: SourceEnvironment
    memory: PumpApiMemory
    line: Line = field(init=False)
    received: Counter[str] = field(factory=Counter, init=False)  # by kind of event
    refused: Counter[str] = field(factory=Counter, init=False)

    @line.default
    def _new_line(self) -> Line:
        return Line(name=NAME, settings=self.settings, environment=self.environment)

    async def run(self) -> None:
        """Send events for ever; returns only when cancelled."""
        await self.line.serve(self._listen)

    def snapshot(self) -> PumpApiSnapshot:
        return PumpApiSnapshot(
            **read_fields(self.line.snapshot()),
            received=dict(self.received),
            refused=dict(self.refused),
        )

    async def _listen(self, connection: SourceConnection) -> None:
        while True:
            await self.line.relay(connection, self.events, self._read_frames)

    def _read_frames(self, frames: Iterable[Frame]) -> Iterator[SourceEvent]:
        """The events of the frames that are news."""
        parse = partial(parse_frame, seen_at=self.environment.clock())
        for said in parse_each(frames, parse, self.refused, self.environment.log, source=NAME):
            if isinstance(said, ControlFrame):
                self._note_control(said)
            elif not said:
                self.received["ignored"] += 1
            else:
                for event in self._select_new(said):
                    self.received[type(event).__name__] += 1
                    yield event

    def _select_new(self, said: tuple[SourceEvent, ...]) -> list[SourceEvent]:
        """A frame's events without trades that came before; other repetitions ingest drops."""
        trades = [event for event in said if isinstance(event, TradeSeen)]
        numbered = self.memory.numbers.number_trades(trades)
        self.received["duplicates"] += len(trades) - len(numbered)
        return [*(event for event in said if not isinstance(event, TradeSeen)), *numbered]

    def _note_control(self, control: ControlFrame) -> None:
        self.received["notices"] += 1
        log = self.environment.log
        if control.is_error:
            log.warning("server reports an error", source=NAME, notice=control.notice)
        else:
            log.debug("server notice", source=NAME, notice=control.notice)
