"""Clients of the feed over connections of this process, folding what they are sent.

    SimulatedClient <- trio-websocket <- ClientConnection -> MemoryOutgoing -> the gateway's Hub

The real handshake, sessions, queues and resumption; only the socket is memory. A slow client
reads nothing for a while, and its socket takes no more than a kernel's buffer would.
"""

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from math import inf
from random import Random
from typing import Any

import orjson
import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, HandshakeError, wrap_client_stream

from feed.board import BOARD_NAMES
from feed.hub import Hub
from feed.outgoing import Outgoing
from feed.view_query import parse_view

SOCKET_BYTES = 20_000  # what the kernels of both ends keep
THINKING_SECONDS = 20.0  # between two messages of a client, on average
STAYING_SECONDS = 300.0  # on average
RETURN_SECONDS = 5.0
VIEWS = (  # of boards, of which a client follows one on some of its visits
    {"sort": "recent", "limit": 3, "filters": {"minBuys5m": 1}},
    {"boards": ["new", "graduating"], "sort": "new", "limit": 20, "filters": {"maxAge": 3}},
    {"sort": "hot", "limit": 1},
)


@define(kw_only=True, eq=False)
class ClientConnection(trio.abc.Stream):
    """Both directions of one connection; this is the client's end."""

    to_client: bytearray = field(factory=bytearray, init=False)
    to_server: bytearray = field(factory=bytearray, init=False)
    is_closed: bool = field(default=False, init=False)
    changed: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_closed:
            raise trio.BrokenResourceError
        self.to_server += data
        self.changed.unpark_all()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self.take_bytes(self.to_client)

    async def take_bytes(self, waiting: bytearray) -> bytes:
        """What waits in one direction; empty once the connection is closed."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while not waiting and not self.is_closed:
            await self.changed.park()
        taken = bytes(waiting)
        waiting.clear()
        self.changed.unpark_all()
        return taken

    async def aclose(self) -> None:
        self.is_closed = True
        self.changed.unpark_all()
        await trio.lowlevel.checkpoint()


@define(eq=False)
class ServerEnd:
    """The server's end of a connection, as far as a session uses it."""

    connection: ClientConnection

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self.connection.take_bytes(self.connection.to_server)

    async def aclose(self) -> None:
        await self.connection.aclose()


@define(eq=False)
class MemoryOutgoing(Outgoing):
    """An `Outgoing` that writes into a connection of this process."""

    @property
    def connection(self) -> ClientConnection:
        return self.stream.connection  # type: ignore[attr-defined,no-any-return]

    def _write_now(self, data: bytes | memoryview) -> int:
        if self.connection.is_closed:
            self.give_up()
            return 0
        room = max(SOCKET_BYTES - len(self.connection.to_client), 0)
        self.connection.to_client += data[:room]
        if room:
            self.connection.changed.unpark_all()
        return min(room, len(data))

    async def _wait_until_writable(self) -> None:
        while len(self.connection.to_client) >= SOCKET_BYTES and not self.connection.is_closed:
            await self.connection.changed.park()


@lru_cache(maxsize=4)  # every client compares itself with the same bytes
def _read_items(snapshot: bytes) -> dict[str, dict[str, Any]]:
    return {item["mint"]: item for item in orjson.loads(snapshot)["items"]}


def _new_set_event() -> trio.Event:
    event = trio.Event()
    event.set()
    return event


