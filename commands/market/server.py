"""The simulated market on one loopback port, behind the real protocols.

    GET  /tokens/v1/solana/{mints}                  DexScreener
    GET  /tokens/v2/search, /price/v3               Jupiter
    GET  /metadata/{mint}.json, /images/{mint}      where the coins' own `uri` leads
    POST /  and  WebSocket /                        Solana JSON-RPC and its logsSubscribe
    WebSocket /api/data                             PumpPortal
    WebSocket /pumpapi                              PumpAPI

A loop advances the model by the clock and tells every event to whoever listens (`audience`).
"""

from collections import Counter
from collections.abc import Callable
from math import ceil
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import trio
from attrs import Factory, define, field, frozen
from trio_websocket import ConnectionClosed, WebSocketRequest

from commands.market import dexscreener, jupiter
from commands.market.audience import Audience, Client
from commands.market.chain_history import ChainHistory, LogTraps
from commands.market.clock import MarketClock
from commands.market.events import group_by_transaction
from commands.market.http import Answer, MarketConnection, MarketRequest
from commands.market.limits import SlidingWindow
from commands.market.metadata import IMAGES_PATH, METADATA_PATH, MOVED, answer_metadata
from commands.market.model import Market
from commands.market.pumpportal import Subscriptions
from commands.market.solana import SolanaNode
from commands.market.traps import Traps, TrapShares
from commands.market.troubles import StreamName, Trouble, Troubles, Upstream, next_trouble

HOST = "127.0.0.1"
TICK_SECONDS = 0.02
PUMPPORTAL_PATH = "/api/data"
PUMPAPI_PATH = "/pumpapi"
LONGEST_STEP_SECONDS = 30.0  # of the market's time at once, so that a time-lapse stays smooth
NOT_FOUND = Answer(status=404, body={"error": "Not found"})
UNAUTHORIZED = Answer(status=401, body={"code": 401, "message": "Unauthorized"})
TOO_MANY = {"code": 429, "message": "Too many requests"}
JUPITER_TOO_MANY = {"code": 429, "message": "[API Gateway] Too many requests"}  # recorded


@frozen(kw_only=True)
class ServerSettings:
    """How the server behaves; rates are those of the real providers."""

    requests_per_minute: int = 300  # to DexScreener; more get 429
    jupiter_keyless_per_minute: int = 30  # all endpoints together
    jupiter_keyed_per_minute: int = 60  # with a free key
    jupiter_keys: frozenset[str] = frozenset({"demo"})  # any other one gets 401
    client_frames: int = 20_000  # unsent frames a client may have before it is dropped
    traps: TrapShares = Factory(TrapShares)
    log_traps: LogTraps = Factory(LogTraps)
    trouble_seconds: float | None = None  # mean time from one trouble to the next; None: none


