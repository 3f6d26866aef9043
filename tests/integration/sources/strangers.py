"""A world of strangers' servers: any name and any public address leads to one server on loopback.

Names are resolved by a script, and every connection is noted with the address it was made to, so
that a test knows what the guarded client would have connected to.
"""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpcore
import trio
from attrs import define, field

from sources.guarded import GuardedHttp
from sources.guarded_addresses import Origin

Answer = Callable[[trio.abc.Stream], Awaitable[None]]

CERTIFICATE = Path(__file__).parents[2] / "data" / "tls" / "strangers.pem"
PUBLIC = "93.184.216.34"
LONGEST_HEAD_BYTES = 16_384


@define(kw_only=True)
class Strangers:
    """One server behind all names; answers are chosen by the path of the request."""

    answers: dict[str, Answer] = field(factory=dict)
    # By host: what the name server says, one answer after another; the last one again and again.
    names: dict[str, list[Sequence[str]]] = field(factory=dict)
    requests: list[tuple[str, str]] = field(factory=list, init=False)  # (Host, path)
    heads: list[bytes] = field(factory=list, init=False)
    resolved: list[str] = field(factory=list, init=False)
    connected: list[tuple[str, int]] = field(factory=list, init=False)
    port: int = field(default=0, init=False)
    plain_port: int = field(default=0, init=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Strangers"]:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(CERTIFICATE)
        async with trio.open_nursery() as nursery:
            serve = partial(trio.serve_ssl_over_tcp, host="127.0.0.1", https_compatible=True)
            [encrypted] = await nursery.start(serve, self._serve, 0, tls)
            self.port = encrypted.transport_listener.socket.getsockname()[1]
            [plain] = await nursery.start(partial(trio.serve_tcp, self._serve, 0, host="127.0.0.1"))
            self.plain_port = plain.socket.getsockname()[1]
            yield self
            nursery.cancel_scope.cancel()

    def client(
        self, *, timeout_seconds: float = 5.0, trusted_origins: Iterable[Origin] = ()
    ) -> GuardedHttp:
        """The client under test: its rules are real, its names and routes are ours."""
        return GuardedHttp(
            timeout_seconds=timeout_seconds,
            trusted_origins=frozenset(trusted_origins),
            resolve=self.resolve,
            network=_Routes(self),
            tls=ssl.create_default_context(cafile=str(CERTIFICATE)),
        )

    async def resolve(self, host: str, _port: int) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        self.resolved.append(host)
        said = self.names.get(host, [[PUBLIC if host.endswith("example") else host]])
        return said[min(self.resolved.count(host), len(said)) - 1]

    async def _serve(self, stream: trio.abc.Stream) -> None:
        try:
            head = b""
            while b"\r\n\r\n" not in head and len(head) < LONGEST_HEAD_BYTES:
                chunk = await stream.receive_some()
                if not chunk:
                    return
                head += chunk
            self.heads.append(head)
            lines = head.decode().split("\r\n")
            path = lines[0].split(" ")[1]
            host = next(line[6:] for line in lines if line.lower().startswith("host: "))
            self.requests.append((host, path))
            await self.answers.get(path, answers_with(b"no", status="404 Not Found"))(stream)
            await stream.aclose()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the client has had enough
        finally:
            await trio.aclose_forcefully(stream)


class _Routes(httpcore.AsyncNetworkBackend):
    """Every address leads to the server on loopback, by TLS as if on port 443."""

    def __init__(self, world: Strangers) -> None:
        self._world = world
        self._network = httpcore.TrioBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # as the port of httpcore has it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self._world.connected.append((host, port))
        if host == "1.1.1.1":  # nobody is there
            raise httpcore.ConnectError("refused")
        there = self._world.port if port == 443 else port
        return await self._network.connect_tcp("127.0.0.1", there, timeout)


def answers_with(
    body: bytes, *, status: str = "200 OK", headers: Sequence[str] = (), length: int | None = None
) -> Answer:
    """A whole answer, unless its length lies."""
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"content-length: {size}", *headers, "", ""]

    async def answer(stream: trio.abc.Stream) -> None:
        await stream.send_all("\r\n".join(lines).encode() + body)

    return answer


def redirects_to(location: str, *, headers: Sequence[str] = ()) -> Answer:
    return answers_with(b"", status="302 Found", headers=[f"location: {location}", *headers])


def sends_for_ever(head: bytes, chunk: bytes, *, pause_seconds: float = 0.0) -> Answer:
    async def answer(stream: trio.abc.Stream) -> None:
        await stream.send_all(head)
        while True:
            await stream.send_all(chunk)
            await trio.sleep(pause_seconds)

    return answer


async def says_nothing(stream: trio.abc.Stream) -> None:
    await stream.receive_some()
