"""Gateway: what clients see, and what activity hears of them.

    TokenPublished (from sync) -> Gateway -> boards -> deltas -> WebSocket clients
    StatisticsPublished (from trading) ->
    HTTP requests, WebSocket messages -> Gateway -> Presence -> activity, GovernorSet -> sync

What happens after a quiet time is published at once; what follows within one delta interval
is collected and published together at its end. A (re)started gateway begins with empty boards
under a new epoch, and asks sync for every token; what it knew of their trading it has kept.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import trio
from attrs import Factory, define, field, frozen

from config.settings import GatewaySettings, HotScoreSettings, TrackingSettings
from domain.errors import AddressUnavailable
from domain.messages import (
    CensusWanted,
    GatewayMessage,
    GovernorSet,
    Presence,
    RosterTold,
    RosterWanted,
    StatisticsPublished,
    TokenPublished,
)
from domain.snapshots import Snapshot, counter, detail, gauge, snapshot_class
from feed import Library, Operations, Surroundings
from feed.board import Boards
from feed.catalogue import Catalogue
from feed.hub import Hub
from feed.listening import name_address, open_listeners
from feed.routes import Routes
from feed.server import Server
from feed.statistics import StatisticsMemory
from supervision import Inbox, Outbox
from supervision.environment import Environment

NAME = "gateway"
MESSAGES_AT_ONCE = 50  # some 2 ms of ranking; between two batches the clients get their turn
LISTEN_ATTEMPTS, LISTEN_AGAIN_SECONDS = 6, 0.5  # as long as nginx tries
HEALTH_SECONDS = 1.0  # an outage is told that late
PRUNED_AT_ONCE = 50  # tokens between two checkpoints, some 2 ms
PRUNE_SECONDS = 60.0  # longest wait for a message before expired tokens are looked for


@frozen(kw_only=True)
class GatewayOutboxes:
    roster: Outbox[RosterWanted]  # sync
    presences: Outbox[Presence]  # activity
    governor: Outbox[GovernorSet]  # sync


@frozen(kw_only=True)
class GatewayPlan:
    """The settings that the gateway goes by, what it reads beside its catalogue, and its port."""

    gateway: GatewaySettings
    tracking: TrackingSettings
    hot_score: HotScoreSettings
    library: Library = field(factory=Library)
    listen: Callable[[str, int], Awaitable[list[trio.SocketListener]]] = open_listeners


@snapshot_class
class GatewaySnapshot(Snapshot):
    addresses: tuple[str, ...] = detail("Where it listens.")
    epoch: str = detail("The numbering of the boards' offsets.")
    offset: int = counter("Rounds of deltas that the boards have made.", metric="publications")
    tokens: int = gauge("Tokens in the catalogue.")
    boards: Mapping[str, int] = gauge("Tokens that a board shows.", by="board")
    connections: int = gauge("Connections that are open, of HTTP and WebSocket.")
    connections_refused: int = counter("Connections refused for want of room.")
    connections_failed: int = counter("Connections that ended with an error.")
    clients: int = gauge("WebSocket clients.")
    clients_served: int = counter("WebSocket clients that have connected.")
    clients_conflated: int = counter("Snapshots sent to clients too slow for every delta.")
    frames_refused: int = counter("Frames of clients that were not understood.")
    pruned: int = counter("Tokens that left the catalogue because their time was over.")
    statistics_waiting: int = gauge("Mints whose trading is known, and who are not tracked yet.")
    statistics_dropped: int = counter("Statistics of mints that were never tracked.")


def _new_boards(gateway: "Gateway") -> Boards:
    settings = gateway.plan.gateway
    return Boards(
        catalogue=Catalogue(gateway.plan.tracking.tokens, gateway.statistics),
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
    settings, boards = gateway.plan.gateway, gateway.boards
    health = gateway.operations.health
    hub = Hub(settings, boards, surroundings.announce, health, gateway.environment.random)
    half_life_seconds = gateway.plan.hot_score.half_life_seconds
    library = gateway.plan.library
    routes = Routes(settings, boards, gateway.operations, surroundings, library, half_life_seconds)
    return Server(settings, routes, hub, surroundings)


@define(kw_only=True)
class Gateway:
    """Serves the feed, on one port unless operators have their own."""

    # Messages in.
    inbox: Inbox[GatewayMessage]
    # Messages out.
    outboxes: GatewayOutboxes
    # State.
    plan: GatewayPlan
    operations: Operations
    environment: Environment
    statistics: StatisticsMemory  # outlives this actor
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
            await self.serve_clients()
        finally:
            self.environment.readiness.set(NAME, "not listening")

    async def serve_clients(self) -> None:
        listeners = await self.open_ports()
        self.addresses = [_address_of(listener) for listener in listeners]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.server.serve_connections, listeners)
            nursery.start_soon(self.server.hub.keep_alive)
            self.environment.log.info("gateway listens", addresses=self.addresses)
            self.environment.readiness.set(NAME, "the boards are not filled yet")
            nursery.start_soon(self.watch_health)
            # Not awaited here: while sync's mailbox is full, clients are served all the same.
            wanted = RosterWanted(subscriber=NAME, wants_end=True)
            nursery.start_soon(self.outboxes.roster.send, wanted)
            await self.publish_changes()  # the census: nobody is here yet
            mailbox_open = True
            while mailbox_open:
                mailbox_open = await self.collect_round()
                await self.publish_changes()
            await self.server.drain_connections()
            nursery.cancel_scope.cancel()

    def snapshot(self) -> GatewaySnapshot:
        hub = self.server.hub
        return GatewaySnapshot(
            addresses=tuple(self.addresses),
            epoch=self.boards.epoch,
            offset=self.boards.offset,
            tokens=len(self.boards.catalogue.tokens),
            boards=self.boards.count_tokens(),
            connections=self.server.connections,
            connections_refused=self.server.refused,
            connections_failed=self.server.failed,
            clients=len(hub.sessions),
            clients_served=hub.served,
            clients_conflated=hub.broadcast.conflated,
            frames_refused=hub.broadcast.refused,
            pruned=self.pruned,
            statistics_waiting=self.statistics.count_waiting(),
            statistics_dropped=self.statistics.dropped,
        )

    async def open_ports(self) -> list[trio.SocketListener]:
        """Open the port of the feed, and that of the operators if there is one."""
        listeners = await self.listen_patiently(self.plan.gateway.port)
        if not self.plan.gateway.ops_port:
            return listeners
        try:
            return listeners + await self.listen_patiently(self.plan.gateway.ops_port)
        except BaseException:
            for listener in listeners:
                listener.socket.close()
            raise

    async def listen_patiently(self, port: int) -> list[trio.SocketListener]:
        """Open a port; one that is taken is waited for, since its owner may be on its way out."""
        host = self.plan.gateway.host
        for attempt in range(LISTEN_ATTEMPTS - 1):
            try:
                return await self.plan.listen(host, port)
            except AddressUnavailable as error:
                if not error.is_taken:
                    raise
                if attempt == 0:
                    self.environment.log.warning("address is taken; trying again", error=str(error))
                await trio.sleep(LISTEN_AGAIN_SECONDS)
        return await self.plan.listen(host, port)

    async def collect_round(self) -> bool:
        """Take in messages until the next round is due; False once the mailbox has closed."""
        # Receiving is atomic under cancellation, so the timeouts lose no token.
        with trio.move_on_after(PRUNE_SECONDS):
            if not await self.receive_messages():
                return False
        with trio.move_on_at(self.published_at + self.plan.gateway.delta_interval_seconds):
            while await self.receive_messages():
                pass
            return False
        return True

    async def receive_messages(self) -> bool:
        """Wait for one batch of messages and apply it; False once the mailbox has closed."""
        try:
            self.apply_messages(await self.inbox.receive_batch(MESSAGES_AT_ONCE))
        except trio.EndOfChannel:
            return False
        return True

    def apply_messages(self, messages: Sequence[GatewayMessage]) -> None:
        for message in messages:
            match message:
                case TokenPublished(token=token):
                    self.boards.catalogue.put_token(token)
                case StatisticsPublished(mint=mint, statistics=statistics):
                    self.boards.catalogue.put_statistics(mint, statistics)
                case CensusWanted():
                    self.census_wanted = True
                case RosterTold():
                    self.is_filled = True

    async def publish_changes(self) -> None:
        """Send the clients what changed since the last time, and activity the census it wants."""
        if self.census_wanted:
            self.census_wanted = False
            # At once, so that whoever comes or goes is told of after it, or is counted in it.
            self.outboxes.presences.send_nowait(self.server.hub.take_census())
        await self.prune_expired()
        delta_round = self.boards.publish_changes()
        if delta_round is not None:
            self.published_at = trio.current_time()
            await self.server.hub.send_round(delta_round)
        if self.is_filled:
            self.is_filled = False
            self.environment.readiness.set(NAME, None)

    async def prune_expired(self) -> None:
        """Forget the tokens past their retention; the clients get their turn between batches."""
        now = self.environment.clock()
        while pruned := self.boards.catalogue.prune_expired(now, PRUNED_AT_ONCE):
            self.pruned += pruned
            await trio.lowlevel.checkpoint()

    async def watch_health(self) -> None:
        """Look at the health every second while a client follows it, and send what has changed."""
        hub = self.server.hub
        while True:
            await hub.wait_until_health_is_followed()
            await hub.send_health()
            await trio.sleep(HEALTH_SECONDS)


def _address_of(listener: trio.SocketListener) -> str:
    host, port = listener.socket.getsockname()[:2]
    return name_address(host, port)
