"""GET of an address that a stranger has written down, and POST to one of our operators.

    link -> GuardedHttp.fetch_body -> at most so many bytes
            GuardedHttp.post_body  -> the status of the answer
                                   -> FetchRefused, with the reason that counters show

The rules: https on its default port, no credentials, every address of the host public, and the
connection goes to an address that was checked, so that a name cannot mean another one a moment
later. All of it again at every redirect. No cookies, no proxy, no connection is used twice. Size
is counted after decompression, time over everything. Origins that the settings trust are exempt
from the rules for scheme, port and address. A POST follows no redirect, and goes to any port: its
address is one of the settings, which have checked its scheme.
"""

import socket
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ssl import SSLContext

import httpcore
import httpx
import trio
from attrs import define, field

from domain.errors import FetchRefused
from sources.guarded_addresses import DEFAULT_PORTS, Origin, is_public_address

MOST_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
LONGEST_LOCATION = 2048  # characters of a redirect's target
MOST_ADDRESSES = 4  # of one host that are tried
CONNECT_SECONDS = 3.0  # for one of them
# Names that a hostile name server leaves unanswered hold a thread for half a minute.
RESOLVING_THREADS = 32
GZIP_WINDOW_BITS = 31  # zlib: expect a gzip header
HEADERS = [
    (b"User-Agent", b"token-discovery"),
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"gzip, identity"),
    (b"Connection", b"close"),
]
TOLD_STATUSES = frozenset({400, 401, 403, 404, 408, 410, 429, 451, 500, 502, 503, 504})
# What waiting will not mend.
FINAL_REASONS = frozenset(
    {"address", "credentials", "scheme", "port", "private_address", "redirects", "too_large"}
)

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


def new_resolver() -> Resolve:
    """The system's resolver, in threads of its own."""
    limiter = trio.CapacityLimiter(RESOLVING_THREADS)

    async def resolve_host(host: str, port: int) -> Sequence[str]:
        found = await trio.to_thread.run_sync(
            lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM),
            abandon_on_cancel=True,
            limiter=limiter,
        )
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    return resolve_host


def refuse_fetch(reason: str, message: str) -> FetchRefused:
    """The error for a reason; whether it is final follows from the reason."""
    return FetchRefused(message, reason=reason, is_final=reason in FINAL_REASONS)


def read_origins(text: str) -> frozenset[Origin]:
    """The origins of a setting, separated by white space."""
    return frozenset(_find_origin(httpx.URL(each)) for each in text.split())


@define(kw_only=True)
class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that it has resolved and checked itself."""

    resolve: Resolve
    network: httpcore.AsyncNetworkBackend  # connects to addresses, not to names
    may_connect: Callable[[str], bool]  # to an address

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # as the port of httpcore has it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        problem = "no address"
        for address in await self._find_addresses(host, port):
            try:  # an address is no name: nothing is resolved again
                return await self.network.connect_tcp(
                    address, port, CONNECT_SECONDS, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = str(error) or type(error).__name__
        raise refuse_fetch("unreachable", f"{host}: {problem}")

    async def _find_addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = await self.resolve(host, port)
        except (OSError, ValueError) as error:  # a name that is none is a ValueError
            raise refuse_fetch("unresolved", f"{host}: {error}") from error
        closed = [each for each in addresses if not self.may_connect(each)]
        if closed:
            raise refuse_fetch("private_address", f"{host}: {closed[0]} is not public")
        return addresses[:MOST_ADDRESSES]


@define(kw_only=True)
class GuardedHttp:
    """GET of untrusted addresses, and POST to such as may turn out to be private."""

    timeout_seconds: float  # for all of one fetch: names, connections, redirects, body
    trusted_origins: frozenset[Origin] = frozenset()
    resolve: Resolve = field(factory=new_resolver)
    network: httpcore.AsyncNetworkBackend = field(factory=httpcore.TrioBackend)
    tls: SSLContext = field(factory=httpx.create_ssl_context)

    async def fetch_body(self, link: str, largest_bytes: int) -> bytes:
        """What stands at `link`; `FetchRefused` where it cannot be had, or breaks a rule."""
        with self._refusing():
            return await self._follow_redirects(_parse_link(link), largest_bytes)

    async def post_body(
        self,
        link: str,
        body: bytes,
        headers: Iterable[tuple[bytes, bytes]],
        *,
        may_connect: Callable[[str], bool] = is_public_address,
    ) -> tuple[int, Mapping[str, str]]:
        """Status and headers of the answer, whose body is not read; `FetchRefused` without one."""
        with self._refusing():
            url = _parse_link(link)
            length = (b"Content-Length", str(len(body)).encode())
            connection, target = self._prepare_request(url, may_connect)
            given = [(b"Host", url.netloc), *HEADERS, length, *headers]
            async with (
                connection,
                connection.stream("POST", target, headers=given, content=body) as answer,
            ):
                told = {
                    name.decode("latin-1").lower(): value.decode("latin-1")
                    for name, value in answer.headers
                }
                return answer.status, told

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Bound the time, and turn what may go wrong into `FetchRefused`."""
        try:
            with trio.fail_after(self.timeout_seconds):
                yield
        except trio.TooSlowError as error:
            message = f"not complete within {self.timeout_seconds:g} s"
            raise refuse_fetch("timeout", message) from error
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:  # TLS
            cause = error.__cause__ or error
            raise refuse_fetch("unreachable", f"no TLS: {cause.__cause__ or cause}") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise refuse_fetch("broken_answer", f"{type(error).__name__}: {error}") from error
        except ValueError as error:  # a host that TLS cannot name
            raise refuse_fetch("address", str(error)) from error

    async def _follow_redirects(self, url: httpx.URL, largest_bytes: int) -> bytes:
        for _ in range(MOST_REDIRECTS + 1):
            found = await self._request(url, largest_bytes)
            if isinstance(found, bytes):
                return found
            url = found
        raise refuse_fetch("redirects", f"more than {MOST_REDIRECTS} redirects")

    async def _request(self, url: httpx.URL, largest_bytes: int) -> bytes | httpx.URL:
        """The body, or where the server sends us."""
        origin = _find_origin(url)
        is_trusted = origin in self.trusted_origins
        _check_link(url, origin, is_trusted=is_trusted)
        may_connect = _trust_address if is_trusted else is_public_address
        connection, target = self._prepare_request(url, may_connect)
        headers = [(b"Host", url.netloc), *HEADERS]
        async with connection, connection.stream("GET", target, headers=headers) as response:
            if response.status in REDIRECTS:
                return _read_location(url, _read_header(response, b"location"))
            _check_status(response.status)
            return await _read_body(response, largest_bytes)

    def _prepare_request(
        self, url: httpx.URL, may_connect: Callable[[str], bool]
    ) -> tuple[httpcore.AsyncHTTPConnection, httpcore.URL]:
        """A connection for one request, which is still to be made, and what is asked for on it."""
        port = _find_origin(url).port
        connection = httpcore.AsyncHTTPConnection(
            origin=httpcore.Origin(url.raw_scheme, url.raw_host, port),
            ssl_context=self.tls,
            network_backend=_CheckedBackend(
                resolve=self.resolve, network=self.network, may_connect=may_connect
            ),
        )
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=port, target=url.raw_path
        )
        return connection, target


