"""What one life of ingest works with: its desk and its two stores. Its parts share it."""

from attrs import define, field, frozen

from actors.ingest.memory import IngestMemory
from buffer import UpdateBuffer
from config.settings import IngestSettings
from domain.errors import BufferUnavailable, StoreUnavailable
from store import TokenStore
from supervision.desk import Caller
from supervision.life import ActorLife


@frozen(kw_only=True)
class IngestStores:
    """The two stores that ingest writes to."""

    store: TokenStore
    buffer: UpdateBuffer


@define(kw_only=True, eq=False)
class IngestLife(ActorLife):
    """One life of ingest; made when it starts."""

    stores: IngestStores
    memory: IngestMemory
    settings: IngestSettings
    store_caller: Caller = field(init=False)
    buffer_caller: Caller = field(init=False)

    @store_caller.default
    def _new_store_caller(self) -> Caller:
        return self.new_caller("postgres", StoreUnavailable)

    @buffer_caller.default
    def _new_buffer_caller(self) -> Caller:
        return self.new_caller("redis", BufferUnavailable)