@define(kw_only=True, eq=False)
class SimulatedClient:
    """Follows boards, watches tokens, comes and goes; and compares what it folds with the board."""

    number: int
    find_hub: Callable[[], Hub | None]  # of the gateway that runs now
    report: Callable[[str], object]  # a violation
    happened: Counter[str]  # what came of its visits
    random: Random
    folded: dict[str, dict[str, dict[str, Any]]] = field(factory=dict, init=False)  # by board
    cursors: dict[str, tuple[str, int]] = field(factory=dict, init=False)  # epoch, offset
    followed: tuple[str, ...] = field(default=(), init=False)  # boards, on this visit
    reads: trio.Event = field(factory=_new_set_event, init=False)  # not set while it is slow
    is_away: bool = field(default=False, init=False)
    is_here: bool = field(default=False, init=False)
    hub: Hub | None = field(default=None, init=False)  # of the gateway that it has visited last
    scope: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    # What it watches on this visit, and until when it has watched what it does no more; trio time.
    watched_from: dict[str, float] = field(factory=dict, init=False)
    watched_until: dict[str, float] = field(factory=dict, init=False)

    def read_nothing(self) -> None:
        """Be slow: read no message until `read_again`."""
        self.reads = trio.Event()

    def read_again(self) -> None:
        self.reads.set()

    async def run(self) -> None:
        """Come and go for ever."""
        while True:
            await trio.sleep(self.random.uniform(0.1, 2 * RETURN_SECONDS))
            hub = self.find_hub()
            if hub is None or self.is_away:
                continue
            self.scope = trio.CancelScope()
            with self.scope, trio.move_on_after(self.random.expovariate(1 / STAYING_SECONDS)):
                await self._visit(hub)

    def vanish(self) -> None:
        """Be gone without a word; the server hears nothing of it for a while."""
        self.scope.cancel()

    async def _visit(self, hub: Hub) -> None:
        connection = ClientConnection()
        self.hub, self.is_here = hub, True
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._be_served, hub, connection)
                await self._follow(nursery, connection)
                nursery.cancel_scope.cancel()
        except* (ConnectionClosed, HandshakeError, trio.BrokenResourceError, trio.TooSlowError):
            # The gateway has ended, or has given up a client that took nothing.
            self.happened["client: connection ended"] += 1
        finally:
            self.is_here = False
            for mint in list(self.watched_from):
                self._note_watch(mint, is_watched=False)
            with trio.CancelScope(shield=True):
                await connection.aclose()

    async def _be_served(self, hub: Hub, connection: ClientConnection) -> None:
        """The server's side, as `feed.server` would run it."""
        handshake = await connection.take_bytes(connection.to_server)
        try:
            async with trio.open_nursery() as nursery:
                outgoing = MemoryOutgoing(ServerEnd(connection), nursery, 10.0)  # type: ignore[arg-type]
                await hub.serve_client(outgoing, handshake, b"")
                nursery.cancel_scope.cancel()
        except* Exception as errors:
            self.report_failure(errors)
        finally:
            connection.is_closed = True
            connection.changed.unpark_all()

    def report_failure(self, errors: BaseExceptionGroup[BaseException]) -> None:
        """A connection's error ends it alone; but only a broken connection may have one."""
        expected = (ConnectionClosed, HandshakeError, trio.BrokenResourceError, trio.TooSlowError)
        unexpected = errors.split(expected)[1]
        if unexpected is not None:
            self.report(f"client {self.number}: {unexpected.exceptions[0]!r}")

    async def _follow(self, nursery: trio.Nursery, connection: ClientConnection) -> None:
        with trio.fail_after(30.0):
            socket = await wrap_client_stream(
                nursery,
                connection,  # type: ignore[arg-type]  # any stream will do
                "feed",
                "/ws",
            )
        wanted: dict[str, dict[str, object]] = {board: {"board": board} for board in BOARD_NAMES}
        if self.random.random() < 0.5:
            view = self.random.choice(VIEWS)
            wanted[parse_view(view).name] = {"view": view}
        self.followed = tuple(wanted)
        for board, described in wanted.items():
            await socket.send_message(self._subscription(board, described))
        nursery.start_soon(self._speak, socket)
        while True:
            await self.reads.wait()
            self._take_message(orjson.loads(await socket.get_message()))

    def _subscription(self, board: str, described: dict[str, object]) -> str:
        wanted: dict[str, Any] = {"type": "subscribe", **described}
        if board in self.cursors:
            epoch, offset = self.cursors[board]
            wanted["since"] = {"epoch": epoch, "offset": offset}
        return orjson.dumps(wanted).decode()

    async def _speak(self, socket: Any) -> None:
        while True:
            await trio.sleep(self.random.expovariate(1 / THINKING_SECONDS))
            shown = sorted(self.folded.get("new", {}))
            message: dict[str, Any] = {"type": "ping"}
            if shown and self.random.random() < 0.5:
                kind = self.random.choice(("watch", "unwatch"))
                mint = self.random.choice(shown)
                message = {"type": kind, "mint": mint}
                self._note_watch(mint, is_watched=kind == "watch")
            await socket.send_message(orjson.dumps(message).decode())

    def _note_watch(self, mint: str, *, is_watched: bool) -> None:
        now = trio.current_time()
        self.watched_until[mint] = inf if is_watched else now
        if is_watched:
            self.watched_from.setdefault(mint, now)
        else:
            self.watched_from.pop(mint, None)

    # Folding.

    def _take_message(self, message: dict[str, Any]) -> None:
        kind, board = message["type"], str(message.get("board"))
        if kind == "snapshot":
            self.folded[board] = {item["mint"]: item for item in message["items"]}
        elif kind == "delta":
            self._fold_delta(self.folded[board], message)
        elif kind == "resumed":
            self.happened["client: resumed"] += 1
        elif kind == "view":
            self.happened["client: followed a view"] += 1
        if kind in ("snapshot", "delta", "resumed"):
            self.cursors[board] = message["epoch"], message["offset"]
            self._compare(board)

    def _fold_delta(self, items: dict[str, dict[str, Any]], message: dict[str, Any]) -> None:
        for change in message["changes"]:
            mint = str(change.pop("mint"))
            item = items.setdefault(mint, {})
            if any(name in item and item[name] == value for name, value in change.items()):
                self.report(f"10: client {self.number} is told again what it knows of {mint}")
            if change.get("removed"):
                del items[mint]
            else:
                item.update(change, mint=mint)

    def _compare(self, board: str) -> None:
        """Where the client has everything, what it has folded is the board."""
        hub = self.find_hub()
        epoch, offset = self.cursors[board]
        if hub is None or epoch != hub.boards.epoch or not hub.boards.has_board(board):
            return
        if offset < hub.boards.find_last_change(board):
            return
        self.happened["client: compared"] += 1
        if _read_items(hub.boards.snapshot_message(board)) != self.folded[board]:
            self.report(f"10: what client {self.number} has folded of {board} is not the board")
