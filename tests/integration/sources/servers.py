"""A WebSocket server on loopback whose conversations a test writes down, one a connection."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from ssl import SSLContext

import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from tests.patience import PATIENCE_SECONDS

Conversation = Callable[[WebSocketConnection], Awaitable[None]]
RawConversation = Callable[[trio.SocketStream], Awaitable[None]]


@define
class ScriptedServer:
    """Plays its conversations in order; the last one is played again and again."""

    conversations: list[Conversation | RawConversation]
    subscriptions: int = 2  # messages that a client has to say before it is talked to
    raw: frozenset[int] = frozenset()  # numbers of conversations that see the bare TCP stream
    tls: SSLContext | None = None
    connections: int = field(default=0, init=False)
    connected_at: list[float] = field(factory=list, init=False)
    paths: list[str] = field(factory=list, init=False)
    heard: list[tuple[int, str]] = field(factory=list, init=False)  # (connection, message)
    spoke: trio.Condition = field(factory=trio.Condition, init=False)
    clients_gone: int = field(default=0, init=False)  # before we were done with them
    port: int = field(default=0, init=False)

    @property
    def url(self) -> str:
        origin = f"wss://localhost:{self.port}" if self.tls else f"ws://127.0.0.1:{self.port}"
        return f"{origin}/api/data"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["ScriptedServer"]:
        async with trio.open_nursery() as nursery:
            if self.tls is None:
                [listener, *_] = await nursery.start(trio.serve_tcp, self._serve, 0)
            else:
                serve = partial(trio.serve_ssl_over_tcp, host="localhost", https_compatible=True)
                [encrypted, *_] = await nursery.start(serve, self._serve, 0, self.tls)
                listener = encrypted.transport_listener
            self.port = listener.socket.getsockname()[1]
            yield self
            nursery.cancel_scope.cancel()

    async def _serve(self, stream: trio.SocketStream) -> None:
        number = self.connections
        self.connections += 1
        self.connected_at.append(trio.current_time())
        chosen = min(number, len(self.conversations) - 1)
        talk = self.conversations[chosen]
        try:
            if chosen in self.raw:
                await talk(stream)  # type: ignore[arg-type]
                return
            async with trio.open_nursery() as nursery:
                request = await wrap_server_stream(nursery, stream)
                self.paths.append(request.path)
                connection = await request.accept()
                for _ in range(self.subscriptions):
                    await self._hear(connection, number)
                nursery.start_soon(self._listen, connection, number)
                await talk(connection)  # type: ignore[arg-type]
                nursery.cancel_scope.cancel()
        except* (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            self.clients_gone += 1
        finally:
            await trio.aclose_forcefully(stream)

    async def _listen(self, connection: WebSocketConnection, number: int) -> None:
        while True:
            await self._hear(connection, number)

    async def _hear(self, connection: WebSocketConnection, number: int) -> None:
        message = await connection.get_message()
        async with self.spoke:
            self.heard.append((number, str(message)))
            self.spoke.notify_all()

    async def until_heard(self, number: int) -> list[tuple[int, str]]:
        """What clients said, once they said `number` things; `trio.TooSlowError` if never."""
        with trio.fail_after(PATIENCE_SECONDS):
            async with self.spoke:
                while len(self.heard) < number:
                    await self.spoke.wait()
        return self.heard


def says(*frames: str | bytes) -> Conversation:
    """Sends the frames, then stays open and silent."""

    async def talk(connection: WebSocketConnection) -> None:
        for frame in frames:
            await connection.send_message(frame)
        await trio.sleep_forever()

    return talk


def says_and_closes(*frames: str | bytes) -> Conversation:
    """Sends the frames, then closes as the protocol wants it."""

    async def talk(connection: WebSocketConnection) -> None:
        for frame in frames:
            await connection.send_message(frame)
        await connection.aclose()

    return talk


def says_and_vanishes(*frames: str | bytes) -> Conversation:
    """Sends the frames, then drops TCP without a word."""

    async def talk(connection: WebSocketConnection) -> None:
        for frame in frames:
            await connection.send_message(frame)

    return talk


def answers_http(status: bytes, headers: bytes = b"") -> RawConversation:
    """Refuses the upgrade with an HTTP status."""

    async def talk(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(
            b"HTTP/1.1 " + status + b"\r\ncontent-length: 2\r\n" + headers + b"\r\nno"
        )
        with trio.move_on_after(1):  # let the client read it before TCP goes
            await stream.receive_some()

    return talk
