"""What actors tell one another: facts in the past tense, frozen.

source --> TokenCreated, TradeSeen, MigrationSeen, PoolCreated --> ingest
ingest --> TokensAdmitted, TokenUpdated --> sync;  TradeSeen --> hot-score
jobs   --> TokenUpdated --> sync --> TokenPublished, RosterTold --> gateway and jobs
gateway -> ClientConnected ... --> activity --> SystemActivated, SystemIdled --> jobs, sync
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from attrs import field, frozen

from domain.token import Token
from domain.values import Mint, Sol, UnixSeconds, Value, Version


@frozen(kw_only=True)
class TokenCreated:
    """A launch-pad announced a new token."""

    mint: Mint
    seen_at: UnixSeconds
    signature: str
    venue: str  # canonical, see sources/venues.py
    name: str | None = None
    symbol: str | None = None
    metadata_uri: str | None = None
    creator_wallet: str | None = None
    bonding_curve_key: str | None = None
    decimals: int | None = None
    total_supply: str | None = None
    initial_buy_sol: Sol | None = None
    curve_tokens: float | None = None  # virtual tokens left in the bonding curve
    curve_sol: Sol | None = None  # virtual SOL in the bonding curve
    market_cap_sol: Sol | None = None


@frozen(kw_only=True)
class TradeSeen:
    """Somebody bought or sold."""

    mint: Mint
    seen_at: UnixSeconds
    signature: str  # the trade's identity, with `mint`; never mint and time
    side: Literal["buy", "sell"]
    sol: Sol | None = None  # size; absent in frames of 2024
    venue: str | None = None
    curve_tokens: float | None = None
    curve_sol: Sol | None = None
    market_cap_sol: Sol | None = None


@frozen(kw_only=True)
class MigrationSeen:
    """A token left its bonding curve for a pool; the frame names the venue, not the pool."""

    mint: Mint
    seen_at: UnixSeconds
    signature: str
    venue: str


@frozen(kw_only=True)
class PoolCreated:
    """A pool was opened on a decentralised exchange."""

    mint: Mint
    seen_at: UnixSeconds
    signature: str
    venue: str
    pool_address: str
    created_at: UnixSeconds
    is_migration: bool = False  # opened by a launch-pad's migration account, not by a person
    decimals: int | None = None


SourceEvent = TokenCreated | TradeSeen | MigrationSeen | PoolCreated


@frozen(kw_only=True)
class TokensAdmitted:
    """New tokens that are durable: in Postgres (with an id), or in the spool (without)."""

    tokens: tuple[Token, ...]


@frozen(kw_only=True)
class TokenUpdated:
    """New values of some fields of one token."""

    mint: Mint
    observed_at: UnixSeconds
    origin: str  # who observed it, in order: an actor, or one stream of it
    values: Mapping[str, Value]  # keys are names in `token.UPDATE_FIELDS`


class TokenChange(NamedTuple):
    """The unflushed fields of one token. A tuple, for there are thousands of them a flush."""

    mint: Mint
    version: Version  # of its newest field; a lower one never replaces a higher one
    dirty_since: Version  # version at which it became dirty; pages of `dirty` go by this
    observed_at: UnixSeconds  # newest observation among the values
    values: Mapping[str, Value]  # as `domain.precision` keeps them


@frozen(kw_only=True)
class TokenPublished:
    """A token as it now is; everything in it is durable."""

    token: Token


@frozen(kw_only=True)
class RosterWanted:
    """An actor (re)started and asks to be told of every tracked token."""

    subscriber: str
    wants_end: bool = False  # also to be told when that was all: `RosterTold`


@frozen(kw_only=True)
class RosterTold:
    """Every token that was tracked when this was asked for has been published."""


@frozen(kw_only=True)
class GovernorSet:
    """An operator changes what updates may cost; None leaves a figure as it is."""

    wal_bytes_per_second: float | None = None
    rows_per_hour: float | None = None
    reset: bool = False  # first: back to the settings, and nothing held against anybody


@frozen(kw_only=True)
class SystemActivated:
    """Somebody is looking."""


@frozen(kw_only=True)
class SystemIdled:
    """Nobody has been looking for the idle time."""


@frozen(kw_only=True)
class ClientConnected:
    client: int


@frozen(kw_only=True)
class ClientSpoke:
    client: int


@frozen(kw_only=True)
class ClientLeft:
    """The client is gone, and so is everything it watched."""

    client: int


@frozen(kw_only=True)
class MintWatched:
    client: int
    mint: Mint


@frozen(kw_only=True)
class MintUnwatched:
    client: int
    mint: Mint


@frozen(kw_only=True)
class FeedRequested:
    """Somebody asked for the feed over HTTP."""


@frozen(kw_only=True)
class CensusWanted:
    """The activity actor asks who is there: at a start, and each watchers interval."""


@frozen(kw_only=True)
class CensusTaken:
    """Every connected client, and what it watches."""

    watched: Mapping[int, frozenset[Mint]]


Presence = (
    ClientConnected
    | ClientSpoke
    | ClientLeft
    | MintWatched
    | MintUnwatched
    | FeedRequested
    | CensusTaken
)
GatewayMessage = TokenPublished | RosterTold | CensusWanted
ActivityChange = SystemActivated | SystemIdled
SyncMessage = TokensAdmitted | TokenUpdated | RosterWanted | GovernorSet | ActivityChange


@frozen(kw_only=True)
class Refused:
    """A row that cannot be written, kept for a person to look at."""

    mint: Mint
    reason: str
    refused_at: UnixSeconds
    values: Mapping[str, Value] = field(factory=dict)
