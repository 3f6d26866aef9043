"""What a client is owed: each delta once, and never more than its share of memory."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import orjson
import pytest
import trio
from attrs import define
from trio.testing import MockClock

from domain.messages import Presence
from feed.board import Boards, Cursor
from feed.catalogue import Catalogue
from feed.commands import Subscribe
from feed.frames import FramedRound, text_frame
from feed.outgoing import Outgoing
from feed.session import BYTES_AT_ONCE, BYTES_PER_SECOND, Broadcast, ClientSession, SessionStream
from tests.patience import PATIENCE_SECONDS
from tests.unit.feed.tokens import NOW, make_token
from tests.unit.feed.worlds import SETTINGS, Away, Conditions

QUEUE_BYTES = 50_000


def nobody(presence: Presence) -> None:
    """Nobody listens."""


@define
class Desk:
    """One session whose client reads only when told to."""

    session: ClientSession
    boards: Boards
    client: trio.SocketStream

    def publish(self, count: int) -> FramedRound:
        """One round; it is not delivered yet."""
        name = f"{count:05}" * 1000
        self.boards.catalogue.put_token(make_token(1, holder_count=count, name=name, hot_score=1.0))
        delta_round = self.boards.publish_changes()
        assert delta_round is not None
        self.session.broadcast.latest = FramedRound.frame(delta_round)
        return self.session.broadcast.latest

    def fill(self) -> None:
        """Reply until something is queued, because the kernel takes no more."""
        for _ in range(10_000):
            self.session.send_reply(b'{"type": "filler"}')
            if self.session.outgoing.queued_bytes:
                return
        raise AssertionError("the kernel takes everything")

    async def read_everything(self) -> list[dict[str, object]]:
        """Every frame, by the time nothing is queued any more."""
        data = b""
        with trio.fail_after(PATIENCE_SECONDS):
            while (piece := self._read_now()) or self.session.outgoing.queued_bytes:
                data += piece
                if not piece:  # what is queued comes as soon as there is room for it
                    await trio.lowlevel.wait_readable(self.client.socket)
        frames = []
        while data:
            header = {126: 4, 127: 10}.get(data[1], 2)
            end = header + (int.from_bytes(data[2:header], "big") if header > 2 else data[1])
            frames.append(orjson.loads(data[header:end]))
            data = data[end:]
        return [frame for frame in frames if frame["type"] != "filler"]

    def _read_now(self) -> bytes:
        """What the kernel has; a socket pair delivers in the instant of sending."""
        try:
            return os.read(self.client.socket.fileno(), 65_536)
        except BlockingIOError:
            return b""


@asynccontextmanager
async def a_session() -> AsyncIterator[Desk]:
    ours, theirs = trio.socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    settings = attrs.evolve(SETTINGS, client_queue_bytes=QUEUE_BYTES)
    boards = Boards(catalogue=Catalogue(100), board_tokens=5, history_limit=100_000, epoch="epoch")
    async with (
        trio.SocketStream(theirs) as client,
        trio.SocketStream(ours) as stream,
        trio.open_nursery() as nursery,
    ):
        outgoing = Outgoing(stream, nursery, send_timeout_seconds=PATIENCE_SECONDS)
        session_stream = SessionStream(outgoing, b"", b"", QUEUE_BYTES)
        broadcast = Broadcast(settings, boards, nobody, Conditions())
        session = ClientSession(1, broadcast, session_stream)
        outgoing.on_drained = session.send_what_is_due
        session._subscribe(Subscribe(board="new", since=None))
        yield Desk(session, boards, client)
        nursery.cancel_scope.cancel()


async def test_a_delta_is_delivered_once_however_often_it_is_offered() -> None:
    async with a_session() as desk:
        delta_round = desk.publish(1)
        for _ in range(3):
            desk.session.deliver_round(delta_round)
        frames = await desk.read_everything()
        assert [frame["offset"] for frame in frames] == [0, 1]


async def test_who_subscribes_during_a_fan_out_gets_no_delta_that_the_snapshot_has() -> None:
    async with a_session() as desk:
        delta_round = desk.publish(1)
        desk.session._subscribe(Subscribe(board="hot", since=None))
        desk.session.deliver_round(delta_round)
        frames = await desk.read_everything()
        assert [(frame["type"], frame["board"], frame["offset"]) for frame in frames] == [
            ("snapshot", "new", 0),
            ("delta", "new", 1),
            ("snapshot", "hot", 1),
        ]


async def test_who_resumes_during_a_fan_out_gets_no_delta_twice() -> None:
    async with a_session() as desk:
        delta_round = desk.publish(1)
        since = Cursor(epoch="epoch", offset=0)
        desk.session._subscribe(Subscribe(board="hot", since=since))
        desk.session.deliver_round(delta_round)
        frames = await desk.read_everything()
        assert [
            (frame["type"], frame["offset"]) for frame in frames if frame["board"] == "hot"
        ] == [
            ("resumed", 0),
            ("delta", 1),
        ]


async def test_who_drains_during_a_fan_out_gets_no_delta_that_the_snapshot_has() -> None:
    async with a_session() as desk:
        desk.session._fall_behind()
        delta_round = desk.publish(1)
        desk.session.send_snapshots()
        desk.session.deliver_round(delta_round)
        frames = await desk.read_everything()
        assert [(frame["type"], frame["offset"]) for frame in frames] == [
            ("snapshot", 0),
            ("snapshot", 1),
        ]


async def test_a_client_that_is_behind_hears_only_of_the_latest_health() -> None:
    async with a_session() as desk:
        conditions = desk.session.broadcast.health
        assert isinstance(conditions, Conditions)
        desk.fill()
        queued = desk.session.outgoing.queued_bytes
        for name in ("redis", "postgres", "redis"):
            conditions.away = [Away(name, "gone", NOW)]
            desk.session.deliver_health(desk.session.broadcast.health_frame())
        conditions.away = []
        assert queued == desk.session.outgoing.queued_bytes
        frames = await desk.read_everything()
        assert ["ready"] == [frame["status"] for frame in frames if frame["type"] == "health"]
        conditions.away = [Away("redis", "gone", NOW)]
        desk.session.deliver_health(desk.session.broadcast.health_frame())
        (frame,) = await desk.read_everything()
        assert "degraded" == frame["status"]


async def test_what_a_slow_client_has_queued_is_dropped_but_for_replies() -> None:
    async with a_session() as desk:
        desk.fill()
        replies = desk.session.outgoing.queued_bytes
        sizes = []
        for count in range(100):
            desk.session.deliver_round(desk.publish(count))
            sizes.append(desk.session.outgoing.queued_bytes)
        assert QUEUE_BYTES / 2 < max(sizes) <= QUEUE_BYTES
        assert sizes[-1] == replies
        assert desk.session.broadcast.conflated == 1


async def test_a_slow_client_gets_a_snapshot_when_it_has_drained_and_deltas_again() -> None:
    async with a_session() as desk:
        desk.fill()
        for count in range(100):
            desk.session.deliver_round(desk.publish(count))
        current = desk.boards.offset
        frames = await desk.read_everything()
        assert (frames[-1]["type"], frames[-1]["offset"]) == ("snapshot", current)
        desk.session.deliver_round(desk.publish(20_000))
        (delta,) = await desk.read_everything()
        assert (delta["type"], delta["offset"]) == ("delta", current + 1)


async def test_a_delta_that_has_begun_is_not_dropped() -> None:
    async with a_session() as desk:
        while not desk.session.outgoing.queued_bytes:
            # Larger than what the kernel has left, sooner or later: then a part of it is written.
            frames = text_frame(b'{"type": "filler"}' + b" " * 100_000)
            desk.session.outgoing.put_piece(frames, is_droppable=True)
        begun = desk.session.outgoing.queued_bytes
        assert begun < len(frames)
        desk.session._fall_behind()
        assert desk.session.outgoing.queued_bytes == begun
        (first, *_, last) = await desk.read_everything()
        assert (first["type"], last["type"]) == ("snapshot", "snapshot")


async def test_bytes_past_the_allowance_are_taken_in_as_it_refills(
    autojump_clock: MockClock,
) -> None:
    async with a_session() as desk:
        stream = desk.session.stream
        stream.is_accepted.set()
        times = []
        for size in (BYTES_AT_ONCE, 0, 3 * BYTES_PER_SECOND, BYTES_PER_SECOND):
            stream.unread = b"x" * size or b"x"
            await stream.receive_some()
            times.append(trio.current_time())
        assert times == pytest.approx([0, 0, 3, 4], abs=0.01)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_text_frame_tells_its_length(size: int) -> None:
    frame = text_frame(b"x" * size)
    header = {0: 2, 125: 2, 126: 4, 65_535: 4, 65_536: 10}[size]
    assert (frame[0], len(frame)) == (0x81, header + size)
    assert size in (frame[1], int.from_bytes(frame[2:header], "big"))
