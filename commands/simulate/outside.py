"""The world outside the process: servers, market, streams and providers. It outlives processes.

    Market (commands/market) -> frames of PumpPortal and PumpAPI -> MemoryLine -> the real streams
    MemoryDatabase, Data (Redis) <- links <- the actors' stores and buffers

Frames are text, as on the wire: the real streams parse them. What is sent while a stream is not
connected is missed, as with the providers themselves.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from math import inf
from random import Random
from typing import Any

import orjson
import trio
from attrs import define, field

from buffer import USUAL_BOUNDS
from buffer.memory import MemoryBuffer
from buffer.memory_data import Data
from buffer.memory_tape import MemoryTape
from buffer.tape import TapeBounds
from commands.market import dexscreener, jupiter
from commands.market.calibration import Calibration
from commands.market.clock import MarketClock
from commands.market.events import Event
from commands.market.model import Market
from commands.market.pumpapi import pumpapi_frame
from commands.market.pumpportal import frame_of
from domain.errors import SourceInTrouble
from domain.values import Mint, UnixSeconds
from sources import HolderStats, MarketQuote
from sources.dexscreener import parse_pairs
from sources.jupiter_tokens import parse_tokens
from sources.line import Line, Talk
from sources.refusals import LastingRefusal
from store.memory import MemoryDatabase

STARTED_AT = 1_790_000_000.0  # what the wall clock says at the beginning
STEP_SECONDS = 0.1  # of the market
DISORDER_SECONDS = 5.0
LAG_SECONDS = 20.0
FRAMES_WAITING = 10_000  # then the oldest goes, as with a server that drops a slow client
GARBAGE = (
    *("", "{", "[]", "null", '{"txType":"create"}', '{"mint":7,"txType":"buy"}'),
    "x" * 70_000,
)


@define(kw_only=True)
class Wall:
    """The wall clock, which a fault may set."""

    offset_seconds: float = field(default=0.0, init=False)

    def __call__(self) -> UnixSeconds:
        return UnixSeconds(STARTED_AT + trio.current_time() + self.offset_seconds)


@define(kw_only=True)
class Feed:
    """What one provider sends to whoever is connected, and what is wrong with that."""

    name: str
    random: Random
    frames: deque[tuple[float, str]] = field(factory=deque, init=False)  # with its due time
    is_connected: bool = field(default=False, init=False)
    is_cut: bool = field(default=False, init=False)
    is_silent: bool = field(default=False, init=False)
    lag_seconds: float = field(default=0.0, init=False)
    duplicated_share: float = field(default=0.0, init=False)
    garbage_share: float = field(default=0.0, init=False)
    is_disordered: bool = field(default=False, init=False)
    arrived: trio.Event = field(factory=trio.Event, init=False)

    def send_frame(self, frame: Mapping[str, Any]) -> None:
        """Send a frame to a client that is connected, by way of the faults."""
        if not self.is_connected or self.is_silent:
            return
        texts = [orjson.dumps(frame).decode()]
        if self.random.random() < self.duplicated_share:
            texts *= 2
        if self.random.random() < self.garbage_share:
            texts.append(self.random.choice(GARBAGE))
        for text in texts:
            late = self.random.uniform(0.0, DISORDER_SECONDS) if self.is_disordered else 0.0
            self.frames.append((trio.current_time() + self.lag_seconds + late, text))
        while len(self.frames) > FRAMES_WAITING:
            self.frames.popleft()
        self.arrived.set()

    def cut(self) -> None:
        """End the connection."""
        self.is_cut = True
        self.arrived.set()

    async def next_frame(self) -> str:
        """The next frame that is due; `trio.BrokenResourceError` once the connection is cut."""
        await trio.lowlevel.checkpoint()
        while not self.is_cut:
            self.arrived = trio.Event()
            due_at, text = min(self.frames, default=(inf, ""))
            if due_at <= trio.current_time():
                self.frames.remove((due_at, text))
                return text
            with trio.move_on_at(due_at):
                await self.arrived.wait()
        raise trio.BrokenResourceError


@define(kw_only=True)
class FeedConnection:
    """One connection to a feed, as a stream sees it."""

    feed: Feed

    async def get_message(self) -> str:
        return await self.feed.next_frame()

    async def send_message(self, _message: str) -> None:
        await trio.lowlevel.checkpoint()


@define(kw_only=True)
class MemoryLine(Line):
    """A `Line` to a feed of this process."""

    feed: Feed

    async def _connect_and_talk(self, _nursery: trio.Nursery, talk: Talk) -> None:
        await trio.sleep(0.05)
        self.feed.frames.clear()
        self.feed.is_cut, self.feed.is_connected = False, True
        self.is_connected = True
        self.connections += 1
        try:
            await talk(FeedConnection(feed=self.feed))  # type: ignore[arg-type]
        finally:
            self.feed.is_connected = False


def _new_refusal() -> LastingRefusal:
    return LastingRefusal(url_setting="simulated.url")


@define(kw_only=True)
class SimulatedProvider:
    """Asked for many mints at a time; answers with what the market knows of them."""

    name: str
    mints_per_request: int
    answer: Callable[[str], Any]  # body, for comma-separated mints
    read: Callable[[Any, Sequence[Mint]], tuple[dict[Mint, Any], Counter[str]]]
    random: Random
    is_down: bool = field(default=False, init=False)
    on_call: Callable[[str], object] = field(default=lambda name: None, init=False)
    unusable: Counter[str] = field(factory=Counter, init=False)
    refusal: LastingRefusal = field(factory=_new_refusal, init=False)

    async def fetch_quotes(self, mints: Sequence[Mint]) -> Mapping[Mint, MarketQuote]:
        return await self._fetch(mints)

    async def fetch_holders(self, mints: Sequence[Mint]) -> Mapping[Mint, HolderStats]:
        return await self._fetch(mints)

    async def _fetch(self, mints: Sequence[Mint]) -> dict[Mint, Any]:
        self.on_call(self.name)
        await trio.sleep(self.random.uniform(0.02, 0.3))
        if self.is_down:
            raise SourceInTrouble(f"{self.name} is down")
        body = orjson.loads(orjson.dumps(self.answer(",".join(mints))))
        found, unusable = self.read(body, mints)
        self.unusable += unusable
        return found


@define(kw_only=True)
class RedisServer:
    """The data of a Redis, which every connection of every process shares."""

    data: Data = field(factory=lambda: Data(USUAL_BOUNDS), init=False)
    connections: list[MemoryBuffer] = field(factory=list, init=False)
    is_read_only: bool = field(default=False, init=False)
    is_full: bool = field(default=False, init=False)
    losses: int = field(default=0, init=False)
    lost_at: float = field(default=-inf, init=False)

    def connect(self, connection: MemoryBuffer) -> MemoryBuffer:
        """A new connection; those of ended processes stay in the list, and are not used."""
        self.connections.append(connection)
        self.apply()
        return connection

    def apply(self) -> None:
        """Let every connection meet the server as it is now."""
        for connection in self.connections:
            connection.data = self.data
            connection.is_read_only = self.is_read_only
            connection.is_full = self.is_full

    def lose_all(self) -> None:
        """Be as a server that comes back empty."""
        self.data = Data(USUAL_BOUNDS, epoch_numbers=self.data.epoch_numbers)
        self.apply()
        self.note_loss()

    def note_loss(self) -> None:
        self.losses += 1
        self.lost_at = trio.current_time()


@define(kw_only=True)
class Universe:
    """Everything that outlives a process, by one seed."""

    seed: int
    rate: float  # of the real market's
    random: Random = field(init=False)
    wall: Wall = field(factory=Wall, init=False)
    database: MemoryDatabase = field(factory=MemoryDatabase, init=False)
    redis: RedisServer = field(factory=RedisServer, init=False)
    tape: MemoryTape = field(init=False)
    market: Market = field(init=False)
    portal: Feed = field(init=False)
    pumpapi: Feed = field(init=False)
    quotes: SimulatedProvider = field(init=False)
    holders: SimulatedProvider = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.random = Random(self.seed)
        self.tape = MemoryTape(TapeBounds(trades=50, candle_days=2))
        usual = Calibration()
        self.market = Market(
            seed=self.seed,
            calibration=Calibration(
                creates_per_minute=usual.creates_per_minute * self.rate,
                trade_share=min(self.rate * 2, 1.0),
                pool_trades_per_second=usual.pool_trades_per_second * self.rate,
                tokens_kept=5_000,
            ),
        )
        self.portal = Feed(name="pumpportal", random=self._derive(1))
        self.pumpapi = Feed(name="pumpapi", random=self._derive(2))
        clock = MarketClock(wall_clock=self.wall, started_at=UnixSeconds(STARTED_AT))
        answers = self._derive(3)
        self.quotes = SimulatedProvider(
            name="dexscreener",
            mints_per_request=30,
            answer=lambda mints: dexscreener.tokens(self.market, clock, mints, answers),
            read=parse_pairs,
            random=self._derive(4),
        )
        self.holders = SimulatedProvider(
            name="jupiter",
            mints_per_request=100,
            answer=lambda mints: jupiter.search(self.market, clock, mints),
            read=parse_tokens,
            random=self._derive(5),
        )

    @property
    def feeds(self) -> tuple[Feed, Feed]:
        return self.portal, self.pumpapi

    def _derive(self, number: int) -> Random:
        return Random(self.seed * 1_000 + number)

    async def trade(self) -> None:
        """Let the market live, and the providers tell of it; ends only when cancelled."""
        while True:
            await trio.sleep(STEP_SECONDS)
            for event in self.market.advance(trio.current_time()):
                self._tell(event)

    def _tell(self, event: Event) -> None:
        frame = frame_of(event)
        if frame is not None:
            self.portal.send_frame(frame)
        frame = pumpapi_frame(event, self.wall())
        if frame is not None:
            self.pumpapi.send_frame(frame)
