"""Requests that go by an entity tag (RFC 9110, section 13). Pure."""

from domain.errors import RequestRefused
from feed.fields import matches_strongly, matches_weakly
from feed.http import HttpRequest


def require_match(request: HttpRequest, tag: str) -> None:
    """Raise `RequestRefused` where the client wants another representation than this one."""
    if not matches_strongly(request.headers.get("if-match", "*"), tag):
        raise RequestRefused(412, "precondition_failed", "this has another ETag now")


def was_seen(request: HttpRequest, tag: str) -> bool:
    """True when the client has this representation already: 304."""
    return matches_weakly(request.headers.get("if-none-match", ""), tag)
