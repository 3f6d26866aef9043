"""What each path answers.

    HttpRequest -> Routes.answer -> HttpResponse

GET and HEAD, and POST for what operators may change (feed/control.py); OPTIONS tells which. Answers
of the API are never cached; pages are revalidated by ETag. What is asked for by mint is answered
in feed/token_routes.py and, for the React client, in feed/client_routes.py.
"""

import gzip
from collections.abc import Callable, Mapping

import orjson
import trio
from attrs import asdict, define, evolve, field

from config.settings import GatewaySettings
from domain.errors import QueryRefused, RequestRefused
from domain.messages import FeedRequested
from domain.token import Status
from feed import Library, Operations, Surroundings
from feed.board import Boards
from feed.client_items import append_client_keys
from feed.client_routes import WATCH_METHODS, ClientRoutes, is_watch_path
from feed.conditional import require_match, was_seen
from feed.control import parse_governor_set, parse_users_elsewhere
from feed.fields import GZIP, choose_encoding
from feed.health import NOT_READY, report_health
from feed.http import Headers, HttpRequest, HttpResponse, add_headers, json_response
from feed.operators import require_operator
from feed.pages import Page, load_pages
from feed.query import LISTS, FeedQuery, find_matches, parse_query
from feed.targets import ASTERISK
from feed.token_routes import Route, TokenRoutes

QUERIES_AT_ONCE = 4  # a query may look at every token; more of them wait
QUERIES_WAITING = 64  # more are refused
COMPRESS_FROM_BYTES = 1400  # one packet: a smaller body would gain nothing

CONTROL_PATHS = ("/api/ops/governor",)
TELLING_PATHS = ("/api/activity",)  # there is nothing to get
HEALTH_PATHS = ("/livez", "/readyz", "/health", "/metrics")
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
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
    _tokens: TokenRoutes = field(init=False)
    _client: ClientRoutes = field(init=False)
    _querying: trio.CapacityLimiter = field(
        init=False, factory=lambda: trio.CapacityLimiter(QUERIES_AT_ONCE)
    )

    def __attrs_post_init__(self) -> None:
        self._pages = load_pages(self.half_life_seconds)
        self._tokens = TokenRoutes(self.settings, self.boards, self.library, self.surroundings)
        self._client = ClientRoutes(self.boards, self.surroundings)
        self._exact = {
            "/api/warp-pipes/feed": self._get_feed,
            "/api/ops/actors": self._route_to(self.operations.actors),
            "/api/ops/writes": self._route_to(self.operations.writes),
            "/api/ops/checkpoints": self._route_to(self.operations.checkpoints),
            "/api/ops/governor": self._use_governor,
            "/api/ops/health": self._get_health,
            "/api/activity": self._take_users_elsewhere,
            "/livez": self._get_liveness,
            "/readyz": self._get_readiness,
            "/health": self._get_readiness,
            "/metrics": self._get_metrics,
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
        if path in self._pages:
            return self._get_page
        if (route := self._tokens.find_route(path) or self._client.find_route(path)) is not None:
            return route
        raise RequestRefused(404, "not_found", "there is nothing at this path")

    # The feed.

    async def _get_feed(self, request: HttpRequest) -> HttpResponse:
        try:
            query = parse_query(request.query)
        except QueryRefused as refusal:
            raise RequestRefused(400, "bad_query", refusal.reason) from refusal
        self.surroundings.announce(FeedRequested())
        if self._querying.statistics().tasks_waiting >= QUERIES_WAITING:
            raise RequestRefused(429, "too_many_requests", "too many queries at once; try again")
        async with self._querying:
            return await self._make_feed_response(query)

    async def _make_feed_response(self, query: FeedQuery) -> HttpResponse:
        # Taken before the tokens: a client that resumes from it gets some changes twice, and misses
        # none.
        cursor = self.boards.cursor
        parts = [
            b'"%b":[%b]' % (n.encode(), await self._find_items(query, s)) for n, s in LISTS.items()
        ]
        value = orjson.dumps({"epoch": cursor.epoch, "offset": cursor.offset})
        return HttpResponse(body=b'{%b,"cursor":%b}' % (b",".join(parts), value))

    async def _find_items(self, query: FeedQuery, status: Status) -> bytes:
        found = []
        now = self.surroundings.clock()
        for token in find_matches(self.boards.catalogue, query, status, now):
            if token is None:
                await trio.lowlevel.checkpoint()
            else:
                item = self.boards.items.get_json(token)
                found.append(append_client_keys(item, token, now))
        return b",".join(found)

    async def _refuse_without_upgrade(self, request: HttpRequest) -> HttpResponse:
        raise RequestRefused(400, "websocket_expected", "this path speaks WebSocket, version 13")

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
        page = self._pages[request.path]
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


def methods_of(path: str) -> tuple[str, ...]:
    """The methods that a path answers; those of the whole server for `*`."""
    if path == ASTERISK or path in CONTROL_PATHS:
        return ("GET", "HEAD", "OPTIONS", "POST")
    if path in TELLING_PATHS:
        return ("OPTIONS", "POST")
    return WATCH_METHODS if is_watch_path(path) else ("GET", "HEAD", "OPTIONS")


def allowed_methods(path: str) -> str:
    """The value of an Allow field."""
    return ", ".join(methods_of(path))


def common_headers(response: HttpResponse) -> Headers:
    """What every response has, beside its own headers."""
    headers = SECURITY_HEADERS
    if not response.has_header("Cache-Control"):
        headers += (("Cache-Control", "no-store"),)
    if response.status in (429, 503):
        headers += (("Retry-After", "1"),)
    return headers


async def _compress_response(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The response in a content coding that the client takes."""
    if response.has_header("ETag"):
        return response  # a page, negotiated already, or a picture, which would gain nothing
    is_large = len(response.body) >= COMPRESS_FROM_BYTES
    if _negotiated_encoding(request, is_large=is_large) == GZIP:
        # In a thread: a third of a megabyte takes some milliseconds.
        body = await trio.to_thread.run_sync(gzip.compress, response.body, 1)
        response = add_headers(evolve(response, body=body), (("Content-Encoding", GZIP),))
    return add_headers(response, (("Vary", "Accept-Encoding"),))


def _negotiated_encoding(request: HttpRequest, *, is_large: bool) -> str:
    encoding = choose_encoding(request.headers.get("accept-encoding"), prefer_gzip=is_large)
    if encoding is None:
        raise RequestRefused(406, "not_acceptable", "the content codings are gzip and identity")
    return encoding
