"""The world outside the process: servers, market, streams and providers. It outlives processes.

    Market (commands/market) -> frames of PumpPortal and PumpAPI -> MemoryLine -> the real streams
    MemoryDatabase, Data (Redis) <- links <- the actors' stores and buffers

Frames are text, as on the wire: the real streams parse them. What is sent while a stream is not
connected is missed, as with the providers themselves.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from heapq import heappop, heappush
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
from sources.frame_splitter import FRAMES_A_BATCH
from sources.jupiter_tokens import parse_tokens
from sources.line import Line, Talk
from sources.refusals import LastingRefusal
from store.memory_database import MemoryDatabase

STARTED_AT = 1_790_000_000.0  # what the wall clock says at the beginning
DISORDER_SECONDS = 5.0
LAG_SECONDS = 20.0
REFUSED_ONE_IN = 8  # tokens, while Postgres refuses rows of some
FRAMES_WAITING = 10_000  # then the oldest goes, as with a server that drops a slow client
KIND_OF_METHOD = {"subscribeNewToken": "create", "subscribeMigration": "migrate"}
SUBSCRIBING_SECONDS = 5.0  # from a connection, or a birth
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
    takes_subscriptions: bool = False  # and sends nothing else
    frames: list[tuple[float, str]] = field(factory=list, init=False)  # a heap, by due time
    is_connected: bool = field(default=False, init=False)
    connected_at: float = field(default=-inf, init=False)  # trio time
    heard_at: float = field(default=-inf, init=False)  # when the client took a frame; trio time
    subscribed: set[str] = field(factory=set, init=False)  # kinds, and mints; on this connection
    newborn: str | None = field(default=None, init=False)  # of whose birth the process has heard
    born_at: float = field(default=-inf, init=False)  # when it has; trio time
    is_deaf: bool = field(default=False, init=False)  # this connection, for good
    is_cut: bool = field(default=False, init=False)
    is_silent: bool = field(default=False, init=False)
    is_refusing: bool = field(default=False, init=False)  # whoever connects
    on_refused: Callable[[str], object] = field(init=False)  # (name)
    lag_seconds: float = field(default=0.0, init=False)
    duplicated_share: float = field(default=0.0, init=False)
    garbage_share: float = field(default=0.0, init=False)
    is_disordered: bool = field(default=False, init=False)
    arrived: trio.Event = field(factory=trio.Event, init=False)

    def send_frame(self, frame: Mapping[str, Any]) -> None:
        """Send a frame to a client that is connected, by way of the faults."""
        if not self.is_connected or self.is_silent or self.is_deaf:
            return
        if self.takes_subscriptions and not self._is_subscribed(frame):
            return
        texts = [orjson.dumps(frame).decode()]
        if self.random.random() < self.duplicated_share:
            texts *= 2
        if self.random.random() < self.garbage_share:
            texts.append(self.random.choice(GARBAGE))
        for text in texts:
            late = self.random.uniform(0.0, DISORDER_SECONDS) if self.is_disordered else 0.0
            heappush(self.frames, (trio.current_time() + self.lag_seconds + late, text))
            if len(self.frames) > FRAMES_WAITING:
                heappop(self.frames)
        self.arrived.set()

    def connect(self) -> None:
        """A client connects: nothing waits for it, and nothing is subscribed to."""
        self.frames.clear()
        self.subscribed.clear()
        self.is_cut = self.is_deaf = False
        self.is_connected, self.connected_at = True, trio.current_time()

    def take_request(self, text: str) -> None:
        """Subscribe to a kind of events, or to the trades of mints."""
        request = orjson.loads(text)
        names = request.get("keys") or [KIND_OF_METHOD[request["method"]]]
        if request["method"].startswith("unsubscribe"):
            self.subscribed.difference_update(names)
        else:
            self.subscribed.update(names)

    def _is_subscribed(self, frame: Mapping[str, Any]) -> bool:
        kind = str(frame["txType"])
        return (kind if kind in KIND_OF_METHOD.values() else frame["mint"]) in self.subscribed

    def note_birth(self, mint: str | None) -> None:
        """A client that streams the trades of newborns is to subscribe to those of this one."""
        self.newborn, self.born_at = mint, trio.current_time()

    def find_unsubscribed(self) -> str | None:
        """What a client should be subscribed to by now, and is not."""
        wanted = list(KIND_OF_METHOD.values()) if self.takes_subscriptions else []
        if self.newborn is not None and trio.current_time() - self.born_at > SUBSCRIBING_SECONDS:
            wanted.append(self.newborn)
        return next((name for name in wanted if name not in self.subscribed), None)

    def cut(self) -> None:
        """End the connection."""
        self.is_cut = True
        self.arrived.set()

    async def take_frames(self) -> list[str]:
        """The frames that are due, once one is; `trio.BrokenResourceError` once it is cut."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self.is_cut:
            due_at = self.frames[0][0] if self.frames else inf
            if due_at <= trio.current_time():
                self.heard_at = trio.current_time()
                return [*self._pop_due()]
            self.arrived = trio.Event()
            with trio.move_on_at(due_at):
                await self.arrived.wait()
        raise trio.BrokenResourceError

    def _pop_due(self) -> Iterator[str]:
        for _ in range(FRAMES_A_BATCH):
            if not self.frames or self.frames[0][0] > trio.current_time():
                return
            yield heappop(self.frames)[1]


