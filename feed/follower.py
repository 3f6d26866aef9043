"""What one client is sent of what it follows, whatever it speaks.

    hub --FramedRound--> Follower --> Outgoing --> client

A slow client is never owed more than `client_queue_bytes` (or one snapshot, if that is larger):
past it, what is queued is dropped, and when the rest has drained it gets fresh snapshots.
"""

from abc import ABC, abstractmethod

import trio
from attrs import Factory, define, field

from config.settings import GatewaySettings
from domain.chunks import chunks
from domain.values import Mint
from feed import Announce, ServiceHealth
from feed.board import BOARD_NAMES, Boards, DeltaRound
from feed.commands import Subscribe
from feed.frames import DeflatedFrames, FramedRound, text_frame
from feed.health import health_message
from feed.outgoing import Outgoing
from feed.token_boards import PREFIX, is_token_board
from feed.token_ticker import TokenTicker
from feed.view_query import ViewQuery

ITEMS_AT_ONCE = 50  # of a new view, between two checkpoints: some 2 ms
NEW_VIEW_SECONDS = 0.05  # from one to the next, whoever asks for them


@define(eq=False)
class Broadcast:
    """What all sessions share."""

    settings: GatewaySettings
    boards: Boards
    announce: Announce
    health: ServiceHealth
    deflated_frames: DeflatedFrames = field(init=False, factory=DeflatedFrames)
    latest: FramedRound = field(
        init=False,
        default=Factory(lambda self: FramedRound(0, {}, self.deflated_frames), takes_self=True),
    )
    health_wanted: trio.Event = field(init=False, factory=trio.Event)  # somebody follows it
    ticker: TokenTicker = field(init=False, factory=TokenTicker)
    _new_views: trio.CapacityLimiter = field(init=False, factory=lambda: trio.CapacityLimiter(1))
    conflated: int = field(init=False, default=0)  # times a slow client fell behind
    refused: int = field(init=False, default=0)  # frames

    def frame_round(self, delta_round: DeltaRound) -> FramedRound:
        """The round that is delivered from now on, as bytes for the wire."""
        self.latest = FramedRound.frame(delta_round, self.deflated_frames)
        return self.latest

    def snapshot_frame(self, board: str, *, is_deflated: bool) -> bytes:
        """The snapshot of a board as a frame."""
        return self.frame_message(self.boards.snapshot_message(board), is_deflated=is_deflated)

    def frame_message(self, message: bytes, *, is_deflated: bool) -> bytes:
        """A message as a frame."""
        return self.deflated_frames.frame_message(message) if is_deflated else text_frame(message)

    async def prepare_view(self, query: ViewQuery) -> None:
        """Make the items of a view that does not live yet, one view after the other."""
        if self.boards.views.is_living(query):
            return
        async with self._new_views:
            tokens = self.boards.catalogue.tokens
            for mints in chunks(self.boards.views.list_first(query), ITEMS_AT_ONCE):
                for mint in mints:
                    if mint in tokens:
                        self.boards.items.get_json(tokens[mint])
                await trio.lowlevel.checkpoint()
            await trio.sleep(NEW_VIEW_SECONDS)

    def follow_token(self, board: str, client: int) -> None:
        """Count a client as one who follows a token's board."""
        self.boards.of_tokens.follow(_mint_of(board), client)

    def unfollow_token(self, board: str, client: int) -> None:
        """Count it no more."""
        mint = _mint_of(board)
        self.boards.of_tokens.unfollow(mint, client)
        if not self.boards.of_tokens.list_clients(mint):
            self.ticker.forget_token(mint)

    def note_newcomer(self, board: str, client: int) -> None:
        """A client has a token's snapshot, and is to be told of all its newest trades."""
        self.ticker.note_newcomer(_mint_of(board), client)

    def health_message(self) -> bytes:
        """How the service is, as a JSON message."""
        return health_message(self.health)

    def resume_frames(self, wanted: Subscribe) -> bytes | None:
        """What a client has missed; None when it needs a snapshot."""
        if wanted.since is None:
            return None
        messages = self.boards.resume_messages(wanted.board, wanted.since)
        if messages is None:
            return None
        is_deflated = wanted.is_deflated
        return b"".join(self.frame_message(each, is_deflated=is_deflated) for each in messages)


