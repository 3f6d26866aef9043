"""Requests that go by an entity tag (RFC 9110, section 13). Pure."""

from hashlib import blake2b

from domain.errors import RequestRefused
from feed.fields import matches_strongly, matches_weakly
from feed.http import Headers, HttpRequest, HttpResponse

TAG_BYTES = 12
# Kept by whoever likes, and asked about each time: 304 costs no body.
REVALIDATED = ("Cache-Control", "no-cache")


def require_match(request: HttpRequest, tag: str) -> None:
    """Raise `RequestRefused` where the client wants another representation than this one."""
    if not matches_strongly(request.headers.get("if-match", "*"), tag):
        raise RequestRefused(412, "precondition_failed", "this has another ETag now")


def was_seen(request: HttpRequest, tag: str) -> bool:
    """True when the client has this representation already: 304."""
    return matches_weakly(request.headers.get("if-none-match", ""), tag)


def make_tagged_response(
    request: HttpRequest, body: bytes, content: bytes | None = None
) -> HttpResponse:
    """JSON with a weak ETag of its content, or 304 where the client has that already.

    The content is what matters of the body; None: all of it.
    """
    digest = blake2b(body if content is None else content, digest_size=TAG_BYTES).hexdigest()
    tag = f'W/"{digest}"'
    headers: Headers = (("ETag", tag), REVALIDATED)
    require_match(request, tag)
    if was_seen(request, tag):
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(body=body, headers=headers)
