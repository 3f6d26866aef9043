"""PumpPortal: every new token and migration of the launch-pads, and trades of the newest tokens.

    wss://pumpportal.fun/api/data -> PumpPortal -> SourceEvent -> ingest

Subscriptions belong to a socket, and are sent again on each connection. Trade streams need the
key of a funded account; a refusal turns them off until the next connection. Duplicates are
dropped. Frames carry no sequence number, so what was missed while a socket was down is unknown.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from urllib.parse import quote

import orjson
import trio
from attrs import define, evolve, field

from domain.messages import SourceEvent, TokenCreated, TradeSeen
from domain.snapshots import counter, gauge, read_fields, snapshot_class
from sources import EventOutbox, SourceEnvironment
from sources.connection import SourceConnection
from sources.frame_splitter import Frame
from sources.line import Line, LineSettings, LineSnapshot, parse_each
from sources.names import PUMPPORTAL
from sources.pumpportal_frames import ControlFrame, parse_frame
from sources.recent import RecentKeys
from sources.trade_subscriptions import REQUEST_INTERVAL_SECONDS, TradeSubscriptions

NAME = PUMPPORTAL
RECENT_EVENTS = 20_000  # some minutes of all trades that a thousand subscriptions bring
SUBSCRIPTIONS = (
    orjson.dumps({"method": "subscribeNewToken"}),
    orjson.dumps({"method": "subscribeMigration"}),
)


@snapshot_class
class PumpPortalSnapshot(LineSnapshot):
    received: Mapping[str, int] = counter("What came, or became of it, by kind.", by="kind")
    refused: Mapping[str, int] = counter("Messages that make no sense.", by="reason")
    trade_subscriptions: int = gauge("Tokens whose trades are streamed.")


@define(kw_only=True)
class PumpPortalMemory:
    """What outlives a restart of the stream."""

    subscriptions: TradeSubscriptions  # of whom trades are wanted
    recent: RecentKeys = field(factory=lambda: RecentKeys(limit=RECENT_EVENTS), init=False)


@define(kw_only=True)
class PumpPortal:
    """An `EventStream`: frames in, events out, junk counted."""

    # Messages out.
    events: EventOutbox
    # State.
    settings: LineSettings
    api_key: str = field(default="", repr=False)  # empty: no trade streams
    environment: SourceEnvironment
    line: Line = field(init=False)
    memory: PumpPortalMemory
    trades_refused: bool = field(default=False, init=False)  # on this connection
    received: Counter[str] = field(factory=Counter, init=False)  # by kind of event
    refused: Counter[str] = field(factory=Counter, init=False)

    @line.default
    def _new_line(self) -> Line:
        settings = evolve(self.settings, url=add_key(self.settings.url, self.api_key))
        return Line(name=NAME, settings=settings, environment=self.environment)

    async def run(self) -> None:
        """Send events for ever; returns only when cancelled."""
        await self.line.serve(self._talk)

    def snapshot(self) -> PumpPortalSnapshot:
        subscriptions = self.memory.subscriptions.wanted if self._streams_trades() else ()
        return PumpPortalSnapshot(
            **read_fields(self.line.snapshot()),
            received=dict(self.received),
            refused=dict(self.refused),
            trade_subscriptions=len(subscriptions),
        )

    def _streams_trades(self) -> bool:
        return bool(self.api_key) and not self.trades_refused

    # One connection.

    async def _talk(self, connection: SourceConnection) -> None:
        self.trades_refused = False
        for request in SUBSCRIPTIONS:
            await self.line.send(connection, request)
        async with trio.open_nursery() as nursery:
            if self._streams_trades():
                self.memory.subscriptions.start_over()
                nursery.start_soon(self._subscribe_to_trades, connection)
            while True:
                await self.line.relay(connection, self.events, self._read_frames)

    async def _subscribe_to_trades(self, connection: SourceConnection) -> None:
        while self._streams_trades():
            for request in self.memory.subscriptions.take_requests():
                await self.line.send(connection, request)
            await trio.sleep(REQUEST_INTERVAL_SECONDS)

    # What came together.

    def _read_frames(self, frames: Iterable[Frame]) -> Iterator[SourceEvent]:
        """The events of the frames that are news."""
        parse = partial(parse_frame, seen_at=self.environment.clock())
        for said in parse_each(frames, parse, self.refused, self.environment.log):
            if isinstance(said, ControlFrame):
                self._note_control(said)
            elif self.memory.recent.add_key(identify_event(said)):
                self._note_event(said)
                yield said
            else:
                self.received["duplicates"] += 1

    def _note_event(self, event: SourceEvent) -> None:
        self.received[type(event).__name__] += 1
        if isinstance(event, TokenCreated):
            self.memory.subscriptions.follow_mint(event.mint)

    def _note_control(self, control: ControlFrame) -> None:
        self.received["notices"] += 1
        log = self.environment.log
        if control.refuses_trades and self._streams_trades():
            self.trades_refused = True
            log.warning("trade streams refused", notice=control.notice)
        elif control.is_error:
            log.warning("server reports an error", notice=control.notice)
        else:
            log.debug("server notice", notice=control.notice)


def add_key(url: str, api_key: str) -> str:
    """The address with the key in its query, where there is one."""
    separator = "&" if "?" in url else "?"
    return f"{url}{separator}api-key={quote(api_key, safe='')}" if api_key else url


def identify_event(event: SourceEvent) -> tuple[str, str, str]:
    """What makes an event the same one: never the time, since two trades share a millisecond."""
    kind = event.side if isinstance(event, TradeSeen) else type(event).__name__
    return event.signature, event.mint, kind