@define(kw_only=True)
class FeedConnection:
    """One connection to a feed, as a stream sees it."""

    feed: Feed

    async def receive_frames(self) -> list[str]:
        return await self.feed.take_frames()

    async def send_message(self, message: str) -> None:
        await trio.lowlevel.checkpoint()
        self.feed.take_request(message)


@define(kw_only=True)
class MemoryLine(Line):
    """A `Line` to a feed of this process."""

    feed: Feed

    async def _connect_and_talk(self, _nursery: trio.Nursery, talk: Talk) -> None:
        await trio.sleep(0.05)
        if self.feed.is_refusing:
            self.feed.on_refused(self.feed.name)
            raise OSError("refused")
        self.feed.connect()
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
    on_call: Callable[[str, Sequence[Mint]], object] = field(init=False)
    on_answer: Callable[[str, Collection[Mint]], object] = field(init=False)
    unusable: Counter[str] = field(factory=Counter, init=False)
    refusal: LastingRefusal = field(factory=_new_refusal, init=False)

    async def fetch_quotes(self, mints: Sequence[Mint]) -> Mapping[Mint, MarketQuote]:
        return await self._fetch(mints)

    async def fetch_holders(self, mints: Sequence[Mint]) -> Mapping[Mint, HolderStats]:
        return await self._fetch(mints)

    async def _fetch(self, mints: Sequence[Mint]) -> dict[Mint, Any]:
        self.on_call(self.name, mints)
        await trio.sleep(self.random.uniform(0.02, 0.3))
        if self.is_down:
            raise SourceInTrouble(f"{self.name} is down")
        body = orjson.loads(orjson.dumps(self.answer(",".join(mints))))
        found, unusable = self.read(body, mints)
        self.on_answer(self.name, found)
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
    lost_hashes: set[Mint] = field(factory=set, init=False)  # of single tokens, as by an eviction

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

    def lose_hashes(self, mints: Sequence[Mint]) -> None:
        """Be as a server that evicts."""
        self.data.lose_tokens(mints)
        self.lost_hashes.update(mints)
        self.note_loss()

    def lacks_hash(self, mint: Mint) -> bool:
        """Whether the token's hash was lost, and nobody has written it again."""
        return mint in self.lost_hashes and mint not in self.data.tokens

    def fall_back(self, state: Data) -> None:
        """Be as at an earlier moment."""
        self.data = state
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
    refused: dict[Mint, float] = field(
        factory=dict, init=False
    )  # when Postgres last did; trio time
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
        self.portal = Feed(name="pumpportal", random=self._derive(1), takes_subscriptions=True)
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

    def begin_refusing(self, number: int) -> Callable[[], object]:
        """Let Postgres refuse every row of some tokens, the same while this lasts."""

        def refuses(mint: Mint) -> bool:
            is_refused = sum(mint.encode()) % REFUSED_ONE_IN == number
            if is_refused:
                self.refused[mint] = trio.current_time()
            return is_refused

        def end() -> None:
            self.database.refuses = lambda mint: False

        self.database.refuses = refuses
        return end

    async def trade(self) -> None:
        """Let the market live, and the providers tell of it; ends only when cancelled."""
        while True:
            await trio.sleep_until(self.market.next_at)
            for event in self.market.advance(trio.current_time()):
                self._tell(event)

    def _tell(self, event: Event) -> None:
        frame = frame_of(event)
        if frame is not None:
            self.portal.send_frame(frame)
        frame = pumpapi_frame(event, self.wall())
        if frame is not None:
            self.pumpapi.send_frame(frame)
