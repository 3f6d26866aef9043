"""The one port: every connection isolated, bounded, and served as HTTP until it upgrades.

    accept -> HttpConnection -> Routes, or (GET /ws with Upgrade) Hub

No error of a connection leaves it. Beyond `clients` connections, a few more are taken in reserve,
so that health checks still get through; to everything else they answer 503. Of these the newest
are kept: a flood that fills the reserve pushes out its own earlier connections, and a health
check, which asks at once, has its answer by then. A drain answers like a reserve, to the end.

What browsers must know or be refused (feed/origins.py) is seen to here, around every answer, so
that a page of an allowed origin can also read the errors that no route has given.
"""

from base64 import b64decode
from contextlib import AsyncExitStack
from email.utils import formatdate

import trio
from attrs import Factory, define, field

from config.settings import GatewaySettings
from domain.errors import RequestRefused
from feed import Surroundings
from feed.connection import HttpConnection
from feed.fields import has_token
from feed.http import HttpRequest, HttpResponse, add_headers, error_response
from feed.hub import Hub
from feed.operators import CHALLENGES
from feed.origins import OriginPolicy, read_policy
from feed.outgoing import Outgoing
from feed.routes import HEALTH_PATHS, Routes, allowed_methods, common_headers

RESERVED_CONNECTIONS = 64  # beyond `clients`, for health checks and for saying 503; newest win
DRAIN_SECONDS = 1.0  # for clients to answer the close, and for responses under way


