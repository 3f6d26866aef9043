"""A token, and the one table of its fields.

The attribute metadata below is the only list of what a token has: the store's columns, the
buffer's merge rules and the JSON keys of the feed are all derived from it. The JSON keys are
those of the Prisma model TokenDiscovery, which existing readers know.
"""

from collections.abc import Mapping
from enum import Enum, IntEnum
from itertools import compress
from operator import attrgetter, ne
from types import MappingProxyType, NoneType
from typing import Any, get_args

import attrs
from attrs import field, frozen

from domain.records import make_copier, record
from domain.trading import TokenStatistics
from domain.values import Mint, Sol, UnixSeconds, Usd, Value

Provenance = Mapping[str, tuple[str, UnixSeconds]]
NO_PROVENANCE: Provenance = MappingProxyType({})
LIVE: Mapping[str, object] = {"live": True}


class Status(IntEnum):
    """How far a token has come. It only ever grows."""

    NEW = 0
    GRADUATING = 1
    BONDED = 2


class Group(Enum):
    """Fields that are written by the same cause, and may be equally stale in Postgres."""

    IDENTITY = "identity"  # written once, with the token
    LIFECYCLE = "lifecycle"
    MARKET = "market"
    HOLDERS = "holders"
    SCORE = "score"
    WATCHERS = "watchers"
    PROFILE = "profile"


def _of(group: Group, wire: str | None, **more: object) -> dict[str, object]:
    return {"group": group, "wire": wire, **more}


