"""The simulated market on one loopback port, behind the real protocols.

    GET  /tokens/v1/solana/{mints}                  DexScreener
    GET  /tokens/v2/search, /price/v3               Jupiter
    POST /  and  WebSocket /                        Solana JSON-RPC and its logsSubscribe
    WebSocket /api/data                             PumpPortal

A loop advances the model by the clock and sends every event's frame to whoever subscribed.
"""

from collections import Counter, deque
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import trio
from attrs import Factory, define, field, frozen
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest

from commands.market import dexscreener, jupiter
from commands.market.clock import MarketClock
from commands.market.http import Answer, MarketConnection, MarketRequest
from commands.market.model import Event, Market, PoolOpened, Traded
from commands.market.pumpportal import Subscriptions, frame_of
from commands.market.solana import SolanaNode
from commands.market.traps import Traps, TrapShares
from domain.values import Mint

HOST = "127.0.0.1"
TICK_SECONDS = 0.02
PUMPPORTAL_PATH = "/api/data"
WINDOW_SECONDS = 60.0
LONGEST_STEP_SECONDS = 30.0  # of the market's time at once, so that a time-lapse stays smooth
NOT_FOUND = Answer(status=404, body={"error": "Not found"})
TOO_MANY = Answer(status=429, body={"code": 429, "message": "Too many requests"})


@frozen(kw_only=True)
class ServerSettings:
    """How the server behaves; rates are those of the real providers."""

    requests_per_minute: int = 300  # to DexScreener; more get 429
    client_frames: int = 20_000  # unsent frames a client may have before it is dropped
    traps: TrapShares = Factory(TrapShares)


@define(eq=False)
class Client:
    """One WebSocket; `queue` decouples a slow reader from the market."""

    socket: WebSocketConnection
    queue: "trio.MemorySendChannel[bytes]"
    closed: bool = False

    def send(self, payload: bytes) -> None:
        """Queue a frame. A client that leaves too many unread is dropped, as in the real world."""
        if self.closed:
            return
        try:
            self.queue.send_nowait(payload)
        except trio.WouldBlock:
            self.closed = True
            self.queue.close()


