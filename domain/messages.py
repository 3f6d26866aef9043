"""What actors tell one another: facts in the past tense, frozen.

source --> TokenCreated, TradeSeen, CurveCompleted, MigrationSeen, PoolCreated --> ingest
ingest --> TokensAdmitted, TokenUpdated --> sync;  TradeSeen --> trading
trading -> TradesWeighed --> hot-score;  StatisticsPublished --> gateway, market-data
jobs   --> TokenUpdated --> sync --> TokensPublished, RosterTold --> gateway and jobs
market-data -> SolPriceTold --> ingest;  market-data, holder-count -> WindowsQuoted --> trading
activity-keys, gateway, alerts -> UsersElsewhereTold --> activity
quarantine -> BirthReplayed --> ingest;  UpdateReplayed --> sync
gateway -> ClientConnected ... --> activity --> SystemActivated, SystemIdled --> jobs, sync
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from attrs import frozen

from domain.records import record
from domain.token import Token
from domain.trading import TokenStatistics, WindowStatistics
from domain.values import WRAPPED_SOL, Mint, Sol, UnixSeconds, Usd, Value, Version

Values = Mapping[str, Value]  # by field
UNNAMED_SOURCE = "unnamed"  # of an event that no stream has brought
Teller = Literal["redis keys", "http", "alerts"]  # of users elsewhere


@frozen(kw_only=True)
class TokenCreated:
    """A launch-pad announced a new token.

    Sums are in SOL where the coin is paired with SOL, and in US dollars where it is paired with a
    token of `DOLLAR_MINTS`; in neither where its quote is any other.
    """

    mint: Mint
    seen_at: UnixSeconds  # when this process heard of it
    signature: str
    source: str = UNNAMED_SOURCE  # the stream that brought it
    at: UnixSeconds | None = None  # the chain's time, whole seconds
    slot: int | None = None
    venue: str  # canonical, see sources/venues.py
    quote_mint: Mint = WRAPPED_SOL
    name: str | None = None
    symbol: str | None = None
    metadata_uri: str | None = None
    creator_wallet: str | None = None
    bonding_curve_key: str | None = None
    decimals: int | None = None
    total_supply: str | None = None
    freeze_revoked: bool | None = None
    mint_renounced: bool | None = None
    initial_buy_sol: Sol | None = None
    initial_buy_usd: Usd | None = None
    curve_tokens: float | None = None  # virtual tokens left in the bonding curve
    curve_sol: Sol | None = None  # virtual SOL in the bonding curve
    curve_usd: Usd | None = None  # virtual dollars in the bonding curve
    market_cap_sol: Sol | None = None
    market_cap_usd: Usd | None = None


class TradeSeen(NamedTuple):
    """Somebody bought or sold. A tuple, for there are thousands a second, made and filled in.

    Its identity is (signature, mint, side, ordinal); never mint and time. Of size, curve and cap
    a stream tells those in the coin's quote: SOL or dollars. Ingest adds the other of both sizes
    where it knows the price of SOL.
    """

    mint: Mint
    seen_at: UnixSeconds
    signature: str
    side: Literal["buy", "sell"]
    ordinal: int = 0  # among the trades of one transaction with the same mint and side, from 0
    source: str = UNNAMED_SOURCE
    at: UnixSeconds | None = None  # the chain's time, whole seconds
    slot: int | None = None
    trader: str | None = None  # wallet
    tokens: float | None = None  # how many changed hands
    sol: Sol | None = None  # size; absent in frames of 2024
    usd: Usd | None = None  # size
    quote_mint: Mint | None = None  # None: the stream does not say
    venue: str | None = None
    pool_address: str | None = None  # of a graduated venue
    curve_tokens: float | None = None
    curve_sol: Sol | None = None
    curve_usd: Usd | None = None
    market_cap_sol: Sol | None = None  # for a supply of 1e9, whatever the token's really is
    market_cap_usd: Usd | None = None  # likewise


@frozen(kw_only=True)
class CurveCompleted:
    """The last token of a bonding curve was sold; the migration is still to come."""

    mint: Mint
    seen_at: UnixSeconds
    signature: str
    source: str = UNNAMED_SOURCE
    at: UnixSeconds | None = None


@frozen(kw_only=True)
class MigrationSeen:
    """A token left its bonding curve for a pool; PumpPortal names the venue, not the pool."""

    mint: Mint
    seen_at: UnixSeconds
    signature: str
    source: str = UNNAMED_SOURCE
    at: UnixSeconds | None = None
    venue: str
    pool_address: str | None = None


@frozen(kw_only=True)
class PoolCreated:
    """A pool was opened on a decentralised exchange."""

    mint: Mint
    seen_at: UnixSeconds
    signature: str
    venue: str
    source: str = UNNAMED_SOURCE
    pool_address: str
    created_at: UnixSeconds
    is_migration: bool = False  # opened by a launch-pad's migration account, not by a person
    decimals: int | None = None
    quote_mint: Mint | None = None


SourceEvent = TokenCreated | TradeSeen | CurveCompleted | MigrationSeen | PoolCreated


@frozen(kw_only=True)
class SolPriceTold:
    """What one SOL is worth now."""

    usd: Usd
    observed_at: UnixSeconds


@frozen(kw_only=True)
class BirthReplayed:
    """An operator hands a new token back that Postgres had refused."""

    entry_id: str  # of the quarantine
    token: Token


IngestMessage = SourceEvent | SolPriceTold | BirthReplayed


@record(kw_only=True)
class TradesWeighed:
    """What some trades of one token count for its score, without a trader's repeated volume."""

    mint: Mint
    sol: Sol
    at: UnixSeconds  # of the last of them


