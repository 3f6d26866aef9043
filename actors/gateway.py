"""Gateway: what clients see, and what activity hears of them.

    TokenPublished (from sync) -> Gateway -> boards -> publication -> WebSocket clients
    HTTP requests, WebSocket messages -> Gateway -> Presence -> activity, GovernorSet -> sync

What happens after a quiet time is published at once; what follows within one delta interval
is collected and published together at its end. A (re)started gateway begins with empty boards
under a new epoch, and asks sync for every token.
"""

from collections.abc import Mapping, Sequence

import trio
from attrs import Factory, define, field, frozen

from domain.messages import (
    CensusWanted,
    GatewayMessage,
    GovernorSet,
    Presence,
    RosterTold,
    RosterWanted,
    TokenPublished,
)
from feed import FeedSettings, Operations, Surroundings
from feed.board import Boards
from feed.catalogue import Catalogue
from feed.hub import Hub
from feed.routes import Routes
from feed.server import Server
from supervision import Inbox, Outbox
from supervision.environment import Environment

NAME = "gateway"
MESSAGES_AT_ONCE = 50  # some 2 ms of ranking; between two batches the clients get their turn


PRUNE_SECONDS = 60.0  # what is past its retention leaves a quiet feed that late


@frozen(kw_only=True)
class GatewayOutboxes:
    roster: Outbox[RosterWanted]  # sync
    presences: Outbox[Presence]  # activity
    governor: Outbox[GovernorSet]  # sync


def _new_boards(gateway: "Gateway") -> Boards:
    settings = gateway.settings
    return Boards(
        catalogue=Catalogue(settings.tokens),
        board_tokens=settings.board_tokens,
        history_limit=settings.delta_history,
        epoch=f"{gateway.environment.random.getrandbits(64):016x}",
    )


def _new_server(gateway: "Gateway") -> Server:
    surroundings = Surroundings(
        clock=gateway.environment.clock,
        announce=gateway.outboxes.presences.send_nowait,
        govern=gateway.outboxes.governor.send,
        log=gateway.environment.log,
    )
    settings, boards = gateway.settings, gateway.boards
    hub = Hub(settings, boards, surroundings.announce, gateway.environment.random)
    routes = Routes(settings, boards, gateway.operations, surroundings)
    return Server(settings, routes, hub, surroundings)


@define(kw_only=True)
class Gateway:
    """Serves the feed on one port."""

    # Messages in.
    inbox: Inbox[GatewayMessage]
    # Messages out.
    outboxes: GatewayOutboxes
    # State.
    settings: FeedSettings
    operations: Operations
    environment: Environment
    boards: Boards = field(init=False, default=Factory(_new_boards, takes_self=True))
    server: Server = field(init=False, default=Factory(_new_server, takes_self=True))
    addresses: list[str] = field(init=False, factory=list)  # while listening
    census_wanted: bool = field(init=False, default=True)
    is_filled: bool = field(init=False, default=False)  # sync has told of every token
    published_at: float = field(init=False, default=float("-inf"))  # trio's clock
    pruned: int = field(init=False, default=0)

    async def run(self) -> None:
        """Serve until the mailbox closes; then publish the rest and send the clients away."""
        try:
            await self.serve()
        finally:
            self.environment.readiness.set(NAME, "not listening")

    async def serve(self) -> None:
        listeners = await self.server.listen()
        self.addresses = [_address(listener) for listener in listeners]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.server.serve, listeners)
            nursery.start_soon(self.server.hub.keep_alive)
            self.environment.log.info("gateway listens", addresses=self.addresses)
            self.environment.readiness.set(NAME, "the boards are not filled yet")
            await self.outboxes.roster.send(RosterWanted(subscriber=NAME, wants_end=True))
            await self.publish()  # the census: nobody is here yet
            mailbox_open = True
            while mailbox_open:
                mailbox_open = await self.collect()
                await self.publish()
            await self.server.drain()
            nursery.cancel_scope.cancel()

    def summary(self) -> Mapping[str, object]:
        hub = self.server.hub
        return {
            "addresses": self.addresses,
            "epoch": self.boards.epoch,
            "offset": self.boards.offset,
            "tokens": len(self.boards.catalogue.tokens),
            "boards": self.boards.sizes(),
            "connections": self.server.connections,
            "connections_refused": self.server.refused,
            "connections_failed": self.server.failed,
            "clients": len(hub.sessions),
            "clients_served": hub.served,
            "clients_conflated": hub.broadcast.conflated,
            "frames_refused": hub.broadcast.refused,
            "pruned": self.pruned,
        }

    async def collect(self) -> bool:
        """Learn until the next publication is due; False once the mailbox has closed."""
        # Receiving is atomic under cancellation, so the timeouts lose no token.
        with trio.move_on_after(PRUNE_SECONDS):
            if not await self.receive():
                return False
        with trio.move_on_at(self.published_at + self.settings.delta_interval_seconds):
            while await self.receive():
                pass
            return False
        return True

    async def receive(self) -> bool:
        """Learn from what is there, or comes next; False once the mailbox has closed."""
        try:
            self.learn(await self.inbox.receive_batch(MESSAGES_AT_ONCE))
        except trio.EndOfChannel:
            return False
        return True

    def learn(self, messages: Sequence[GatewayMessage]) -> None:
        for message in messages:
            match message:
                case TokenPublished(token=token):
                    self.boards.catalogue.put(token)
                case CensusWanted():
                    self.census_wanted = True
                case RosterTold():
                    self.is_filled = True

    async def publish(self) -> None:
        """Give the clients what changed since the last time, and activity its census."""
        if self.census_wanted:
            self.census_wanted = False
            # At once, so that whoever comes or goes is told of after it, or is counted in it.
            self.outboxes.presences.send_nowait(self.server.hub.census())
        self.pruned += self.boards.catalogue.prune(self.environment.clock())
        publication = self.boards.collect()
        if publication is not None:
            self.published_at = trio.current_time()
            await self.server.hub.publish(publication)
        if self.is_filled:
            self.is_filled = False
            self.environment.readiness.set(NAME, None)


def _address(listener: trio.SocketListener) -> str:
    host, port = listener.socket.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
