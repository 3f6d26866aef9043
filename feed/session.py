"""One WebSocket client: what it says, and what it follows.

    hub --FramedRound--> ClientSession --> Outgoing --> client
    client --> SessionStream --> trio-websocket --> ClientSession --> Presence --> activity

What a client is owed is the same whatever it speaks: feed/follower.py. `ClientSession` speaks
WebSocket, feed/stream_session.py server-sent events.
"""

import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection

from domain.errors import FrameRefused
from domain.messages import ClientSpoke, MintUnwatched, MintWatched
from domain.values import Mint
from feed.allowance import Allowance
from feed.commands import (
    FollowHealth,
    Ping,
    Subscribe,
    Unsubscribe,
    Unwatch,
    Watch,
    error_message,
    parse_command,
    view_message,
)
from feed.follower import Follower
from feed.frames import GOING_AWAY, PING_FRAME, FramedRound, close_frame, text_frame
from feed.outgoing import Outgoing
from feed.session_stream import SessionStream
from feed.token_boards import is_token_board

MESSAGES_PER_SECOND, MESSAGES_AT_ONCE = 50, 300  # a page that returns repeats 200 watches
PAUSE_SECONDS = 1.0  # for a client past its allowance
MOST_WATCHES = 200  # a client
MOST_TOKENS = 8  # boards of one token that a client follows
MOST_VIEWS = 8  # a client
# Pings: the client has vanished. Counted, not timed: a machine that is slow for a minute sends them
# late, and must not take everybody for gone.
MOST_UNANSWERED = 3
SPOKE_SECONDS = 1.0  # activity hears of a client's messages at most so often

PONG_MESSAGE = b'{"type":"pong"}'


@define(eq=False)
class ClientSession(Follower):
    """One WebSocket client."""

    stream: SessionStream
    spoke_at: float = field(init=False, default=float("-inf"))
    allowance: Allowance = field(
        init=False,
        factory=lambda: Allowance(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE, trio.current_time()),
    )

    # Out.

    @property
    def outgoing(self) -> Outgoing:
        return self.stream.outgoing

    def encode_round(self, delta_round: FramedRound) -> bytes:
        return delta_round.frames_of(self.following, self.deflated)

    def encode_snapshot(self, board: str) -> bytes:
        return self.broadcast.snapshot_frame(board, is_deflated=board in self.deflated)

    def encode_health(self, message: bytes) -> bytes:
        return text_frame(message)

    def encode_message(self, board: str, message: bytes) -> bytes:
        return self.broadcast.frame_message(message, is_deflated=board in self.deflated)

    def check_on(self) -> None:
        """Ping the client, or give it up when it has left too many pings unanswered."""
        if self.outgoing.queued_bytes:
            # No ping would come through. It takes what is queued, or the send time-out drops it.
            self.stream.unanswered_pings = 0
        elif self.stream.unanswered_pings >= MOST_UNANSWERED:
            self.outgoing.give_up()
        else:
            self.stream.unanswered_pings += 1
            self.outgoing.put_piece(PING_FRAME)

    def say_goodbye(self) -> None:
        self.outgoing.put_piece(close_frame(GOING_AWAY))
        self.outgoing.accept_no_more()

    def send_reply(self, message: bytes) -> None:
        """Send one text frame, which is never dropped."""
        self.outgoing.put_piece(text_frame(message))

    # In.

    async def serve_client(self, connection: WebSocketConnection) -> None:
        """Act on the client's messages until it leaves."""
        self.outgoing.on_drained = self.send_what_is_due
        try:
            while True:
                try:
                    message = await connection.get_message()
                except ConnectionClosed:
                    return
                await self._hear_message(message)
        finally:
            self.leave_boards()

    async def _hear_message(self, message: str | bytes) -> None:
        self._note_sign_of_life()
        try:
            await self._act_on(message)
        except FrameRefused as refusal:
            self.broadcast.refused += 1
            self.send_reply(error_message(refusal.reason, refusal.message, refusal.request_id))
        await self.outgoing.wait_until_sent(self.stream.queue_bytes)

    async def _act_on(self, message: str | bytes) -> None:
        if not self.allowance.try_take(1, trio.current_time()):
            self.send_reply(error_message("rate_limited"))
            await trio.sleep(PAUSE_SECONDS)
            return
        match parse_command(message):
            case Subscribe() as wanted:
                await self._open_board(wanted)
            case Unsubscribe(board=board):
                self.release_board(board)
            case Watch(mint=mint):
                self._watch(mint)
            case Unwatch(mint=mint):
                if mint in self.watched:
                    self.watched -= {mint}
                    self.broadcast.announce(MintUnwatched(client=self.client, mint=mint))
            case FollowHealth(wants_heartbeat=wants_heartbeat):
                self.follows_health, self.health_told = True, b""
                self.wants_heartbeat = wants_heartbeat
                self.broadcast.health_wanted.set()
                self.deliver_health(self.broadcast.health_message())
            case Ping():
                self.send_reply(PONG_MESSAGE)

    async def _open_board(self, wanted: Subscribe) -> None:
        try:
            if wanted.view is not None:
                self._require_room(wanted.board)
                await self.broadcast.prepare_view(wanted.view)
            self._subscribe(wanted)
        except FrameRefused as refusal:
            refusal.request_id = wanted.request_id
            raise

    def _subscribe(self, wanted: Subscribe) -> None:
        boards = self.broadcast.boards
        if wanted.view is not None:
            boards.open_view(wanted.view)
        if not boards.has_board(wanted.board):
            raise FrameRefused(wanted.board, reason="unknown_board")
        if wanted.board in boards.views.living:
            self._require_room(wanted.board)
        self.deliver_round(self.broadcast.latest)
        self.release_board(wanted.board)
        if is_token_board(wanted.board) and len(self.tokens) >= MOST_TOKENS:
            raise FrameRefused(wanted.board, reason="too_many_tokens")
        self.hold_board(wanted.board)
        if wanted.view is not None:
            self.send_reply(view_message(wanted.view, wanted.request_id))
        if wanted.is_deflated:
            self.deflated |= {wanted.board}
        frames = self.broadcast.resume_frames(wanted)
        room = self.broadcast.settings.client_queue_bytes - self.outgoing.queued_bytes
        if frames is not None and len(frames) <= room:
            self.following |= {wanted.board}
            self.outgoing.put_piece(frames, is_droppable=True)
        else:
            self.stale[wanted.board] = None
            self.send_snapshots()

    def _require_room(self, board: str) -> None:
        if board not in self.views and len(self.views) >= MOST_VIEWS:
            message = f"a client follows {MOST_VIEWS} views at most: unsubscribe from one first"
            raise FrameRefused(board, reason="too_many_views", message=message)

    def _watch(self, mint: Mint) -> None:
        if mint in self.watched:
            return
        if mint not in self.broadcast.boards.catalogue.tokens:
            raise FrameRefused(mint, reason="unknown_mint")
        if len(self.watched) >= MOST_WATCHES:
            raise FrameRefused(mint, reason="too_many_watches")
        self.watched |= {mint}
        self.broadcast.announce(MintWatched(client=self.client, mint=mint))

    def _note_sign_of_life(self) -> None:
        now = trio.current_time()
        if now - self.spoke_at >= SPOKE_SECONDS:
            self.spoke_at = now
            self.broadcast.announce(ClientSpoke(client=self.client))
