"""Gateway: what clients see, and what activity hears of them.

    TokensPublished (from sync) -> Gateway -> boards -> deltas -> WebSocket clients
    StatisticsPublished (from trading) ->
    HTTP requests, WebSocket messages -> Gateway -> Presence -> activity, GovernorSet -> sync
                                                  QuarantineOrder -> quarantine
                                                  AlertOrder -> alerts

What happens after a quiet time is published at once; what follows within one delta interval
is collected and published together at its end. A (re)started gateway begins with empty boards
under a new epoch, and asks sync for every token; what it knew of their trading it has kept.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial

import trio
from attrs import Factory, define, field, frozen

from config.settings import GatewaySettings, HotScoreSettings, TrackingSettings
from domain.alerts import AlertOrder
from domain.chunks import chunks
from domain.errors import AddressUnavailable
from domain.lifecycle import is_live
from domain.messages import (
    CensusWanted,
    GatewayMessage,
    GovernorSet,
    Presence,
    RosterTold,
    RosterWanted,
    StatisticsPublished,
    TokensPublished,
)
from domain.quarantine import QuarantineOrder
from domain.snapshots import Snapshot, counter, detail, gauge, snapshot_class
from domain.token import Token
from domain.values import Mint
from feed import Library, Operations, Surroundings
from feed.board import Boards
from feed.catalogue import Catalogue
from feed.hub import Hub
from feed.listening import name_address, open_listeners
from feed.routes import Routes
from feed.server import Server
from feed.statistics import StatisticsMemory
from feed.views import Views
from supervision import Inbox, Outbox
from supervision.environment import Environment

NAME = "gateway"
SILENT = "silent tokens"  # by which name it is told that not all of them can be found yet
SILENT_PAUSE_SECONDS = 0.002  # between two parts: half of the time is for what is urgent
MESSAGES_AT_ONCE = 50
TOKENS_AT_ONCE = 100  # some 2 ms of ranking; between two such parts the clients get their turn
LISTEN_ATTEMPTS, LISTEN_AGAIN_SECONDS = 6, 0.5  # as long as nginx tries
VIEWS_SECONDS = 0.125  # between two looks whether time alone changes a view
HEALTH_SECONDS = 1.0  # an outage is told that late
PRUNED_AT_ONCE = 50  # tokens between two checkpoints, some 2 ms
PRUNE_SECONDS = 60.0  # longest wait for a message before expired tokens are looked for


@frozen(kw_only=True)
class GatewayOutboxes:
    roster: Outbox[RosterWanted]  # sync
    presences: Outbox[Presence]  # activity
    governor: Outbox[GovernorSet]  # sync
    quarantine: Outbox[QuarantineOrder]
    alerts: Outbox[AlertOrder]


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
    offset: int = counter(
        "Rounds of deltas that the boards have made, and views that began.", metric="publications"
    )
    tokens: int = gauge("Tokens in the catalogue.")
    boards: Mapping[str, int] = gauge("Tokens that a board shows.", by="board")
    views: int = gauge("Boards of clients' own that live.")
    views_refused: int = counter("Views refused because as many lived as may.")
    connections: int = gauge("Connections that are open, of HTTP and WebSocket.")
    connections_refused: Mapping[str, int] = counter(
        "Connections refused, or closed at a request, beyond a limit.", by="reason"
    )
    connections_failed: int = counter("Connections that ended with an error.")
    clients: int = gauge("Clients of the WebSocket and of the event stream.")
    clients_streaming: int = gauge("Clients of the event stream.")
    tokens_followed: int = gauge("Tokens that clients follow by themselves, beside the boards.")
    clients_deflated: int = gauge("WebSocket clients that have asked for deflated messages.")
    clients_served: int = counter("Clients, of both kinds, that have connected.")
    clients_conflated: int = counter("Snapshots sent to clients too slow for every delta.")
    deflate_input_bytes: int = counter("Bytes of messages before they were deflated, once for all.")
    deflate_output_bytes: int = counter("Bytes of the same messages deflated.")
    frames_refused: int = counter("Frames of clients that were not understood.")
    pruned: int = counter("Tokens that left the catalogue because their time was over.")
    statistics_waiting: int = gauge("Mints whose trading is known, and who are not tracked yet.")
    statistics_dropped: int = counter("Statistics of mints that were never tracked.")


def _new_boards(gateway: "Gateway") -> Boards:
    settings = gateway.plan.gateway
    catalogue = Catalogue(gateway.plan.tracking.tokens, gateway.statistics)
    return Boards(
        catalogue=catalogue,
        views=Views(catalogue=catalogue, clock=gateway.environment.clock, most=settings.views),
        board_tokens=settings.board_tokens,
        history_limit=settings.delta_history,
        epoch=f"{gateway.environment.random.getrandbits(64):016x}",
    )


def _new_server(gateway: "Gateway") -> Server:
    surroundings = Surroundings(
        clock=gateway.environment.clock,
        announce=gateway.outboxes.presences.send_nowait,
        govern=gateway.outboxes.governor.send,
        order=gateway.outboxes.quarantine.send_nowait,
        order_alerts=gateway.outboxes.alerts.send_nowait,
        log=gateway.environment.log,
        report_shortage=partial(
            gateway.environment.readiness.report_outage, "file descriptors", NAME
        ),
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
    # Told of, and still to be taken up: they are on no board.
    silent: dict[Mint, Token] = field(init=False, factory=dict)
    has_silent: trio.Event = field(init=False, factory=trio.Event)
    waiting: trio.CancelScope = field(init=False, factory=trio.CancelScope)  # for messages
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
            if (history := self.plan.library.history) is not None:
                nursery.start_soon(self.server.hub.tell_trades, history)
            nursery.start_soon(self.take_up_silent)
            nursery.start_soon(self.watch_views)
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
            views=len(self.boards.views.living),
            views_refused=self.boards.views.refused,
            connections=self.server.places.open,
            connections_refused=dict(self.server.places.refused),
            connections_failed=self.server.failed,
            clients=len(hub.sessions),
            clients_streaming=hub.count_streams(),
            tokens_followed=len(self.boards.of_tokens.living),
            clients_deflated=sum(1 for each in hub.sessions.values() if each.deflated),
            clients_served=hub.served,
            clients_conflated=hub.broadcast.conflated,
            deflate_input_bytes=hub.broadcast.deflated_frames.input_bytes,
            deflate_output_bytes=hub.broadcast.deflated_frames.output_bytes,
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
        until = trio.current_time() + PRUNE_SECONDS
        while True:
            messages: Sequence[GatewayMessage] = ()
            # Receiving is atomic under cancellation, so the time-out loses no token.
            with trio.move_on_at(until) as self.waiting:
                try:
                    messages = await self.inbox.receive_batch(MESSAGES_AT_ONCE)
                except trio.EndOfChannel:
                    return False
            if not messages:
                return True
            for message in messages:
                await self.apply_message(message)
            until = self._round_due_at()

    async def apply_message(self, message: GatewayMessage) -> None:
        """Apply a message; between two parts of a large one the clients get their turn."""
        catalogue = self.boards.catalogue
        match message:
            case TokensPublished(tokens=tokens):
                await self.take_tokens(tokens.values())
            case StatisticsPublished(statistics=told):
                for number, figures in enumerate(chunks(told.items(), TOKENS_AT_ONCE)):
                    await self._give_turn(number)
                    for mint, statistics in figures:
                        catalogue.put_statistics(mint, statistics)
            case CensusWanted():
                self.census_wanted = True
            case RosterTold():
                self.is_filled = True

    async def take_tokens(self, tokens: Iterable[Token]) -> None:
        """Take up the tokens; silent ones that are new here come later, for no board has them."""
        catalogue = self.boards.catalogue
        live: list[Token] = []
        for token in tokens:
            if is_live(token) or token.mint in catalogue.tokens:
                self.silent.pop(token.mint, None)
                live.append(token)
            else:
                self.silent[token.mint] = token
        if self.silent:
            self.has_silent.set()
        for number, part in enumerate(chunks(live, TOKENS_AT_ONCE)):
            await self._give_turn(number)
            for token in part:
                catalogue.put_token(token)

    async def take_up_silent(self) -> None:
        """Take up silent tokens, a part between others' turns; before that no query finds them."""
        while True:
            await self.has_silent.wait()
            self.has_silent = trio.Event()
            while self.silent:
                for _ in range(min(TOKENS_AT_ONCE, len(self.silent))):
                    _, token = self.silent.popitem()
                    self.boards.catalogue.put_token(token)
                await trio.sleep(SILENT_PAUSE_SECONDS)
            self.environment.readiness.report_outage(SILENT, NAME, None)

    async def _give_turn(self, parts: int) -> None:
        """After some parts of a message let others run, and publish if a round is due."""
        if parts:
            await trio.lowlevel.checkpoint()
            if trio.current_time() >= self._round_due_at():
                await self.publish_changes()

    def _round_due_at(self) -> float:
        return self.published_at + self.plan.gateway.delta_interval_seconds

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
            if self.silent:
                problem = f"{len(self.silent)} are still taken up, and not found before"
                self.environment.readiness.report_outage(SILENT, NAME, problem)
            self.environment.readiness.set(NAME, None)

    async def prune_expired(self) -> None:
        """Forget the tokens past their retention; the clients get their turn between batches."""
        now = self.environment.clock()
        while pruned := self.boards.catalogue.prune_expired(now, PRUNED_AT_ONCE):
            self.pruned += pruned
            await trio.lowlevel.checkpoint()

    async def watch_views(self) -> None:
        """Publish without a message where time alone changes a view, as far as views live."""
        views = self.boards.views
        while True:
            await views.wait_until_one_lives()
            if views.are_due():
                self.waiting.cancel()
            await trio.sleep(VIEWS_SECONDS)

    async def watch_health(self) -> None:
        """While a client follows the health, send what has changed and a heartbeat, each second."""
        hub = self.server.hub
        while True:
            await hub.wait_until_health_is_followed()
            await hub.send_health()
            await hub.send_heartbeat(self.environment.clock())
            await trio.sleep(HEALTH_SECONDS)


def _address_of(listener: trio.SocketListener) -> str:
    host, port = listener.socket.getsockname()[:2]
    return name_address(host, port)
