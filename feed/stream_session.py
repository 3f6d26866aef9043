"""One client of the event stream, `GET /api/stream`: it says what it wants once, and then listens.

    GET /api/stream?boards=new,hot&view={...}&mint=...  --read_stream_wanted-->  StreamWanted
    hub --FramedRound--> StreamSession --> Outgoing --> client

For those who cannot speak WebSocket: the same messages, with the same bound on what a slow client
is owed. The response has no length and no chunks, and ends with its connection, so that every
client is sent the same bytes, and one of HTTP/1.0 is served as well.
"""

import socket

import orjson
import trio
from attrs import define, field, frozen

from domain.errors import FrameRefused, MintRefused, QueryRefused, RequestRefused
from domain.values import parse_address
from feed.board import BOARD_NAMES, Cursor
from feed.commands import view_message
from feed.events import (
    COMMENT,
    encode_event,
    join_events,
    kind_of,
    read_event_id,
    write_event_id,
)
from feed.follower import Follower
from feed.frames import FramedRound
from feed.http import HttpRequest, HttpResponse
from feed.outgoing import Outgoing, do_nothing
from feed.parameters import read_parameter, read_parameters
from feed.token_boards import name_token_board
from feed.view_query import ViewQuery, parse_view

STREAM_PATH = "/api/stream"
STREAM_HEAD = HttpResponse(
    content_type="text/event-stream",
    # nginx would collect what is to be seen at once.
    headers=(("Cache-Control", "no-cache, no-transform"), ("X-Accel-Buffering", "no")),
    is_endless=True,
)
# After which a browser connects again: not all in the same moment when the service starts anew.
SHORTEST_RETRY_MILLISECONDS, RETRY_SPREAD_MILLISECONDS = 1000, 3000
# A comment is not answered: a client that has vanished is noticed by what it does not acknowledge.
UNACKNOWLEDGED_MILLISECONDS = 60_000


@frozen(kw_only=True)
class StreamWanted:
    """What one request for the event stream asks for."""

    boards: tuple[str, ...]  # by name, those of the view and of the token included
    view: ViewQuery | None = None  # which need not live yet
    since: Cursor | None  # what the client still holds of all of them


def read_stream_wanted(request: HttpRequest) -> StreamWanted:
    """What is asked for; `RequestRefused` says what is wrong.

    The header goes before `since`: a browser that comes back repeats the address it had at first.
    What it holds may be of an earlier life of the service, and is then worth nothing, as is an id
    that is none: a refusal would keep an EventSource away for good.
    """
    try:
        given = read_parameters(request.query, ("boards", "view", "mint", "since"))
        view = read_parameter(given, "view", _parse_view, None)
        token = read_parameter(given, "mint", _parse_token, None)
        others = (*([view.name] if view else ()), *([token] if token else ()))
        boards = read_parameter(given, "boards", _parse_boards, () if others else BOARD_NAMES)
        since = read_parameter(given, "since", _parse_cursor, None)
    except QueryRefused as refusal:
        raise RequestRefused(400, "bad_query", refusal.reason) from refusal
    if (last_event_id := request.headers.get("last-event-id")) is not None:
        since = read_event_id(last_event_id)
    return StreamWanted(boards=(*boards, *others), view=view, since=since)


