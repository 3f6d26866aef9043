"""A line between clients and a service that is cut, and stops, at random."""

from collections.abc import Callable
from random import Random

import trio
from attrs import define, field

PIECE_BYTES = 16 * 1024
LONGEST_STOP_SECONDS = 0.3


@define(eq=False)
class CuttingLine:
    """Passes connections on to wherever the service listens now."""

    find_port: Callable[[], int | None]  # None: nobody listens
    random: Random
    cuts: int = 0
    stops: int = 0
    _connections: list[trio.CancelScope] = field(factory=list)
    is_calm: bool = False

    async def serve(self, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Tell the port; pass on until cancelled."""
        async with trio.open_nursery() as nursery:
            [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
            task_status.started(listener.socket.getsockname()[1])
            await trio.serve_listeners(self._pass_on, [listener], handler_nursery=nursery)

    def cut_some(self, share: float) -> None:
        """Cut a share of the connections, in the middle of whatever they carry."""
        for scope in [each for each in self._connections if self.random.random() < share]:
            self.cuts += 1
            scope.cancel()

    def calm(self) -> None:
        """Stop nothing from now on."""
        self.is_calm = True

    async def _pass_on(self, client: trio.SocketStream) -> None:
        port = self.find_port()
        with trio.CancelScope() as scope:
            self._connections.append(scope)
            async with client:
                try:
                    if port is not None:
                        await self._join(client, port)
                except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                    pass  # one side has gone: the other one is closed, which is what it stands for
        self._connections.remove(scope)

    async def _join(self, client: trio.SocketStream, port: int) -> None:
        service = await trio.open_tcp_stream("127.0.0.1", port)
        async with service, trio.open_nursery() as nursery:
            nursery.start_soon(self._carry, client, service, nursery.cancel_scope)
            nursery.start_soon(self._carry, service, client, nursery.cancel_scope)

    async def _carry(
        self, source: trio.SocketStream, sink: trio.SocketStream, both: trio.CancelScope
    ) -> None:
        async for data in source:
            if not self.is_calm and self.random.random() < 0.02:
                self.stops += 1
                await trio.sleep(self.random.uniform(0, LONGEST_STOP_SECONDS))
            await sink.send_all(data[:PIECE_BYTES])
            if len(data) > PIECE_BYTES:
                await sink.send_all(data[PIECE_BYTES:])
        both.cancel()
