"""The one writer of a connection: whole pieces, in order, never one inside another.

A piece goes to the kernel at once, without a task or a checkpoint (built once for all clients,
a frame then costs each of them one system call). Only what the kernel does not take is queued,
and a task writes it as the socket becomes writable. A socket that takes nothing for the send
time-out is given up: half a piece is on the wire, so nothing else could follow it.
"""

import os
from collections import deque
from collections.abc import Callable

import trio
from attrs import define, field


def do_nothing() -> None:
    """What follows a drained queue unless there is more to do."""


@define
class _Piece:
    data: memoryview
    is_droppable: bool


@define(eq=False)
class Outgoing:
    """The sending half of one connection's socket."""

    stream: trio.SocketStream
    nursery: trio.Nursery  # of the connection; cancelled when it cannot be written to any more
    send_timeout_seconds: float
    on_drained: Callable[[], None] = field(init=False, default=do_nothing)
    queued_bytes: int = field(init=False, default=0)
    is_broken: bool = field(init=False, default=False)
    is_sealed: bool = field(init=False, default=False)
    _queue: deque[_Piece] = field(init=False, factory=deque)
    _is_writing: bool = field(init=False, default=False)
    _progress: trio.lowlevel.ParkingLot = field(init=False, factory=trio.lowlevel.ParkingLot)

    def put_piece(self, data: bytes, *, is_droppable: bool = False) -> None:
        """Write a piece, and queue what the kernel does not take; ignored when sealed."""
        if self.is_sealed or self.is_broken:
            return
        if self._queue:
            self._queue_piece(memoryview(data), is_droppable)
            return
        written = self._write_now(data)
        if written < len(data) and not self.is_broken:
            # A piece that has begun must be finished.
            self._queue_piece(memoryview(data)[written:], is_droppable and written == 0)
            if not self._is_writing:
                self._is_writing = True
                self.nursery.start_soon(self._write_queued)

    def accept_no_more(self) -> None:
        """Ignore every later piece; those before are still sent."""
        self.is_sealed = True

    def drop_droppable(self) -> int:
        """Remove the droppable pieces that have not begun; return how many were removed."""
        before = len(self._queue)
        self._queue = deque(piece for piece in self._queue if not piece.is_droppable)
        self.queued_bytes = sum(len(piece.data) for piece in self._queue)
        return before - len(self._queue)

    def give_up(self) -> None:
        """Close the connection at once, whatever is still to be sent."""
        self._drop_everything()
        self.nursery.cancel_scope.cancel()

    async def close_socket(self) -> None:
        """Close the socket of a client that has left; whatever is put later is ignored."""
        self._drop_everything()
        await self.stream.aclose()

    async def wait_until_sent(self, at_most_queued_bytes: int = 0) -> None:
        """Wait until at most so many bytes are queued, or the connection is given up."""
        while self.queued_bytes > at_most_queued_bytes:
            await self._progress.park()

    def _drop_everything(self) -> None:
        self.is_broken = True
        self._queue.clear()
        self.queued_bytes = 0
        self._progress.unpark_all()

    def _queue_piece(self, data: memoryview, is_droppable: bool) -> None:
        self._queue.append(_Piece(data, is_droppable))
        self.queued_bytes += len(data)

    async def _write_queued(self) -> None:
        while self._queue:
            with trio.move_on_after(self.send_timeout_seconds) as patience:
                try:
                    await self._wait_until_writable()
                except (OSError, trio.ClosedResourceError):
                    self.give_up()
            if patience.cancelled_caught:
                self.give_up()
            self._write_what_fits()
            self._progress.unpark_all()
            if not self._queue and not self.is_broken:
                self.on_drained()
        self._is_writing = False

    async def _wait_until_writable(self) -> None:
        await trio.lowlevel.wait_writable(self.stream.socket)

    def _write_what_fits(self) -> None:
        while self._queue:
            piece = self._queue[0]
            written = self._write_now(piece.data)
            if self.is_broken:
                return
            self.queued_bytes -= written
            if written < len(piece.data):
                piece.data = piece.data[written:]
                piece.is_droppable = piece.is_droppable and written == 0
                return
            self._queue.popleft()

    def _write_now(self, data: bytes | memoryview) -> int:
        """Write what the kernel takes without waiting; return how many bytes it took."""
        try:
            # The descriptor of a trio socket is non-blocking, and -1 once it is closed.
            return os.write(self.stream.socket.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError:
            self.give_up()
            return 0
