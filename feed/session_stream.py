"""The socket of a WebSocket client, as trio-websocket sees it.

    client --bytes--> SessionStream --> trio-websocket --> ClientSession
    trio-websocket --handshake, pong, close--> SessionStream --> Outgoing --> client

Whatever that library writes goes through the connection's one writer, as deltas do; what it reads
is bounded here as far as it is not there: bytes a second, and fragments a message.
"""

import trio
from attrs import define, field
from trio_websocket import WebSocketConnection

from feed.allowance import Allowance
from feed.client_frames import FrameBoundary, is_empty_pong
from feed.frames import FIRST_BYTE_OF_CLOSE, POLICY_VIOLATION, close_frame
from feed.outgoing import Outgoing, do_nothing

BYTES_PER_SECOND, BYTES_AT_ONCE = 8 * 1024, 128 * 1024  # received; also bounds floods of pings
# Of one message, looked for after each piece that is received. They may be empty, so that the size
# of the message bounds neither their number nor the memory that they take.
MOST_FRAGMENTS = 256
# Close codes by which the library ends a connection, without a word to the client: a frame against
# the protocol, and text that is not UTF-8 (RFC 6455, section 7.4.1).
FAULTS = (1002, 1007)


@define(eq=False)
class SessionStream(trio.abc.Stream):
    """One client's bytes, in and out."""

    outgoing: Outgoing
    handshake: bytes  # the client's request; read first
    unread: bytes  # what the client has sent behind it
    queue_bytes: int  # nothing is read from a client while more than this is queued for it
    leaving: trio.CapacityLimiter  # of all clients: few at a time, when all leave at once
    accepted: WebSocketConnection | None = field(init=False, default=None)
    is_accepted: trio.Event = field(init=False, factory=trio.Event)
    unanswered_pings: int = field(init=False, default=0)  # since it was last heard of
    boundary: FrameBoundary = field(init=False, factory=FrameBoundary)
    allowance: Allowance = field(
        init=False,
        factory=lambda: Allowance(BYTES_PER_SECOND, BYTES_AT_ONCE, trio.current_time()),
    )

    def accept(self, connection: WebSocketConnection) -> None:
        """The handshake is answered: let the connection read what the client sends."""
        self.accepted = connection
        self.is_accepted.set()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """One whole frame, or the handshake's response."""
        await trio.lowlevel.checkpoint()
        if self.outgoing.is_broken:
            raise trio.BrokenResourceError
        self.outgoing.put_piece(bytes(data))
        if data and data[0] == FIRST_BYTE_OF_CLOSE:
            self.outgoing.accept_no_more()
        await self.outgoing.wait_until_sent(self.queue_bytes)

    async def wait_send_all_might_not_block(self) -> None:
        await self.outgoing.wait_until_sent()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Bytes of the client, at most as fast as its allowance; none when it has left."""
        if self.handshake:
            await trio.lowlevel.checkpoint()
            handshake, self.handshake = self.handshake, b""
            return handshake
        # trio-websocket loses frames that it is given before it has accepted the handshake.
        await self.is_accepted.wait()
        if self._count_fragments() > MOST_FRAGMENTS:
            self.outgoing.put_piece(close_frame(POLICY_VIOLATION))
            self.outgoing.accept_no_more()
            return b""
        data = await self._receive_in_turn(max_bytes)
        # An answer to a ping has done its part: most of what thousands of clients send is that.
        while is_empty_pong(data) and self.boundary.is_between_frames:
            data = await self._receive_in_turn(max_bytes)
        self.boundary.follow_bytes(data)
        return data

    async def aclose(self) -> None:
        """Close the socket, once what was put is sent."""
        self.tell_fault()
        try:
            await self.outgoing.wait_until_sent()
        finally:
            await self.outgoing.stream.aclose()

    def tell_fault(self) -> None:
        """Send the close code of a client that is at fault; nothing is sent to it after that."""
        reason = self.accepted.closed if self.accepted else None
        if reason is not None and reason.code in FAULTS:
            self.outgoing.put_piece(close_frame(reason.code))
            self.outgoing.accept_no_more()

    def let_go(self) -> None:
        """End the cycles of references through the connection and its session.

        So a client that has left is freed at once. Else the garbage collector would have to find
        it, and would stop everybody for a second to look through ten thousand of them.
        """
        self.accepted = None
        self.outgoing.on_drained = do_nothing

    async def _receive_in_turn(self, max_bytes: int | None) -> bytes:
        """What has come, as fast as the allowance has it; thousands at once end a few at a time."""
        if self.unread:
            data, self.unread = self.unread, b""
        else:
            data = await self._receive_or_end(max_bytes)
        if not data:
            async with self.leaving:
                await self._end_connection()
            return b""
        self.unanswered_pings = 0
        seconds = self.allowance.take_on_credit(len(data), trio.current_time())
        if seconds:
            await trio.sleep(seconds)
        return data

    async def _end_connection(self) -> None:
        """Close the socket of a client that has left, unless it may still read what is queued.

        Here, since the kernel may take a quarter of a millisecond for it: ten thousand sockets
        closed between two checkpoints would hold up everybody else for seconds.
        """
        if self.outgoing.queued_bytes:
            await trio.lowlevel.checkpoint()
        else:
            await self.outgoing.close_socket()

    async def _receive_or_end(self, max_bytes: int | None) -> bytes:
        try:
            return bytes(await self.outgoing.stream.receive_some(max_bytes))
        except trio.BrokenResourceError:
            return b""

    def _count_fragments(self) -> int:
        """Those of the message that has begun; the library keeps them, and does not tell."""
        return len(self.accepted._message_parts) if self.accepted else 0
