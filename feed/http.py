"""What passes over HTTP: a request as the routes see it, and the response they give."""

from collections.abc import Mapping
from typing import Any

import orjson
from attrs import evolve, frozen

from domain.errors import RequestRefused
from feed.fields import has_token

Headers = tuple[tuple[str, str], ...]

JSON_TYPE = "application/json"
WITHOUT_CONTENT = (204, 304)  # statuses whose responses have no body, and tell no length of one


@frozen(kw_only=True)
class HttpRequest:
    """One request."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]  # lower-case names; several lines of one are joined by commas
    body: bytes = b""
    peer: str = ""  # the client's address; empty when it is gone already
    port: int = 0  # ours, that the client has connected to
    http_version: str = "1.1"
    block: str | None = None  # whose limits it counts against (feed/limits.py)

    @property
    def is_upgrade(self) -> bool:
        """True for an attempt at a WebSocket; HTTP/1.0 has no upgrades (RFC 9110, 7.8)."""
        offers = self.headers.get("upgrade", "")
        return self.http_version != "1.0" and has_token(offers, "websocket")


@frozen(kw_only=True)
class HttpResponse:
    """One response; its length and its date are added when it is sent."""

    status: int = 200
    content_type: str = JSON_TYPE
    body: bytes = b""
    headers: Headers = ()
    is_endless: bool = False  # the head of a stream of events

    def has_header(self, name: str) -> bool:
        """True when the response itself sets this header."""
        return any(name == own for own, _ in self.headers)


def add_headers(response: HttpResponse, headers: Headers) -> HttpResponse:
    """The response with these headers, too."""
    return evolve(response, headers=(*response.headers, *headers))


def json_response(value: Any, *, status: int = 200) -> HttpResponse:
    """Anything of plain values as JSON; what JSON does not know is written as text."""
    body = orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
    return HttpResponse(status=status, body=body)


def error_response(error: RequestRefused) -> HttpResponse:
    """`{"error": {"code", "message"}}`."""
    value = {"error": {"code": error.code, "message": str(error)}}
    return json_response(value, status=error.status)
