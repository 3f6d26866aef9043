"""The one port: every connection isolated, bounded, and served as HTTP until it upgrades.

    accept -> Place -> HttpConnection -> Routes, or (GET /ws with Upgrade, GET /api/stream) Hub

No error of a connection leaves it. In the reserve (feed/places.py) only health checks are answered,
and a drain is answered likewise, to the end. They are not limited by address either
(feed/limits.py); every other request is.

What browsers must know or be refused (feed/origins.py) is seen to here, around every answer, so
that a page of an allowed origin can also read the errors that no route has given.
"""

from base64 import b64decode
from contextlib import AsyncExitStack
from email.utils import formatdate

import trio
from attrs import Factory, define, evolve, field

from config.settings import GatewaySettings
from domain.errors import RequestRefused
from feed import Surroundings
from feed.accepting import Acceptor
from feed.connection import HttpConnection, read_ends
from feed.fields import has_token
from feed.http import HttpRequest, HttpResponse, add_headers, error_response
from feed.hub import Hub
from feed.limits import AddressLimits
from feed.operators import CHALLENGES
from feed.origins import OriginPolicy, read_policy
from feed.outgoing import Outgoing
from feed.places import Place, Places
from feed.routes import HEALTH_PATHS, Routes, allowed_methods, common_headers
from feed.stream_session import read_stream_wanted

API_PREFIX = "/api/"  # of the answers that tell their limits
DRAIN_SECONDS = 1.0  # for clients to answer the close, and for responses under way


