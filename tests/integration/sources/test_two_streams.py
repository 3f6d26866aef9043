"""PumpPortal and PumpAPI on real sockets, one cut at random: nothing is missing or twice."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection

from actors.ingest.actor import Ingest
from actors.ingest.life import IngestStores
from actors.ingest.memory import IngestMemory
from actors.ingest.news import IngestOutboxes
from buffer.memory import MemoryBuffer
from domain.messages import IngestMessage
from domain.token import Status, Token
from domain.values import WRAPPED_SOL, UnixSeconds
from sources.pumpapi import PumpApi, PumpApiMemory
from sources.pumpportal import PumpPortal, PumpPortalMemory
from sources.trade_subscriptions import TradeSubscriptions
from store.memory import MemoryStore
from store.memory_database import MemoryDatabase
from supervision.environment import Environment
from supervision.mailbox import Mailbox
from tests.integration.sources.servers import ScriptedServer
from tests.integration.sources.test_pumpportal import line_settings
from tests.patience import PATIENCE_SECONDS
from tests.unit.actors.ingest.stream_world import fold_messages
from tests.unit.actors.world import SETTINGS, Conditions, Log, Sent, mint

COINS = 120
TRADES_A_COIN = 4
CUTS = 15


def wall_clock() -> UnixSeconds:
    return UnixSeconds(1_780_000_000.0 + trio.current_time() % 1e5)


def make_frames() -> list[dict[str, Any]]:
    """A coin's birth, trades and (of every sixth) migration, as PumpPortal says them."""
    frames: list[dict[str, Any]] = []
    for number in range(1, COINS + 1):
        coin = {"mint": mint(number), "pool": "pump", "traderPublicKey": mint(9_000 + number)}
        frames.append(
            coin | {"txType": "create", "signature": f"create {number}", "name": f"{number}"}
        )
        for trade in range(TRADES_A_COIN):
            signature = f"trade {number} {trade}"
            frames.append(
                coin | {"txType": "buy", "signature": signature, "solAmount": 0.5 + trade}
            )
        if number % 6 == 0:
            moved = {"txType": "migrate", "signature": f"migrate {number}", "pool": "pump-amm"}
            frames.append(coin | moved)
    return frames


def in_words_of_pumpapi(frame: dict[str, Any]) -> dict[str, Any]:
    said = {key: value for key, value in frame.items() if key not in ("txType", "traderPublicKey")}
    said |= {"action": frame["txType"], "txSigner": frame["traderPublicKey"]}
    said |= {"quoteMint": WRAPPED_SOL, "quoteAmount": said.pop("solAmount", 0.0)}
    number = int(frame["signature"].split()[1])
    return said | {"poolId": mint(70_000 + number), "decimals": 6, "block": 4_000 + number}


SEND_SECONDS = 1.0


@define
class Broadcast:
    """Says each frame to whoever is connected, at its pace; who is not has missed it."""

    frames: Sequence[dict[str, Any]]
    pace_seconds: float
    cut_after: frozenset[int] = frozenset()  # numbers of frames
    connection: WebSocketConnection | None = None
    end: trio.Event = field(factory=trio.Event)
    heard_by_nobody: int = field(default=0, init=False)

    async def talk(self, connection: WebSocketConnection) -> None:
        self.connection, self.end = connection, trio.Event()
        await self.end.wait()  # then the server drops the socket

    async def run(self) -> None:
        for number, frame in enumerate(self.frames):
            await self._say(json.dumps(frame))
            if number in self.cut_after:
                self.connection = None
                self.end.set()
            await trio.sleep(self.pace_seconds)

    async def _say(self, text: str) -> None:
        if self.connection is None:
            self.heard_by_nobody += 1
            return
        try:
            with trio.fail_after(
                SEND_SECONDS
            ):  # a socket that is dropped meanwhile may take nothing
                await self.connection.send_message(text)
        except (ConnectionClosed, trio.TooSlowError):
            self.heard_by_nobody += 1


@define
class TwoStreams:
    """Both streams and ingest, on twins of the stores."""

    portal: Broadcast
    api: Broadcast
    events: Mailbox[IngestMessage] = field(factory=lambda: Mailbox("ingest", capacity=10_000))
    sync: Sent[Any] = field(factory=Sent)
    trades: Sent[Any] = field(factory=Sent)
    quarantine: Sent[Any] = field(factory=Sent)

    async def play(self) -> None:
        portal_server = ScriptedServer([self.portal.talk])
        api_server = ScriptedServer([self.api.talk], subscriptions=0)
        environment = Environment(
            clock=wall_clock, random=Random(1), log=Log().logger, readiness=Conditions()
        )
        async with portal_server.running(), api_server.running(), trio.open_nursery() as nursery:
            nursery.start_soon(self._ingest(environment).run)
            memory = PumpPortalMemory(subscriptions=TradeSubscriptions(limit=1000))
            stream = PumpPortal(
                events=self.events,
                settings=line_settings(portal_server.url),
                environment=environment,
                memory=memory,
            )
            nursery.start_soon(stream.run)
            api = PumpApi(
                events=self.events,
                settings=line_settings(api_server.url),
                environment=environment,
                memory=PumpApiMemory(),
            )
            nursery.start_soon(api.run)
            await self._wait_for(lambda: None not in (self.portal.connection, self.api.connection))
            async with trio.open_nursery() as telling:
                telling.start_soon(self.portal.run)
                telling.start_soon(self.api.run)
            await self._wait_for(lambda: len(self.trades.messages) >= COINS * TRADES_A_COIN)
            await trio.sleep(0.3)  # for what should not come
            nursery.cancel_scope.cancel()

    async def _wait_for(self, is_so: Callable[[], bool]) -> None:
        with trio.move_on_after(PATIENCE_SECONDS):
            while not is_so():
                await trio.sleep(0.01)

    def _ingest(self, environment: Environment) -> Ingest:
        return Ingest(
            events=self.events,
            outboxes=IngestOutboxes(sync=self.sync, trades=self.trades, quarantine=self.quarantine),
            stores=IngestStores(
                store=MemoryStore(database=MemoryDatabase(), cold_days=30),
                buffer=MemoryBuffer(wall_clock),
            ),
            memory=IngestMemory(),
            settings=SETTINGS.ingest,
            environment=environment,
        )

    def tokens(self) -> dict[Any, Token]:
        return dict(fold_messages(self.sync.messages))


@pytest.mark.parametrize("cut", ["portal", "api"])
async def test_one_of_two_streams_is_cut_and_nothing_is_missing_or_twice(cut: str) -> None:
    frames = make_frames()
    cuts = frozenset(Random(cut).sample(range(len(frames)), CUTS))
    portal = Broadcast(frames, 0.003, cuts if cut == "portal" else frozenset())
    api = Broadcast(
        [in_words_of_pumpapi(frame) for frame in frames],
        0.003,
        cuts if cut == "api" else frozenset(),
    )
    world = TwoStreams(portal=portal, api=api)
    await world.play()
    assert (portal.heard_by_nobody > 0, api.heard_by_nobody > 0) == (cut == "portal", cut == "api")

    tokens = world.tokens()
    assert {mint(number) for number in range(1, COINS + 1)} == tokens.keys()
    bonded = {m for m, token in tokens.items() if token.status is Status.BONDED}
    assert {mint(number) for number in range(6, COINS + 1, 6)} == bonded
    counted = Counter(trade.signature for trade in world.trades.messages)
    expected = {frame["signature"] for frame in frames if frame["txType"] == "buy"}
    assert (expected, {1}) == (set(counted), set(counted.values()))