@define(kw_only=True, eq=False)
class MarketServer:
    """Serves one market; `port` is known once `serve` has started."""

    market: Market
    clock: MarketClock
    settings: ServerSettings = Factory(ServerSettings)
    port: int = 0
    node: SolanaNode = field(init=False)
    traps: Traps = field(init=False)
    frames_sent: int = 0
    failures: Counter[str] = field(factory=Counter)  # connections that ended badly, by error
    portal_clients: dict[Client, Subscriptions] = field(factory=dict)
    log_clients: dict[Client, set[int]] = field(factory=dict)
    request_times: deque[float] = field(factory=deque)
    random: Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        # Apart from the model's own: what clients ask must not change what happens.
        self.random = Random(self.market.seed + 1)
        self.traps = Traps(self.settings.traps, self.random)
        self.node = SolanaNode(market=self.market, clock=self.clock, random=self.random)

    async def serve(self, task_status: "trio.TaskStatus[int]" = trio.TASK_STATUS_IGNORED) -> None:
        """Serve on any free port until cancelled."""
        listeners = await trio.open_tcp_listeners(0, host=HOST)
        self.port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._drive)
            nursery.start_soon(trio.serve_listeners, self._connection, listeners)
            task_status.started(self.port)

    def counts(self) -> dict[str, int]:
        """How far the market has come, for a status line."""
        pools = sum(pool.completed_at is not None for pool in self.market.pools)
        return {"tokens": len(self.market.tokens), "graduated": pools}

    async def _connection(self, stream: trio.SocketStream) -> None:
        """One bad or vanished client is no reason to end the market for the others."""
        try:
            await MarketConnection(stream, self._request, self._socket).serve()
        except* Exception as errors:
            for error in errors.exceptions:
                self.failures[type(error).__name__] += 1

    # What happens in the market goes out to its subscribers.

    async def _drive(self) -> None:
        while True:
            await trio.sleep(TICK_SECONDS)
            until = self.clock.now()
            for event in self.market.advance(min(until, self.market.now + LONGEST_STEP_SECONDS)):
                self._publish(event)

    def _publish(self, event: Event) -> None:
        if isinstance(event, PoolOpened):
            self._publish_pool(event)
            return
        if isinstance(event, Traded) and not self._is_followed(event.token.mint):
            return  # most trades: nobody would read the frame
        frame = frame_of(event, self.random)
        for spoilt in self.traps.spoil(frame) if frame else ():
            self._broadcast(spoilt)

    def _is_followed(self, mint: Mint) -> bool:
        return any(mint in subscriptions.keys for subscriptions in self.portal_clients.values())

    def _broadcast(self, frame: dict[str, Any]) -> None:
        payload = orjson.dumps(frame)
        for client, subscriptions in list(self.portal_clients.items()):
            if subscriptions.wants(frame["txType"], frame["mint"]):
                client.send(payload)
                self.frames_sent += 1

    def _publish_pool(self, event: PoolOpened) -> None:
        for value in self.node.notifications(event):
            for client, subscriptions in list(self.log_clients.items()):
                for subscription in subscriptions:
                    client.send(orjson.dumps(self.node.notification(subscription, value)))

    # What clients ask over HTTP.

    def _request(self, request: MarketRequest) -> Answer:
        address = urlsplit(request.target)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        if request.method == "POST":
            return self._rpc(request.body)
        if address.path.startswith("/tokens/v1/solana/"):
            if self._limited():
                return TOO_MANY
            mints = address.path.rpartition("/")[2]
            return Answer(body=dexscreener.tokens(self.market, self.clock, mints, self.random))
        if address.path == "/tokens/v2/search":
            return Answer(body=jupiter.search(self.market, self.clock, query.get("query", "")))
        if address.path == "/price/v3":
            return Answer(body=jupiter.prices(self.market, self.clock, query.get("ids", "")))
        return NOT_FOUND

    def _rpc(self, body: bytes) -> Answer:
        try:
            request = orjson.loads(body)
        except orjson.JSONDecodeError:
            error = {"code": -32700, "message": "Parse error"}
            return Answer(body={"jsonrpc": "2.0", "error": error, "id": None})
        return Answer(body=self.node.answer(request))

    def _limited(self) -> bool:
        now = self.clock.wall_clock()
        while self.request_times and self.request_times[0] <= now - WINDOW_SECONDS:
            self.request_times.popleft()
        if len(self.request_times) >= self.settings.requests_per_minute:
            return True
        self.request_times.append(now)
        return False

    # What clients ask over WebSocket.

    async def _socket(self, request: WebSocketRequest) -> None:
        address = urlsplit(request.path)
        socket = await request.accept()
        sender, receiver = trio.open_memory_channel[bytes](self.settings.client_frames)
        client = Client(socket, sender)
        on_text = self._log_text
        if address.path == PUMPPORTAL_PATH:
            has_api_key = bool(parse_qs(address.query).get("api-key"))
            self.portal_clients[client] = Subscriptions(has_api_key=has_api_key)
            on_text = self._portal_text
        else:
            self.log_clients[client] = set()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, client, receiver)
                await self._read(client, on_text)
                nursery.cancel_scope.cancel()
        finally:
            self.portal_clients.pop(client, None)
            self.log_clients.pop(client, None)

    async def _write(self, client: Client, frames: "trio.MemoryReceiveChannel[bytes]") -> None:
        """Send what is queued; a queue that was closed over the client's head ends the socket."""
        try:
            async for payload in frames:
                await client.socket.send_message(payload.decode())
        except ConnectionClosed:
            return  # the reading side notices too, and ends the session
        await client.socket.aclose(1008, "too slow")

    async def _read(self, client: Client, on_text: Callable[[Client, str | bytes], Any]) -> None:
        try:
            while True:
                answer = on_text(client, await client.socket.get_message())
                client.send(orjson.dumps(answer))
        except ConnectionClosed:
            return

    def _portal_text(self, client: Client, text: str | bytes) -> dict[str, Any]:
        subscriptions = self.portal_clients[client]
        answer = subscriptions.answer(text)
        if subscriptions.creates:
            self.clock.start()  # the market begins when somebody listens
        return dict(answer)

    def _log_text(self, client: Client, text: str | bytes) -> dict[str, Any]:
        """Only the subscription to Raydium's program has anything to deliver here."""
        try:
            request = orjson.loads(text)
            method, identity = request["method"], request.get("id")
            params = request.get("params") or []
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            return self.node.answer(None)
        if method == "logsSubscribe":
            subscription = self.random.randrange(1, 2**53)
            self.log_clients[client].add(subscription)
            return {"jsonrpc": "2.0", "result": subscription, "id": identity}
        if method == "logsUnsubscribe":
            self.log_clients[client].difference_update(params)
            return {"jsonrpc": "2.0", "result": True, "id": identity}
        return self.node.answer(request)
