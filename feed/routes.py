"""What each path answers.

    HttpRequest -> Routes.answer -> HttpResponse

GET and HEAD, and POST for what operators may change (feed/control.py); OPTIONS tells which. Pages,
the feed and tokens are revalidated by ETag; no other answer is kept. The feed is answered in
feed/feed_routes.py, what is asked for by mint in feed/token_routes.py and, for the React client, in
feed/client_routes.py; what operators ask of the quarantine and of alerts, in
feed/quarantine_routes.py and feed/alert_routes.py.
"""

import gzip
from collections.abc import Callable, Mapping

import trio
from attrs import asdict, define, evolve, field

from config.link_list import parse_links
from config.settings import GatewaySettings
from domain.errors import MintRefused, RequestRefused
from domain.values import parse_address
from feed import Library, Operations, Surroundings
from feed.alert_routes import AlertRoutes, find_alert_methods
from feed.board import Boards
from feed.client_routes import WATCH_METHODS, ClientRoutes, is_watch_path
from feed.conditional import require_match, was_seen
from feed.control import parse_governor_set, parse_users_elsewhere
from feed.creator_routes import CreatorRoutes
from feed.documents import load_documents
from feed.feed_routes import FeedRoutes
from feed.fields import GZIP, choose_encoding
from feed.health import NOT_READY, report_health
from feed.http import Headers, HttpRequest, HttpResponse, add_headers, json_response
from feed.operations import read_hours
from feed.operators import require_operator
from feed.pages import MINT_PAGE, NO_MINT_PAGE, Page, load_pages
from feed.quarantine_routes import QuarantineRoutes, quarantine_methods
from feed.runbook import RUNBOOK_PATH, load_runbook
from feed.stream_session import STREAM_HEAD, STREAM_PATH, read_stream_wanted
from feed.targets import ASTERISK
from feed.token_routes import WEBP, Route, TokenRoutes

COMPRESS_FROM_BYTES = 1400  # one packet: a smaller body would gain nothing

CONTROL_PATHS = ("/api/ops/governor",)
TELLING_PATHS = ("/api/activity",)  # there is nothing to get
HEALTH_PATHS = ("/livez", "/readyz", "/health", "/metrics")
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Headers = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
)


