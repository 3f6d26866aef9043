"""The messages of a WebSocket, taken out of the bytes before trio-websocket sees them.

    TLS or TCP -> FrameSplitter -> messages -> SourceConnection.receive_frames
                                -> all other bytes -> trio-websocket

wsproto takes five times as long to take a frame apart as it takes to decode its JSON. So the frames
of data (RFC 6455, section 5.2) are read here, and trio-websocket is left with the upgrade, pings,
pongs and the close. Whatever a server must not send is left to it as well, with all that comes
after that: it knows how to refuse it.
"""

import trio
from attrs import define, field

Frame = str | bytes

FRAMES_A_BATCH = 256  # that wait for their reader; then no more is read
# A longer message ends the connection, and with it all that comes before the next one. So this
# bounds memory only; whoever reads the messages refuses those that are too long to mean anything.
LARGEST_MESSAGE_BYTES = 4 * 2**20
LARGEST_HEAD_BYTES = 64 * 2**10  # of the response to the upgrade

SWITCHING, HEAD_END = b"HTTP/1.1 101", b"\r\n\r\n"
# First bytes of frames: the bit of a message's last frame, and what the frame is.
LAST, CONTINUATION, TEXT, BINARY = 0x80, 0x0, 0x1, 0x2
WHOLE_TEXT = LAST | TEXT
STARTS = {TEXT, BINARY, LAST | TEXT, LAST | BINARY}
CONTINUATIONS = {CONTINUATION, LAST | CONTINUATION}
PINGS_AND_PONGS = {0x89, 0x8A}
LONGEST_CONTROL_BYTES = 125
HEADER_BYTES = 2
TWO_BYTES, EIGHT_BYTES = 126, 127  # in place of a length: so many bytes with the length follow


class _LeftToOthers(Exception):
    """The bytes from here on are for trio-websocket; raised with those before that are so, too."""


@define(eq=False)
class FrameSplitter(trio.abc.Stream):
    """A stream that keeps the messages for itself; it is read by trio-websocket."""

    stream: trio.abc.Stream
    is_splitting: bool = field(default=True, init=False)  # else all bytes go on as they are
    _has_head: bool = field(default=False, init=False)  # the upgrade is answered
    _held: bytearray = field(factory=bytearray, init=False)  # an incomplete frame, or head
    _begun: bytearray | None = field(default=None, init=False)  # of a message in several frames
    _is_text: bool = field(default=True, init=False)  # what that is
    _frames: list[Frame] = field(factory=list, init=False)  # messages, for their reader
    _told: trio.Event = field(factory=trio.Event, init=False)  # a message came, or none will
    _taken: trio.Event = field(factory=trio.Event, init=False)

    # For trio-websocket.

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Bytes that are no message: waits until there are any."""
        while self.is_splitting:
            if self.is_full:
                self._taken = trio.Event()
                await self._taken.wait()
                continue
            try:
                data = await self.stream.receive_some(max_bytes)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._stop_splitting()
                raise
            if not data:
                self._stop_splitting()
                return data
            if left := self._split(data):
                return left
        return await self.stream.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        self._stop_splitting()
        await self.stream.aclose()

    # For who reads the messages.

    @property
    def is_full(self) -> bool:
        """True while a whole batch waits, and nothing more is read."""
        return len(self._frames) >= FRAMES_A_BATCH

    async def wait_for_frames(self) -> None:
        """Wait until there is a message, or until there will be none any more."""
        if self._frames or not self.is_splitting:
            await trio.lowlevel.checkpoint()
        else:
            self._told = trio.Event()
            await self._told.wait()

    def take_frames(self) -> list[Frame]:
        """The oldest messages, at most `FRAMES_A_BATCH`; possibly none."""
        taken = self._frames[:FRAMES_A_BATCH]
        del self._frames[:FRAMES_A_BATCH]
        self._taken.set()
        return taken

    # Pure parts.

    def _split(self, data: bytes | bytearray) -> bytes | bytearray:
        """Take the messages out of what has come; the bytes that are for others."""
        self._held += data
        left = b""
        if not self._has_head:
            left = self._take_head()
            if not self._has_head:
                return left
        try:
            left += self._take_frames()
        except _LeftToOthers as rest:
            left += rest.args[0] + self._held
            self._stop_splitting()
        if self._frames:
            self._told.set()
        return left

    def _take_head(self) -> bytes:
        """The response to the upgrade; empty while it is incomplete."""
        end = self._held.find(HEAD_END)
        is_upgraded = self._held.startswith(SWITCHING[: len(self._held)])
        if not is_upgraded or (end < 0 and len(self._held) > LARGEST_HEAD_BYTES):
            whole = bytes(self._held)
            self._stop_splitting()
            return whole
        if end < 0:
            return b""
        self._has_head = True
        head = bytes(self._held[: end + len(HEAD_END)])
        del self._held[: len(head)]
        return head

    def _take_frames(self) -> bytes:
        """Take every complete frame that is held; the pings and pongs among them.

        `_LeftToOthers`, with those before it, at a frame that is no data, or out of place.
        """
        held, frames, others = self._held, self._frames, b""
        size, at = len(held), 0
        try:
            while size - at >= HEADER_BYTES:
                first, length, start = held[at], held[at + 1], at + HEADER_BYTES
                if length >= TWO_BYTES:
                    start += 2 if length == TWO_BYTES else 8
                    _require(length <= EIGHT_BYTES, others)  # more is a mask: no server sends one
                    if start > size:
                        break
                    length = int.from_bytes(held[at + HEADER_BYTES : start])
                    _require(length <= LARGEST_MESSAGE_BYTES, others)
                end = start + length
                if end > size:
                    break
                if first == WHOLE_TEXT and self._begun is None:
                    frames.append(held[start:end].decode())
                elif first in PINGS_AND_PONGS and length <= LONGEST_CONTROL_BYTES:
                    others += held[at:end]
                else:
                    _require(self._take_part(first, held[start:end]), others)
                at = end
        except UnicodeDecodeError:
            raise _LeftToOthers(others) from None
        finally:
            del held[:at]
        return others

    def _take_part(self, first: int, payload: bytearray) -> bool:
        """Take a frame that is not a whole message of text; False where it is out of place."""
        if first not in (STARTS if self._begun is None else CONTINUATIONS):
            return False
        if self._begun is None:
            self._begun, self._is_text = bytearray(), first & ~LAST == TEXT
        self._begun += payload
        if len(self._begun) > LARGEST_MESSAGE_BYTES:
            return False
        if first & LAST:
            message, self._begun = self._begun, None
            self._frames.append(message.decode() if self._is_text else bytes(message))
        return True

    def _stop_splitting(self) -> None:
        self.is_splitting = False
        self._told.set()
        self._taken.set()


def _require(is_so: bool, others: bytes) -> None:
    if not is_so:
        raise _LeftToOthers(others)
