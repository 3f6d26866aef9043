"""HTTP/1.1 on one connection: requests in, responses out, one after the other.

h11 does the protocol; this module bounds it. A request head may have 16 KiB (431), its target
8 KiB (414), a body 64 KiB (413), and it must be complete within the request time-out (408).
Pipelined requests are answered in order, one at a time.
"""

from collections.abc import Mapping
from http import HTTPStatus

import h11
import orjson
import trio
from attrs import Factory, define, evolve, field, frozen

from domain.errors import RequestRefused
from feed.outgoing import Outgoing

LARGEST_HEAD_BYTES = 16 * 1024
LARGEST_TARGET_BYTES = 8 * 1024
LARGEST_BODY_BYTES = 64 * 1024
RECEIVE_BYTES = 16 * 1024
KEEP_ALIVE_SECONDS = 60.0  # how long a connection may stay without a request
LINGER_SECONDS = 1.0  # how long the rest of a refused request is taken in
LARGEST_LINGER_BYTES = 1024 * 1024

Headers = tuple[tuple[str, str], ...]


@frozen(kw_only=True)
class Request:
    """One request."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]  # lower-case names; the first of each
    body: bytes = b""
    peer: str = ""  # the client's address; empty when it is gone already

    @property
    def is_upgrade(self) -> bool:
        """True for an attempt at a WebSocket."""
        return self.headers.get("upgrade", "").lower() == "websocket"


@frozen(kw_only=True)
class Response:
    status: int = 200
    content_type: str = "application/json"
    body: bytes = b""
    headers: Headers = ()

    def has_header(self, name: str) -> bool:
        """True when the response itself sets this header."""
        return any(name == own for own, _ in self.headers)


def with_headers(response: Response, headers: Headers) -> Response:
    """The response with these headers, too."""
    return evolve(response, headers=(*response.headers, *headers))


def json_response(value: object, *, status: int = 200) -> Response:
    """Anything of plain values as JSON; what JSON does not know is written as text."""
    body = orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
    return Response(status=status, body=body)


def error_response(error: RequestRefused) -> Response:
    """`{"error": {"code", "message"}}`."""
    value = {"error": {"code": error.code, "message": str(error)}}
    return json_response(value, status=error.status)


@define(eq=False)
class HttpConnection:
    """The server's side of one connection, until it ends or becomes a WebSocket."""

    stream: trio.SocketStream
    outgoing: Outgoing
    request_timeout_seconds: float
    protocol: h11.Connection = field(
        init=False,
        factory=lambda: h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD_BYTES),
    )
    _method: str = field(init=False, default="")
    _idle_seconds: float = field(
        init=False, default=Factory(lambda self: self.request_timeout_seconds, takes_self=True)
    )

    async def next_request(self) -> Request | None:
        """The next request; None when the client has no more. `RequestRefused` for a bad one."""
        if not self.rest() and not await self._has_begun():
            return None
        with trio.move_on_after(self.request_timeout_seconds):
            return await self._read_request()
        raise RequestRefused(408, "request_timeout", "the request took too long")

    async def respond(self, response: Response, *, then_close: bool = False) -> bool:
        """Send the response; False when the connection is to be closed."""
        if self.protocol.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return False
        headers = _headers(response)
        if then_close:
            headers.append((b"Connection", b"close"))
        reason = HTTPStatus(response.status).phrase.encode("ascii")
        head = h11.Response(status_code=response.status, reason=reason, headers=headers)
        events: list[h11.Event] = [head]
        if self._method != "HEAD":
            events.append(h11.Data(data=response.body))
        events.append(h11.EndOfMessage())
        self.outgoing.put(b"".join(self.protocol.send(event) or b"" for event in events))
        await self.outgoing.sent()
        if {self.protocol.our_state, self.protocol.their_state} != {h11.DONE}:
            return False
        self.protocol.start_next_cycle()
        self._method = ""
        self._idle_seconds = KEEP_ALIVE_SECONDS
        return not self.outgoing.is_broken

    async def linger(self) -> None:
        """End our side and take in what still comes, lest a reset destroys the response."""
        await self.outgoing.sent()
        if self.outgoing.is_broken:
            return
        taken = 0
        with trio.move_on_after(LINGER_SECONDS):
            try:
                await self.stream.send_eof()
                while taken < LARGEST_LINGER_BYTES:
                    taken += len(data := await self.stream.receive_some(RECEIVE_BYTES))
                    if not data:
                        return
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return  # the client is gone: nothing is left to protect

    def rest(self) -> bytes:
        """What the client has sent after its request to upgrade."""
        return bytes(self.protocol.trailing_data[0])

    async def _has_begun(self) -> bool:
        with trio.move_on_after(self._idle_seconds):
            return await self._receive()
        return False

    async def _receive(self) -> bool:
        """Feed the protocol once; False at the client's end."""
        data = await self.stream.receive_some(RECEIVE_BYTES)
        self.protocol.receive_data(data)
        return bool(data)

    async def _read_request(self) -> Request | None:
        head = await self._next_event()
        if not isinstance(head, h11.Request):
            return None  # the client has closed between requests
        self._method = head.method.decode("ascii")
        _check_size(head)
        # A client that waits for "100 Continue" gets the answer instead, and no more is read.
        waiting = self.protocol.they_are_waiting_for_100_continue
        body = b"" if waiting else await self._read_body(head)
        return evolve(_request(head), body=body, peer=_peer(self.stream))

    async def _read_body(self, head: h11.Request) -> bytes:
        declared = dict(head.headers).get(b"content-length", b"0")
        size = int(declared)  # h11 has checked that it is a number
        body = bytearray()
        while size <= LARGEST_BODY_BYTES:
            event = await self._next_event()
            if not isinstance(event, h11.Data):
                return bytes(body)
            body += event.data
            size = max(size, len(body))
        raise RequestRefused(413, "body_too_large", "no route takes a body of this size")

    async def _next_event(self) -> h11.Event:
        while True:
            try:
                event = self.protocol.next_event()
            except h11.RemoteProtocolError as error:
                raise self._refusal(error) from error
            if not isinstance(event, type):
                return event
            if event is h11.PAUSED:
                raise RequestRefused(400, "bad_request", "this is no HTTP/1.1 request")
            await self._receive()

    def _refusal(self, error: h11.RemoteProtocolError) -> RequestRefused:
        if error.error_status_hint != 431:
            return RequestRefused(400, "bad_request", "this is no HTTP/1.1 request")
        return _target_too_long() if b"\n" not in self.rest() else _head_too_large()


