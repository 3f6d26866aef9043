"""One WebSocket to a source, read by the batch: all that one read of the socket has brought.

    TCP -> PacedStream -> TLS -> FrameSplitter -> SourceConnection.receive_frames -> [frame, ...]

To await each frame takes a turn of the event loop, which costs more than what is made of the
frame. So while frames come the socket is read every 5 ms, and the frames of one read are taken
together, once all of it is decrypted. What comes after a pause is read at once.
"""

from math import inf

import trio
from attrs import define, field
from trio_websocket import WebSocketConnection

from sources.frame_splitter import Frame, FrameSplitter

READ_INTERVAL_SECONDS = 0.005
# A read of more than that left something behind, perhaps: the next one does not wait.
LONG_READ_BYTES = 32 * 2**10


@define(eq=False)
class PacedStream(trio.abc.Stream):
    """A stream that is read once an interval while something comes, and tells when it is."""

    stream: trio.abc.Stream
    _next_read_at: float = field(default=-inf, init=False)  # trio time
    _wanted: trio.Event = field(factory=trio.Event, init=False)  # more than was read last

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """As the stream's own, but not before the interval since the last one is over."""
        self._wanted.set()
        if trio.current_time() < self._next_read_at:
            await trio.sleep_until(self._next_read_at)
        data = await self.stream.receive_some(max_bytes)
        self._wanted = trio.Event()
        if len(data) < LONG_READ_BYTES:
            self._next_read_at = trio.current_time() + READ_INTERVAL_SECONDS
        return data

    async def wait_until_read_on(self) -> None:
        """Wait until whoever reads has done with what was read last, and comes for more."""
        await self._wanted.wait()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self.stream.aclose()


@define(eq=False)
class SourceConnection:
    """An open connection, as the streams talk on it."""

    websocket: WebSocketConnection
    stream: PacedStream  # of TCP
    splitter: FrameSplitter  # between the two

    async def receive_frames(self) -> list[Frame]:
        """Wait for a message; it, and those that came with it, at most `FRAMES_A_BATCH`.

        `ConnectionClosed` once the connection has ended and all before that are taken.
        """
        await self.splitter.wait_for_frames()
        if not self.splitter.is_full:
            with trio.move_on_after(READ_INTERVAL_SECONDS):
                await self.stream.wait_until_read_on()
        return self.splitter.take_frames() or [await self.websocket.get_message()]

    async def send_message(self, message: str) -> None:
        await self.websocket.send_message(message)
