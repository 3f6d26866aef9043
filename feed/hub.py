"""All clients that follow: how they come and go, and how a round of deltas reaches them.

boards --DeltaRound--> Hub --frames and events, built once--> every ClientSession, StreamSession
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from math import ceil
from random import Random

import trio
from attrs import define, field
from trio_websocket import wrap_server_stream

from config.settings import GatewaySettings
from domain.errors import FrameRefused, RequestRefused
from domain.messages import CensusTaken, ClientConnected, ClientLeft
from domain.values import Mint, UnixSeconds
from feed import Announce, ServiceHealth
from feed.board import Boards, DeltaRound
from feed.follower import Broadcast, Follower
from feed.frames import text_frame
from feed.health import heartbeat_message
from feed.history import TradeHistory
from feed.outgoing import Outgoing
from feed.session import ClientSession
from feed.session_stream import SessionStream
from feed.stream_session import (
    RETRY_SPREAD_MILLISECONDS,
    SHORTEST_RETRY_MILLISECONDS,
    StreamSession,
    StreamWanted,
)
from feed.token_boards import name_token_board

LARGEST_MESSAGE = 16 * 1024  # characters
KEEPALIVE_SECONDS = 15.0  # proxies cut what is silent for longer, some of them after 30
SHORTEST_PAUSE_SECONDS = 0.02  # between pings: their answers, too, are to come evenly
CLIENTS_AT_ONCE = 64  # frames sent between two checkpoints: about half a millisecond
LEAVING_AT_ONCE = 8  # clients whose sockets are closed between two checkpoints


@define(eq=False)
class Hub:
    """All clients of the WebSocket and of the event stream."""

    settings: GatewaySettings
    boards: Boards
    announce: Announce
    health: ServiceHealth
    random: Random
    broadcast: Broadcast = field(init=False)
    # By number, who is to be pinged next first.
    sessions: OrderedDict[int, Follower] = field(init=False, factory=OrderedDict)
    served: int = field(init=False, default=0)  # clients since the start
    _numbers: "count[int]" = field(init=False)
    _leaving: trio.CapacityLimiter = field(
        init=False, factory=lambda: trio.CapacityLimiter(LEAVING_AT_ONCE)
    )

    def __attrs_post_init__(self) -> None:
        self.broadcast = Broadcast(self.settings, self.boards, self.announce, self.health)
        # A random start, so that no client has the number of one before a restart of the gateway.
        self._numbers = count(self.random.getrandbits(32) << 20)

    async def send_round(self, delta_round: DeltaRound) -> None:
        """Send a round of deltas to all who follow its boards; a checkpoint every 64 clients."""
        framed = self.broadcast.frame_round(delta_round)
        self.broadcast.ticker.note_traded(self.boards.of_tokens.take_traded())
        # Who follows nothing is not visited: ten thousand of them would be 150 checkpoints,
        # and each of these a turn of everybody else.
        following = [each for each in self.sessions.values() if each.following or each.stale]
        async for session in _by_turns(following):
            session.deliver_round(framed)

    async def tell_trades(self, history: TradeHistory) -> None:
        """Tell those who follow a token of its trades and candles, as they come."""
        await self.broadcast.ticker.tell_trades(history, self)

    def list_followers(self, mint: Mint) -> Collection[int]:
        return self.boards.of_tokens.list_clients(mint)

    def deliver_to(self, clients: Iterable[int], mint: Mint, message: bytes) -> None:
        board = name_token_board(mint)
        for client in clients:
            session = self.sessions.get(client)
            if session is not None:
                session.deliver_message(board, message)

    async def wait_until_health_is_followed(self) -> None:
        """Wait until a client wants to know how the service is; at once while one does."""
        while not any(session.follows_health for session in self.sessions.values()):
            self.broadcast.health_wanted = trio.Event()
            await self.broadcast.health_wanted.wait()

    async def send_health(self) -> None:
        """Tell everybody who wants to know how the service is, as far as that has changed."""
        message = self.broadcast.health_message()
        following = [each for each in self.sessions.values() if each.follows_health]
        async for session in _by_turns(following):
            session.deliver_health(message)

    async def send_heartbeat(self, now: UnixSeconds) -> None:
        """Send a sign of life, built once, to everybody who wants one."""
        frame = text_frame(heartbeat_message(now))
        wanting = [each for each in self.sessions.values() if each.wants_heartbeat]
        async for session in _by_turns(wanting):
            session.deliver_heartbeat(frame)

    async def serve_client(self, outgoing: Outgoing, handshake: bytes, unread: bytes) -> None:
        """Serve one WebSocket client, from its handshake until it leaves."""
        queue_bytes = self.settings.client_queue_bytes
        stream = SessionStream(outgoing, handshake, unread, queue_bytes, self._leaving)
        try:
            # trio-websocket's reader runs in this nursery: what it raises on hostile frames (a ping
            # after a close) must end this connection alone.
            async with trio.open_nursery() as nursery:
                with trio.fail_after(self.settings.request_timeout_seconds):
                    request = await wrap_server_stream(
                        nursery, stream, max_message_size=LARGEST_MESSAGE
                    )
                    connection = await request.accept()
                stream.accept(connection)
                session = ClientSession(next(self._numbers), self.broadcast, stream)
                with self.attending(session):
                    await session.serve_client(connection)
                stream.tell_fault()
                nursery.cancel_scope.cancel()
        finally:
            stream.let_go()

    async def open_view(self, wanted: StreamWanted) -> None:
        """Let the view of a stream live; `RequestRefused` where there are too many.

        Nothing may be awaited between this and `serve_stream`: a view that nobody holds makes room.
        """
        if wanted.view is None:
            return
        try:
            await self.broadcast.prepare_view(wanted.view)
            self.boards.open_view(wanted.view)
        except FrameRefused as refusal:
            if refusal.reason == "too_many_views":
                raise RequestRefused(503, "too_many_views", refusal.message or "") from refusal
            raise RequestRefused(400, "bad_query", refusal.message or "") from refusal

    async def serve_stream(
        self, outgoing: Outgoing, stream: trio.SocketStream, wanted: StreamWanted
    ) -> None:
        """Serve one client of the event stream until it leaves, or the service does."""
        spread = self.random.randrange(RETRY_SPREAD_MILLISECONDS)
        session = StreamSession(
            next(self._numbers), self.broadcast, outgoing, SHORTEST_RETRY_MILLISECONDS + spread
        )
        with self.attending(session):
            await session.serve_client(stream, wanted)

    @contextmanager
    def attending(self, session: Follower) -> Iterator[None]:
        """Deliver to the session while it is served."""
        session.offset = self.broadcast.latest.offset
        self.sessions[session.client] = session
        self.served += 1
        try:
            self.announce(ClientConnected(client=session.client))
            yield
        finally:
            del self.sessions[session.client]
            self.announce(ClientLeft(client=session.client))

    async def keep_alive(self) -> None:
        """Check on every client once an interval, evenly."""
        while True:
            each_seconds = KEEPALIVE_SECONDS / max(len(self.sessions), 1)
            at_once = ceil(SHORTEST_PAUSE_SECONDS / each_seconds)
            await trio.sleep(at_once * each_seconds)
            for _ in range(min(at_once, len(self.sessions))):
                self._check_on_next()

    def _check_on_next(self) -> None:
        client = next(iter(self.sessions))
        self.sessions.move_to_end(client)
        self.sessions[client].check_on()

    def say_goodbye(self) -> None:
        """Tell every client that the service goes; nothing is sent to it after that."""
        for session in self.sessions.values():
            session.say_goodbye()

    def count_streams(self) -> int:
        """How many clients follow the event stream."""
        return sum(isinstance(session, StreamSession) for session in self.sessions.values())

    def take_census(self) -> CensusTaken:
        """Who is connected, and what each watches."""
        watched = {client: session.watched for client, session in self.sessions.items()}
        return CensusTaken(watched=watched)


async def _by_turns(sessions: list[Follower]) -> AsyncIterator[Follower]:
    for position, session in enumerate(sessions, start=1):
        yield session
        if position % CLIENTS_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
