"""HTTP and WebSocket on one port: h11 reads the head of a request, and then either answers it
or hands the connection, with the bytes already read, to trio-websocket.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import h11
import orjson
import trio
from attrs import define, frozen
from trio_websocket import WebSocketRequest, wrap_server_stream

REQUEST_SECONDS = 15.0  # for one request to be complete; also how long a connection may idle
LARGEST_BODY_BYTES = 1_000_000
CHUNK_BYTES = 65_536


@frozen(kw_only=True)
class MarketRequest:
    """One HTTP request."""

    method: str
    target: str
    body: bytes


@frozen(kw_only=True)
class Answer:
    """One HTTP answer with a JSON body."""

    body: Any
    status: int = 200


HttpHandler = Callable[[MarketRequest], Answer]
SocketHandler = Callable[[WebSocketRequest], Awaitable[None]]


@define
class ReplayStream(trio.abc.Stream):
    """A stream that first gives again what has been read from it."""

    stream: trio.abc.Stream
    read: bytes

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if not self.read:
            return await self.stream.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        size = max_bytes or len(self.read)
        given, self.read = self.read[:size], self.read[size:]
        return given

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self.stream.aclose()


@define(eq=False)
class MarketConnection:
    """One client's connection."""

    stream: trio.abc.Stream
    on_request: HttpHandler
    on_socket: SocketHandler

    async def serve(self) -> None:
        """Answer requests until the client leaves, stays silent or upgrades."""
        http = h11.Connection(h11.SERVER)
        while True:
            read = bytearray()
            with trio.move_on_after(REQUEST_SECONDS):
                head = await self._next(http, read)
                if not isinstance(head, h11.Request):
                    return
                if _wants_socket(head):
                    break
                body = await self._body(http)
                if body is None:
                    return
                await self._answer(http, head, body)
                if http.our_state is not h11.DONE:
                    return
                http.start_next_cycle()
                continue
            return
        await self._upgrade(bytes(read))

    async def _next(self, http: h11.Connection, read: bytearray | None = None) -> object:
        while True:
            event = http.next_event()
            if event is not h11.NEED_DATA:
                return event
            data = await self.stream.receive_some(CHUNK_BYTES)
            if read is not None:
                read += data
            http.receive_data(bytes(data))

    async def _body(self, http: h11.Connection) -> bytes | None:
        """The rest of the request; None if it is too long or breaks off."""
        body = bytearray()
        while True:
            event = await self._next(http)
            if isinstance(event, h11.EndOfMessage):
                return bytes(body)
            if not isinstance(event, h11.Data) or len(body) > LARGEST_BODY_BYTES:
                return None
            body += event.data

    async def _answer(self, http: h11.Connection, head: h11.Request, body: bytes) -> None:
        request = MarketRequest(method=head.method.decode(), target=head.target.decode(), body=body)
        answer = self.on_request(request)
        payload = orjson.dumps(answer.body)
        headers = [("content-type", "application/json"), ("content-length", str(len(payload)))]
        sent = http.send(h11.Response(status_code=answer.status, headers=headers)) or b""
        sent += http.send(h11.Data(data=payload)) or b""
        sent += http.send(h11.EndOfMessage()) or b""
        await self.stream.send_all(sent)

    async def _upgrade(self, read: bytes) -> None:
        async with trio.open_nursery() as nursery:
            request = await wrap_server_stream(nursery, ReplayStream(self.stream, read))
            await self.on_socket(request)
            nursery.cancel_scope.cancel()


def _wants_socket(head: h11.Request) -> bool:
    return any(name == b"upgrade" and value.lower() == b"websocket" for name, value in head.headers)
