"""One sync on twins, with the mailbox that it has in the service."""

from typing import Any

import attrs
import trio
from attrs import Factory, define, field

from actors.sync.actor import Sync
from actors.sync.governor import Governor
from actors.sync.life import SyncStores
from actors.sync.memory import SyncMemory
from config.settings import StalenessSettings, SyncSettings
from domain.messages import (
    SyncMessage,
    SystemActivated,
    SystemIdled,
    TokensAdmitted,
    TokensPublished,
    TokenUpdated,
)
from domain.quarantine import EntriesQuarantined, QuarantineEntry
from domain.token import Token
from domain.values import Mint, UnixSeconds, Value
from store.checkpoints import CheckpointWatch
from supervision.mailbox import Mailbox
from tests.unit.actors.world import (
    SETTINGS,
    Conditions,
    Log,
    Sent,
    Servers,
    TimedStore,
    at,
    clock,
    environment,
    mint,
    token,
    until,
)
from wiring.children import governor_plan
from wiring.mailboxes import Mailboxes

TOKENS = 1000


def _store(world: "SyncWorld") -> TimedStore:
    return world.servers.store()


def _memory(world: "SyncWorld") -> SyncMemory:
    plan = governor_plan(attrs.evolve(SETTINGS, sync=world.settings, staleness=world.staleness))
    return SyncMemory(governor=Governor(plan), watch=CheckpointWatch(clock))


@define
class SyncWorld:
    """What stands around a sync, and outlives it."""

    servers: Servers = Factory(Servers)
    settings: SyncSettings = SETTINGS.sync
    staleness: StalenessSettings = SETTINGS.staleness
    limit: int = TOKENS
    store: TimedStore = field(default=Factory(_store, takes_self=True))
    memory: SyncMemory = field(default=Factory(_memory, takes_self=True))
    messages: Mailbox[SyncMessage] = Factory(lambda: Mailboxes(TOKENS).updates)
    published: Sent[Any] = Factory(Sent)
    market_data: Sent[Any] = Factory(Sent)
    quarantine: Sent[Any] = Factory(Sent)
    log: Log = Factory(Log)
    conditions: Conditions = Factory(Conditions)
    raised_to: list[tuple[float, UnixSeconds]] = Factory(list)  # (second, what the clock must say)

    def sync(self) -> Sync:
        return Sync(
            inbox=self.messages,
            publications={"gateway": self.published, "market-data": self.market_data},
            quarantine=self.quarantine,
            stores=SyncStores(store=self.store, buffer=self.servers.buffer),
            memory=self.memory,
            tracked_tokens=self.limit,
            settings=self.settings,
            environment=attrs.evolve(
                environment(self.log), readiness=self.conditions, raise_clock=self._note_raise
            ),
        )

    def _note_raise(self, moment: UnixSeconds) -> None:
        self.raised_to.append((trio.current_time(), moment))

    # What others tell it.

    async def admit(self, *tokens: Token) -> None:
        """As ingest does, after the commit."""
        stored = await self.servers.insert(*tokens)
        await self.messages.send(TokensAdmitted(tokens=tuple(stored)))

    async def update(
        self, second: float, number: int = 1, *, origin: str = "ingest", **values: Value
    ) -> None:
        await self.messages.send(
            TokenUpdated(mint=mint(number), observed_at=at(second), origin=origin, values=values)
        )

    async def go_idle(self) -> None:
        await self.messages.send(SystemIdled())

    async def activate(self) -> None:
        await self.messages.send(SystemActivated())

    # What came of it.

    def shown(self, number: int = 1) -> Token:
        """The token as it was published last."""
        return self.shown_by_mint[mint(number)]

    @property
    def shown_by_mint(self) -> dict[Mint, Token]:
        shown: dict[Mint, Token] = {}
        for message in self.published.of(TokensPublished):
            shown |= message.tokens
        return shown

    def stored(self, number: int = 1) -> Token:
        return self.servers.database.tokens[mint(number)]

    @property
    def quarantined(self) -> list[QuarantineEntry]:
        """What went to quarantine, one by one."""
        told = self.quarantine.of(EntriesQuarantined)
        return [entry for message in told for entry in message.entries]

    @property
    def rows_written(self) -> list[tuple[float, dict[Mint, dict[str, Any]]]]:
        """(second, values by mint) of each write."""
        return [
            (second, {change.mint: dict(change.values) for _, change in changes})
            for second, changes in self.store.writes
        ]


async def admit_tokens(world: SyncWorld, count: int) -> None:
    """After the flush at the start, so that the next one is at 300 seconds."""
    await until(1.0)
    await world.admit(*(token(number) for number in range(1, count + 1)))
