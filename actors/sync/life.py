"""What one life of sync works with: its desk, its two stores, its table. Its parts share it."""

from collections import Counter
from collections.abc import Callable, Iterable

from attrs import define, frozen

from actors.sync.backlog import Backlog
from actors.sync.memory import SyncMemory
from actors.sync.table import TokenTable
from buffer import UpdateBuffer
from config.settings import SyncSettings
from domain.backoff import Backoff
from domain.values import Mint
from store import TokenStore
from supervision.desk import Caller, Desk
from supervision.environment import Environment

RETRY_SECONDS, RETRY_LONGEST_SECONDS = 0.25, 10.0  # between attempts at a store that is away


@frozen(kw_only=True)
class SyncStores:
    """The two stores that sync writes to."""

    store: TokenStore
    buffer: UpdateBuffer


@define(kw_only=True, eq=False)
class SyncLife:
    """One life of sync; made when it starts."""

    desk: Desk
    stores: SyncStores
    store_caller: Caller
    buffer_caller: Caller
    table: TokenTable
    backlog: Backlog
    memory: SyncMemory
    settings: SyncSettings
    environment: Environment
    counts: Counter[str]  # the actor's, by what is counted
    publish: Callable[[Iterable[Mint]], None]  # tell all subscribers of these tokens

    def new_backoff(
        self,
        first_seconds: float = RETRY_SECONDS,
        longest_seconds: float = RETRY_LONGEST_SECONDS,
    ) -> Backoff:
        """The waits of one conversation."""
        return Backoff(
            first_seconds=first_seconds,
            longest_seconds=longest_seconds,
            random=self.environment.random,
        )
