"""Real clients on real sockets."""

import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs
import h11
import orjson
import trio
import trio.testing
from attrs import define, frozen
from trio_websocket import WebSocketConnection, wrap_client_stream

from tests.patience import PATIENCE_SECONDS
from tests.unit.feed.worlds import World, running, until

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)

Frame = dict[str, Any]


@asynccontextmanager
async def serving(**changes: Any) -> AsyncIterator[World]:
    """A gateway that listens, with deltas at every chance."""
    async with running(**{"delta_interval_seconds": 0.01} | changes) as world:
        yield world


def port_of(world: World) -> int:
    return int(world.gateway.addresses[0].rpartition(":")[2])


@asynccontextmanager
async def raw_client(world: World) -> AsyncIterator[trio.SocketStream]:
    async with await trio.open_tcp_stream("127.0.0.1", port_of(world)) as stream:
        yield stream


@asynccontextmanager
async def hurried_client(world: World) -> AsyncIterator[trio.SocketStream]:
    """A client whose requests must be complete in half a second; the others have all their time."""
    server = world.gateway.server
    patient = server.settings
    server.settings = attrs.evolve(patient, request_timeout_seconds=0.5)
    connections = server.places.open
    async with raw_client(world) as stream:
        await until(lambda: server.places.open > connections)
        await trio.testing.wait_all_tasks_blocked()  # it has read its settings
        server.settings = patient
        yield stream


async def everything(stream: trio.SocketStream) -> bytes:
    """What the server sends until it closes; it must do so soon."""
    received = b""
    with trio.fail_after(PATIENCE_SECONDS):
        with suppress(trio.BrokenResourceError):  # a reset is an end, too
            async for data in stream:
                received += data
    return received


@frozen
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@define
class HttpClient:
    """One connection that requests may follow one another on."""

    stream: trio.SocketStream
    protocol: h11.Connection

    async def request(
        self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> Answer:
        asked = [("Host", "localhost"), *(headers or {}).items()]
        request = h11.Request(method=method, target=path, headers=asked)
        sent = self.protocol.send(request) or b""
        await self.stream.send_all(sent + (self.protocol.send(h11.EndOfMessage()) or b""))
        with trio.fail_after(PATIENCE_SECONDS):
            answer = await self._answer()
        if self.protocol.our_state is h11.DONE and self.protocol.their_state is h11.DONE:
            self.protocol.start_next_cycle()
        return answer

    async def _answer(self) -> Answer:
        body = b""
        head: h11.Response | None = None
        while True:
            event = self.protocol.next_event()
            if event is h11.NEED_DATA:
                self.protocol.receive_data(await self.stream.receive_some())
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                assert head is not None
                headers = {n.decode(): v.decode() for n, v in head.headers}
                return Answer(head.status_code, headers, body)


@asynccontextmanager
async def http_client(world: World) -> AsyncIterator[HttpClient]:
    async with raw_client(world) as stream:
        yield HttpClient(stream, h11.Connection(h11.CLIENT))


async def get(world: World, path: str, **headers: str) -> Answer:
    async with http_client(world) as client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.request(path, headers=named)


@define
class FeedClient:
    """A WebSocket client that knows the contract."""

    connection: WebSocketConnection
    binary_messages: int = 0  # heard: JSON that was deflated

    async def say(self, message: object) -> None:
        await self.connection.send_message(orjson.dumps(message).decode())

    async def hear(self) -> Frame:
        with trio.fail_after(PATIENCE_SECONDS):
            message = await self.connection.get_message()
        self.binary_messages += isinstance(message, bytes)
        frame: Frame = orjson.loads(
            zlib.decompress(message) if isinstance(message, bytes) else message
        )
        return frame

    async def subscribe(self, board: str, **more: object) -> Frame:
        await self.say({"type": "subscribe", "board": board, **more})
        return await self.hear()


@asynccontextmanager
async def feed_client(world: World) -> AsyncIterator[FeedClient]:
    # On a stream of our own: the library's client leaves its socket open where the server closed.
    async with raw_client(world) as stream, trio.open_nursery() as nursery:
        connection = await wrap_client_stream(nursery, stream, "localhost", "/ws")
        yield FeedClient(connection)
        await connection.aclose()
        nursery.cancel_scope.cancel()


@frozen
class Event:
    """One server-sent event."""

    kind: str
    data: Any
    id: str | None = None  # only where the event itself has one


@define
class EventClient:
    """A client of the event stream, as the HTML standard reads it."""

    stream: trio.SocketStream
    head: str = ""
    comments: int = 0
    retry: int = 0
    last_id: str = ""
    _unread: bytes = b""

    async def begin(self, target: str, headers: Mapping[str, str]) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        await self.stream.send_all(f"GET {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())
        self.head = (await self._read_until(b"\r\n\r\n")).decode()

    async def hear(self) -> Event:
        """The next event; `trio.EndOfChannel` at the end of the stream."""
        while True:
            fields: dict[str, str] = {}
            for line in (await self._read_until(b"\n\n")).decode().split("\n"):
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            self.comments += "" in fields
            self.retry = int(fields.get("retry", self.retry))
            self.last_id = fields.get("id", self.last_id)
            if "data" in fields:
                data = orjson.loads(fields["data"])
                return Event(fields["event"], data, fields.get("id"))

    async def hear_board(self) -> Event:
        """The next event of a board."""
        while (event := await self.hear()).kind == "health":
            pass
        return event

    async def _read_until(self, end: bytes) -> bytes:
        with trio.fail_after(PATIENCE_SECONDS):
            while end not in self._unread:
                if not (data := await self.stream.receive_some()):
                    raise trio.EndOfChannel
                self._unread += data
        read, self._unread = self._unread.split(end, 1)
        return read


@asynccontextmanager
async def event_client(
    world: World, query: str = "", headers: Mapping[str, str] | None = None
) -> AsyncIterator[EventClient]:
    async with raw_client(world) as stream:
        client = EventClient(stream)
        await client.begin(f"/api/stream{query}", headers or {})
        yield client
