"""HTTP/1.1 on one connection: requests in, responses out, one after the other.

    receive_head -> (refuse early, or) receive_body -> send_response -> receive_head ...

h11 does the protocol (RFC 9112); this module bounds it. A request head may have 16 KiB (431), its
target 8 KiB (414), a body 64 KiB (413), and it must be complete within the request time-out (408).
Pipelined requests are answered in order, one at a time.
"""

from http import HTTPStatus

import h11
import trio
from attrs import Factory, define, evolve, field

from domain.errors import RequestRefused
from feed.fields import list_members
from feed.http import WITHOUT_CONTENT, HttpRequest, HttpResponse
from feed.outgoing import Outgoing
from feed.targets import is_host, parse_target

LARGEST_HEAD_BYTES = 16 * 1024
LARGEST_TARGET_BYTES = 8 * 1024
LARGEST_BODY_BYTES = 64 * 1024
RECEIVE_BYTES = 16 * 1024
KEEP_ALIVE_SECONDS = 60.0  # how long a connection may stay without a request
LINGER_SECONDS = 1.0  # how long to read on before closing
LARGEST_LINGER_BYTES = 1024 * 1024
LINE_END = b"\r\n"
LINE_BYTES = 4  # of a header line, beside its name and its value
GO_ON = h11.InformationalResponse(status_code=100, reason=b"Continue", headers=[])


def _new_protocol() -> h11.Connection:
    return h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD_BYTES)


@define(eq=False)
class HttpConnection:
    """The server's side of one connection, until it ends or becomes a WebSocket."""

    stream: trio.SocketStream
    outgoing: Outgoing
    request_timeout_seconds: float
    protocol: h11.Connection = field(init=False, factory=_new_protocol)  # of the present request
    origin: str | None = field(init=False, default=None)  # told by the head, once it is there
    _method: str = field(init=False, default="")
    _body_bytes: int | None = field(init=False, default=0)  # as declared; None: chunked
    _deadline: float = field(init=False, default=0.0)  # of the present request, on trio's clock
    _idle_seconds: float = field(
        init=False, default=Factory(lambda self: self.request_timeout_seconds, takes_self=True)
    )

    # In.

    async def receive_head(self) -> HttpRequest | None:
        """The next request without its body; None when the client has no more.

        `RequestRefused` for what is no request.
        """
        with trio.move_on_after(self._idle_seconds) as idle:
            is_there = await self._receive_first_bytes()
        if idle.cancelled_caught or not is_there:
            return None
        self._deadline = trio.current_time() + self.request_timeout_seconds
        with trio.move_on_at(self._deadline):
            return await self._read_head()
        raise _timed_out()

    @property
    def is_client_waiting(self) -> bool:
        """True while the client holds the body back until it is told to continue."""
        is_body_due = self._body_bytes != 0 and not self.protocol.trailing_data[0]
        return is_body_due and self.protocol.they_are_waiting_for_100_continue

    async def receive_body(self, request: HttpRequest) -> HttpRequest:
        """Read the request's body; a client that waits to send it is told to continue.

        `RequestRefused` where the body is too large, malformed or late.
        """
        if self._body_bytes is not None and self._body_bytes > LARGEST_BODY_BYTES:
            raise _body_too_large()
        with trio.move_on_at(self._deadline):
            if self.is_client_waiting:
                self.outgoing.put_piece(self.protocol.send(GO_ON))
            return evolve(request, body=await self._read_body())
        raise _timed_out()

    def take_unread(self) -> bytes:
        """The bytes received behind a request to upgrade; this connection must not read on."""
        return bytes(self.protocol.trailing_data[0])

    async def _receive_first_bytes(self) -> bool:
        """False at the client's end. Empty lines before a request are skipped (RFC 9112, 2.2)."""
        while not self.protocol.trailing_data[0]:
            data = await self.stream.receive_some(RECEIVE_BYTES)
            if not data:
                return False
            if begun := data.lstrip(LINE_END):
                self.protocol.receive_data(begun)
        return True

    async def _read_head(self) -> HttpRequest | None:
        head = await self._next_event()
        if not isinstance(head, h11.Request):
            return None  # the client has closed between requests
        self._method = head.method.decode("ascii")
        self._body_bytes = _declared_body_bytes(head)
        headers = _join_lines(head)
        self.origin = headers.get("origin")
        _check_size(head)
        peer, port = read_ends(self.stream)
        return evolve(_make_request(head, headers), peer=peer, port=port)

    async def _read_body(self) -> bytes:
        body = bytearray()
        while len(body) <= LARGEST_BODY_BYTES:
            event = await self._next_event()
            if not isinstance(event, h11.Data):
                return bytes(body)
            body += event.data
        raise _body_too_large()

    async def _next_event(self) -> h11.Event:
        while True:
            try:
                event = self.protocol.next_event()
            except h11.RemoteProtocolError as error:
                raise self._refusal_of(error) from error
            if not isinstance(event, type):
                return event
            if event is h11.PAUSED:
                raise _malformed_request()
            self.protocol.receive_data(await self.stream.receive_some(RECEIVE_BYTES))

    def _refusal_of(self, error: h11.RemoteProtocolError) -> RequestRefused:
        if error.error_status_hint == 501:
            return RequestRefused(501, "not_implemented", "the one transfer coding is chunked")
        if error.error_status_hint != 431:
            return _malformed_request()
        has_target = b"\n" in self.protocol.trailing_data[0]
        return _head_too_large() if has_target else _target_too_long()

    # Out.

    async def send_response(self, response: HttpResponse, *, then_close: bool = False) -> bool:
        """Send the response; False when the connection is to be closed."""
        if self.protocol.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return False
        is_request_read = self.protocol.their_state not in (h11.IDLE, h11.SEND_BODY, h11.ERROR)
        headers = _encode_headers(response)
        if then_close or not is_request_read:
            headers.append((b"Connection", b"close"))
        self.outgoing.put_piece(self._encode_response(response, headers))
        await self.outgoing.wait_until_sent()
        if {self.protocol.our_state, self.protocol.their_state} != {h11.DONE}:
            return False
        self._begin_next_request()
        return not self.outgoing.is_broken

    def begin_response(self, response: HttpResponse) -> None:
        """Write the head of a response whose body ends with the connection.

        h11 would have it chunked, and so made anew for each client.
        """
        fields = [("Content-Type", response.content_type), *response.headers]
        lines = [f"{name}: {value}" for name, value in (*fields, ("Connection", "close"))]
        phrase = HTTPStatus(response.status).phrase
        head = "\r\n".join([f"HTTP/1.1 {response.status} {phrase}", *lines, "", ""])
        self.outgoing.put_piece(head.encode("ascii"))

    async def linger_until_closed(self) -> None:
        """Close our side, and read until the client closes its own.

        Closing a socket with unread bytes resets the connection, and the client may lose the
        response.
        """
        await self.outgoing.wait_until_sent()
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

    def _encode_response(self, response: HttpResponse, headers: list[tuple[bytes, bytes]]) -> bytes:
        reason = HTTPStatus(response.status).phrase.encode("ascii")
        events: list[h11.Event] = [
            h11.Response(status_code=response.status, reason=reason, headers=headers)
        ]
        if self._method != "HEAD" and response.body:
            events.append(h11.Data(data=response.body))
        events.append(h11.EndOfMessage())
        return b"".join(self.protocol.send(event) or b"" for event in events)

    def _begin_next_request(self) -> None:
        """Start a new h11 connection with the bytes received ahead, less leading empty lines."""
        unread, has_ended = self.protocol.trailing_data
        self.protocol = _new_protocol()
        if begun := unread.lstrip(LINE_END):
            self.protocol.receive_data(begun)
        if has_ended:
            self.protocol.receive_data(b"")
        self._method, self._body_bytes, self.origin = "", 0, None
        self._idle_seconds = KEEP_ALIVE_SECONDS


