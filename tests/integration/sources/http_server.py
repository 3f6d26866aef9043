"""An HTTP server on loopback whose answers a test writes down, byte for byte."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import inf

import h11
import orjson
import trio
from attrs import define, field

from sources.http import JsonHttp, new_http_client
from sources.rates import RateLimiter
from tests.patience import PATIENCE_SECONDS

Answer = Callable[[trio.SocketStream], Awaitable[None]]


@define
class AnsweringServer:
    """Gives its answers in order; the last one again and again."""

    answers: list[Answer]
    bodies: list[bytes] = field(factory=list, init=False)  # what was POSTed
    targets: list[bytes] = field(factory=list, init=False)
    headers: list[dict[bytes, bytes]] = field(factory=list, init=False)  # by name in lower case
    connections: int = field(default=0, init=False)
    clients_gone: int = field(default=0, init=False)
    port: int = field(default=0, init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["AnsweringServer"]:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, self._serve, 0)
            self.port = listeners[0].socket.getsockname()[1]
            yield self
            nursery.cancel_scope.cancel()

    async def _serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        try:
            while await self._read_request(stream):
                number = len(self.targets)
                await self.answers[min(number, len(self.answers)) - 1](stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.clients_gone += 1
        finally:
            await trio.aclose_forcefully(stream)

    async def _read_request(self, stream: trio.SocketStream) -> bool:
        """Read one request whole, then note it: the last noted is the one that is answered now.

        False once the client has closed.
        """
        reader, request, body = h11.Connection(h11.SERVER), None, b""
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                reader.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                self.targets.append(request.target)
                self.headers.append(dict(request.headers))
                self.bodies.append(body)
                return True
            else:
                return False


def answers(body: object, status: bytes = b"200 OK", headers: bytes = b"") -> Answer:
    """A whole answer with a JSON body."""
    return sends(orjson.dumps(body), status, headers)


def sends(content: bytes, status: bytes = b"200 OK", headers: bytes = b"") -> Answer:
    head = b"HTTP/1.1 " + status + b"\r\n" + headers
    length = b"content-length: " + str(len(content)).encode() + b"\r\n\r\n"

    async def answer(stream: trio.SocketStream) -> None:
        await stream.send_all(head + length + content)

    return answer


@asynccontextmanager
async def reaching(
    server: AnsweringServer,
    *,
    timeout_seconds: float = PATIENCE_SECONDS,
    largest_body_bytes: int = 2**20,
) -> AsyncIterator[JsonHttp]:
    """A `JsonHttp` as the service makes it, while the server runs."""
    async with server.running(), new_http_client() as client:
        yield JsonHttp(
            client=client,
            timeout_seconds=timeout_seconds,
            limiter=RateLimiter(per_minute=inf),
            largest_body_bytes=largest_body_bytes,
        )