def _trust_address(_address: str) -> bool:
    return True


def _parse_link(link: str) -> httpx.URL:
    try:
        return httpx.URL(link)
    except (httpx.InvalidURL, ValueError) as error:
        raise refuse_fetch("address", f"no address: {error}") from error


def _read_location(url: httpx.URL, location: str) -> httpx.URL:
    if not location or len(location) > LONGEST_LOCATION:
        raise refuse_fetch("address", "a redirect to no address")
    try:
        return url.join(location)
    except (httpx.InvalidURL, ValueError) as error:
        raise refuse_fetch("address", f"a redirect to no address: {error}") from error


def _find_origin(url: httpx.URL) -> Origin:
    port = DEFAULT_PORTS.get(url.scheme, 0) if url.port is None else url.port
    return Origin(url.scheme, url.raw_host.decode("ascii").lower(), port)


def _check_link(url: httpx.URL, origin: Origin, *, is_trusted: bool) -> None:
    if not url.host:
        raise refuse_fetch("address", "no host")
    if url.userinfo:
        raise refuse_fetch("credentials", f"{url.host}: credentials in the address")
    if is_trusted:
        return
    if origin.scheme != "https":
        raise refuse_fetch("scheme", f"{url.host}: {origin.scheme} is not https")
    if origin.port != DEFAULT_PORTS["https"]:
        raise refuse_fetch("port", f"{url.host}: port {origin.port} is not the default one")


def _check_status(status: int) -> None:
    if not 200 <= status < 300:
        told = str(status) if status in TOLD_STATUSES else f"{status // 100}xx"
        raise refuse_fetch(f"http_{told}", f"HTTP {status}")


def _read_header(response: httpcore.Response, name: bytes) -> str:
    values = [value for key, value in response.headers if key.lower() == name]
    return values[0].decode("latin-1").strip() if values else ""


async def _read_body(response: httpcore.Response, largest_bytes: int) -> bytes:
    encoding = _read_header(response, b"content-encoding").lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise refuse_fetch("encoding", "an encoding that was not asked for")
    body = _BoundedBody(largest_bytes, is_packed=encoding.endswith("gzip"))
    said = _read_header(response, b"content-length")
    if said.isascii() and said.isdigit() and (len(said) > 15 or int(said) > largest_bytes):
        raise body.refuse_size()
    refusal: FetchRefused | None = None
    with trio.CancelScope() as reading:
        async for chunk in response.aiter_stream():
            try:
                body.add_chunk(chunk)
            except FetchRefused as error:
                refusal = error
                reading.cancel()  # ends the next read, and the connection with it
    if refusal is not None:
        raise refusal
    return body.finish()


class _BoundedBody:
    """Chunks of a body, unpacked no further than the bound."""

    def __init__(self, largest_bytes: int, *, is_packed: bool) -> None:
        self._largest_bytes = largest_bytes
        self._unpacker = zlib.decompressobj(wbits=GZIP_WINDOW_BITS) if is_packed else None
        self._body = bytearray()
        self._received_bytes = 0

    def add_chunk(self, chunk: bytes) -> None:
        self._received_bytes += len(chunk)
        if self._received_bytes > self._largest_bytes:
            raise self.refuse_size()
        if self._unpacker is None:
            self._body += chunk
            return
        left = self._largest_bytes - len(self._body) + 1
        try:
            self._body += self._unpacker.decompress(chunk, left)
        except zlib.error as error:
            raise refuse_fetch("broken_answer", f"not gzip: {error}") from error
        if len(self._body) > self._largest_bytes:
            raise self.refuse_size()

    def finish(self) -> bytes:
        if self._unpacker is not None and not self._unpacker.eof:
            raise refuse_fetch("broken_answer", "the packed body is cut off")
        return bytes(self._body)

    def refuse_size(self) -> FetchRefused:
        return refuse_fetch("too_large", f"more than {self._largest_bytes} bytes")