def _request(head: h11.Request) -> Request:
    target = head.target.decode("ascii")
    if not target.startswith("/"):
        raise RequestRefused(400, "bad_request", "the target must be a path")
    path, _, query = target.partition("?")
    headers: dict[str, str] = {}
    for name, value in head.headers:
        headers.setdefault(name.decode("ascii"), value.decode("latin-1"))
    return Request(method=head.method.decode("ascii"), path=path, query=query, headers=headers)


def _peer(stream: trio.SocketStream) -> str:
    try:
        return str(stream.socket.getpeername()[0])
    except OSError:
        return ""  # it has gone while its request was read


def _headers(response: Response) -> list[tuple[bytes, bytes]]:
    headers = [
        ("Content-Type", response.content_type),
        ("Content-Length", str(len(response.body))),
        *response.headers,
    ]
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]


def _check_size(head: h11.Request) -> None:
    if len(head.target) > LARGEST_TARGET_BYTES:
        raise _target_too_long()
    # h11 bounds a head only while it is incomplete.
    if sum(len(name) + len(value) for name, value in head.headers) > LARGEST_HEAD_BYTES:
        raise _head_too_large()


def _head_too_large() -> RequestRefused:
    return RequestRefused(431, "headers_too_large", "the request's head is too large")


def _target_too_long() -> RequestRefused:
    return RequestRefused(414, "target_too_long", "the request's target is too long")