@record(kw_only=True)
class Token:
    """What is known of one token; None is "not known", and never replaces a value."""

    # Identity: written once, with the token.
    mint: Mint = field(metadata=_of(Group.IDENTITY, "mint"))
    id: int | None = field(default=None, metadata=_of(Group.IDENTITY, None))  # Postgres' key
    first_seen_at: UnixSeconds = field(metadata=_of(Group.IDENTITY, "firstSeenAt", time=True))

    # Profile: what the token is. Its birth tells most of it, and other sources the rest.
    symbol: str | None = field(default=None, metadata=_of(Group.PROFILE, "symbol"))
    name: str | None = field(default=None, metadata=_of(Group.PROFILE, "name"))
    metadata_uri: str | None = field(default=None, metadata=_of(Group.PROFILE, "metadataUri"))
    creator_wallet: str | None = field(default=None, metadata=_of(Group.PROFILE, "creatorWallet"))
    bonding_curve_key: str | None = field(
        default=None, metadata=_of(Group.PROFILE, "bondingCurveKey")
    )
    decimals: int | None = field(default=None, metadata=_of(Group.PROFILE, "decimals"))
    total_supply: str | None = field(default=None, metadata=_of(Group.PROFILE, "totalSupply"))
    freeze_revoked: bool | None = field(default=None, metadata=_of(Group.PROFILE, "freezeRevoked"))
    mint_renounced: bool | None = field(default=None, metadata=_of(Group.PROFILE, "mintRenounced"))
    quote_mint: Mint | None = field(default=None, metadata=_of(Group.PROFILE, "quoteMint"))
    launchpad: str | None = field(  # canonical venue of its birth
        default=None, metadata=_of(Group.PROFILE, "launchpad")
    )
    initial_buy_sol: Sol | None = field(default=None, metadata=_of(Group.PROFILE, "initialBuySol"))

    # Lifecycle.
    status: Status = field(
        default=Status.NEW, metadata=_of(Group.LIFECYCLE, "status", merge="greatest")
    )
    previous_status: Status | None = field(
        default=None, metadata=_of(Group.LIFECYCLE, "previousState")
    )
    status_changed_at: UnixSeconds | None = field(
        default=None, metadata=_of(Group.LIFECYCLE, "stateChangedAt", time=True)
    )
    silent: bool = field(default=False, metadata=_of(Group.LIFECYCLE, None))  # shown as DEAD
    pool_address: str | None = field(default=None, metadata=_of(Group.LIFECYCLE, "poolAddress"))
    pool_type: str | None = field(default=None, metadata=_of(Group.LIFECYCLE, "poolType"))
    pool_created_at: UnixSeconds | None = field(
        default=None, metadata=_of(Group.LIFECYCLE, "poolCreatedAt", time=True)
    )

    # Market.
    bonding_curve_progress: float | None = field(  # per cent, 0..100
        default=None, metadata=_of(Group.MARKET, "bondingCurveProgress")
    )
    sol_raised: Sol | None = field(default=None, metadata=_of(Group.MARKET, "solRaised"))
    sol_to_graduate: Sol | None = field(default=None, metadata=_of(Group.MARKET, "solToGraduate"))
    market_cap_sol: Sol | None = field(default=None, metadata=_of(Group.MARKET, "marketCapSol"))
    market_cap_usd: Usd | None = field(default=None, metadata=_of(Group.MARKET, "marketCapUsd"))
    price_usd: Usd | None = field(default=None, metadata=_of(Group.MARKET, "priceUsd"))
    price_change_24h: float | None = field(  # per cent
        default=None, metadata=_of(Group.MARKET, "priceChange24h")
    )
    liquidity_usd: Usd | None = field(default=None, metadata=_of(Group.MARKET, "liquidityUsd"))
    volume_24h: Usd | None = field(default=None, metadata=_of(Group.MARKET, "volume24h"))
    volume_change_24h: float | None = field(  # per cent
        default=None, metadata=_of(Group.MARKET, "volumeChange24h")
    )
    volume_24h_sol: Sol | None = field(default=None, metadata=_of(Group.MARKET, "volume24hSol"))
    tx_count_24h: int | None = field(default=None, metadata=_of(Group.MARKET, "txCount24h"))
    buys_24h: int | None = field(default=None, metadata=_of(Group.MARKET, "buys24h"))
    sells_24h: int | None = field(default=None, metadata=_of(Group.MARKET, "sells24h"))
    unique_traders_24h: int | None = field(
        default=None, metadata=_of(Group.MARKET, "uniqueTraders24h")
    )
    last_trade_at: UnixSeconds | None = field(
        default=None, metadata=_of(Group.MARKET, "lastTradeTs", time=True)
    )

    # Holders, and what is known of the developer.
    holder_count: int | None = field(default=None, metadata=_of(Group.HOLDERS, "holderCount"))
    top_holders_percent: float | None = field(
        default=None, metadata=_of(Group.HOLDERS, "topHoldersPercent")
    )
    dev_balance_percent: float | None = field(
        default=None, metadata=_of(Group.HOLDERS, "devBalancePercent")
    )
    dev_mints: int | None = field(  # tokens that the developer has made
        default=None, metadata=_of(Group.HOLDERS, "devMints")
    )
    dev_migrations: int | None = field(  # of them, those that left their curve
        default=None, metadata=_of(Group.HOLDERS, "devMigrations")
    )
    organic_score: float | None = field(  # Jupiter's, 0..100
        default=None, metadata=_of(Group.HOLDERS, "organicScore")
    )

    # One value a group.
    hot_score: float | None = field(default=None, metadata=_of(Group.SCORE, "hotScore"))
    watcher_count: int = field(default=0, metadata=_of(Group.WATCHERS, "watcherCount"))

    # Profile, too: what the token's people say of it.
    image_url: str | None = field(default=None, metadata=_of(Group.PROFILE, "imageUrl"))
    logo_uri: str | None = field(default=None, metadata=_of(Group.PROFILE, "logoURI"))
    description: str | None = field(default=None, metadata=_of(Group.PROFILE, "description"))
    twitter: str | None = field(default=None, metadata=_of(Group.PROFILE, "twitter"))
    telegram: str | None = field(default=None, metadata=_of(Group.PROFILE, "telegram"))
    website: str | None = field(default=None, metadata=_of(Group.PROFILE, "website"))

    # The newest observation of any field above.
    last_updated_at: UnixSeconds | None = field(
        default=None, metadata=_of(Group.LIFECYCLE, "lastUpdatedAt", time=True, derived=True)
    )

    # Live: shown while it is known, never part of an update, and in no store.
    statistics: TokenStatistics | None = field(default=None, metadata=LIVE)
    # Where the values of each group came from last, and when: group's name -> (source, time). Of
    # a group that no source of this life of the process has told of, there is nothing. Two tokens
    # with the same values are equal, whoever told them.
    provenance: Provenance = field(default=NO_PROVENANCE, eq=False, metadata=LIVE)


@frozen
class FieldRule:
    """What the rest of the code needs to know of one field of a token."""

    name: str
    group: Group
    wire: str | None  # JSON key; None: not shown
    is_time: bool  # UnixSeconds here, ISO 8601 text on the wire
    greatest_wins: bool  # else the newest observation wins
    is_derived: bool  # follows from other fields; never part of an update
    type: type  # of its values: without "not known", and without the name of their unit


