"""One JSON request over HTTP, bounded in time, size and rate; errors are the domain's.

    adapter -> JsonHttp.get / .post -> decoded JSON
                                    -> SourceInTrouble: no connection, HTTP 429 (RateLimited)
                                    -> SourceClosed: HTTP 401, 403, 404, 410
                                    -> SourceUnavailable: this request failed, another may not

An error body that comes with HTTP 200 is decoded like any other answer; the adapter of the
provider recognises it.
"""

from collections.abc import Mapping

import httpx
import trio
from attrs import define, field

from domain.errors import RateLimited, SourceClosed, SourceInTrouble, SourceUnavailable
from sources.fields import decode_json, read_label
from sources.rates import Lane, RateLimiter, read_pause_seconds

LARGEST_BODY_BYTES = 16 * 2**20
LONGEST_EXCERPT = 200
CONNECTIONS = 8
CONNECT_SHARE = 0.5  # of a request's time, for its connection: after that, nobody is there

# What no repetition of the same request changes: a key is wanted or refused, or the route is gone.
STATUSES_FOR_GOOD = frozenset({401, 403, 404, 410})

NOT_CONNECTED = (
    httpx.ConnectError,  # refused, no such host, no trusted certificate
    httpx.ConnectTimeout,
    httpx.InvalidURL,
    httpx.UnsupportedProtocol,
)


def new_http_client() -> httpx.AsyncClient:
    """A client to share among adapters; whoever makes it closes it.

    It has no time-outs of its own: `JsonHttp` bounds the whole of every request.
    """
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    return httpx.AsyncClient(timeout=None, limits=limits)  # noqa: S113


@define(kw_only=True)
class JsonHttp:
    """GET and POST of JSON, at the rate of one upstream."""

    client: httpx.AsyncClient
    timeout_seconds: float  # for the whole request; waiting for the rate is not counted
    limiter: RateLimiter | Lane
    largest_body_bytes: int = LARGEST_BODY_BYTES
    headers: Mapping[str, str] = field(factory=dict, repr=False)  # of every request; keys, too

    async def get(self, url: str) -> object:
        """The JSON that stands at `url`."""
        return await self._exchange_json("GET", url, None)

    async def post(self, url: str, payload: object) -> object:
        """The JSON that answers `payload`."""
        return await self._exchange_json("POST", url, payload)

    async def _exchange_json(self, method: str, url: str, payload: object) -> object:
        await self.limiter.wait_turn()
        try:
            with trio.fail_after(self.timeout_seconds):
                response, body = await self._send_request(method, url, payload)
        except trio.TooSlowError as error:
            message = f"{_read_host(url)}: no answer within {self.timeout_seconds:g} s"
            raise SourceUnavailable(message, reason="silent") from error
        except NOT_CONNECTED as error:
            message = f"{_read_host(url)}: {type(error).__name__}: {error}"
            raise SourceInTrouble(message, reason="unreachable") from error
        except httpx.HTTPError as error:
            message = f"{_read_host(url)}: {type(error).__name__}: {error}"
            raise SourceUnavailable(message, reason="broken_answer") from error
        self._check_status(url, response, body)
        try:
            return decode_json(body)
        except ValueError as error:
            message = f"{_read_host(url)}: not JSON: {_make_excerpt(body)}"
            raise SourceUnavailable(message, reason="not_json") from error

    async def _send_request(
        self, method: str, url: str, payload: object
    ) -> tuple[httpx.Response, bytes]:
        body = bytearray()
        timeout = httpx.Timeout(None, connect=self.timeout_seconds * CONNECT_SHARE)
        with trio.CancelScope() as reading:
            async with self.client.stream(
                method, url, json=payload, headers=self.headers, timeout=timeout
            ) as response:
                async for chunk in response.aiter_bytes():
                    if len(body) + len(chunk) > self.largest_body_bytes:
                        reading.cancel()  # ends the next read, and the connection with it
                    else:
                        body += chunk
        if reading.cancel_called:
            message = f"{_read_host(url)}: more than {self.largest_body_bytes} bytes"
            raise SourceUnavailable(message, reason="too_large")
        return response, bytes(body)

    def _check_status(self, url: str, response: httpx.Response, body: bytes) -> None:
        status = response.status_code
        if response.is_success:
            self.limiter.note_success()
            return
        message = f"{_read_host(url)}: HTTP {status}: {_make_excerpt(body)}"
        if status in STATUSES_FOR_GOOD:
            raise SourceClosed(message, status=status)
        if status != httpx.codes.TOO_MANY_REQUESTS:
            raise SourceUnavailable(message, reason=f"http_{status}")
        seconds = read_pause_seconds(response.headers)
        self.limiter.pause_requests(seconds)
        raise RateLimited(message, retry_after_seconds=seconds)


def _read_host(url: str) -> str:
    """Enough of an address for a log: the rest of it may hold a key."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2] or "?"


def _make_excerpt(body: bytes) -> str:
    return read_label(body[: 2 * LONGEST_EXCERPT].decode(errors="replace"), LONGEST_EXCERPT) or ""
