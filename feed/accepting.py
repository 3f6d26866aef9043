"""Accepting connections, also while the process has no file descriptor left.

    accept fails  ->  a spare descriptor is lent, or the oldest connection in reserve makes room
    accept        ->  serve, in reserve while a spare descriptor is missing (feed/places.py)

So health checks are answered, what is connected is served, and everybody else is told 503. The
beginning and the end of a shortage are reported once each. A connection that was reset before it
was accepted is none: trio's listener goes on to the next (accept(2), ECONNABORTED and its like).
"""

import errno
from collections.abc import Awaitable, Callable

import trio
from attrs import define, field

from feed.places import Places

# Of descriptors, of this process or of the machine, and of the kernel's memory.
SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
AGAIN_SECONDS = 0.1  # longest wait for a connection to end, and make room
CALM_SECONDS = 5.0  # without a shortage, until the last one is over


@define(eq=False)
class Acceptor:
    """Accepts from every listener of the gateway."""

    places: Places
    report: Callable[[str | None], object]  # the shortage there is, or None when it is over
    _is_short: bool = field(init=False, default=False)
    _short_at: float = field(init=False, default=0.0)  # trio's clock

    async def accept_connections(
        self,
        listener: trio.SocketListener,
        serve: Callable[[trio.SocketStream], Awaitable[object]],
        connections: trio.Nursery,
    ) -> None:
        """Start `serve` for every connection, until cancelled."""
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                if error.errno not in SHORTAGES:
                    raise
                self._note_shortage(error, connections)
                await self._make_room()
            else:
                connections.start_soon(serve, stream)

    def _note_shortage(self, error: OSError, connections: trio.Nursery) -> None:
        self._short_at = trio.current_time()
        if not self._is_short:
            self._is_short = True
            self.report(f"{error.strerror}; {self.places.open} connections are open")
            connections.start_soon(self._report_end)

    async def _make_room(self) -> None:
        """Let the next attempt succeed if that can be done, or wait a little."""
        if self.places.spares.lend_one():
            await trio.lowlevel.checkpoint()
            return
        self.places.push_out_oldest()
        with trio.move_on_after(AGAIN_SECONDS):
            await self.places.wait_until_one_ends()

    async def _report_end(self) -> None:
        while self._is_short:
            await trio.sleep(CALM_SECONDS)
            is_calm = trio.current_time() >= self._short_at + CALM_SECONDS
            self._is_short = not (is_calm and self.places.spares.take_back())
        self.report(None)
