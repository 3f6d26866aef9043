"""One life of the service: the real composition on doors that lead into the universe.

    Universe -> Doors of twins behind links -> Composition -> Supervisor

Everything from the streams to the sessions of clients is the production's code; the doors, the
sockets and the clock are the simulation's.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

import trio
from attrs import define, evolve, field

from actors.gateway import GatewaySnapshot
from actors.sync.snapshots import SyncSnapshot
from actors.trading.coverage import StreamReach
from buffer import NewestTold
from buffer.memory import MemoryBuffer
from commands.simulate.call_watch import CallWatch
from commands.simulate.crashing import CrashableActor, TappedMailbox
from commands.simulate.feed_watch import FeedWatch
from commands.simulate.invariants import InvariantWatch
from commands.simulate.links import LifeLine, Link, LinkedBuffer, LinkedStore, LinkedTape
from commands.simulate.outside import Feed, MemoryLine, Universe
from config.settings import Settings
from domain.messages import TokenCreated
from domain.snapshots import Snapshot
from domain.values import UnixSeconds
from feed import Operations
from feed.hub import Hub
from service import CONDITIONS
from sources import EventStream, MarketProviders
from sources.line import LineSettings
from sources.names import PUMPAPI, PUMPPORTAL
from sources.pumpapi import PumpApi, PumpApiMemory
from sources.pumpportal import PumpPortal, PumpPortalMemory
from sources.trade_subscriptions import TradeSubscriptions
from store import StoredChange
from supervision import Actor
from supervision.children import ChildSpec
from supervision.clock import SteadyClock
from supervision.environment import Environment
from supervision.mailbox import Mailbox
from supervision.readiness import Readiness
from supervision.supervisor import Supervisor
from wiring.children import Composition
from wiring.doors import Doors, Stream
from wiring.mailboxes import Mailboxes

NOWHERE = "ws://simulated"
KEY = "simulated"  # without one PumpPortal tells of no trades


class SilentSocket:
    """The address of a listener that nobody connects to."""

    def getsockname(self) -> tuple[str, int]:
        return "simulated", 0


class SilentListener(trio.abc.Listener[trio.abc.Stream]):
    """Accepts nobody: simulated clients come to the hub themselves."""

    socket = SilentSocket()

    async def accept(self) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError("sleep_forever has returned")

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def listen_to_nobody(_host: str, _port: int) -> list[Any]:
    """In the place of `open_listeners`."""
    await trio.lowlevel.checkpoint()
    return [SilentListener()]


@define(kw_only=True, eq=False)
class Life:
    """One process, from its start to its end."""

    universe: Universe
    settings: Settings
    watch: InvariantWatch
    calls: CallWatch
    shown: FeedWatch
    postgres: Link
    redis: Link
    log: Any
    random: Random
    happened: Counter[str]  # in all lives
    leave_at_once: Callable[[int], object]  # the process ends with actors that do not
    line: LifeLine = field(factory=LifeLine, init=False)
    clock: SteadyClock = field(init=False)
    readiness: Readiness = field(init=False)
    mailboxes: Mailboxes = field(init=False)
    composition: Composition = field(init=False)
    supervisor: Supervisor = field(init=False)
    has_started: bool = field(default=False, init=False)
    began_at: float = field(factory=trio.current_time, init=False)
    drain_began_at: float | None = field(default=None, init=False)
    changed_mailboxes: dict[Mailbox[Any], None] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.universe.portal.note_birth(None)
        self.clock = SteadyClock(
            read_wall=self.universe.wall, read_monotonic=trio.current_time, log=self.log
        )
        self.readiness = Readiness(
            CONDITIONS, on_first_ready=self._note_ready, clock=self._read_clock, log=self.log
        )
        environment = Environment(
            clock=self._read_clock,
            raise_clock=self.clock.raise_to,
            random=Random(self.random.getrandbits(64)),
            log=self.log,
            readiness=self.readiness,
        )
        self.mailboxes = self._new_mailboxes()
        self.composition = Composition(
            self.settings, self._new_doors(environment), environment, self.mailboxes
        )
        specs = self.composition.child_specs(self._new_operations())
        self.supervisor = Supervisor(
            [self._make_crashable(spec) for spec in specs],
            self.settings.supervision,
            self.settings.shutdown,
            environment,
            on_drain=self._note_drain,
            has_started=lambda: self.has_started,
            leave_at_once=self.leave_at_once,
            unsaved=self.composition.count_unsaved,
            on_quarantined=self.composition.quarantine_message,
        )

    async def run(self) -> None:
        """Serve until drained; `ExitingError` where the process would end with another code."""
        await self.supervisor.run()

    def kill(self) -> None:
        """No call that is on its way arrives any more; whoever runs this is to be cancelled."""
        self.line.is_over = True

    def crash_actor(self, number: int) -> None:
        """Crash one of the actors: where it waits, or with the next message in its hand."""
        # One of a single place hears of activity alone, which may be hours away.
        boxes = [
            box for box in self.all_mailboxes if isinstance(box, TappedMailbox) and box.capacity > 1
        ]
        if number % 2:
            boxes[number // 2 % len(boxes)].crashes_reader = True
            return
        running = [child for child in self.supervisor.children if child.is_alive]
        actor = running[number % len(running)].actor if running else None
        if isinstance(actor, CrashableActor):
            actor.crash.set()

    def find_hub(self) -> Hub | None:
        """The hub of the gateway that serves now."""
        gateway: Any = self.find_actor("gateway")
        if gateway is None or self.line.is_over or not gateway.addresses:
            return None
        hub: Hub = gateway.server.hub
        return hub

    def find_actor(self, name: str) -> Actor | None:
        """The actor of this name, while it is alive."""
        child = next(each for each in self.supervisor.children if each.spec.name == name)
        crashable = child.actor if child.is_alive else None
        return crashable.actor if isinstance(crashable, CrashableActor) else None

    @property
    def all_mailboxes(self) -> list[Mailbox[Any]]:
        return [box for child in self.supervisor.children for box in child.spec.inboxes]

    def _read_clock(self) -> UnixSeconds:
        now = self.clock()
        self.watch.check_clock(now)
        return now

    def _note_ready(self) -> None:
        self.has_started = True
        self.shown.check_filled(self.find_hub())

    def _note_drain(self) -> None:
        self.drain_began_at = trio.current_time()
        self.readiness.drain()
        if self.readiness.is_ready:
            self.watch.report("13: it says that it is ready, and drains")

    def _see_event(self, message: object) -> None:
        self.watch.note_event(message)
        self.shown.note_trade(message, self.clock())
        if isinstance(message, TokenCreated) and message.source == PUMPPORTAL:
            self.universe.portal.note_birth(message.mint)

    def _see_shown(self, message: object) -> None:
        self.shown.note_shown(message)
        self.watch.note_shown(message)

    def _see_update(self, message: object) -> None:
        self.calls.note_update(message, is_draining=self.drain_began_at is not None)
        self.shown.note_update(message)
        self.watch.note_update(message)

    def _make_crashable(self, spec: ChildSpec) -> ChildSpec:
        build = spec.build
        return evolve(
            spec, build=lambda memory: CrashableActor(build(memory), self._note_end_of_actor)
        )

    def _note_end_of_actor(self, snapshot: Snapshot) -> None:
        """Count what only its counters tell of the ways back that it has taken."""
        if isinstance(snapshot, SyncSnapshot):
            for name in ("failed_appends", "failed_flushes", "lost"):
                self.happened[f"sync: {name}"] += getattr(snapshot, name)
        elif isinstance(snapshot, GatewaySnapshot):
            self.happened["gateway: clients_conflated"] += snapshot.clients_conflated

    def _new_mailboxes(self) -> Mailboxes:
        boxes = Mailboxes(self.settings.tracking.tokens)
        boxes.gateway = self._tap(boxes.gateway, self._see_shown)
        boxes.events = self._tap(boxes.events, self._see_event)
        boxes.updates = self._tap(boxes.updates, self._see_update)
        boxes.weighed = self._tap(boxes.weighed, self.shown.note_weighed)
        for name in ("trades", "windows", "quarantine", "presences"):
            setattr(boxes, name, self._tap(getattr(boxes, name), _see_nothing))
        boxes.publications = {
            name: self._tap(box, _see_nothing) for name, box in boxes.publications.items()
        }
        boxes.control = {name: self._tap(box, _see_nothing) for name, box in boxes.control.items()}
        return boxes

    def _tap(self, mailbox: Mailbox[Any], see: Callable[[object], None]) -> TappedMailbox:
        return TappedMailbox(
            mailbox.name,
            capacity=mailbox.capacity,
            policy=mailbox.policy,
            see=see,
            changed=self.changed_mailboxes,
        )

    # Doors.

    def _new_doors(self, environment: Environment) -> Doors:
        universe, newest_told = self.universe, NewestTold()
        subscriptions = TradeSubscriptions(limit=self.settings.ingest.trade_subscriptions)
        return Doors(
            ingest_store=self._new_store("ingest"),
            sync_store=self._new_store("sync"),
            ingest_buffer=self._new_buffer(newest_told),
            sync_buffer=self._new_buffer(newest_told),
            quarantine=self._new_buffer(newest_told),
            tape=LinkedTape(tape=universe.tape, link=self.redis, life=self.line),
            streams=self._new_streams(environment, PumpPortalMemory(subscriptions=subscriptions)),
            trade_reaches={
                PUMPAPI: StreamReach(),
                PUMPPORTAL: StreamReach(follows=lambda mint: mint in subscriptions.wanted),
            },
            follow_tokens=lambda tokens: subscriptions.follow_older(t.mint for t in tokens),
            providers={
                "market-data": MarketProviders(quotes=universe.quotes),
                "holder-count": universe.holders,
            },
            listen=listen_to_nobody,
        )

    def _new_store(self, component: str) -> LinkedStore:
        return LinkedStore(
            cold_days=self.settings.postgres.cold_days,
            database=self.universe.database,
            link=self.postgres,
            life=self.line,
            component=component,
            on_written=self._note_written,
        )

    def _note_written(self, changes: Sequence[StoredChange]) -> None:
        self.calls.note_written(changes, is_draining=self.drain_began_at is not None)

    def _new_buffer(self, newest_told: NewestTold) -> MemoryBuffer:
        connection = LinkedBuffer(
            clock=self._read_clock, newest_told=newest_told, link=self.redis, life=self.line
        )
        return self.universe.redis.connect(connection)

    def _new_streams(
        self, environment: Environment, portal: PumpPortalMemory
    ) -> Mapping[str, Stream]:
        universe = self.universe
        kinds: list[tuple[str, Callable[..., Any], Feed, Any]] = [
            (PUMPPORTAL, partial(PumpPortal, api_key=KEY), universe.portal, portal),
            (PUMPAPI, PumpApi, universe.pumpapi, PumpApiMemory()),
        ]
        return {
            name: self._make_stream(kind, feed, environment.for_actor(name), memory)
            for name, kind, feed, memory in kinds
        }

    def _make_stream(
        self, kind: Callable[..., Any], feed: Feed, environment: Environment, memory: object
    ) -> Stream:
        settings = self._line_settings()

        def build(memory: object) -> EventStream:
            stream: Any = kind(
                events=self.mailboxes.events,
                settings=settings,
                environment=environment,
                memory=memory,
            )
            stream.line = MemoryLine(
                name=feed.name, settings=settings, environment=environment, feed=feed
            )
            built: EventStream = stream
            return built

        return Stream(build=build, memory=memory)

    def _line_settings(self) -> LineSettings:
        ingest = self.settings.ingest
        return LineSettings(
            url=NOWHERE,
            silence_seconds=ingest.silence_seconds,
            reconnect_seconds=ingest.reconnect_seconds,
            reconnect_longest_seconds=ingest.reconnect_longest_seconds,
        )

    def _new_operations(self) -> Operations:
        return Operations(
            health=self.readiness,
            actors=dict,
            writes=dict,
            checkpoints=dict,
            governor=dict,
            quarantine=dict,
            quarantined=lambda _: None,
            alerts=dict,
            read_rule=lambda _: {},
            metrics=bytes,
        )


def _see_nothing(_message: object) -> None:
    """Nobody looks at the messages of this mailbox."""