@frozen(kw_only=True)
class WindowsQuoted:
    """What a provider says of a token's trading; it counts where no stream covers a window."""

    mint: Mint
    observed_at: UnixSeconds
    source: str
    windows: Mapping[str, WindowStatistics]  # keys are names in `trading.WINDOW_SECONDS`


@record(kw_only=True)
class StatisticsPublished:
    """The trading of some tokens as it now is."""

    statistics: Mapping[Mint, TokenStatistics]


@frozen(kw_only=True)
class TokensAdmitted:
    """New tokens that are durable: in Postgres (with an id), or in the spool (without)."""

    tokens: tuple[Token, ...]


@record(kw_only=True)
class TokenUpdated:
    """New values of some fields of one token."""

    mint: Mint
    observed_at: UnixSeconds
    origin: str  # who observed it, in order: an actor, or an actor and its source ("ingest chain")
    values: Mapping[str, Value]  # keys are names in `token.UPDATE_FIELDS`


@frozen(kw_only=True)
class UpdateReplayed:
    """An operator hands values back that were refused; newer ones of their fields win."""

    entry_id: str  # of the quarantine
    update: TokenUpdated


class TokenChange(NamedTuple):
    """The unflushed fields of one token. A tuple, for there are thousands of them a flush."""

    mint: Mint
    version: Version  # of its newest field; a lower one never replaces a higher one
    dirty_since: Version  # version at which it became dirty; pages of `dirty` go by this
    observed_at: UnixSeconds  # newest observation among the values
    values: Values  # as `domain.precision` keeps them


@record(kw_only=True)
class TokensPublished:
    """Some tokens as they now are; everything in them is durable."""

    tokens: Mapping[Mint, Token]


@frozen(kw_only=True)
class RosterWanted:
    """An actor (re)started and asks to be told of every tracked token."""

    subscriber: str
    wants_end: bool = False  # also to be told when that was all: `RosterTold`
    ask: int = 0  # comes back in it, for who asks several times


@frozen(kw_only=True)
class RosterTold:
    """Every token that was tracked when this was asked for has been published."""

    ask: int = 0


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
class UsersElsewhereTold:
    """Somebody outside tells how many people use another server of the same tokens.

    It holds for a minute, or until the same teller tells again.
    """

    by: Teller
    users: int
    last_activity_at: UnixSeconds | None = None  # when one of them last did something


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
    | UsersElsewhereTold
    | CensusTaken
)
GatewayMessage = TokensPublished | StatisticsPublished | RosterTold | CensusWanted
ActivityChange = SystemActivated | SystemIdled
SyncMessage = (
    TokensAdmitted | TokenUpdated | UpdateReplayed | RosterWanted | GovernorSet | ActivityChange
)