@define(kw_only=True, eq=False)
class MarketServer:
    """Serves one market; `port` is known once `serve` has started."""

    market: Market
    clock: MarketClock
    settings: ServerSettings = Factory(ServerSettings)
    port: int = 0
    node: SolanaNode = field(init=False)
    audience: Audience = field(init=False)
    troubles: Troubles = field(factory=Troubles)
    failures: Counter[str] = field(factory=Counter)  # connections that ended badly, by error
    answered: Counter[tuple[str, int]] = field(factory=Counter)  # by upstream and HTTP status
    dexscreener_limit: SlidingWindow = field(init=False)
    jupiter_limits: dict[bool, SlidingWindow] = field(init=False)  # by whether there is a key
    random: Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        # Apart from the model's own: what clients ask must not change what happens.
        self.random = Random(self.market.seed + 1)
        settings = self.settings
        history = ChainHistory(traps=settings.log_traps)
        self.node = SolanaNode(
            market=self.market, clock=self.clock, random=self.random, history=history
        )
        traps = Traps(settings.traps, self.random)
        self.audience = Audience(node=self.node, traps=traps, troubles=self.troubles)
        self.dexscreener_limit = SlidingWindow(settings.requests_per_minute)
        self.jupiter_limits = {
            False: SlidingWindow(settings.jupiter_keyless_per_minute),
            True: SlidingWindow(settings.jupiter_keyed_per_minute),
        }

    async def serve(self, task_status: "trio.TaskStatus[int]" = trio.TASK_STATUS_IGNORED) -> None:
        """Serve on any free port until cancelled."""
        listeners = await trio.open_tcp_listeners(0, host=HOST)
        self.port = listeners[0].socket.getsockname()[1]
        self.market.move_metadata(f"{self.origin}{METADATA_PATH}")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._drive)
            if self.settings.trouble_seconds is not None:
                nursery.start_soon(self._make_trouble, self.settings.trouble_seconds)
            nursery.start_soon(trio.serve_listeners, self._connection, listeners)
            task_status.started(self.port)

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.port}"

    def counts(self) -> dict[str, int]:
        """How far the market has come, for a status line."""
        pools = sum(pool.completed_at is not None for pool in self.market.pools)
        return {"tokens": len(self.market.tokens), "graduated": pools}

    async def _connection(self, stream: trio.SocketStream) -> None:
        """One bad or vanished client is no reason to end the market for the others."""
        try:
            await MarketConnection(stream, self._request, self._upgrade, self._socket).serve()
        except* Exception as errors:
            for error in errors.exceptions:
                self.failures[type(error).__name__] += 1

    async def _drive(self) -> None:
        while True:
            await trio.sleep(TICK_SECONDS)
            until = min(self.clock.now(), self.market.now + LONGEST_STEP_SECONDS)
            for events in group_by_transaction(self.market.advance(until)):
                self.audience.publish(events)

    # What goes wrong.

    async def _make_trouble(self, mean_seconds: float) -> None:
        random = Random(self.market.seed + 2)
        while True:
            wait, trouble = next_trouble(mean_seconds, random)
            await trio.sleep(wait)
            self.begin(trouble)
            await trio.sleep(trouble.seconds)
            self.troubles.end(trouble.upstream)

    def begin(self, trouble: Trouble) -> None:
        """Let an upstream fall silent or refuse; a stream that refuses breaks off first."""
        self.troubles.begin(trouble)
        if trouble.status is not None and trouble.upstream in ("pumpportal", "pumpapi", "chain"):
            self.audience.cut(trouble.upstream)

    # What clients ask over HTTP.

    def _request(self, request: MarketRequest) -> Answer:
        url = urlsplit(request.target)
        upstream = _provider(request.method, url.path)
        if upstream is None:
            return NOT_FOUND
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        answer = self._refusal(upstream) or self._answer(upstream, request, url.path, query)
        self.answered[upstream, answer.status] += 1
        return answer

    def _answer(
        self, upstream: Upstream, request: MarketRequest, path: str, query: dict[str, str]
    ) -> Answer:
        if upstream == "rpc":
            return self._rpc(request.body)
        if upstream == "jupiter":
            return self._jupiter(request, path, query)
        if upstream == "metadata":
            return answer_metadata(self.market, path)
        if self.dexscreener_limit.wait_seconds(self.clock.wall_clock()) > 0:
            return Answer(status=429, body=TOO_MANY)
        mints = path.rpartition("/")[2]
        return Answer(body=dexscreener.tokens(self.market, self.clock, mints, self.random))

    def _jupiter(self, request: MarketRequest, path: str, query: dict[str, str]) -> Answer:
        key = request.headers.get("x-api-key")
        if key is not None and key not in self.settings.jupiter_keys:
            return UNAUTHORIZED
        limit = self.jupiter_limits[key is not None]
        wait = limit.wait_seconds(self.clock.wall_clock())
        if wait > 0:
            headers = (
                ("retry-after", str(ceil(wait))),
                ("x-ratelimit-limit", str(limit.per_minute)),
                ("x-ratelimit-remaining", "0"),
            )
            return Answer(status=429, body=JUPITER_TOO_MANY, headers=headers)
        if path == "/price/v3":
            return Answer(body=jupiter.prices(self.market, self.clock, query.get("ids", "")))
        return Answer(body=jupiter.search(self.market, self.clock, query.get("query", "")))

    def _rpc(self, body: bytes) -> Answer:
        try:
            request = orjson.loads(body)
        except orjson.JSONDecodeError:
            error = {"code": -32700, "message": "Parse error"}
            return Answer(body={"jsonrpc": "2.0", "error": error, "id": None})
        return Answer(body=self.node.answer(request))

    def _refusal(self, upstream: Upstream) -> Answer | None:
        status = self.troubles.refusing.get(upstream)
        return None if status is None else Answer(status=status, body={"error": "Unavailable"})

    # What clients ask over WebSocket.

    def _upgrade(self, request: MarketRequest) -> Answer | None:
        return self._refusal(_stream(urlsplit(request.target).path))

    async def _socket(self, request: WebSocketRequest) -> None:
        url = urlsplit(request.path)
        socket = await request.accept()
        sender, receiver = trio.open_memory_channel[bytes](self.settings.client_frames)
        client = Client(socket, sender, trio.CancelScope())
        on_text = self._welcome(client, _stream(url.path), url.query)
        try:
            with client.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, client, receiver)
                    await self._read(client, on_text)
                    nursery.cancel_scope.cancel()
        finally:
            self.audience.leave(client)

    def _welcome(
        self, client: Client, stream: StreamName, query: str
    ) -> "Callable[[Client, str | bytes], dict[str, Any] | None]":
        """Take the client up; what answers its messages."""
        if stream == "pumpportal":
            has_api_key = bool(parse_qs(query).get("api-key"))
            self.audience.portal_clients[client] = Subscriptions(has_api_key=has_api_key)
            return self._answer_portal
        if stream == "pumpapi":
            self.audience.api_clients[client] = None
            self.clock.start()
            return lambda *_: None  # nothing is subscribed to
        self.audience.log_clients[client] = {}
        return self.audience.answer_chain

    def _answer_portal(self, client: Client, text: str | bytes) -> dict[str, Any]:
        answer = self.audience.answer_portal(client, text)
        if self.audience.portal_clients[client].creates:
            self.clock.start()  # the market begins when somebody listens
        return answer

    async def _write(self, client: Client, frames: "trio.MemoryReceiveChannel[bytes]") -> None:
        """Send what is queued; a queue that was closed over the client's head ends the socket."""
        try:
            async for payload in frames:
                await client.socket.send_message(payload.decode())
        except ConnectionClosed:
            return  # the reading side notices too, and ends the session
        await client.socket.aclose(1008, "too slow")

    async def _read(
        self, client: Client, on_text: "Callable[[Client, str | bytes], dict[str, Any] | None]"
    ) -> None:
        try:
            while True:
                text = await client.socket.get_message()
                if client.scope.cancel_called:
                    return  # cut while it spoke: nobody knows it any more
                answer = on_text(client, text)
                if answer is not None:
                    client.send(orjson.dumps(answer))
        except ConnectionClosed:
            return


def _provider(method: str, path: str) -> Upstream | None:
    """Whose endpoint it is."""
    if method == "POST":
        return "rpc"
    if path in ("/tokens/v2/search", "/price/v3"):
        return "jupiter"
    if path.startswith("/tokens/v1/solana/"):
        return "dexscreener"
    if path.removeprefix(MOVED).startswith((METADATA_PATH, IMAGES_PATH)):
        return "metadata"
    return None


def _stream(path: str) -> StreamName:
    if path == PUMPPORTAL_PATH:
        return "pumpportal"
    return "pumpapi" if path == PUMPAPI_PATH else "chain"
