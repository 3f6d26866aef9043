"""The world: what the service hears and asks for. Ports here; one adapter a module.

Streams (PumpPortal, Solana pub/sub) run as supervised children and send `SourceEvent`s to
ingest's mailbox. Providers (of quotes, holders, SOL's price) are asked by the job actors;
`sources.providers` chooses them by the settings. `sources.scripted` holds the in-memory twins.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any, Protocol

from attrs import field, frozen

from domain.messages import SourceEvent
from domain.snapshots import Snapshot, snapshot_class
from domain.trading import WindowStatistics
from domain.values import Mint, UnixSeconds, Usd, Value
from sources.refusals import LastingRefusal


class EventOutbox(Protocol):
    """Where a stream puts its events: the sending side of ingest's mailbox."""

    async def send(self, message: SourceEvent) -> None:
        """Put an event by the mailbox's policy; waits while a blocking mailbox is full."""

    async def send_all(self, messages: Iterable[SourceEvent]) -> None:
        """Put each event as `send` does, with one checkpoint before the first is asked for."""


class OutageReports(Protocol):
    """Where the service learns which source is away."""

    def report_outage(self, name: str, reporter: str, problem: str | None) -> None:
        """`reporter` cannot reach the source `name`, for `problem`; None: it can again."""


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

    @property
    def readiness(self) -> OutageReports:
        """Where outages are reported."""


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
    windows: Mapping[str, WindowStatistics] = field(factory=dict)  # by `trading.WINDOW_SECONDS`


@frozen(kw_only=True)
class HolderStats:
    """How many own a token, and whatever else the provider says in the same answer."""

    mint: Mint
    holder_count: int | None = None  # None: the provider does not say
    more: Mapping[str, Value] = field(factory=dict)  # e.g. organic_score
    # What others know better: told only where the token has no value yet, or ours.
    fillers: Mapping[str, Value] = field(factory=dict)  # e.g. price_usd
    windows: Mapping[str, WindowStatistics] = field(factory=dict)  # by `trading.WINDOW_SECONDS`


class Provider(Protocol):
    """Answers requests about many mints at a time.

    A request fails with `SourceInTrouble` (`RateLimited` is one) where the provider can serve no
    request at all, and with any other `SourceUnavailable` where it may be this request's fault.
    """

    name: str  # what people call it
    mints_per_request: int
    unusable: Counter[str]  # parts of its answers that could not be used, by reason
    refusal: LastingRefusal


class QuoteProvider(Provider, Protocol):
    """Prices and volumes."""

    async def fetch_quotes(self, mints: Sequence[Mint]) -> Mapping[Mint, MarketQuote]:
        """One request, at most `mints_per_request` mints; unknown ones are left out."""


class HolderProvider(Provider, Protocol):
    """Numbers of owners."""

    async def fetch_holders(self, mints: Sequence[Mint]) -> Mapping[Mint, HolderStats]:
        """One request, at most `mints_per_request` mints; unknown ones are left out."""


class SolPriceProvider(Protocol):
    """SOL in US dollars."""

    name: str
    refusal: LastingRefusal

    async def fetch_sol_usd(self) -> Usd:
        """One request; `SourceUnavailable` if it fails."""


@frozen(kw_only=True)
class MarketProviders:
    """Whom market data asks; each may be absent: switched off by an empty address."""

    quotes: QuoteProvider | None = None
    sol_price: SolPriceProvider | None = None
    sol_price_fallbacks: Sequence[SolPriceProvider] = ()  # in order, where no pair implies it


@frozen(kw_only=True)
class SendAnswer:
    """What became of one attempt to bring an alert to its endpoint."""

    status: int | None = None  # of HTTP; None: there was no answer
    problem: str = ""  # why it was not taken, without secrets; empty: it was
    pause_seconds: float | None = None  # for which the endpoint asks

    @property
    def is_taken(self) -> bool:
        return not self.problem


class AlertSender(Protocol):
    """Brings alerts to endpoints, which it alone knows the addresses and the secrets of."""

    async def send_alert(self, endpoint: str, alert_id: str, body: str) -> SendAnswer:
        """One attempt, bounded in time; it raises nothing that an endpoint could cause."""
