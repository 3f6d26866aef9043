"""All WebSocket clients: how they come and go, and how a round of deltas reaches them.

boards --DeltaRound--> Hub --frames, built once--> every ClientSession
"""

from collections.abc import AsyncIterator
from itertools import count
from random import Random

import trio
from attrs import define, field
from trio_websocket import WebSocketConnection, wrap_server_stream

from config.settings import GatewaySettings
from domain.messages import CensusTaken, ClientConnected, ClientLeft
from feed import Announce, ServiceHealth
from feed.board import Boards, DeltaRound
from feed.frames import GOING_AWAY, PING_FRAME, FramedRound, close_frame
from feed.outgoing import Outgoing
from feed.session import Broadcast, ClientSession, SessionStream

LARGEST_MESSAGE = 16 * 1024  # characters
KEEPALIVE_SECONDS = 20.0
SILENT_SECONDS = 65.0  # three pings unanswered: the client has vanished
CLIENTS_AT_ONCE = 64  # frames sent between two checkpoints: about half a millisecond


@define(eq=False)
class Hub:
    """All WebSocket clients."""

    settings: GatewaySettings
    boards: Boards
    announce: Announce
    health: ServiceHealth
    random: Random
    broadcast: Broadcast = field(init=False)
    sessions: dict[int, ClientSession] = field(init=False, factory=dict)
    served: int = field(init=False, default=0)  # clients since the start
    _numbers: "count[int]" = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.broadcast = Broadcast(self.settings, self.boards, self.announce, self.health)
        # A random start, so that no client has the number of one before a restart of the gateway.
        self._numbers = count(self.random.getrandbits(32) << 20)

    async def send_round(self, delta_round: DeltaRound) -> None:
        """Send a round of deltas to all who follow its boards; a checkpoint every 64 clients."""
        framed = self.broadcast.latest = FramedRound.frame(delta_round)
        async for session in self._each_session():
            session.deliver_round(framed)

    async def wait_until_health_is_followed(self) -> None:
        """Wait until a client wants to know how the service is; at once while one does."""
        while not any(session.follows_health for session in self.sessions.values()):
            self.broadcast.health_wanted = trio.Event()
            await self.broadcast.health_wanted.wait()

    async def send_health(self) -> None:
        """Tell everybody who wants to know how the service is, as far as that has changed."""
        frame = self.broadcast.health_frame()
        async for session in self._each_session():
            if session.follows_health:
                session.deliver_health(frame)

    async def serve_client(self, outgoing: Outgoing, handshake: bytes, unread: bytes) -> None:
        """Serve one WebSocket client, from its handshake until it leaves."""
        stream = SessionStream(outgoing, handshake, unread, self.settings.client_queue_bytes)
        # trio-websocket's reader runs in this nursery: what it raises on hostile frames (a ping
        # after a close) must end this connection alone.
        async with trio.open_nursery() as nursery:
            with trio.fail_after(self.settings.request_timeout_seconds):
                request = await wrap_server_stream(
                    nursery, stream, max_message_size=LARGEST_MESSAGE
                )
                connection = await request.accept()
            stream.is_accepted.set()
            await self._attend_client(
                ClientSession(next(self._numbers), self.broadcast, stream), connection
            )
            nursery.cancel_scope.cancel()

    async def _each_session(self) -> AsyncIterator[ClientSession]:
        for position, session in enumerate(list(self.sessions.values()), start=1):
            yield session
            if position % CLIENTS_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()

    async def _attend_client(self, session: ClientSession, connection: WebSocketConnection) -> None:
        session.offset = self.broadcast.latest.offset
        self.sessions[session.client] = session
        self.served += 1
        try:
            self.announce(ClientConnected(client=session.client))
            await session.serve_client(connection)
        finally:
            del self.sessions[session.client]
            self.announce(ClientLeft(client=session.client))

    async def keep_alive(self) -> None:
        """Ping every client, and drop those that have been silent for three pings."""
        while True:
            await trio.sleep(KEEPALIVE_SECONDS)
            for session in list(self.sessions.values()):
                await trio.lowlevel.checkpoint()
                if trio.current_time() - session.stream.heard_at > SILENT_SECONDS:
                    session.outgoing.give_up()
                elif not session.outgoing.queued_bytes:
                    session.outgoing.put_piece(PING_FRAME)

    def say_goodbye(self) -> None:
        """Send every client a close frame, code 1001; nothing is sent to it after that."""
        for session in self.sessions.values():
            session.outgoing.put_piece(close_frame(GOING_AWAY))
            session.outgoing.accept_no_more()

    def take_census(self) -> CensusTaken:
        """Who is connected, and what each watches."""
        watched = {client: session.watched for client, session in self.sessions.items()}
        return CensusTaken(watched=watched)
