"""Where a client's frames end."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.client_frames import FrameBoundary, is_empty_pong

MASK = b"mask"
PONG = b"\x8a\x80" + MASK


def make_frame(size: int, first_byte: int = 0x81) -> bytes:
    """A masked frame with so large a payload."""
    length = min(size, 126) if size < 1 << 16 else 127
    extended = {126: 2, 127: 8}.get(length, 0)
    return b"%c%c%b%b" % (
        first_byte,
        0x80 | length,
        size.to_bytes(extended, "big") if extended else b"",
        MASK + b"x" * size,
    )


SIZES = st.sampled_from([0, 1, 125, 126, 200, 65_535, 65_536])


@pytest.mark.parametrize(
    ("data", "is_one"),
    [
        (PONG, True),
        (PONG[:-1], False),
        (2 * PONG, False),
        (b"\x8a\x81" + MASK + b"x", False),  # with a payload
        (b"\x8a\x00" + MASK, False),  # not masked
        (b"\x0a\x80" + MASK, False),  # a fragment, which no pong may be
        (b"\x89\x80" + MASK, False),  # a ping
        (b"", False),
    ],
)
def test_an_empty_pong_is_nothing_else(data: bytes, is_one: bool) -> None:
    assert is_one == is_empty_pong(data)


@given(st.lists(SIZES, min_size=1, max_size=5), st.data())
def test_a_boundary_is_where_a_frame_ends(sizes: list[int], data: st.DataObject) -> None:
    frames = [make_frame(size) for size in sizes]
    sent = b"".join(frames)
    ends = {0, *accumulate(map(len, frames))}
    cuts = data.draw(st.lists(st.integers(0, len(sent)) | st.sampled_from(sorted(ends))))
    boundary = FrameBoundary()
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(sent)], strict=True):
        boundary.follow_bytes(sent[begin:end])
        assert end in ends or not boundary.is_between_frames


@given(st.lists(SIZES, min_size=1, max_size=5))
def test_whole_frames_are_followed_however_many_come_at_once(sizes: list[int]) -> None:
    boundary = FrameBoundary()
    for size in sizes:
        boundary.follow_bytes(make_frame(size))
        assert boundary.is_between_frames
        boundary.follow_bytes(b"".join(map(make_frame, sizes)))
        assert boundary.is_between_frames


def test_a_payload_in_pieces_is_followed() -> None:
    boundary = FrameBoundary()
    for piece in (make_frame(300)[:100], make_frame(300)[100:200]):
        boundary.follow_bytes(piece)
        assert not boundary.is_between_frames
    boundary.follow_bytes(make_frame(300)[200:])
    assert boundary.is_between_frames


def test_a_head_in_pieces_is_given_up() -> None:
    boundary = FrameBoundary()
    for piece in (PONG[:1], PONG[1:], PONG):
        boundary.follow_bytes(piece)
        assert not boundary.is_between_frames
