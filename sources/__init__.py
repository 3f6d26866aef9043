"""The world: what the service hears and asks for. Ports here; one adapter a module.

Streams (PumpPortal, Solana pub/sub) run as supervised children and send `SourceEvent`s to
ingest's mailbox. Look-ups (DexScreener, holders, SOL price) are called by the job actors.
`sources.scripted` holds the in-memory twins.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Protocol

from attrs import field, frozen

from domain.messages import SourceEvent
from domain.snapshots import Snapshot, snapshot_class
from domain.values import Mint, UnixSeconds, Usd, Value


class EventOutbox(Protocol):
    """Where a stream puts its events: the sending side of ingest's mailbox."""

    async def send(self, message: SourceEvent) -> None:
        """Put an event by the mailbox's policy; waits while a blocking mailbox is full."""


class SourceEnvironment(Protocol):
    """What a stream is given of the process around it."""

    @property
    def clock(self) -> Callable[[], UnixSeconds]:
        """The wall clock."""

    @property
    def random(self) -> Random:
        """Chance, for jitter."""

    @property
    def log(self) -> Any:
        """A structlog logger."""


@snapshot_class
class StreamSnapshot(Snapshot):
    """The base of what the streams tell; the metrics of all are labelled by the stream's name."""

    told_as = "stream"


class EventStream(Protocol):
    """A stream of events from the world, an actor: `run` serves for ever, reconnecting."""

    refused: Counter[str]  # frames refused, by reason

    async def run(self) -> None:
        """Send every event to the mailbox given at construction; returns only when cancelled."""

    def snapshot(self) -> StreamSnapshot:
        """What it does and has done, for metrics and dumps."""


@frozen(kw_only=True)
class MarketQuote:
    """What a market data provider knows of one token."""

    mint: Mint
    values: Mapping[str, Value]  # keys are names in `token.UPDATE_FIELDS`; absent: not known
    traded_lately: bool  # at least one trade in the last five minutes
    sol_usd: Usd | None = None  # SOL's price, where the pair implies one


@frozen(kw_only=True)
class HolderStats:
    """How many own a token, and whatever else the provider says in the same answer."""

    mint: Mint
    holder_count: int
    more: Mapping[str, Value] = field(factory=dict)  # e.g. unique_traders_24h


class MarketData(Protocol):
    """Prices and volumes. Raises `RateLimited` or `SourceUnavailable`."""

    mints_per_request: int

    async def quotes(self, mints: Sequence[Mint]) -> Mapping[Mint, MarketQuote]:
        """One request, at most `mints_per_request` mints; unknown ones are left out."""


class HolderCounts(Protocol):
    """Numbers of owners. Raises `RateLimited` or `SourceUnavailable`."""

    mints_per_request: int

    async def counts(self, mints: Sequence[Mint]) -> Mapping[Mint, HolderStats]:
        """One request, at most `mints_per_request` mints; unknown ones are left out."""


class SolPrice(Protocol):
    """SOL in US dollars. Raises `RateLimited` or `SourceUnavailable`."""

    async def sol_usd(self) -> Usd:
        """One request."""
