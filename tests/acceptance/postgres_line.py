"""A line between the service and its Postgres that does to connections what networks do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from attrs import define, field

from tests.contract.switchboard import served_on_loopback, suppressed_breaks

COMMIT = b"COMMIT;"  # as the store sends it, with nothing of a flush's values in one packet


@define
class PostgresLine:
    """Passes bytes both ways; `target` is the server's port on this machine."""

    target: int
    port: int = field(default=0, init=False)
    delay_seconds: float = field(default=0.0, init=False)  # each way
    answers_to_lose: int = field(default=0, init=False)  # of commits; the connection breaks then
    _breaks: int = field(default=0, init=False)

    def forget_connections(self) -> None:
        """Pass nothing on any more of those that stand, and tell neither end (half-open TCP)."""
        self._breaks += 1

    async def handle(self, client: trio.SocketStream) -> None:
        with suppressed_breaks():
            async with client, await trio.open_tcp_stream("127.0.0.1", self.target) as server:
                await _Connection(self, client, server, self._breaks).run()


@define
class _Connection:
    """One client and its session on the server."""

    line: PostgresLine
    client: trio.SocketStream
    server: trio.SocketStream
    breaks: int  # at its beginning
    loses_answer: bool = False

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send_back, nursery.cancel_scope)
            while data := await self.client.receive_some(65536):
                await trio.sleep(self.line.delay_seconds)
                if COMMIT in data and self.line.answers_to_lose:
                    self.line.answers_to_lose -= 1
                    self.loses_answer = True
                if not self._is_forgotten:
                    await self.server.send_all(data)
            nursery.cancel_scope.cancel()

    async def _send_back(self, scope: trio.CancelScope) -> None:
        while data := await self.server.receive_some(65536):
            await trio.sleep(self.line.delay_seconds)
            if self.loses_answer:
                break
            if not self._is_forgotten:
                await self.client.send_all(data)
        scope.cancel()  # and with it both connections end

    @property
    def _is_forgotten(self) -> bool:
        return self.line._breaks != self.breaks


@asynccontextmanager
async def running_line(target: int) -> AsyncIterator[PostgresLine]:
    line = PostgresLine(target)
    async with served_on_loopback(line.handle) as line.port:
        yield line
