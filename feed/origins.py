"""Which web pages of other origins may read answers, change anything or open a WebSocket.

    Origin, Host, Sec-Fetch-Site  ->  OriginPolicy  ->  refused (403), or Access-Control-* fields

Origins: RFC 6454, compared as in its section 5. Cross-origin reading: the Fetch standard, section
3.2 (https://fetch.spec.whatwg.org/#http-cors-protocol). An Origin is of ours where it names the
host and the port of the Host field; its scheme is not compared, since TLS may end at a proxy.
"""

import re

from attrs import evolve, frozen

from config.web_lists import ANY_ORIGIN
from domain.errors import RequestRefused
from feed.fields import list_members
from feed.http import Headers, HttpRequest, HttpResponse, add_headers
from feed.operators import is_for_operators
from feed.targets import canonical_host, parse_host

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")  # they change nothing
DEFAULT_PORTS = {"http": 80, "https": 443}
# Beside those that always are.
EXPOSED = "Allow, Date, ETag, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate"
PREFLIGHT_SECONDS = 7200  # how long a browser need not ask again; Chromium's greatest
# What clients and their libraries add to a request; `*` would leave Authorization out.
REQUEST_FIELDS = frozenset(
    list_members(
        "accept, accept-language, authorization, baggage, cache-control, content-language,"
        " content-type, if-match, if-modified-since, if-none-match, last-event-id, pragma, range,"
        " sentry-trace, traceparent, tracestate, x-api-key, x-client-version, x-csrf-token,"
        " x-request-id, x-requested-with"
    )
)

_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.\-]*)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._~%!$&'()*+,;=\-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII | re.IGNORECASE,
)


@frozen
class WebOrigin:
    """Scheme, host and port, each in its one form: equal ones are the same origin."""

    scheme: str
    host: str
    port: int | None  # None where a scheme has no default


@frozen(kw_only=True)
class OriginPolicy:
    """What `gateway.allowed_origins` allows."""

    listed: frozenset[WebOrigin]
    allows_any: bool = False

    def require_trusted(self, request: HttpRequest) -> None:
        """Raise `RequestRefused` where a page of a foreign origin makes a browser ask this.

        No preflight stands before a simple POST, nor before a WebSocket, which any page may open.
        """
        if request.method in SAFE_METHODS and not request.is_upgrade:
            return
        origin = request.headers.get("origin")
        if self._is_shared(origin, request.path):
            return
        # A browser that calls the page's site a foreign one knows its scheme, too.
        is_cross_site = request.headers.get("sec-fetch-site", "").lower() == "cross-site"
        if is_cross_site or not (origin is None or is_own_origin(origin, request)):
            raise _foreign_origin()

    def share_response(self, response: HttpResponse, origin: str | None, path: str) -> HttpResponse:
        """The response with what lets the origin's pages read it, if they may."""
        if self.allows_any:
            if is_for_operators(path):
                return response
            shared: Headers = (("Access-Control-Allow-Origin", ANY_ORIGIN),)
            return add_headers(response, (*shared, ("Access-Control-Expose-Headers", EXPOSED)))
        if not self.listed:
            return response
        response = _add_vary(response)
        if origin is None or not self._is_listed(origin):
            return response
        shared = (("Access-Control-Allow-Origin", origin),)
        if not is_for_operators(path):
            # There are no cookies here, but clients that would send theirs need to be told so. Of
            # operators, a browser knows the password.
            shared += (("Access-Control-Allow-Credentials", "true"),)
        return add_headers(response, (*shared, ("Access-Control-Expose-Headers", EXPOSED)))

    def answer_preflight(self, request: HttpRequest, methods: str) -> HttpResponse:
        """What a browser may send from this origin; `RequestRefused` where that is nothing.

        The status of a refusal is the one that the Fetch standard encourages. Whether the path is
        there is told by the request itself, which the page may then read the answer of.
        """
        origin = request.headers["origin"]
        if not self._is_shared(origin, request.path):
            raise _foreign_origin()
        wanted = list_members(request.headers.get("access-control-request-headers", "").lower())
        headers: Headers = (
            ("Allow", methods),
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Max-Age", str(PREFLIGHT_SECONDS)),
        )
        if granted := [name for name in dict.fromkeys(wanted) if name in REQUEST_FIELDS]:
            headers += (("Access-Control-Allow-Headers", ", ".join(granted)),)
        return HttpResponse(status=204, headers=headers)

    def is_preflight(self, request: HttpRequest) -> bool:
        """True when a browser asks whether a page of another origin may send a request."""
        fields = request.headers
        if request.method != "OPTIONS" or "access-control-request-method" not in fields:
            return False
        return "origin" in fields and not is_own_origin(fields["origin"], request)

    def _is_shared(self, origin: str | None, path: str) -> bool:
        if self.allows_any and not is_for_operators(path):
            return True
        return origin is not None and self._is_listed(origin)

    def _is_listed(self, origin: str) -> bool:
        return parse_origin(origin) in self.listed


def read_policy(allowed_origins: str) -> OriginPolicy:
    """The policy of a setting that has been checked."""
    if allowed_origins.strip() == ANY_ORIGIN:
        return OriginPolicy(listed=frozenset(), allows_any=True)
    found = map(parse_origin, allowed_origins.split())
    return OriginPolicy(listed=frozenset(origin for origin in found if origin is not None))


def parse_origin(text: str) -> WebOrigin | None:
    """The origin that a field or a setting tells; None for `null`, for several and for none."""
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return None
    scheme = match["scheme"].lower()
    port = int(match["port"]) if match["port"] else DEFAULT_PORTS.get(scheme)
    return WebOrigin(scheme, canonical_host(match["host"]), port)


def is_own_origin(text: str, request: HttpRequest) -> bool:
    """Whether an origin has the host and the port that the request was sent to."""
    origin = parse_origin(text)
    if origin is None or origin.scheme not in DEFAULT_PORTS:
        return False
    name, port = parse_host(request.headers.get("host", ""))
    return (origin.host, origin.port) == (name, port or DEFAULT_PORTS[origin.scheme])


def _add_vary(response: HttpResponse) -> HttpResponse:
    """The response, told to differ by Origin beside what it differs by already."""
    fields = [value for name, value in response.headers if name == "Vary"]
    others = tuple(header for header in response.headers if header[0] != "Vary")
    return evolve(response, headers=(*others, ("Vary", ", ".join([*fields, "Origin"]))))


def _foreign_origin() -> RequestRefused:
    return RequestRefused(
        403, "forbidden", "not from pages of this origin; see gateway.allowed_origins"
    )
