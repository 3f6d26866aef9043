"""Where a client's frames end, without a look at what is in them (RFC 6455, section 5.2). Pure.

SessionStream -> FrameBoundary -> whether what comes next begins a frame
"""

from attrs import define, field

_EMPTY_PONG_HEAD = b"\x8a\x80"  # whole, masked, without a payload
_EMPTY_PONG_BYTES = 6  # with its mask
_MASK_BYTES = 4
_MASKED = 0x80  # in a frame's second byte, beside its length or what stands for that:
_LENGTH_BYTES = {126: 2, 127: 8}


def is_empty_pong(data: bytes) -> bool:
    """Whether bytes that begin a frame are one pong and nothing else, as browsers answer a ping."""
    return len(data) == _EMPTY_PONG_BYTES and data.startswith(_EMPTY_PONG_HEAD)


@define(eq=False)
class FrameBoundary:
    """Follows a client's bytes from frame to frame; gives up at a head that comes in pieces."""

    # Bytes that the frame which has begun still has; None: nobody knows any more.
    _missing: int | None = field(init=False, default=0)

    @property
    def is_between_frames(self) -> bool:
        """True where what comes next begins a frame; False where it does not, or may not."""
        return self._missing == 0

    def follow_bytes(self, data: bytes) -> None:
        """Take note of what has come."""
        at = self._missing
        while at is not None and at < len(data):
            at = _find_end(data, at)
        self._missing = None if at is None else at - len(data)


def _find_end(data: bytes, begin: int) -> int | None:
    """Where the frame ends that begins there, also past the data; None where its head is cut."""
    if begin + 2 > len(data):
        return None
    second = data[begin + 1]
    length = second & ~_MASKED
    payload = begin + 2
    if length in _LENGTH_BYTES:
        payload += _LENGTH_BYTES[length]
        length = int.from_bytes(data[begin + 2 : payload], "big")
    payload += _MASK_BYTES if second & _MASKED else 0
    return None if payload > len(data) else payload + length
