"""What one life of sync works with: its desk, its two stores, its table. Its parts share it."""

from collections.abc import Callable, Iterable, Sequence

from attrs import define, field, frozen

from actors.sync.backlog import Backlog
from actors.sync.memory import SyncMemory
from actors.sync.table import TokenTable
from buffer import UpdateBuffer
from config.settings import SyncSettings
from domain.chunks import chunks
from domain.errors import BufferUnavailable, StoreUnavailable
from domain.token import Token
from domain.values import Mint
from store import TokenStore
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
    store_caller: Caller = field(init=False)
    buffer_caller: Caller = field(init=False)

    @store_caller.default
    def _new_store_caller(self) -> Caller:
        return self.new_caller("postgres", StoreUnavailable)

    @buffer_caller.default
    def _new_buffer_caller(self) -> Caller:
        return self.new_caller("redis", BufferUnavailable)

    async def spool_tokens(self, tokens: Sequence[Token]) -> None:
        """Give the buffer new tokens that it has lost."""
        for part in chunks(tokens, self.settings.append_updates):
            await self.stores.buffer.spool_tokens(part)
