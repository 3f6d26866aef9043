"""A stable address in front of Redis servers, as a virtual IP or a provider's endpoint is one."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import trio
from attrs import define, field


@define
class Switchboard:
    """Each new connection goes where `target` says then; those that stand stay as they are."""

    target: int  # port on this machine
    tls: ssl.SSLContext | None = None
    port: int = field(default=0, init=False)
    connections: int = field(default=0, init=False)  # ever made
    # What stands in for the server on connections that were made before `break_all`: bytes that
    # answer whatever is sent; empty: it hangs up.
    _answer: bytes | None = field(default=None, init=False)
    _breaks: int = field(default=0, init=False)

    def break_all(self, answer: bytes) -> None:
        """Let the connections that stand answer every command so."""
        self._answer = answer
        self._breaks += 1

    @contextmanager
    def breaking(self, answer: bytes) -> Iterator[None]:
        """Let new connections answer so, too, until the end."""
        self._answer, before = answer, self._breaks
        self._breaks = 10**9
        try:
            yield
        finally:
            self._breaks = before + 1

    async def handle(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        breaks = self._breaks if self._breaks < 10**9 else -1
        client: trio.abc.Stream = stream
        if self.tls is not None:
            client = trio.SSLStream(stream, self.tls, server_side=True)
        with suppressed_breaks():
            async with (
                client,
                await trio.open_tcp_stream("127.0.0.1", self.target) as server,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(self._send_back, client, server)
                await self._pass_on(client, server, breaks)
                nursery.cancel_scope.cancel()

    async def _pass_on(self, client: trio.abc.Stream, server: trio.abc.Stream, breaks: int) -> None:
        while data := await client.receive_some(65536):
            if self._breaks == breaks:
                await server.send_all(data)
            elif not self._answer:
                return
            else:
                await client.send_all(self._answer * commands_in(data))

    async def _send_back(self, client: trio.abc.Stream, server: trio.abc.Stream) -> None:
        while data := await server.receive_some(65536):
            await client.send_all(data)


def commands_in(data: bytes | bytearray) -> int:
    """How many commands begin here; one at least, for a long one comes in pieces."""
    return max(1, data.count(b"\r\n*") + data.startswith(b"*"))


@contextmanager
def suppressed_breaks() -> Iterator[None]:
    """A peer that is gone, in or outside TLS, ends a connection like any other end."""
    try:
        yield
    except* (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
        pass


@asynccontextmanager
async def served_on_loopback(
    handle: Callable[[trio.SocketStream], Awaitable[object]],
) -> AsyncIterator[int]:
    """Handle every connection to a port of this machine, until the end; the port."""
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, host="127.0.0.1")
        [listener] = await nursery.start(serve, handle, 0)
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def running_switchboard(
    target: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Switchboard]:
    board = Switchboard(target, tls)
    async with served_on_loopback(board.handle) as board.port:
        yield board
