"""One life of the service: the real composition on doors that lead into the universe.

    Universe -> Doors of twins behind links -> Composition -> Supervisor

Everything from the streams to the sessions of clients is the production's code; the doors, the
sockets and the clock are the simulation's.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import trio
from attrs import Factory, define, evolve, field

from buffer.memory import MemoryBuffer
from commands.simulate.invariants import InvariantWatch
from commands.simulate.links import LifeLine, Link, LinkedBuffer, LinkedStore, LinkedTape
from commands.simulate.outside import Feed, MemoryLine, Universe
from config.settings import Settings
from domain.snapshots import Snapshot
from feed import Operations
from feed.hub import Hub
from service import CONDITIONS
from sources import EventStream, MarketProviders
from sources.line import LineSettings
from sources.names import PUMPAPI, PUMPPORTAL
from sources.pumpapi import PumpApi, PumpApiMemory
from sources.pumpportal import PumpPortal, PumpPortalMemory
from sources.trade_subscriptions import TradeSubscriptions
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


class SimulatedCrash(Exception):
    """What an actor that a fault crashes has met."""


@define(eq=False)
class CrashableActor:
    """An actor that a fault can crash at whatever checkpoint it has come to."""

    actor: Actor
    crash: trio.Event = Factory(trio.Event)

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._raise_when_told)
            await self.actor.run()
            nursery.cancel_scope.cancel()

    def snapshot(self) -> Snapshot:
        return self.actor.snapshot()

    async def _raise_when_told(self) -> None:
        await self.crash.wait()
        raise SimulatedCrash


@define(eq=False)
class TappedMailbox(Mailbox[Any]):
    """A mailbox whose messages are seen, and whose reader a fault can crash with some in hand."""

    see: Callable[[object], None] = field(kw_only=True)
    crashes_reader: bool = field(default=False, init=False)

    def send_nowait(self, message: Any) -> None:
        self.see(message)
        super().send_nowait(message)

    async def receive_batch(self, limit: int) -> list[Any]:
        batch = await super().receive_batch(limit)
        self._crash_if_told()
        return batch

    async def __anext__(self) -> Any:
        message = await super().__anext__()
        self._crash_if_told()
        return message

    def _crash_if_told(self) -> None:
        if self.crashes_reader:
            self.crashes_reader = False
            raise SimulatedCrash


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
    postgres: Link
    redis: Link
    log: Any
    random: Random
    leave_at_once: Callable[[int], object]  # the process ends with actors that do not
    line: LifeLine = field(factory=LifeLine, init=False)
    clock: SteadyClock = field(init=False)
    readiness: Readiness = field(init=False)
    mailboxes: Mailboxes = field(init=False)
    composition: Composition = field(init=False)
    supervisor: Supervisor = field(init=False)
    has_started: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.clock = SteadyClock(
            read_wall=self.universe.wall, read_monotonic=trio.current_time, log=self.log
        )
        self.readiness = Readiness(
            CONDITIONS, on_first_ready=self._note_ready, clock=self.clock, log=self.log
        )
        environment = Environment(
            clock=self.clock,
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
            on_drain=self.readiness.drain,
            has_started=lambda: self.has_started,
            leave_at_once=self.leave_at_once,
            unsaved=self.composition.count_unsaved,
        )

    async def run(self) -> None:
        """Serve until drained; `ExitingError` where the process would end with another code."""
        await self.supervisor.run()

    def kill(self) -> None:
        """No call that is on its way arrives any more; whoever runs this is to be cancelled."""
        self.line.is_over = True

    def crash_actor(self, number: int) -> None:
        """Crash one of the actors: where it waits, or with the next message in its hand."""
        boxes = [box for box in self.all_mailboxes if isinstance(box, TappedMailbox)]
        if number % 2:
            boxes[number // 2 % len(boxes)].crashes_reader = True
            return
        running = [child for child in self.supervisor.children if child.is_alive]
        actor = running[number % len(running)].actor if running else None
        if isinstance(actor, CrashableActor):
            actor.crash.set()

    def find_hub(self) -> Hub | None:
        """The hub of the gateway that serves now."""
        child = next(each for each in self.supervisor.children if each.spec.name == "gateway")
        if not (child.is_alive and isinstance(child.actor, CrashableActor)):
            return None
        gateway: Any = child.actor.actor
        return gateway.server.hub if gateway.addresses and not self.line.is_over else None

    @property
    def all_mailboxes(self) -> list[Mailbox[Any]]:
        return [box for child in self.supervisor.children for box in child.spec.inboxes]

    def _note_ready(self) -> None:
        self.has_started = True

    def _make_crashable(self, spec: ChildSpec) -> ChildSpec:
        build = spec.build
        return evolve(spec, build=lambda memory: CrashableActor(build(memory)))

    def _new_mailboxes(self) -> Mailboxes:
        boxes = Mailboxes(self.settings.tracking.tokens)
        boxes.gateway = _tap(boxes.gateway, self.watch.note_shown)
        boxes.events = _tap(boxes.events, self.watch.note_event)
        boxes.updates = _tap(boxes.updates, self.watch.note_update)
        boxes.trades = _tap(boxes.trades, _see_nothing)
        boxes.presences = _tap(boxes.presences, _see_nothing)
        for name, box in boxes.publications.items():
            boxes.publications[name] = _tap(box, _see_nothing)
        return boxes

    # Doors.

    def _new_doors(self, environment: Environment) -> Doors:
        universe = self.universe
        return Doors(
            ingest_store=self._new_store("ingest"),
            sync_store=self._new_store("sync"),
            ingest_buffer=self._new_buffer(),
            sync_buffer=self._new_buffer(),
            tape=LinkedTape(tape=universe.tape, link=self.redis, life=self.line),
            streams=self._new_streams(environment),
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
        )

    def _new_buffer(self) -> MemoryBuffer:
        connection = LinkedBuffer(clock=self.clock, link=self.redis, life=self.line)
        return self.universe.redis.connect(connection)

    def _new_streams(self, environment: Environment) -> Mapping[str, Stream]:
        universe = self.universe
        portal = PumpPortalMemory(
            subscriptions=TradeSubscriptions(limit=self.settings.ingest.trade_subscriptions)
        )
        kinds: list[tuple[str, Callable[..., Any], Feed, Any]] = [
            (PUMPPORTAL, PumpPortal, universe.portal, portal),
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
            metrics=bytes,
        )


def _see_nothing(_message: object) -> None:
    """Nobody looks at the messages of this mailbox."""


def _tap(mailbox: Mailbox[Any], see: Callable[[object], None]) -> TappedMailbox:
    return TappedMailbox(mailbox.name, capacity=mailbox.capacity, policy=mailbox.policy, see=see)