@define(eq=False)
class Server:
    """Accepts and serves connections."""

    settings: GatewaySettings
    routes: Routes
    hub: Hub
    surroundings: Surroundings
    failed: int = field(init=False, default=0)  # connections that ended with an error
    is_draining: bool = field(init=False, default=False)
    origins: OriginPolicy = field(
        init=False,
        default=Factory(lambda self: read_policy(self.settings.allowed_origins), takes_self=True),
    )
    limits: AddressLimits = field(
        init=False, default=Factory(lambda self: AddressLimits(self.settings), takes_self=True)
    )
    places: Places = field(
        init=False,
        default=Factory(lambda self: Places(self.settings, self.limits), takes_self=True),
    )
    _has_told_of_proxy: bool = field(init=False, default=False)
    _answering: int = field(init=False, default=0)  # requests
    _accepting: trio.CancelScope = field(init=False, factory=trio.CancelScope)
    _something_ended: trio.lowlevel.ParkingLot = field(init=False, factory=trio.lowlevel.ParkingLot)

    async def serve_connections(self, listeners: list[trio.SocketListener]) -> None:
        """Serve until cancelled; then close the port and every connection."""
        async with trio.open_nursery() as connections, AsyncExitStack() as open_listeners:
            for listener in listeners:
                await open_listeners.enter_async_context(listener)
            open_listeners.callback(self.places.spares.close)
            self.places.spares.take_back()
            self.surroundings.report_shortage(None)  # an earlier life may have reported one
            acceptor = Acceptor(self.places, self.surroundings.report_shortage)
            with self._accepting:
                async with trio.open_nursery() as nursery:
                    for listener in listeners:
                        nursery.start_soon(
                            acceptor.accept_connections,
                            listener,
                            self.serve_connection,
                            connections,
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
        place = self.places.take_place(read_ends(stream)[0], trio.CancelScope())
        try:
            with place.scope:
                async with stream, trio.open_nursery() as nursery:
                    outgoing = Outgoing(stream, nursery, self.settings.send_timeout_seconds)
                    await self._serve_requests(stream, outgoing, place)
                    nursery.cancel_scope.cancel()
        except* Exception as errors:
            # Whatever error a client causes must end its own connection alone.
            self.failed += 1
            self.surroundings.log.debug("connection failed", error=repr(errors.exceptions[0]))
        finally:
            self.places.give_back(place)
            self._something_ended.unpark_all()

    async def _serve_requests(
        self, stream: trio.SocketStream, outgoing: Outgoing, place: Place
    ) -> None:
        connection = HttpConnection(stream, outgoing, self.settings.request_timeout_seconds)
        is_open = True
        while is_open:
            request: HttpRequest | None = None
            try:
                request = await connection.receive_head()
                if request is None:
                    return
                request = self._identify_client(request)
                self.limits.charge_request(request.block, trio.current_time())
                if connection.is_client_waiting:  # with the body, which may not be wanted
                    self._require_room(request, place)
                    self.origins.require_trusted(request)
                    self.routes.require_answerable(request)
                request = await connection.receive_body(request)
                self._require_room(request, place)
                self.origins.require_trusted(request)
                is_proxied = request.block != place.block
                with self.limits.hold_while_served(request.block if is_proxied else None):
                    if request.path == "/ws" and request.is_upgrade:
                        handshake = _make_handshake(request)
                        await self.hub.serve_client(outgoing, handshake, connection.take_unread())
                        break
                    is_open = await self._respond_to(connection, request, place)
            except RequestRefused as refusal:
                self.places.note_refusal(refusal.code)
                response = _refusal_response(refusal, request.path if request else "")
                response = self._finish_response(response, connection.origin, request)
                await connection.send_response(response, then_close=True)
                break
        if not place.is_reserve:  # a place in the reserve is wanted by others
            await connection.linger_until_closed()

    def _identify_client(self, request: HttpRequest) -> HttpRequest:
        """The request with whose limits it counts against; a health check's are nobody's."""
        if request.path in HEALTH_PATHS:
            return request
        if not self._has_told_of_proxy and self.limits.is_unnamed_proxy(request):
            self._has_told_of_proxy = True
            self.surroundings.log.warning(
                "clients behind a proxy are not limited; name it in gateway.trusted_proxies",
                peer=request.peer,
            )
        return evolve(request, block=self.limits.find_client(request))

    def _require_room(self, request: HttpRequest, place: Place) -> None:
        if request.path in HEALTH_PATHS:
            return
        if self.is_draining:
            raise _draining()
        self.places.require_full_place(place)

    async def _respond_to(
        self, connection: HttpConnection, request: HttpRequest, place: Place
    ) -> bool:
        self._answering += 1
        try:
            response = await self._answer_request(request)
            response = self._finish_response(response, connection.origin, request)
            if response.is_endless:
                await self._serve_stream(connection, request, response)
                return False
            then_close = place.is_reserve or self.is_draining
            return await connection.send_response(response, then_close=then_close)
        finally:
            self._answering -= 1
            self._something_ended.unpark_all()

    async def _serve_stream(
        self, connection: HttpConnection, request: HttpRequest, head: HttpResponse
    ) -> None:
        if request.method == "HEAD":
            connection.begin_response(head)
            return
        wanted = read_stream_wanted(request)
        await self.hub.open_view(wanted)
        if self.is_draining:  # since then; nobody would tell it to go
            raise _draining()
        connection.begin_response(head)
        await self.hub.serve_stream(connection.outgoing, connection.stream, wanted)

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
        self, response: HttpResponse, origin: str | None, request: HttpRequest | None
    ) -> HttpResponse:
        """The response with what every one has; `request` is None where it could not be read."""
        path, block = (request.path, request.block) if request else ("", None)
        now = trio.current_time()
        if response.status == 429 and not response.has_header("Retry-After"):
            seconds = self.limits.seconds_until_request(block, now)
            response = add_headers(response, (("Retry-After", str(seconds)),))
        if response.status == 429 or path.startswith(API_PREFIX):
            response = add_headers(response, self.limits.describe_limits(block, now))
        date = ("Date", formatdate(self.surroundings.clock(), usegmt=True))
        response = add_headers(response, (*common_headers(response), date))
        return self.origins.share_response(response, origin, path)


def _refusal_response(refusal: RequestRefused, path: str) -> HttpResponse:
    response = error_response(refusal)
    if refusal.status == 405:
        return add_headers(response, (("Allow", allowed_methods(path)),))
    if refusal.code == "unauthorized":
        return add_headers(response, CHALLENGES)
    return response


def _draining() -> RequestRefused:
    return RequestRefused(503, "draining", "this process is on its way out")


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
