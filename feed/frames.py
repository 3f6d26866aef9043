"""WebSocket frames as bytes. A server's frames are not masked: they are the same for every client.

    DeltaRound --FramedRound--> bytes, built once for all who follow the same boards; as frames of
                                a WebSocket, or as events (feed/events.py)
    message --DeflatedFrames--> bytes, built once for all who asked for `"encoding": "deflate"`

A deflated message is a binary frame in zlib's format (RFC 1950), which browsers inflate with
`DecompressionStream("deflate")`. Each stands for itself, so that a client can begin at any of them.
"""

import zlib
from collections.abc import Mapping

from attrs import Factory, define, field, frozen

from feed.board import Cursor, DeltaRound
from feed.events import join_events, write_event_id

FIRST_BYTE_OF_TEXT, FIRST_BYTE_OF_BINARY, FIRST_BYTE_OF_CLOSE = 0x81, 0x82, 0x88
PING_FRAME = b"\x89\x00"
GOING_AWAY = 1001
POLICY_VIOLATION = 1008

# docs/decisions/0024 has the figures behind both.
DEFLATE_LEVEL = 3
SHORTEST_DEFLATED_BYTES = 256  # a shorter message hardly shrinks, and goes as text
# Messages and their frames. A client that resumes after a short break wants those of last rounds.
DEFLATED_BYTES_KEPT = 4 * 1024 * 1024


def text_frame(message: bytes) -> bytes:
    """One unmasked text frame (RFC 6455, section 5.2)."""
    return _frame(FIRST_BYTE_OF_TEXT, message)


def binary_frame(payload: bytes) -> bytes:
    """One unmasked binary frame."""
    return _frame(FIRST_BYTE_OF_BINARY, payload)


def close_frame(code: int) -> bytes:
    """One unmasked close frame without a reason."""
    return b"\x88\x02%b" % code.to_bytes(2, "big")


def _frame(first_byte: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return b"%c%c%b" % (first_byte, size, payload)
    if size < 1 << 16:
        return b"%c\x7e%b%b" % (first_byte, size.to_bytes(2, "big"), payload)
    return b"%c\x7f%b%b" % (first_byte, size.to_bytes(8, "big"), payload)


@define(eq=False)
class DeflatedFrames:
    """The frames of the newest messages that were wanted deflated; the oldest are forgotten."""

    input_bytes: int = field(init=False, default=0)  # of messages, counted when they are deflated
    output_bytes: int = field(init=False, default=0)  # of what they became
    _frames: dict[bytes, bytes] = field(init=False, factory=dict)  # by message, oldest first
    _kept_bytes: int = field(init=False, default=0)

    def frame_message(self, message: bytes) -> bytes:
        """The message as a binary frame, built at the first request; as text if it is short."""
        if len(message) < SHORTEST_DEFLATED_BYTES:
            return text_frame(message)
        frame = self._frames.get(message)
        if frame is None:
            deflated = zlib.compress(message, DEFLATE_LEVEL)
            self.input_bytes += len(message)
            self.output_bytes += len(deflated)
            frame = binary_frame(deflated)
            self._keep_frame(message, frame)
        return frame

    def _keep_frame(self, message: bytes, frame: bytes) -> None:
        self._frames[message] = frame
        self._kept_bytes += len(message) + len(frame)
        while self._kept_bytes > DEFLATED_BYTES_KEPT:
            oldest = next(iter(self._frames))
            self._kept_bytes -= len(oldest) + len(self._frames.pop(oldest))


@frozen
class FramedRound:
    """One round of deltas as bytes for the wire, built once for each combination of boards."""

    offset: int
    deltas: Mapping[str, bytes]
    _deflated_frames: DeflatedFrames
    _places: Mapping[str, int] = field(
        init=False,
        default=Factory(
            lambda self: {name: place for place, name in enumerate(self.deltas)}, takes_self=True
        ),
    )
    _frames: dict[tuple[frozenset[str], frozenset[str]], bytes] = field(init=False, factory=dict)
    _events: dict[tuple[frozenset[str], str], bytes] = field(init=False, factory=dict)

    @classmethod
    def frame(cls, delta_round: DeltaRound, deflated_frames: DeflatedFrames) -> "FramedRound":
        return cls(delta_round.offset, delta_round.deltas, deflated_frames)

    def frames_of(self, boards: frozenset[str], deflated: frozenset[str]) -> bytes:
        """The deltas of these boards as frames, concatenated; built at the first request.

        Those of `deflated` boards are deflated.
        """
        frames = self._frames.get((boards, deflated))
        if frames is None:
            to_deflated = self._deflated_frames.frame_message
            frames = self._frames[boards, deflated] = b"".join(
                to_deflated(self.deltas[name])
                if name in deflated
                else text_frame(self.deltas[name])
                for name in self._list_changed(boards)
            )
        return frames

    def events_of(self, boards: frozenset[str], epoch: str) -> bytes:
        """The deltas of these boards as events, the last of which has an id of this epoch.

        Without an epoch none has one. Built at the first request.
        """
        events = self._events.get((boards, epoch))
        if events is None:
            deltas = [self.deltas[name] for name in self._list_changed(boards)]
            event_id = write_event_id(Cursor(epoch=epoch, offset=self.offset)) if epoch else ""
            events = self._events[boards, epoch] = join_events("delta", deltas, event_id)
        return events

    def _list_changed(self, boards: frozenset[str]) -> list[str]:
        """Those of the boards that have a delta, in the order of the deltas.

        Not all deltas are looked at: there may be one for each of many tokens.
        """
        return sorted(boards & self.deltas.keys(), key=self._places.__getitem__)
