"""Messages are taken out of the bytes of a WebSocket; all other bytes go on as they came."""

from collections.abc import Sequence

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, memory_stream_pair
from wsproto.frame_protocol import FrameProtocol, Opcode

from sources.frame_splitter import (
    FRAMES_A_BATCH,
    LARGEST_HEAD_BYTES,
    LARGEST_MESSAGE_BYTES,
    Frame,
    FrameSplitter,
)

HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
PING, CLOSE = b"\x89\x01?", b"\x88\x02\x03\xe8"


def render_frame(opcode: int, payload: bytes, *, is_last: bool = True) -> bytes:
    """A frame as RFC 6455 has it (section 5.2), of a server."""
    first = bytes([0x80 * is_last | opcode])
    if len(payload) < 126:
        return first + bytes([len(payload)]) + payload
    if len(payload) < 2**16:
        return first + b"\x7e" + len(payload).to_bytes(2) + payload
    return first + b"\x7f" + len(payload).to_bytes(8) + payload


def text(message: str) -> bytes:
    return render_frame(1, message.encode())


async def split(pieces: Sequence[bytes]) -> tuple[list[Frame], bytes, FrameSplitter]:
    """The messages in what comes in these pieces, and the bytes that go on."""
    ours, theirs = memory_stream_pair()
    splitter, left = FrameSplitter(ours), b""
    async with trio.open_nursery() as nursery:

        async def send() -> None:
            for piece in filter(None, pieces):
                await theirs.send_all(piece)
                await trio.testing.wait_all_tasks_blocked()  # so that it is read by itself
            await theirs.aclose()

        nursery.start_soon(send)
        while data := await splitter.receive_some():
            left += data
    return splitter.take_frames(), left, splitter


class Whole:
    """A message in one frame or several, with pings between them."""

    def __init__(self, message: Frame, cuts: Sequence[int], pings: bool) -> None:
        self.message = message
        payload = message.encode() if isinstance(message, str) else message
        places = sorted({min(cut, len(payload)) for cut in cuts})
        parts = [payload[a:b] for a, b in zip([0, *places], [*places, len(payload)], strict=True)]
        opcode = 1 if isinstance(message, str) else 2
        frames = [
            render_frame(0 if number else opcode, part, is_last=number == len(parts) - 1)
            for number, part in enumerate(parts)
        ]
        self.raw = (PING if pings else b"").join(frames)
        self.pings = (len(frames) - 1) * pings


messages = st.builds(
    Whole,
    st.one_of(
        st.text(max_size=20),
        st.binary(max_size=20),
        st.sampled_from(["x" * 125, "x" * 126, "\N{SNOWMAN}" * 50_000]),
    ),
    st.lists(st.integers(0, 130), max_size=3),
    st.booleans(),
)


def read_with_wsproto(raw: bytes) -> list[Frame]:
    """The messages as wsproto reads them: the other one who knows the protocol."""
    protocol = FrameProtocol(client=True, extensions=[])
    protocol.receive_bytes(raw)
    read: list[Frame] = []
    parts: list[str | bytes] = []
    for frame in protocol.received_frames():
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY):
            continue
        payload = frame.payload
        parts.append(bytes(payload) if isinstance(payload, bytearray) else payload)  # type: ignore[arg-type]
        if frame.message_finished:
            read.append(("" if frame.opcode is Opcode.TEXT else b"").join(parts))  # type: ignore[arg-type]
            parts = []
    return read


@given(sent=st.lists(messages, max_size=6), sizes=st.lists(st.integers(1, 200), max_size=8))
def test_however_the_bytes_come_the_messages_are_those_that_wsproto_reads(
    sent: list[Whole], sizes: list[int]
) -> None:
    raw = b"".join(message.raw for message in sent)
    stream, pieces = HEAD + raw, []
    for size in sizes:
        pieces.append(stream[:size])
        stream = stream[size:]
    frames, left, _ = trio.run(split, [*pieces, stream], clock=MockClock(autojump_threshold=0))
    assert [message.message for message in sent] == frames == read_with_wsproto(raw)
    assert HEAD + PING * sum(message.pings for message in sent) == left


TOO_LONG = b"\x81\x7f" + (LARGEST_MESSAGE_BYTES + 1).to_bytes(8)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(CLOSE, id="a close"),
        pytest.param(b"\xc1\x01a", id="an extension's bit"),
        pytest.param(b"\x81\x81abcda", id="a mask"),
        pytest.param(b"\x83\x01a", id="a kind of frame that does not exist"),
        pytest.param(b"\x80\x01a", id="the rest of no message"),
        pytest.param(b"\x01\x01a" + b"\x81\x01a", id="a message within another"),
        pytest.param(b"\x09\x01a", id="a ping in parts"),
        pytest.param(render_frame(9, b"?" * 126), id="a long ping"),
        pytest.param(b"\x81\x02\xff\xfe", id="no UTF-8"),
        pytest.param(TOO_LONG, id="a message that is too long"),
    ],
)
async def test_whatever_else_comes_goes_on_with_all_that_follows(
    other: bytes, autojump_clock: MockClock
) -> None:
    pieces = [HEAD, text("before") + PING, other + text("after"), text("later")]
    frames, left, splitter = await split(pieces)
    assert ["before"] == frames
    begun = b"\x01\x01a"  # a part that has been taken already
    assert HEAD + PING + other.removeprefix(begun) + text("after") + text("later") == left
    assert not splitter.is_splitting


async def test_parts_that_are_too_long_together_go_on(autojump_clock: MockClock) -> None:
    half = b"x" * (LARGEST_MESSAGE_BYTES // 2 + 1)
    rest = render_frame(0, half)
    frames, left, _ = await split([HEAD, render_frame(1, half, is_last=False), rest])
    assert ([], HEAD + rest) == (frames, left)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\n" + text("a"),
        HEAD[:-4] + b"x" * LARGEST_HEAD_BYTES,
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
)
async def test_an_answer_that_is_no_upgrade_goes_on_whole(
    answer: bytes, autojump_clock: MockClock
) -> None:
    for pieces in ([answer], [answer[:5], answer[5 : LARGEST_HEAD_BYTES + 5], answer[-30:]]):
        whole = b"".join(pieces)
        frames, left, _ = await split(pieces)
        assert ([], whole) == (frames, left)


async def test_no_more_is_read_while_a_whole_batch_waits(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    splitter = FrameSplitter(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_read_to_the_end, splitter)
        await theirs.send_all(HEAD + text("a") * FRAMES_A_BATCH)
        await trio.testing.wait_all_tasks_blocked()
        await theirs.send_all(text("b"))
        await trio.testing.wait_all_tasks_blocked()
        await splitter.wait_for_frames()
        assert splitter.is_full
        assert ["a"] * FRAMES_A_BATCH == splitter.take_frames()
        await splitter.wait_for_frames()
        assert ["b"] == splitter.take_frames()
        await theirs.aclose()


@pytest.mark.parametrize("is_full", [False, True])
async def test_who_waits_for_messages_hears_of_the_end(
    is_full: bool, autojump_clock: MockClock
) -> None:
    ours, theirs = memory_stream_pair()
    splitter = FrameSplitter(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_read_to_the_end, splitter)
        await theirs.send_all(HEAD + text("a") * (FRAMES_A_BATCH if is_full else 0))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(splitter.aclose)
        await splitter.wait_for_frames()
        splitter.take_frames()
        await splitter.wait_for_frames()
        assert not splitter.is_splitting


async def _read_to_the_end(splitter: FrameSplitter) -> None:
    try:
        while await splitter.receive_some():
            pass
    except trio.ClosedResourceError:
        return
