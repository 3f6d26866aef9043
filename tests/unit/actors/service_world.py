"""The whole service on twins: real actors, mailboxes and supervision, and nothing outside."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import trio
from attrs import Factory, define, field

from buffer.memory import MemoryBuffer
from buffer.memory_activity_keys import MemoryActivityKeys
from buffer.memory_alerts import MemoryAlertShelf
from buffer.memory_history import MemoryHistory
from buffer.memory_tape import MemoryTape
from buffer.tape import TapeBounds
from config.settings import Settings
from domain.messages import (
    CensusTaken,
    CensusWanted,
    GatewayMessage,
    Presence,
    RosterWanted,
    SourceEvent,
    TokensPublished,
)
from domain.snapshots import Snapshot, gauge, snapshot_class
from domain.token import Token
from domain.values import Mint
from feed import Operations
from sources import MarketProviders
from sources.scripted import ScriptedHolders, ScriptedQuotes, ScriptedStream
from supervision import Inbox, Outbox
from supervision.children import ChildSpec
from supervision.readiness import Readiness
from supervision.supervisor import Supervisor
from tests.unit.actors.alerts.alerts_world import ScriptedEndpoints
from tests.unit.actors.world import SETTINGS, Log, Servers, TimedStore, clock, environment, mint
from wiring.alerts import AlertDoors
from wiring.children import Composition
from wiring.doors import Doors, Stream
from wiring.mailboxes import Mailboxes

Script = Sequence[tuple[float, SourceEvent]]


@snapshot_class
class OnlookerSnapshot(Snapshot):
    shown: int = gauge("Tokens shown.")


@define(kw_only=True)
class Onlooker:
    """In the gateway's place: sees what clients would, and opens no socket."""

    inbox: Inbox[GatewayMessage]
    presences: Outbox[Presence]
    roster: Outbox[RosterWanted]
    shown: dict[Mint, tuple[float, Token]]  # the second at which it was shown first; the latest

    async def run(self) -> None:
        await self.roster.send(RosterWanted(subscriber="gateway"))
        async for message in self.inbox:
            match message:
                case CensusWanted():
                    await self.presences.send(CensusTaken(watched={}))
                case TokensPublished(tokens=tokens):
                    for each, token in tokens.items():
                        first_at, _ = self.shown.get(each, (trio.current_time(), token))
                        self.shown[each] = first_at, token

    def snapshot(self) -> OnlookerSnapshot:
        return OnlookerSnapshot(shown=len(self.shown))


def _ingest_store(world: "ServiceWorld") -> TimedStore:
    return world.servers.store()


@define(kw_only=True)
class ServiceWorld:
    """What the service is given, and what became of it."""

    script: Script = ()
    settings: Settings = SETTINGS
    servers: Servers = Factory(Servers)
    ingest_store: TimedStore = field(default=Factory(_ingest_store, takes_self=True))
    sync_store: TimedStore = field(default=Factory(_ingest_store, takes_self=True))
    market_data: ScriptedQuotes = Factory(ScriptedQuotes)
    holders: ScriptedHolders = Factory(ScriptedHolders)
    mailboxes: Mailboxes = Factory(lambda: Mailboxes(10_000))
    shown: dict[Mint, tuple[float, Token]] = Factory(dict)
    log: Log = Factory(Log)
    activity_keys: MemoryActivityKeys = Factory(MemoryActivityKeys)
    history: MemoryHistory = Factory(MemoryHistory)
    alert_shelf: MemoryAlertShelf = Factory(lambda: MemoryAlertShelf(1000))
    tape: MemoryTape = Factory(lambda: MemoryTape(TapeBounds(trades=200, candle_days=2)))

    @property
    def buffer(self) -> MemoryBuffer:
        return self.servers.buffer

    def composition(self) -> Composition:
        events, script = self.mailboxes.events, self.script
        stream = Stream(build=lambda _memory: ScriptedStream(events=events, script=script))
        doors = Doors(
            ingest_store=self.ingest_store,
            sync_store=self.sync_store,
            ingest_buffer=self.buffer,
            sync_buffer=self.buffer,
            quarantine=self.buffer,
            tape=self.tape,
            activity_keys=self.activity_keys,
            history=self.history,
            alerts=AlertDoors(shelf=self.alert_shelf, sender=ScriptedEndpoints()),
            streams={"scripted": stream},
            providers={
                "market-data": MarketProviders(quotes=self.market_data),
                "holder-count": self.holders,
            },
        )
        return Composition(self.settings, doors, environment(self.log), self.mailboxes)

    def supervisor(self) -> Supervisor:
        composed = self.composition()
        specs = [each for each in composed.child_specs(operations()) if each.name != "gateway"]
        boxes = self.mailboxes
        onlooker = partial(
            Onlooker,
            inbox=boxes.gateway,
            presences=boxes.presences,
            roster=boxes.updates,
            shown=self.shown,
        )
        specs.append(
            ChildSpec(name="gateway", build=lambda _memory: onlooker(), inboxes=(boxes.gateway,))
        )
        settings = self.settings
        return Supervisor(
            specs,
            settings.supervision,
            settings.shutdown,
            environment(self.log),
            on_quarantined=composed.quarantine_message,
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Supervisor]:
        """The service runs within the block, and is drained at its end."""
        supervisor = self.supervisor()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.run)
            yield supervisor
            supervisor.begin_drain()

    def stored(self, number: int) -> Token:
        return self.servers.database.tokens[mint(number)]

    def shown_token(self, number: int) -> Token:
        return self.shown[mint(number)][1]

    @property
    def upstream_calls(self) -> list[float]:
        """The second of every request to the world."""
        calls = [*self.market_data.script.calls, *self.holders.script.calls]
        return sorted(call.at_seconds for call in calls)


def operations() -> Operations:
    return Operations(
        health=Readiness([], on_first_ready=lambda: None, clock=clock, log=Log().logger),
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
