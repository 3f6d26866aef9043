"""One ingest with its mailbox, which outlives it, and its servers."""

from typing import Any

import attrs
from attrs import Factory, define, field

from actors.ingest.actor import Ingest
from actors.ingest.life import IngestStores
from actors.ingest.memory import IngestMemory
from actors.ingest.news import IngestOutboxes
from domain.messages import IngestMessage, TokensAdmitted, TokenUpdated
from domain.quarantine import EntriesQuarantined, QuarantineEntry
from domain.values import Mint
from supervision.mailbox import Mailbox
from tests.unit.actors.world import (
    SETTINGS,
    Conditions,
    Sent,
    Servers,
    TimedStore,
    environment,
    mint,
)


def _store(world: "IngestWorld") -> TimedStore:
    return world.servers.store()


@define
class IngestWorld:
    """One ingest with its mailbox, which outlives it, and its servers."""

    servers: Servers = Factory(Servers)
    settings: Any = SETTINGS.ingest
    store: TimedStore = field(default=Factory(_store, takes_self=True))
    events: Mailbox[IngestMessage] = Factory(lambda: Mailbox("ingest", capacity=10_000))
    sync: Sent[Any] = Factory(Sent)
    trades: Sent[Any] = Factory(Sent)
    quarantine: Sent[Any] = Factory(Sent)
    conditions: Conditions = Factory(Conditions)
    memory: IngestMemory = Factory(IngestMemory)

    def ingest(self) -> Ingest:
        return Ingest(
            events=self.events,
            outboxes=IngestOutboxes(sync=self.sync, trades=self.trades, quarantine=self.quarantine),
            stores=IngestStores(store=self.store, buffer=self.servers.buffer),
            memory=self.memory,
            settings=self.settings,
            environment=attrs.evolve(environment(), readiness=self.conditions),
        )

    async def send(self, *events: IngestMessage) -> None:
        for event in events:
            await self.events.send(event)

    @property
    def admitted(self) -> list[tuple[float, list[tuple[int | None, Mint]]]]:
        """(second, tokens as (id, mint)) of each announcement."""
        return [
            (second, [(token.id, token.mint) for token in message.tokens])
            for second, message in self.sync.entries
            if isinstance(message, TokensAdmitted)
        ]

    def updates(self, number: int = 1) -> list[TokenUpdated]:
        return [u for u in self.sync.of(TokenUpdated) if u.mint == mint(number)]

    @property
    def quarantined(self) -> list[QuarantineEntry]:
        """What went to quarantine, one by one."""
        told = self.quarantine.of(EntriesQuarantined)
        return [entry for message in told for entry in message.entries]

    @property
    def stored_mints(self) -> list[Mint]:
        return list(self.servers.database.tokens)