@define(eq=False)
class StreamSession(Follower):
    """One client of the event stream."""

    _outgoing: Outgoing
    retry_milliseconds: int
    _conversation: trio.CancelScope = field(init=False, factory=trio.CancelScope)

    @property
    def outgoing(self) -> Outgoing:
        return self._outgoing

    async def serve_client(self, stream: trio.SocketStream, wanted: StreamWanted) -> None:
        """Send what is wanted until the client leaves, or the service does."""
        notice_vanished(stream)
        self.outgoing.on_drained = self.send_what_is_due
        try:
            self._begin(wanted)
            with self._conversation:
                await _wait_until_left(stream)
            if self._conversation.cancelled_caught:
                await self.outgoing.wait_until_sent()
        finally:
            self.leave_boards()
            self.outgoing.on_drained = do_nothing  # else they would hold one another

    def _begin(self, wanted: StreamWanted) -> None:
        self.outgoing.put_piece(b"retry: %d\n\n" % self.retry_milliseconds)
        self.follows_health = True
        self.broadcast.health_wanted.set()
        self.deliver_health(self.broadcast.health_message())
        if wanted.view is not None:
            self.outgoing.put_piece(encode_event("view", view_message(wanted.view, None)))
        for board in wanted.boards:
            self.hold_board(board)
        self.stale = dict.fromkeys(wanted.boards)
        if wanted.since is not None:
            for board in wanted.boards:
                self._resume(board, wanted.since)
        self.send_snapshots()

    def _resume(self, board: str, since: Cursor) -> None:
        """Send what was missed of a board; it stays stale where that is not known or too much."""
        messages = self.broadcast.boards.resume_messages(board, since)
        if messages is None:
            return
        resumed, *deltas = messages
        is_last = self.stale.keys() == {board}
        event_id = self._write_id() if is_last else ""
        events = encode_event("resumed", resumed, "" if deltas else event_id)
        events += join_events("delta", deltas, event_id)
        room = self.broadcast.settings.client_queue_bytes - self.outgoing.queued_bytes
        if len(events) <= room:
            del self.stale[board]
            self.following |= {board}
            self.outgoing.put_piece(events, is_droppable=True)

    # What the client speaks.

    def encode_round(self, delta_round: FramedRound) -> bytes:
        epoch = "" if self.stale else self.broadcast.boards.epoch
        return delta_round.events_of(self.following, epoch)

    def encode_snapshot(self, board: str) -> bytes:
        message = self.broadcast.boards.snapshot_message(board)
        return encode_event("snapshot", message, "" if self.stale else self._write_id())

    def encode_message(self, board: str, message: bytes) -> bytes:
        return encode_event(kind_of(message), message)

    def encode_health(self, message: bytes) -> bytes:
        return encode_event("health", message)

    def check_on(self) -> None:
        """Send a comment, unless the client has something to take."""
        if not self.outgoing.queued_bytes:
            self.outgoing.put_piece(COMMENT)

    def say_goodbye(self) -> None:
        self.outgoing.accept_no_more()
        self._conversation.cancel()

    def _write_id(self) -> str:
        """As of now: the last round is delivered; offsets since then are of views that began."""
        return write_event_id(self.broadcast.boards.cursor)


def notice_vanished(stream: trio.SocketStream) -> None:
    """Let the kernel break the connection of a client that acknowledges nothing any more."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # not on macOS, where it takes as long as TCP does
        option = socket.TCP_USER_TIMEOUT
        stream.setsockopt(socket.IPPROTO_TCP, option, UNACKNOWLEDGED_MILLISECONDS)


async def _wait_until_left(stream: trio.SocketStream) -> None:
    """Wait until the client closes; whoever says anything more here speaks another protocol."""
    try:
        await stream.receive_some(1)
    except trio.BrokenResourceError:
        return


def _parse_boards(value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(value.split(",")))
    if not all(name in BOARD_NAMES for name in names):
        raise ValueError(f"some of {', '.join(BOARD_NAMES)}, with commas between them")
    return names


def _parse_view(value: str) -> ViewQuery:
    try:
        return parse_view(orjson.loads(value))
    except orjson.JSONDecodeError:
        raise ValueError('a view as JSON, such as {"filters":{"minVolume1h":5000}}') from None
    except FrameRefused as refusal:
        raise ValueError(f"a view: {refusal.message}") from None


def _parse_token(value: str) -> str:
    try:
        return name_token_board(parse_address(value))
    except MintRefused:
        raise ValueError("the mint of a token, base58 of 32 bytes") from None


def _parse_cursor(value: str) -> Cursor:
    if (cursor := read_event_id(value)) is None:
        raise ValueError("the id of an event, epoch:offset")
    return cursor
