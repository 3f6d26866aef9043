"""One WebSocket client: what it follows, what it says, and what it is still owed.

    hub --FramedRound--> ClientSession --> Outgoing --> client
    client --> trio-websocket --> ClientSession --> Presence --> activity

trio-websocket reads; `SessionStream` gives it the socket so that whatever it writes (handshake,
pong, close) goes through the connection's one writer, as deltas do.

A slow client is never owed more than `client_queue_bytes` (or one snapshot, if that is larger):
past it, what is queued is dropped, and when the rest has drained it gets fresh snapshots.
"""

import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection

from config.settings import GatewaySettings
from domain.errors import FrameRefused
from domain.messages import ClientSpoke, MintUnwatched, MintWatched
from domain.values import Mint
from feed import Announce, ServiceHealth
from feed.allowance import Allowance
from feed.board import BOARD_NAMES, Boards
from feed.commands import (
    FollowHealth,
    Ping,
    Subscribe,
    Unsubscribe,
    Unwatch,
    Watch,
    error_message,
    parse_command,
)
from feed.frames import FIRST_BYTE_OF_CLOSE, FramedRound, text_frame
from feed.health import health_message
from feed.outgoing import Outgoing

MESSAGES_PER_SECOND, MESSAGES_AT_ONCE = 50, 300  # a page that returns repeats 200 watches
PAUSE_SECONDS = 1.0  # for a client past its allowance
BYTES_PER_SECOND, BYTES_AT_ONCE = 8 * 1024, 128 * 1024  # received; also bounds floods of pings
MOST_WATCHES = 200  # a client
SPOKE_SECONDS = 1.0  # activity hears of a client's messages at most so often

PONG_MESSAGE = b'{"type":"pong"}'


@define(eq=False)
class Broadcast:
    """What all sessions share."""

    settings: GatewaySettings
    boards: Boards
    announce: Announce
    health: ServiceHealth
    latest: FramedRound = field(init=False, factory=lambda: FramedRound(0, {}))
    health_wanted: trio.Event = field(init=False, factory=trio.Event)  # somebody follows it
    conflated: int = field(init=False, default=0)  # times a slow client fell behind
    refused: int = field(init=False, default=0)  # frames

    def snapshot_frame(self, board: str) -> bytes:
        """The snapshot of a board as a frame."""
        return text_frame(self.boards.snapshot_message(board))

    def health_frame(self) -> bytes:
        """The health message as a frame."""
        return text_frame(health_message(self.health))

    def resume_frames(self, wanted: Subscribe) -> bytes | None:
        """What a client has missed; None when it needs a snapshot."""
        if wanted.since is None:
            return None
        messages = self.boards.resume_messages(wanted.board, wanted.since)
        return None if messages is None else b"".join(map(text_frame, messages))