def _find_type(hint: Any) -> type:
    alternatives = [each for each in get_args(hint) if each is not NoneType]
    plain = alternatives[0] if alternatives else hint
    found: type = getattr(plain, "__supertype__", plain)
    return found


def _rule(attribute: "attrs.Attribute[Any]") -> FieldRule:
    facts = attribute.metadata
    return FieldRule(
        attribute.name,
        facts["group"],
        facts["wire"],
        facts.get("time", False),
        facts.get("merge") == "greatest",
        facts.get("derived", False),
        _find_type(attribute.type),
    )


FIELDS: Mapping[str, FieldRule] = {
    a.name: _rule(a) for a in attrs.fields(Token) if not a.metadata.get("live")
}
IDENTITY_FIELDS = tuple(r.name for r in FIELDS.values() if r.group is Group.IDENTITY)
UPDATE_FIELDS = tuple(
    r.name for r in FIELDS.values() if r.group is not Group.IDENTITY and not r.is_derived
)
# Profiles, and what changes about once in a token's life.
RARELY_CHANGED = frozenset(r.name for r in FIELDS.values() if r.group is Group.PROFILE) | {
    "pool_address",
    "pool_type",
    "pool_created_at",
}
# What nearly every change consists of: numbers and flags, by their type. A change of nothing else
# is plain, if its values are of these types: as JSON text it goes to Postgres unread.
PLAIN_FIELDS: Mapping[str, type] = MappingProxyType(
    {
        name: FIELDS[name].type
        for name in UPDATE_FIELDS
        if name not in RARELY_CHANGED and FIELDS[name].type in (int, float, bool)
    }
)
GREATEST_WINS = frozenset(r.name for r in FIELDS.values() if r.greatest_wins)
_copy_token = make_copier(Token)
_list_values = attrgetter(*FIELDS)
_DEFAULTS = tuple(a.default for a in attrs.fields(Token) if a.name in FIELDS)
_GROUP_NAMES = tuple(rule.group.value for rule in FIELDS.values())
# What tells of a change of status, and says nothing without one.
STATUS_FIELDS = ("status", "previous_status", "status_changed_at")
FIELDS_OF_TYPE_STATUS = ("status", "previous_status")
# What a birth tells of a token, and a later account of it may complete or correct.
BIRTH_PROFILE_FIELDS = (
    "symbol",
    "name",
    "metadata_uri",
    "creator_wallet",
    "bonding_curve_key",
    "decimals",
    "total_supply",
    "freeze_revoked",
    "mint_renounced",
    "quote_mint",
    "launchpad",
    "initial_buy_sol",
)


def with_values(
    token: Token,
    values: Mapping[str, Value],
    observed_at: UnixSeconds,
    provenance: Provenance | None = None,
) -> Token:
    """`token` with the fields of `values` set, and `last_updated_at` moved forward.

    A field of which the greatest value wins never goes back. Without a `provenance` the token
    keeps its own.
    """
    known: dict[str, Any] = dict(values)
    for name in GREATEST_WINS & known.keys():
        known[name] = max(known[name], getattr(token, name))
    for name in FIELDS_OF_TYPE_STATUS:
        if name in known:
            known[name] = Status(int(known[name]))
    if provenance is not None:
        known["provenance"] = provenance
    known["last_updated_at"] = max(observed_at, token.last_updated_at or observed_at)
    return replace_fields(token, known)


def with_statistics(token: Token, statistics: TokenStatistics | None) -> Token:
    """`token` as it is traded now."""
    return replace_fields(token, {"statistics": statistics})


def with_watchers(token: Token, watchers: int) -> Token:
    """`token` as so many watch it."""
    return replace_fields(token, {"watcher_count": watchers})


def replace_fields(token: Token, fields: Mapping[str, object]) -> Token:
    """As `attrs.evolve`: this is done for every birth, and every update that is news."""
    replaced = _copy_token(token)
    for name, value in fields.items():
        setattr(replaced, name, value)
    return replaced


def with_birth_source(token: Token, source: str, at: UnixSeconds) -> Token:
    """A new token, all that is known of which `source` has told."""
    is_told = map(ne, _list_values(token), _DEFAULTS)
    told = sorted(set(compress(_GROUP_NAMES, is_told)))
    return replace_fields(token, {"provenance": dict.fromkeys(told, (source, at))})