@define(eq=False)
class Server:
    """Accepts and serves connections."""

    settings: GatewaySettings
    routes: Routes
    hub: Hub
    surroundings: Surroundings
    connections: int = field(init=False, default=0)
    refused: int = field(init=False, default=0)  # connections beyond the limit
    failed: int = field(init=False, default=0)  # connections that ended with an error
    is_draining: bool = field(init=False, default=False)
    origins: OriginPolicy = field(
        init=False,
        default=Factory(lambda self: read_policy(self.settings.allowed_origins), takes_self=True),
    )
    _reserve: dict[trio.CancelScope, None] = field(init=False, factory=dict)  # oldest first
    _answering: int = field(init=False, default=0)  # requests
    _accepting: trio.CancelScope = field(init=False, factory=trio.CancelScope)
    _something_ended: trio.lowlevel.ParkingLot = field(init=False, factory=trio.lowlevel.ParkingLot)

    async def serve_connections(self, listeners: list[trio.SocketListener]) -> None:
        """Serve until cancelled; then close the port and every connection."""
        async with trio.open_nursery() as connections, AsyncExitStack() as open_listeners:
            for listener in listeners:
                await open_listeners.enter_async_context(listener)
            with self._accepting:
                await trio.serve_listeners(
                    self.serve_connection, listeners, handler_nursery=connections
                )

    async def drain_connections(self) -> None:
        """Close the WebSockets, wait a little for what is under way, and then close the port.

        Until then health checks are told of the drain; nothing else is served any more.
        """
        self.is_draining = True
        self.hub.say_goodbye()
        with trio.move_on_after(DRAIN_SECONDS):
            while self.hub.sessions or self._answering:
                await self._something_ended.park()
        self._accepting.cancel()

    async def serve_connection(self, stream: trio.SocketStream) -> None:
        """Serve one connection from accept to close; no error of it escapes."""
        is_reserve = self.connections - len(self._reserve) >= self.settings.clients
        scope: trio.CancelScope | None = None
        self.connections += 1
        try:
            async with stream, trio.open_nursery() as nursery:
                scope = nursery.cancel_scope
                if is_reserve:
                    self._take_in_reserve(scope)
                outgoing = Outgoing(stream, nursery, self.settings.send_timeout_seconds)
                await self._serve_requests(stream, outgoing, is_reserve)
                nursery.cancel_scope.cancel()
        except* Exception as errors:
            # Whatever error a client causes must end its own connection alone.
            self.failed += 1
            self.surroundings.log.debug("connection failed", error=repr(errors.exceptions[0]))
        finally:
            self.connections -= 1
            if scope is not None:
                self._reserve.pop(scope, None)
            self._something_ended.unpark_all()

    async def _serve_requests(
        self, stream: trio.SocketStream, outgoing: Outgoing, is_reserve: bool
    ) -> None:
        connection = HttpConnection(stream, outgoing, self.settings.request_timeout_seconds)
        is_open = True
        while is_open:
            request: HttpRequest | None = None
            try:
                request = await connection.receive_head()
                if request is None:
                    return
                if connection.is_client_waiting:  # with the body, which may not be wanted
                    self._require_room(request, is_reserve)
                    self.origins.require_trusted(request)
                    self.routes.require_answerable(request)
                request = await connection.receive_body(request)
                self._require_room(request, is_reserve)
                self.origins.require_trusted(request)
                if request.path == "/ws" and request.is_upgrade:
                    handshake = _make_handshake(request)
                    await self.hub.serve_client(outgoing, handshake, connection.take_unread())
                    break
            except RequestRefused as refusal:
                path = request.path if request else ""
                response = _refusal_response(refusal, path)
                response = self._finish_response(response, connection.origin, path)
                await connection.send_response(response, then_close=True)
                break
            is_open = await self._respond_to(connection, request, is_reserve)
        if not is_reserve:  # a place in the reserve is wanted by others
            await connection.linger_until_closed()

    def _take_in_reserve(self, scope: trio.CancelScope) -> None:
        if len(self._reserve) >= RESERVED_CONNECTIONS:
            oldest = next(iter(self._reserve))
            del self._reserve[oldest]
            oldest.cancel()
            self.refused += 1
        self._reserve[scope] = None

    def _require_room(self, request: HttpRequest, is_reserve: bool) -> None:
        if request.path in HEALTH_PATHS:
            return
        if self.is_draining:
            raise RequestRefused(503, "draining", "this process is on its way out")
        if is_reserve:
            self.refused += 1
            raise RequestRefused(503, "too_many_clients", "no more clients can be served")

    async def _respond_to(
        self, connection: HttpConnection, request: HttpRequest, is_reserve: bool
    ) -> bool:
        self._answering += 1
        try:
            response = await self._answer_request(request)
            response = self._finish_response(response, connection.origin, request.path)
            then_close = is_reserve or self.is_draining
            return await connection.send_response(response, then_close=then_close)
        finally:
            self._answering -= 1
            self._something_ended.unpark_all()

    async def _answer_request(self, request: HttpRequest) -> HttpResponse:
        try:
            if self.origins.is_preflight(request):
                return self.origins.answer_preflight(request, allowed_methods(request.path))
            return await self.routes.answer_request(request)
        except RequestRefused as refusal:
            return _refusal_response(refusal, request.path)
        except Exception:
            self.surroundings.log.exception("request failed", path=request.path[:200])
            return error_response(RequestRefused(500, "internal_error", "this is our fault"))

    def _finish_response(
        self, response: HttpResponse, origin: str | None, path: str
    ) -> HttpResponse:
        date = ("Date", formatdate(self.surroundings.clock(), usegmt=True))
        response = add_headers(response, (*common_headers(response), date))
        return self.origins.share_response(response, origin, path)


def _refusal_response(refusal: RequestRefused, path: str) -> HttpResponse:
    response = error_response(refusal)
    if refusal.status == 405:
        return add_headers(response, (("Allow", allowed_methods(path)),))
    if refusal.status == 401:
        return add_headers(response, CHALLENGES)
    return response


def _make_handshake(request: HttpRequest) -> bytes:
    """A handshake rebuilt from the client's key alone, for trio-websocket.

    Some headers make that library raise outside its handler (its issues 184 and 198).
    """
    key = request.headers.get("sec-websocket-key", "")
    if request.headers.get("sec-websocket-version") != "13" or not _is_key(key):
        raise RequestRefused(400, "bad_handshake", "this is no WebSocket handshake, version 13")
    if request.method != "GET" or not has_token(request.headers.get("connection", ""), "upgrade"):
        raise RequestRefused(400, "bad_handshake", "a handshake is a GET with Connection: Upgrade")
    return (
        "GET /ws HTTP/1.1\r\nHost: feed\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode("ascii")


def _is_key(text: str) -> bool:
    try:
        return len(b64decode(text, validate=True)) == 16
    except ValueError:
        return False
