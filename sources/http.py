"""One JSON request over HTTP, bounded in time, size and rate; errors are the domain's.

    adapter -> JsonHttp.get / .post -> decoded JSON
                                    -> RateLimited, SourceUnavailable

That HTTP 200 may carry an error is each provider's own affair, and handled in its adapter.
"""

from math import inf

import httpx
import trio
from attrs import define, field

from domain.errors import RateLimited, SourceUnavailable
from sources.fields import decode_json, label

LARGEST_BODY_BYTES = 16 * 2**20
LONGEST_EXCERPT = 200
# However long an upstream asks us to stay away: one slip in its header must not silence it here
# for years. An upstream that still means it says so again, for one request every five minutes.
LONGEST_PAUSE_SECONDS = 300.0
CONNECTIONS = 8


def new_http_client() -> httpx.AsyncClient:
    """A client to share among adapters; whoever makes it closes it.

    It has no time-outs of its own, since `JsonHttp` bounds every request as a whole.
    """
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    return httpx.AsyncClient(timeout=None, limits=limits)  # noqa: S113


@define(kw_only=True)
class RateLimiter:
    """Lets one call through every 60 / `per_minute` seconds."""

    per_minute: float
    next_turn_at: float = field(default=-inf, init=False)  # trio time

    async def wait(self) -> None:
        """Wait for this call's turn; calls are served in the order in which they came."""
        turn_at = max(trio.current_time(), self.next_turn_at)
        self.next_turn_at = turn_at + 60 / self.per_minute
        await trio.sleep_until(turn_at)

    def pause(self, seconds: float) -> None:
        """Let nothing through for `seconds`, at most `LONGEST_PAUSE_SECONDS`."""
        ends_at = trio.current_time() + min(seconds, LONGEST_PAUSE_SECONDS)
        self.next_turn_at = max(self.next_turn_at, ends_at)


@define(kw_only=True)
class JsonHttp:
    """GET and POST of JSON; one for every upstream, since each has its own rate."""

    client: httpx.AsyncClient
    timeout_seconds: float  # for the whole request; waiting for the rate is not counted
    limiter: RateLimiter
    largest_body_bytes: int = LARGEST_BODY_BYTES

    async def get(self, url: str) -> object:
        """The JSON that stands at `url`."""
        return await self._exchange("GET", url, None)

    async def post(self, url: str, payload: object) -> object:
        """The JSON that answers `payload`."""
        return await self._exchange("POST", url, payload)

    async def _exchange(self, method: str, url: str, payload: object) -> object:
        await self.limiter.wait()
        try:
            with trio.fail_after(self.timeout_seconds):
                response, body = await self._request(method, url, payload)
        except trio.TooSlowError as error:
            message = f"{_host(url)}: no answer within {self.timeout_seconds:g} s"
            raise SourceUnavailable(message) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            message = f"{_host(url)}: {type(error).__name__}: {error}"
            raise SourceUnavailable(message) from error
        self._check(url, response, body)
        try:
            return decode_json(body)
        except ValueError as error:
            raise SourceUnavailable(f"{_host(url)}: not JSON: {_excerpt(body)}") from error

    async def _request(
        self, method: str, url: str, payload: object
    ) -> tuple[httpx.Response, bytes]:
        body = bytearray()
        with trio.CancelScope() as reading:
            async with self.client.stream(method, url, json=payload) as response:
                async for chunk in response.aiter_bytes():
                    if len(body) + len(chunk) > self.largest_body_bytes:
                        reading.cancel()  # ends the next read, and the connection with it
                    else:
                        body += chunk
        if reading.cancel_called:
            raise SourceUnavailable(f"{_host(url)}: more than {self.largest_body_bytes} bytes")
        return response, bytes(body)

    def _check(self, url: str, response: httpx.Response, body: bytes) -> None:
        if response.is_success:
            return
        message = f"{_host(url)}: HTTP {response.status_code}: {_excerpt(body)}"
        if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
            raise SourceUnavailable(message)
        seconds = _retry_after_seconds(response)
        if seconds is not None:
            self.limiter.pause(seconds)
        raise RateLimited(message, retry_after_seconds=seconds)


def _retry_after_seconds(response: httpx.Response) -> float | None:
    """The header's seconds, within the bound; its other form, a date, is read as none."""
    text = response.headers.get("retry-after", "").strip()
    if not (text.isascii() and text.isdigit()):
        return None
    return min(float(text), LONGEST_PAUSE_SECONDS)  # float takes any number of digits


def _host(url: str) -> str:
    """Enough of an address for a log: the rest of it may hold a key."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2] or "?"


def _excerpt(body: bytes) -> str:
    return label(body[: 2 * LONGEST_EXCERPT].decode(errors="replace"), LONGEST_EXCERPT) or ""
