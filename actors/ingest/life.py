"""What one life of ingest works with: its desk and its two stores. Its parts share it."""

from collections import Counter

from attrs import define, frozen

from actors.ingest.memory import IngestMemory
from buffer import UpdateBuffer
from config.settings import IngestSettings
from domain.backoff import Backoff
from store import TokenStore
from supervision.desk import Caller, Desk
from supervision.environment import Environment

RETRY_SECONDS, RETRY_LONGEST_SECONDS = 0.25, 10.0  # between attempts at a store that is away


@frozen(kw_only=True)
class IngestStores:
    """The two stores that ingest writes to."""

    store: TokenStore
    buffer: UpdateBuffer


@define(kw_only=True, eq=False)
class IngestLife:
    """One life of ingest; made when it starts."""

    desk: Desk
    stores: IngestStores
    store_caller: Caller
    buffer_caller: Caller
    memory: IngestMemory
    settings: IngestSettings
    environment: Environment
    counts: Counter[str]  # the actor's, by what is counted

    def new_backoff(self) -> Backoff:
        """The waits of one conversation."""
        return Backoff(
            first_seconds=RETRY_SECONDS,
            longest_seconds=RETRY_LONGEST_SECONDS,
            random=self.environment.random,
        )