@define(eq=False)
class Routes:
    """Answers every request that is not a WebSocket."""

    settings: GatewaySettings
    boards: Boards
    operations: Operations
    surroundings: Surroundings
    library: Library
    half_life_seconds: float  # of hot scores
    _pages: Mapping[str, Page] = field(init=False)
    _exact: Mapping[str, Route] = field(init=False)
    _feed: FeedRoutes = field(init=False)
    _tokens: TokenRoutes = field(init=False)
    _client: ClientRoutes = field(init=False)
    _creators: CreatorRoutes = field(init=False)
    _quarantine: QuarantineRoutes = field(init=False)
    _alerts: AlertRoutes = field(init=False)

    def __attrs_post_init__(self) -> None:
        pages = load_pages(self.half_life_seconds, parse_links(self.settings.links))
        self._pages = {**pages, **load_documents(), RUNBOOK_PATH: load_runbook()}
        self._feed = FeedRoutes(self.boards, self.surroundings)
        self._tokens = TokenRoutes(self.settings, self.boards, self.library, self.surroundings)
        self._client = ClientRoutes(self.boards, self.surroundings)
        self._creators = CreatorRoutes(self.boards, self.surroundings, self._feed.querying)
        self._quarantine = QuarantineRoutes(self.operations, self.surroundings)
        self._alerts = AlertRoutes(self.operations, self.surroundings)
        self._exact = {
            "/api/ops/actors": self._route_to(self.operations.actors),
            "/api/ops/writes": self._route_to(self.operations.writes),
            "/api/ops/checkpoints": self._route_to(self.operations.checkpoints),
            "/api/ops/governor": self._use_governor,
            "/api/ops/health": self._get_health,
            "/api/ops/problems": self._route_to(self.operations.overview.problems),
            "/api/ops/graph": self._route_to(self.operations.overview.graph),
            "/api/ops/events": self._route_to(self.operations.overview.events),
            "/api/ops/history": self._get_history,
            "/api/activity": self._take_users_elsewhere,
            "/livez": self._get_liveness,
            "/readyz": self._get_readiness,
            "/health": self._get_readiness,
            "/metrics": self._get_metrics,
            STREAM_PATH: self._open_stream,
            "/ws": self._refuse_without_upgrade,
        }

    async def answer_request(self, request: HttpRequest) -> HttpResponse:
        """The response; `RequestRefused` for what cannot be answered."""
        self.require_answerable(request)
        if request.method == "OPTIONS":
            return HttpResponse(status=204, headers=(("Allow", allowed_methods(request.path)),))
        response = await self._find_route(request.path)(request)
        return await _compress_response(request, response)

    def require_answerable(self, request: HttpRequest) -> None:
        """Raise `RequestRefused` where the head alone tells that the request will be refused."""
        require_operator(request, self.settings)
        has_path = request.method != "CONNECT" and request.path != ASTERISK
        if has_path:
            self._find_route(request.path)
        if request.method not in methods_of(request.path):
            raise RequestRefused(405, "method_not_allowed", "this method is not answered here")

    def _find_route(self, path: str) -> Route:
        if path in self._exact:
            return self._exact[path]
        if path.startswith(MINT_PAGE):
            return self._get_token_page
        if path in self._pages:
            return self._get_page
        answering = (self._feed, self._tokens, self._client, self._creators)
        for routes in (*answering, self._quarantine, self._alerts):
            if (route := routes.find_route(path)) is not None:
                return route
        raise RequestRefused(404, "not_found", "there is nothing at this path")

    # What goes on.

    async def _refuse_without_upgrade(self, request: HttpRequest) -> HttpResponse:
        raise RequestRefused(400, "websocket_expected", "this path speaks WebSocket, version 13")

    async def _open_stream(self, request: HttpRequest) -> HttpResponse:
        """The head of the stream; what follows comes from the hub (feed/stream_session.py)."""
        read_stream_wanted(request)
        return STREAM_HEAD

    # Operations.

    def _route_to(self, operation: Callable[[], object]) -> Route:
        async def route(request: HttpRequest) -> HttpResponse:
            return json_response(operation())

        return route

    async def _use_governor(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return json_response(self.operations.governor())
        message = parse_governor_set(request.body)
        with trio.move_on_after(self.settings.request_timeout_seconds) as patience:
            await self.surroundings.govern(message)
        if patience.cancelled_caught:  # and nothing has been sent
            raise RequestRefused(503, "busy", "sync takes no message at present; try again")
        return json_response({"accepted": asdict(message)}, status=202)

    async def _get_history(self, request: HttpRequest) -> HttpResponse:
        hours = read_hours(request)
        return json_response(self.operations.overview.history(self.surroundings.clock(), hours))

    async def _take_users_elsewhere(self, request: HttpRequest) -> HttpResponse:
        told = parse_users_elsewhere(request.body)
        self.surroundings.announce(told)
        return json_response({"accepted": {"activeUsers": told.users}}, status=202)

    async def _get_liveness(self, request: HttpRequest) -> HttpResponse:
        return json_response({"status": "alive"})

    async def _get_readiness(self, request: HttpRequest) -> HttpResponse:
        report = report_health(self.operations.health)
        status = 503 if report.status == NOT_READY else 200
        return json_response(report.readiness, status=status)

    async def _get_health(self, request: HttpRequest) -> HttpResponse:
        return json_response(report_health(self.operations.health).document)

    async def _get_metrics(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(content_type=METRICS_TYPE, body=self.operations.metrics())

    # Pages.

    async def _get_page(self, request: HttpRequest) -> HttpResponse:
        return _send_page(request, self._pages[request.path])

    async def _get_token_page(self, request: HttpRequest) -> HttpResponse:
        """The page of any mint, tracked or not, and 404 for what is no mint."""
        try:
            parse_address(request.path.removeprefix(MINT_PAGE))
        except MintRefused:
            page = self._pages[NO_MINT_PAGE]
            return HttpResponse(status=404, content_type=page.content_type, body=page.body)
        return _send_page(request, self._pages[MINT_PAGE])


def methods_of(path: str) -> tuple[str, ...]:
    """The methods that a path answers; those of the whole server for `*`."""
    if path == ASTERISK or path in CONTROL_PATHS:
        return ("GET", "HEAD", "OPTIONS", "POST")
    if path in TELLING_PATHS:
        return ("OPTIONS", "POST")
    for find_methods in (quarantine_methods, find_alert_methods):
        if (methods := find_methods(path)) is not None:
            return methods
    return WATCH_METHODS if is_watch_path(path) else ("GET", "HEAD", "OPTIONS")


def allowed_methods(path: str) -> str:
    """The value of an Allow field."""
    return ", ".join(methods_of(path))


def common_headers(response: HttpResponse) -> Headers:
    """What every response has, beside its own headers."""
    headers = SECURITY_HEADERS
    if not response.has_header("Cache-Control"):
        headers += (("Cache-Control", "no-store"),)
    if response.status in (429, 503) and not response.has_header("Retry-After"):
        headers += (("Retry-After", "1"),)
    return headers


async def _compress_response(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The response in a content coding that the client takes."""
    if response.is_endless or response.has_header("Vary") or response.content_type == WEBP:
        return response  # events, a page, negotiated already; a picture, which would gain nothing
    is_large = len(response.body) >= COMPRESS_FROM_BYTES
    if _negotiated_encoding(request, is_large=is_large) == GZIP and response.body:
        # In a thread: a third of a megabyte takes some milliseconds.
        body = await trio.to_thread.run_sync(gzip.compress, response.body, 1)
        response = add_headers(evolve(response, body=body), (("Content-Encoding", GZIP),))
    return add_headers(response, (("Vary", "Accept-Encoding"),))


def _send_page(request: HttpRequest, page: Page) -> HttpResponse:
    encoding = _negotiated_encoding(request, is_large=True)
    body = page.compressed if encoding == GZIP else page.body
    headers: Headers = (
        ("ETag", page.tags[encoding]),
        ("Cache-Control", "no-cache"),
        ("Vary", "Accept-Encoding"),
    )
    require_match(request, page.tags[encoding])
    if was_seen(request, page.tags[encoding]):
        return HttpResponse(status=304, headers=headers)
    if encoding == GZIP:
        headers += (("Content-Encoding", GZIP),)
    return HttpResponse(content_type=page.content_type, body=body, headers=headers)


def _negotiated_encoding(request: HttpRequest, *, is_large: bool) -> str:
    encoding = choose_encoding(request.headers.get("accept-encoding"), prefer_gzip=is_large)
    if encoding is None:
        raise RequestRefused(406, "not_acceptable", "the content codings are gzip and identity")
    return encoding