def _join_lines(head: h11.Request) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _make_request(head: h11.Request, headers: dict[str, str]) -> HttpRequest:
    method = head.method.decode("ascii")
    path, query = parse_target(method, head.target.decode("ascii"))
    if not head.http_version.startswith(b"1."):
        raise RequestRefused(505, "version_not_supported", "this server speaks HTTP/1.1")
    _check_headers(headers, head.http_version)
    return HttpRequest(
        method=method,
        path=path,
        query=query,
        headers=headers,
        http_version=head.http_version.decode("ascii"),
    )


def _check_headers(headers: dict[str, str], http_version: bytes) -> None:
    if not is_host(headers.get("host", "")):
        raise RequestRefused(400, "bad_request", "the Host field is malformed")
    if "transfer-encoding" in headers and "content-length" in headers:
        # A proxy in front may go by the other field, and see a second request in the body
        # (request smuggling; RFC 9112, 6.1).
        raise RequestRefused(400, "bad_request", "a body has a length or chunks, not both")
    expectations = list_members(headers.get("expect", ""))
    if http_version != b"1.0" and any(each.lower() != "100-continue" for each in expectations):
        raise RequestRefused(417, "expectation_failed", "the one expectation is 100-continue")


def _declared_body_bytes(head: h11.Request) -> int | None:
    declared = dict(head.headers)
    if b"transfer-encoding" in declared:
        return None
    return int(declared.get(b"content-length", b"0"))  # h11 has checked that it is a number


def _check_size(head: h11.Request) -> None:
    if len(head.target) > LARGEST_TARGET_BYTES:
        raise _target_too_long()
    # h11 bounds a head only while it is incomplete.
    lines = (len(name) + len(value) + LINE_BYTES for name, value in head.headers)
    if sum(lines) > LARGEST_HEAD_BYTES:
        raise _head_too_large()


def read_ends(stream: trio.SocketStream) -> tuple[str, int]:
    """The client's address, and our port."""
    try:
        return str(stream.socket.getpeername()[0]), int(stream.socket.getsockname()[1])
    except OSError:
        return "", 0  # it has gone while its request was read


def _encode_headers(response: HttpResponse) -> list[tuple[bytes, bytes]]:
    headers = list(response.headers)
    if response.status not in WITHOUT_CONTENT:
        length = ("Content-Length", str(len(response.body)))
        headers = [("Content-Type", response.content_type), length, *headers]
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]


def _malformed_request() -> RequestRefused:
    return RequestRefused(400, "bad_request", "this is no HTTP/1.1 request")


def _timed_out() -> RequestRefused:
    return RequestRefused(408, "request_timeout", "the request took too long")


def _body_too_large() -> RequestRefused:
    return RequestRefused(413, "body_too_large", "no route takes a body of this size")


def _head_too_large() -> RequestRefused:
    return RequestRefused(431, "headers_too_large", "the request's head is too large")


def _target_too_long() -> RequestRefused:
    return RequestRefused(414, "target_too_long", "the request's target is too long")
