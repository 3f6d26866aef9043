"""What a client is owed: each delta once, and never more than its share of memory."""

import os
import socket
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import orjson
import pytest
import trio
from attrs import define
from trio.testing import MockClock

from domain.errors import FrameRefused
from domain.messages import Presence
from feed.board import Boards, Cursor
from feed.catalogue import Catalogue
from feed.commands import Subscribe
from feed.follower import ITEMS_AT_ONCE, NEW_VIEW_SECONDS, Broadcast
from feed.frames import FIRST_BYTE_OF_BINARY, FramedRound, text_frame
from feed.health import heartbeat_message
from feed.outgoing import Outgoing
from feed.session import MOST_VIEWS, ClientSession
from feed.session_stream import BYTES_AT_ONCE, BYTES_PER_SECOND, SessionStream
from feed.view_query import parse_view
from tests.patience import PATIENCE_SECONDS
from tests.unit.feed.tokens import NOW, make_token, mint_of
from tests.unit.feed.worlds import SETTINGS, Away, Conditions, make_views

QUEUE_BYTES = 50_000
EMPTY_PONG, PING_MESSAGE = b"\x8a\x80mask", b"\x81\x8fmask" + b"x" * 15


def nobody(presence: Presence) -> None:
    """Nobody listens."""


@define
class Desk:
    """One session whose client reads only when told to."""

    session: ClientSession
    boards: Boards
    client: trio.SocketStream

    def publish(self, count: int, size: int = 5000) -> FramedRound:
        """One round of more than so many bytes; it is not delivered yet."""
        name = f"{count:05}" * (size // 5)
        self.boards.catalogue.put_token(make_token(1, holder_count=count, name=name, hot_score=1.0))
        delta_round = self.boards.publish_changes()
        assert delta_round is not None
        return self.session.broadcast.frame_round(delta_round)

    def fill(self) -> None:
        """Reply until something is queued, because the kernel takes no more."""
        for _ in range(10_000):
            self.session.send_reply(b'{"type": "filler"}')
            if self.session.outgoing.queued_bytes:
                return
        raise AssertionError("the kernel takes everything")

    async def read_everything(self) -> list[dict[str, object]]:
        """Every message, by the time nothing is queued any more."""
        messages = [read_message(*frame) for frame in await self.read_frames()]
        return [message for message in messages if message["type"] != "filler"]

    async def read_frames(self) -> list[tuple[int, bytes]]:
        """Every frame as its first byte and its payload, by the time nothing is queued any more."""
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
            frames.append((data[0], data[header:end]))
            data = data[end:]
        return frames

    def _read_now(self) -> bytes:
        """What the kernel has; a socket pair delivers in the instant of sending."""
        try:
            return os.read(self.client.socket.fileno(), 65_536)
        except BlockingIOError:
            return b""


def read_message(first_byte: int, payload: bytes) -> dict[str, object]:
    """The message of a frame: text is JSON, and binary is JSON deflated."""
    is_binary = first_byte == FIRST_BYTE_OF_BINARY
    message: dict[str, object] = orjson.loads(zlib.decompress(payload) if is_binary else payload)
    return message


@asynccontextmanager
async def a_session(*, is_deflated: bool = False) -> AsyncIterator[Desk]:
    ours, theirs = trio.socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    settings = attrs.evolve(SETTINGS, client_queue_bytes=QUEUE_BYTES)
    catalogue = Catalogue(100)
    views = make_views(catalogue)
    boards = Boards(
        catalogue=catalogue, views=views, board_tokens=5, history_limit=100_000, epoch="epoch"
    )
    async with (
        trio.SocketStream(theirs) as client,
        trio.SocketStream(ours) as stream,
        trio.open_nursery() as nursery,
    ):
        outgoing = Outgoing(stream, nursery, send_timeout_seconds=PATIENCE_SECONDS)
        session_stream = SessionStream(outgoing, b"", b"", QUEUE_BYTES, trio.CapacityLimiter(1))
        broadcast = Broadcast(settings, boards, nobody, Conditions())
        session = ClientSession(1, broadcast, session_stream)
        outgoing.on_drained = session.send_what_is_due
        session._subscribe(Subscribe(board="new", since=None, is_deflated=is_deflated))
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


async def test_a_client_that_is_behind_is_sent_no_heartbeat() -> None:
    async with a_session() as desk:
        desk.fill()
        queued = desk.session.outgoing.queued_bytes
        desk.session.deliver_heartbeat(text_frame(heartbeat_message(NOW)))
        assert queued == desk.session.outgoing.queued_bytes
        await desk.read_everything()
        desk.session.deliver_heartbeat(text_frame(heartbeat_message(NOW)))
        assert [{"type": "heartbeat", "at": NOW * 1000}] == await desk.read_everything()


def view_of(**described: object) -> Subscribe:
    view = parse_view(described)
    return Subscribe(board=view.name, view=view, request_id="mine", since=None)


async def test_a_view_is_named_first_and_then_a_board_like_the_others() -> None:
    async with a_session() as desk:
        desk.session.deliver_round(desk.publish(1))
        wanted = view_of(filters={"minHolders": 1}, limit=5)
        desk.session._subscribe(wanted)
        desk.session.deliver_round(desk.publish(2))
        frames = [f for f in await desk.read_everything() if f["board"] == wanted.board]
        assert wanted.view is not None
        expected = {"type": "view", "id": "mine", "board": wanted.board}
        assert {**expected, "view": wanted.view.document} == frames[0]
        assert [("snapshot", 2), ("delta", 3)] == [(f["type"], f["offset"]) for f in frames[1:]]
        desk.session.release_board(wanted.board)
        desk.session.deliver_round(desk.publish(3))
        frames = await desk.read_everything()
        assert ["new"] == [frame["board"] for frame in frames]


async def test_a_view_is_followed_by_its_name_as_long_as_it_lives() -> None:
    async with a_session() as desk:
        wanted = view_of(limit=5)
        by_name = Subscribe(board=wanted.board, since=None)
        with pytest.raises(FrameRefused) as refusal:
            desk.session._subscribe(by_name)
        assert "unknown_board" == refusal.value.reason
        desk.session._subscribe(wanted)
        desk.session.release_board(wanted.board)
        desk.session._subscribe(by_name)
        kinds = [f["type"] for f in await desk.read_everything() if f["board"] == wanted.board]
        assert ["view", "snapshot", "snapshot"] == kinds


async def test_a_client_has_some_views_at_most_and_leaves_them_when_it_goes() -> None:
    async with a_session() as desk:
        living = desk.boards.views.living
        desk.boards.views.most = 2 * MOST_VIEWS
        views = [view_of(limit=number) for number in range(1, MOST_VIEWS + 2)]
        for view in views[:-1]:
            desk.session._subscribe(view)
        desk.session._subscribe(views[0])  # again
        with pytest.raises(FrameRefused) as refusal:
            await desk.session._open_board(views[-1])
        assert ("too_many_views", "mine") == (refusal.value.reason, refusal.value.request_id)
        assert views[-1].board not in living
        assert [1] * MOST_VIEWS == [view.clients for view in living.values()]
        desk.session.leave_boards()
        assert [0] * MOST_VIEWS == [view.clients for view in living.values()]


async def test_a_slow_client_gets_a_snapshot_of_its_view_when_it_has_drained() -> None:
    async with a_session() as desk:
        wanted = view_of(limit=5)
        desk.session._subscribe(wanted)
        desk.fill()
        for count in range(100):
            desk.session.deliver_round(desk.publish(count))
        current = desk.boards.offset
        last = [f for f in await desk.read_everything() if f["type"] == "snapshot"][-2:]
        assert {("new", current), (wanted.board, current)} == {
            (frame["board"], frame["offset"]) for frame in last
        }
        desk.session.deliver_round(desk.publish(20_000))
        assert {"new", wanted.board} == {f["board"] for f in await desk.read_everything()}


async def test_items_of_a_new_view_are_made_a_few_at_a_time_one_view_after_the_other(
    autojump_clock: MockClock,
) -> None:
    async with a_session() as desk:
        for number in range(2 * ITEMS_AT_ONCE):
            desk.boards.catalogue.put_token(make_token(number))
        opened: list[float] = []

        async def open_view(limit: int) -> None:
            await desk.session._open_board(view_of(limit=limit))
            opened.append(trio.current_time())

        async with trio.open_nursery() as nursery:
            for limit in (100, 200, 100):
                nursery.start_soon(open_view, limit)
        assert (
            pytest.approx([NEW_VIEW_SECONDS, 2 * NEW_VIEW_SECONDS], abs=1e-6)
            == sorted(set(opened))[:2]
        )


async def test_a_client_that_is_behind_hears_only_of_the_latest_health() -> None:
    async with a_session() as desk:
        conditions = desk.session.broadcast.health
        assert isinstance(conditions, Conditions)
        desk.fill()
        queued = desk.session.outgoing.queued_bytes
        for name in ("redis", "postgres", "redis"):
            conditions.away = [Away(name, "gone", NOW)]
            desk.session.deliver_health(desk.session.broadcast.health_message())
        conditions.away = []
        assert queued == desk.session.outgoing.queued_bytes
        frames = await desk.read_everything()
        assert ["ready"] == [frame["status"] for frame in frames if frame["type"] == "health"]
        conditions.away = [Away("redis", "gone", NOW)]
        desk.session.deliver_health(desk.session.broadcast.health_message())
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


async def test_a_round_larger_than_the_queue_reaches_a_client_that_is_not_behind() -> None:
    async with a_session() as desk:
        desk.session.deliver_round(desk.publish(1, size=2 * QUEUE_BYTES))
        current = desk.boards.offset
        frames = await desk.read_everything()
        assert (frames[-1]["type"], frames[-1]["offset"]) == ("snapshot", current)
        desk.session.deliver_round(desk.publish(2))
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


async def test_who_leaves_waits_its_turn_and_who_speaks_does_not(
    autojump_clock: MockClock,
) -> None:
    async with a_session() as desk:
        stream = desk.session.stream
        stream.is_accepted.set()
        await stream.leaving.acquire_on_behalf_of(desk.client)  # as while thousands leave
        await desk.client.send_all(b"x")
        assert b"x" == await stream.receive_some()
        await desk.client.aclose()
        with trio.move_on_after(1) as waiting:
            await stream.receive_some()
        assert waiting.cancelled_caught
        stream.leaving.release_on_behalf_of(desk.client)
        assert b"" == await stream.receive_some()
        assert -1 == stream.outgoing.stream.socket.fileno()  # closed in its turn


async def test_who_says_no_more_may_still_read_what_is_queued() -> None:
    async with a_session() as desk:
        stream = desk.session.stream
        stream.is_accepted.set()
        stream.outgoing.put_piece(b"x" * QUEUE_BYTES)
        await desk.client.send_eof()
        assert b"" == await stream.receive_some()
        received = 0
        while received < QUEUE_BYTES:
            received += len(await desk.client.receive_some())
        await stream.aclose()
        assert received >= QUEUE_BYTES


async def test_an_answer_to_a_ping_is_a_sign_of_life_and_no_work_for_the_library(
    autojump_clock: MockClock,
) -> None:
    async with a_session() as desk:
        stream = desk.session.stream
        stream.is_accepted.set()
        for _ in range(2):
            stream.unanswered_pings = 2
            await desk.client.send_all(EMPTY_PONG)
            with trio.move_on_after(1) as waiting:
                await stream.receive_some()
            assert (True, 0) == (waiting.cancelled_caught, stream.unanswered_pings)
        await desk.client.send_all(PING_MESSAGE)
        assert PING_MESSAGE == await stream.receive_some()


async def test_what_looks_like_a_pong_within_a_frame_is_handed_on() -> None:
    async with a_session() as desk:
        stream = desk.session.stream
        stream.is_accepted.set()
        for sent in (b"\x81\x86mask", EMPTY_PONG):  # the payload of that frame
            await desk.client.send_all(sent)
            assert sent == await stream.receive_some()


async def test_who_falls_behind_is_told_all_of_its_token_anew() -> None:
    async with a_session() as desk:
        board = f"token:{mint_of(1)}"
        desk.session._subscribe(Subscribe(board=board, since=None))
        desk.publish(1)
        ticker = desk.session.broadcast.ticker
        ticker.forget_token(mint_of(1))
        desk.session._fall_behind()
        desk.session.deliver_message(board, b'{"type":"trades"}')
        desk.session.send_snapshots()
        desk.session.deliver_message(board, b'{"type":"trades"}')
        frames = await desk.read_everything()
        kinds = [(frame["type"], frame.get("board")) for frame in frames]
        assert [("snapshot", "new"), ("snapshot", board), ("trades", None)] == kinds[-3:]
        assert {mint_of(1): {desk.session.client}} == ticker._due
