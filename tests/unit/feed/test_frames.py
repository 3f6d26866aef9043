"""Frames: their bytes, and that each is built once for all."""

import zlib
from collections.abc import Callable

import pytest

from feed import frames
from feed.board import DeltaRound
from feed.frames import (
    SHORTEST_DEFLATED_BYTES,
    DeflatedFrames,
    FramedRound,
    binary_frame,
    text_frame,
)

NONE = frozenset[str]()
NEW, BOTH = frozenset({"new"}), frozenset({"new", "hot"})
LONG = b"long" * SHORTEST_DEFLATED_BYTES
DELTAS = {"new": LONG, "hot": LONG[::-1]}


def long_message(number: int) -> bytes:
    return b"%d" % number * SHORTEST_DEFLATED_BYTES


@pytest.mark.parametrize(("first_byte", "frame"), [(0x81, text_frame), (0x82, binary_frame)])
@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_frame_tells_its_kind_and_its_length(
    first_byte: int, frame: Callable[[bytes], bytes], size: int
) -> None:
    framed = frame(b"x" * size)
    header = {0: 2, 125: 2, 126: 4, 65_535: 4, 65_536: 10}[size]
    assert (framed[0], len(framed)) == (first_byte, header + size)
    assert size in (framed[1], int.from_bytes(framed[2:header], "big"))


def test_a_deflated_frame_inflates_to_its_message() -> None:
    frame = DeflatedFrames().frame_message(LONG)
    assert (0x82, LONG) == (frame[0], zlib.decompress(frame[2:]))


def test_a_short_message_goes_as_text() -> None:
    deflated = DeflatedFrames()
    short = LONG[: SHORTEST_DEFLATED_BYTES - 1]
    assert text_frame(short) == deflated.frame_message(short)
    assert (0, 0) == (deflated.input_bytes, deflated.output_bytes)


def test_a_message_is_deflated_once_for_all_who_follow_whatever_else() -> None:
    deflated = DeflatedFrames()
    framed = FramedRound.frame(DeltaRound(offset=1, deltas=DELTAS), deflated)
    for _ in range(3):
        framed.frames_of(NEW, NEW)
        framed.frames_of(BOTH, BOTH)
        framed.frames_of(BOTH, NEW)
        deflated.frame_message(LONG)  # as for one that resumes
    assert 2 * len(LONG) == deflated.input_bytes
    assert 0 < deflated.output_bytes < deflated.input_bytes / 10


def test_nothing_is_deflated_while_nobody_wants_it() -> None:
    deflated = DeflatedFrames()
    framed = FramedRound.frame(DeltaRound(offset=1, deltas=DELTAS), deflated)
    assert b"".join(map(text_frame, DELTAS.values())) == framed.frames_of(BOTH, NONE)
    assert text_frame(LONG) == framed.frames_of(NEW, frozenset({"hot"}))
    assert 0 == deflated.input_bytes


def test_frames_of_a_round_are_deflated_for_the_boards_that_are_wanted_so() -> None:
    deflated = DeflatedFrames()
    framed = FramedRound.frame(DeltaRound(offset=1, deltas=DELTAS), deflated)
    expected = deflated.frame_message(LONG) + text_frame(DELTAS["hot"])
    assert expected == framed.frames_of(BOTH, NEW)


def test_the_oldest_frames_are_forgotten_past_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "DEFLATED_BYTES_KEPT", 10 * SHORTEST_DEFLATED_BYTES)
    deflated = DeflatedFrames()
    for number in range(100, 200):
        deflated.frame_message(long_message(number))
    kept = dict(deflated._frames)
    assert [long_message(number) for number in range(197, 200)] == list(kept)
    assert sum(map(len, [*kept, *kept.values()])) == deflated._kept_bytes
    before = deflated.input_bytes
    deflated.frame_message(long_message(199))
    assert before == deflated.input_bytes


def test_a_message_larger_than_the_bound_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "DEFLATED_BYTES_KEPT", len(LONG))
    deflated = DeflatedFrames()
    frame = deflated.frame_message(LONG)
    assert (LONG, 0) == (zlib.decompress(frame[2:]), deflated._kept_bytes)