@define(eq=False)
class Follower(ABC):
    """One client, as far as it is sent what it follows."""

    client: int
    broadcast: Broadcast
    following: frozenset[str] = field(init=False, default=frozenset())  # boards sent as deltas
    deflated: frozenset[str] = field(init=False, default=frozenset())  # boards wanted deflated
    stale: dict[str, None] = field(init=False, factory=dict)  # boards that await a snapshot
    tokens: frozenset[str] = field(init=False, default=frozenset())  # boards of one token
    views: frozenset[str] = field(init=False, default=frozenset())  # boards that clients describe
    offset: int = field(init=False, default=0)  # of the last round delivered
    follows_health: bool = field(init=False, default=False)
    wants_heartbeat: bool = field(init=False, default=False)
    is_health_due: bool = field(init=False, default=False)  # to be told once the queue is empty
    health_told: bytes = field(init=False, default=b"")  # the message it had last
    watched: frozenset[Mint] = field(
        init=False, default=frozenset()
    )  # immutable: shared with a census

    # What the client speaks.

    @property
    @abstractmethod
    def outgoing(self) -> Outgoing:
        """The connection's writer."""

    @abstractmethod
    def encode_round(self, delta_round: FramedRound) -> bytes:
        """The deltas of the boards that this client follows, for the wire."""

    @abstractmethod
    def encode_snapshot(self, board: str) -> bytes:
        """The snapshot of a board, for the wire."""

    @abstractmethod
    def encode_message(self, board: str, message: bytes) -> bytes:
        """A message that belongs to a board beside its deltas, for the wire."""

    @abstractmethod
    def encode_health(self, message: bytes) -> bytes:
        """A health message, for the wire."""

    @abstractmethod
    def check_on(self) -> None:
        """Send a sign of life, and give up a client that has vanished."""

    @abstractmethod
    def say_goodbye(self) -> None:
        """Tell the client that the service goes; nothing is sent to it after that."""

    # What it is owed.

    def deliver_round(self, delta_round: FramedRound) -> None:
        """Send the deltas of the boards this client follows, once a round."""
        if delta_round.offset <= self.offset:
            return
        self.offset = delta_round.offset
        frames = self.encode_round(delta_round)
        if not frames:
            return
        if self.outgoing.queued_bytes + len(frames) > self.broadcast.settings.client_queue_bytes:
            self._fall_behind()
            self.send_snapshots()  # at once where nothing is queued: nothing would drain then
        else:
            self.outgoing.put_piece(frames, is_droppable=True)

    def deliver_message(self, board: str, message: bytes) -> None:
        """Send a message that belongs to a board beside its deltas, if the client follows it.

        Not to one that is slow: it is told everything anew once it has caught up.
        """
        room = self.broadcast.settings.client_queue_bytes - self.outgoing.queued_bytes
        if board in self.following and len(message) <= room:
            self.outgoing.put_piece(self.encode_message(board, message), is_droppable=True)

    def deliver_health(self, message: bytes) -> None:
        """Send the health if it is news; behind queued bytes later, and as it is then."""
        is_news = message != self.health_told
        self.is_health_due = is_news and self.outgoing.queued_bytes > 0
        if is_news and not self.is_health_due:
            self.health_told = message
            self.outgoing.put_piece(self.encode_health(message))

    def deliver_heartbeat(self, frame: bytes) -> None:
        """Send a sign of life where nothing is queued: else the queue is one."""
        if not self.outgoing.queued_bytes:
            self.outgoing.put_piece(frame)

    def send_what_is_due(self) -> None:
        """Send what waited for the queue to drain: the health, then snapshots."""
        if self.is_health_due:
            self.deliver_health(self.broadcast.health_message())
        self.send_snapshots()

    def send_snapshots(self) -> None:
        """Send the snapshots that are owed, one after the other, as long as nothing is queued."""
        self.deliver_round(self.broadcast.latest)
        while self.stale and not self.outgoing.queued_bytes and not self.outgoing.is_broken:
            board = next(iter(self.stale))
            del self.stale[board]
            self.following |= {board}
            self.outgoing.put_piece(self.encode_snapshot(board), is_droppable=True)
            if is_token_board(board):
                self.broadcast.note_newcomer(board, self.client)

    def hold_board(self, board: str) -> None:
        """Count as a follower of a token or of a view, which live while somebody follows them."""
        if is_token_board(board):
            self.tokens |= {board}
            self.broadcast.follow_token(board, self.client)
        elif board in self.broadcast.boards.views.living:
            self.views |= {board}
            self.broadcast.boards.views.hold_view(board)

    def release_board(self, board: str) -> None:
        """Follow a board no more."""
        self.following -= {board}
        self.deflated -= {board}
        self.stale.pop(board, None)
        if board in self.tokens:
            self.tokens -= {board}
            self.broadcast.unfollow_token(board, self.client)
        if board in self.views:
            self.views -= {board}
            self.broadcast.boards.views.release_view(board)

    def leave_boards(self) -> None:
        """Count as a follower of tokens and views no more."""
        for board in sorted(self.tokens | self.views):
            self.release_board(board)

    def _fall_behind(self) -> None:
        self.broadcast.conflated += 1
        self.outgoing.drop_droppable()
        others = sorted(self.following.difference(BOARD_NAMES))
        boards = [board for board in BOARD_NAMES if board in self.following]
        self.stale |= dict.fromkeys([*boards, *others])
        self.following = frozenset()


def _mint_of(board: str) -> Mint:
    return Mint(board.removeprefix(PREFIX))