@define(eq=False)
class SessionStream(trio.abc.Stream):
    """The socket as trio-websocket sees it."""

    outgoing: Outgoing
    handshake: bytes  # the client's request; read first
    unread: bytes  # what the client has sent behind it
    queue_bytes: int  # nothing is read from a client while more than this is queued for it
    is_accepted: trio.Event = field(init=False, factory=trio.Event)
    heard_at: float = field(init=False, factory=trio.current_time)
    allowance: Allowance = field(
        init=False,
        factory=lambda: Allowance(BYTES_PER_SECOND, BYTES_AT_ONCE, trio.current_time()),
    )

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """One whole frame, or the handshake's response."""
        await trio.lowlevel.checkpoint()
        if self.outgoing.is_broken:
            raise trio.BrokenResourceError
        self.outgoing.put_piece(bytes(data))
        if data and data[0] == FIRST_BYTE_OF_CLOSE:
            self.outgoing.accept_no_more()
        await self.outgoing.wait_until_sent(self.queue_bytes)

    async def wait_send_all_might_not_block(self) -> None:
        await self.outgoing.wait_until_sent()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Bytes of the client, at most as fast as its allowance."""
        if self.handshake:
            await trio.lowlevel.checkpoint()
            handshake, self.handshake = self.handshake, b""
            return handshake
        # trio-websocket loses frames that it is given before it has accepted the handshake.
        await self.is_accepted.wait()
        if self.unread:
            data, self.unread = self.unread, b""
        else:
            data = bytes(await self.outgoing.stream.receive_some(max_bytes))
        self.heard_at = trio.current_time()
        await trio.sleep(self.allowance.take_on_credit(len(data), self.heard_at))
        return data

    async def aclose(self) -> None:
        """Close the socket, once what was put is sent."""
        try:
            await self.outgoing.wait_until_sent()
        finally:
            await self.outgoing.stream.aclose()


@define(eq=False)
class ClientSession:
    """One WebSocket client."""

    client: int
    broadcast: Broadcast
    stream: SessionStream
    following: frozenset[str] = field(init=False, default=frozenset())  # boards sent as deltas
    stale: dict[str, None] = field(init=False, factory=dict)  # boards that await a snapshot
    offset: int = field(init=False, default=0)  # of the last round delivered
    follows_health: bool = field(init=False, default=False)
    is_health_due: bool = field(init=False, default=False)  # to be told once the queue is empty
    health_told: bytes = field(init=False, default=b"")  # the frame it had last
    watched: frozenset[Mint] = field(
        init=False, default=frozenset()
    )  # immutable: shared with a census
    spoke_at: float = field(init=False, default=float("-inf"))
    allowance: Allowance = field(
        init=False,
        factory=lambda: Allowance(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE, trio.current_time()),
    )

    @property
    def outgoing(self) -> Outgoing:
        """The connection's writer."""
        return self.stream.outgoing

    # Out.

    def deliver_round(self, delta_round: FramedRound) -> None:
        """Send the deltas of the boards this client follows, once a round."""
        if delta_round.offset <= self.offset:
            return
        self.offset = delta_round.offset
        frames = delta_round.frames_of(self.following)
        if not frames:
            return
        if self.outgoing.queued_bytes + len(frames) > self.broadcast.settings.client_queue_bytes:
            self._fall_behind()
        else:
            self.outgoing.put_piece(frames, is_droppable=True)

    def deliver_health(self, frame: bytes) -> None:
        """Send the health if it is news; behind queued bytes later, and as it is then."""
        is_news = frame != self.health_told
        self.is_health_due = is_news and self.outgoing.queued_bytes > 0
        if is_news and not self.is_health_due:
            self.health_told = frame
            self.outgoing.put_piece(frame)

    def send_what_is_due(self) -> None:
        """Send what waited for the queue to drain: the health, then snapshots."""
        if self.is_health_due:
            self.deliver_health(self.broadcast.health_frame())
        self.send_snapshots()

    def send_snapshots(self) -> None:
        """Send the snapshots that are owed, one after the other, as long as nothing is queued."""
        self.deliver_round(self.broadcast.latest)
        while self.stale and not self.outgoing.queued_bytes and not self.outgoing.is_broken:
            board = next(iter(self.stale))
            del self.stale[board]
            self.following |= {board}
            self.outgoing.put_piece(self.broadcast.snapshot_frame(board), is_droppable=True)

    def send_reply(self, message: bytes) -> None:
        """Send one text frame, which is never dropped."""
        self.outgoing.put_piece(text_frame(message))

    def _fall_behind(self) -> None:
        self.broadcast.conflated += 1
        self.outgoing.drop_droppable()
        self.stale |= dict.fromkeys(board for board in BOARD_NAMES if board in self.following)
        self.following = frozenset()

    # In.

    async def serve_client(self, connection: WebSocketConnection) -> None:
        """Act on the client's messages until it leaves."""
        self.outgoing.on_drained = self.send_what_is_due
        while True:
            try:
                message = await connection.get_message()
            except ConnectionClosed:
                return
            self._note_sign_of_life()
            try:
                await self._act_on(message)
            except FrameRefused as refusal:
                self.broadcast.refused += 1
                self.send_reply(error_message(refusal.reason))
            await self.outgoing.wait_until_sent(self.stream.queue_bytes)

    async def _act_on(self, message: str | bytes) -> None:
        if not self.allowance.try_take(1, trio.current_time()):
            self.send_reply(error_message("rate_limited"))
            await trio.sleep(PAUSE_SECONDS)
            return
        match parse_command(message):
            case Subscribe() as wanted:
                self._subscribe(wanted)
            case Unsubscribe(board=board):
                self.following -= {board}
                self.stale.pop(board, None)
            case Watch(mint=mint):
                self._watch(mint)
            case Unwatch(mint=mint):
                if mint in self.watched:
                    self.watched -= {mint}
                    self.broadcast.announce(MintUnwatched(client=self.client, mint=mint))
            case FollowHealth():
                self.follows_health, self.health_told = True, b""
                self.broadcast.health_wanted.set()
                self.deliver_health(self.broadcast.health_frame())
            case Ping():
                self.send_reply(PONG_MESSAGE)

    def _subscribe(self, wanted: Subscribe) -> None:
        self.deliver_round(self.broadcast.latest)
        self.following -= {wanted.board}
        self.stale.pop(wanted.board, None)
        frames = self.broadcast.resume_frames(wanted)
        room = self.broadcast.settings.client_queue_bytes - self.outgoing.queued_bytes
        if frames is not None and len(frames) <= room:
            self.following |= {wanted.board}
            self.outgoing.put_piece(frames, is_droppable=True)
        else:
            self.stale[wanted.board] = None
            self.send_snapshots()

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
