"""What one life of sync works with: its desk, its two stores, its table. Its parts share it."""

from collections.abc import Callable, Iterable, Sequence

from attrs import define, evolve, field, frozen

from actors.sync.backlog import Backlog
from actors.sync.memory import SyncMemory
from actors.sync.table import TokenTable
from buffer import UpdateBuffer
from buffer.entries import make_birth_entry, make_entry
from config.settings import SyncSettings
from domain.chunks import chunks
from domain.errors import BufferUnavailable, StoreUnavailable
from domain.messages import TokenChange, TokenUpdated
from domain.quarantine import EntriesQuarantined, EntrySettled, QuarantineEntry, QuarantineMessage
from domain.token import Token
from domain.values import NO_VERSION, Mint
from store import TokenStore
from supervision import Outbox
from supervision.desk import Caller
from supervision.life import ActorLife


@frozen(kw_only=True)
class SyncStores:
    """The two stores that sync writes to."""

    store: TokenStore
    buffer: UpdateBuffer


@define(kw_only=True, eq=False)
class SyncLife(ActorLife):
    """One life of sync; made when it starts."""

    stores: SyncStores
    table: TokenTable
    backlog: Backlog
    memory: SyncMemory
    settings: SyncSettings
    publish: Callable[[Iterable[Mint]], None]  # tell all subscribers of these tokens
    quarantine: Outbox[QuarantineMessage]
    store_caller: Caller = field(init=False)
    buffer_caller: Caller = field(init=False)

    @store_caller.default
    def _new_store_caller(self) -> Caller:
        return self.new_caller("postgres", StoreUnavailable)

    @buffer_caller.default
    def _new_buffer_caller(self) -> Caller:
        return self.new_caller("redis", BufferUnavailable)

    async def read_all_dirty(self) -> list[TokenChange]:
        """All that the buffer holds for Postgres, a page after the other."""
        changes: list[TokenChange] = []
        after, most = NO_VERSION, self.settings.batch_rows
        while page := (await self.stores.buffer.read_dirty(after, most)).changes:
            after = page[-1].dirty_since
            changes += page
        return changes

    async def spool_tokens(self, tokens: Sequence[Token]) -> None:
        """Give the buffer new tokens that it has lost."""
        for part in chunks(tokens, self.settings.append_updates):
            await self.stores.buffer.spool_tokens(part)

    # What cannot be kept.

    def quarantine_update(self, update: TokenUpdated, reason: str) -> None:
        """Put values aside that make no sense, or that the buffer refuses."""
        self.counts["refused"] += 1
        self.tell_quarantine([self.make_refusal(update, reason)])

    def quarantine_birth(self, token: Token, reason: str) -> None:
        """Put a new token aside, which the spool held; it goes back to ingest as any other."""
        self.environment.log.warning("new token quarantined", mint=token.mint, reason=reason)
        refused_at = self.environment.clock()
        self.tell_quarantine([make_birth_entry(token, reason=reason, refused_at=refused_at)])

    def make_refusal(self, update: TokenUpdated, reason: str) -> QuarantineEntry:
        """An entry of values that nobody takes; that of a replay is the same as before."""
        self.environment.log.warning("update quarantined", mint=update.mint, reason=reason)
        entry = make_entry(
            update,
            kind="update",
            place=self.name,
            reason=reason,
            refused_at=self.environment.clock(),
        )
        replayed = self.take_replays(update.mint)
        for entry_id in replayed[1:]:  # their values are in this entry now
            self.quarantine.send_nowait(EntrySettled(entry_id=entry_id))
        return evolve(entry, id=replayed[0]) if replayed else entry

    def tell_quarantine(self, entries: Sequence[QuarantineEntry]) -> None:
        if entries:
            self.quarantine.send_nowait(EntriesQuarantined(entries=tuple(entries)))

    def take_replays(self, mint: Mint) -> list[str]:
        """The entries of the token that were handed back, and are so no more."""
        replays = self.memory.replays
        replayed = [name for name, each in replays.items() if each.update.mint == mint]
        for entry_id in replayed:
            del replays[entry_id]
        return replayed
