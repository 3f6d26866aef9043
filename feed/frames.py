"""WebSocket frames as bytes. A server's frames are not masked: they are the same for every client.

DeltaRound --FramedRound--> bytes, built once for all who follow the same boards
"""

from collections.abc import Mapping

from attrs import field, frozen

from feed.board import DeltaRound

FIRST_BYTE_OF_CLOSE = 0x88
PING_FRAME = b"\x89\x00"
GOING_AWAY = 1001


def text_frame(message: bytes) -> bytes:
    """One unmasked text frame (RFC 6455, section 5.2)."""
    size = len(message)
    if size < 126:
        return b"\x81%c%b" % (size, message)
    if size < 1 << 16:
        return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), message)
    return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), message)


def close_frame(code: int) -> bytes:
    """One unmasked close frame without a reason."""
    return b"\x88\x02%b" % code.to_bytes(2, "big")


@frozen
class FramedRound:
    """One round of deltas as bytes for the wire, built once for each combination of boards."""

    offset: int
    deltas: Mapping[str, bytes]
    _frames: dict[frozenset[str], bytes] = field(init=False, factory=dict)

    @classmethod
    def frame(cls, delta_round: DeltaRound) -> "FramedRound":
        return cls(delta_round.offset, delta_round.deltas)

    def frames_of(self, boards: frozenset[str]) -> bytes:
        """The deltas of these boards as frames, concatenated; built at the first request."""
        if boards not in self._frames:
            self._frames[boards] = b"".join(
                text_frame(delta) for name, delta in self.deltas.items() if name in boards
            )
        return self._frames[boards]
