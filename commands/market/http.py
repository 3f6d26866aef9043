"""HTTP and WebSocket on one port: h11 reads the head of a request, and then either answers it
or hands the connection, with the bytes already read, to trio-websocket.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import h11
import orjson
import trio
from attrs import Factory, define, evolve, frozen
from trio_websocket import WebSocketRequest, wrap_server_stream

REQUEST_SECONDS = 15.0  # for one request to be complete; also how long a connection may idle
LARGEST_BODY_BYTES = 1_000_000
CHUNK_BYTES = 65_536


@frozen(kw_only=True)
class MarketRequest:
    """One HTTP request."""

    method: str
    target: str
    headers: Mapping[str, str] = Factory(dict)  # names in lower case
    body: bytes = b""


@frozen(kw_only=True)
class Answer:
    """One HTTP answer: `body` as JSON, or `content` as it is."""

    body: Any = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    content_type: str = "application/json"
    is_endless: bool = False  # sends `content` again and again, until the client leaves

    def payload(self) -> bytes:
        return orjson.dumps(self.body) if self.content is None else self.content


HttpHandler = Callable[[MarketRequest], Answer]
UpgradeHandler = Callable[[MarketRequest], Answer | None]  # None: the upgrade is welcome
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
    on_upgrade: UpgradeHandler
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
                request = _request_of(head)
                if _wants_socket(head):
                    answer = self.on_upgrade(request)
                    if answer is None:
                        break
                else:
                    body = await self._body(http)
                    if body is None:
                        return
                    answer = self.on_request(evolve(request, body=body))
                await self._answer(http, answer)
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

    async def _answer(self, http: h11.Connection, answer: Answer) -> None:
        payload = answer.payload()
        headers = [("content-type", answer.content_type), *answer.headers]
        if not answer.is_endless:
            headers.append(("content-length", str(len(payload))))
        sent = http.send(h11.Response(status_code=answer.status, headers=headers)) or b""
        sent += http.send(h11.Data(data=payload)) or b""
        while answer.is_endless:
            await self.stream.send_all(sent)
            sent = http.send(h11.Data(data=payload)) or b""
        sent += http.send(h11.EndOfMessage()) or b""
        await self.stream.send_all(sent)

    async def _upgrade(self, read: bytes) -> None:
        async with trio.open_nursery() as nursery:
            request = await wrap_server_stream(nursery, ReplayStream(self.stream, read))
            await self.on_socket(request)
            nursery.cancel_scope.cancel()


def _wants_socket(head: h11.Request) -> bool:
    return any(name == b"upgrade" and value.lower() == b"websocket" for name, value in head.headers)


def _request_of(head: h11.Request) -> MarketRequest:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
    return MarketRequest(
        method=head.method.decode(), target=head.target.decode("latin-1"), headers=headers
    )
