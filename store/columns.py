"""Which table keeps which field of a token, in which type, and what a column refuses.

    Token, TokenChange  ->  rows as JSON objects  ->  Postgres  ->  records  ->  Token

Everything is derived from `domain.token`: a new field there appears here by itself, and the
contract suite fails until a migration adds its column. Values come as `domain.precision` keeps
them, and the columns take exactly that: what is read back equals what was written, so that a
value that did not change is recognised as such, also after a restart.
"""

import sys
from collections.abc import Iterable, Mapping
from enum import Enum
from operator import attrgetter
from types import MappingProxyType

import attrs
from attrs import frozen

from domain.errors import RowsRefused
from domain.messages import TokenChange
from domain.outline import ACCOUNT_FIELDS, TokenOutline
from domain.precision import GREATEST_NUMBER, floor_time, round_token, round_value
from domain.token import (
    BIRTH_PROFILE_FIELDS,
    FIELDS,
    GREATEST_WINS,
    IDENTITY_FIELDS,
    RARELY_CHANGED,
    STATUS_FIELDS,
    UPDATE_FIELDS,
    FieldRule,
    Group,
    Status,
    Token,
    replace_fields,
)
from domain.values import USD1, USDC, USDT, WRAPPED_SOL, Mint, UnixSeconds, Value
from store import StoredChanges

DAY_SECONDS = 86_400
EPOCH_SECONDS = 1_577_836_800  # 2020-01-01, when Solana began; times in hot rows count from here
END_SECONDS = EPOCH_SECONDS + 2**31  # 2088, as far as four bytes of seconds reach

# Tokens first seen in the same two hours share a partition of table token. Measured at the real
# rate: the longer, the more pages of its index lie between the same number of insertions, and
# each is logged whole once a checkpoint (docs/decisions/0007).
PERIOD_SECONDS = 7200
COLD_BLOCK_DAYS = 10  # tokens that get cold in the same ten days share a partition, below 0

# What a create frame says of a token stands in its first row, so that most tokens, which never
# see a second trade, need no other. A later value hides it, and never rewrites it.
BIRTH_FIELDS = (
    "bonding_curve_progress",
    "sol_raised",
    "sol_to_graduate",
    "market_cap_sol",
    "last_trade_at",
    "pool_type",
    *BIRTH_PROFILE_FIELDS,
)
# What nearly every token has, as its first row keeps it: a mint takes 44 bytes, the row 300. The
# view token_now has the way back. No text is ambiguous: a mint is longer than these, and a supply
# has only digits.
SHORT_QUOTES: Mapping[str, str] = MappingProxyType(
    {WRAPPED_SOL: "SOL", USDC: "USDC", USDT: "USDT", USD1: "USD1"}
)
SHORT_SUPPLIES: Mapping[str, str] = MappingProxyType(
    {"1000000000": "1e9", "2000000000": "2e9", "1000000000000000": "1e15"}
)
USUAL_URI_PREFIX = "https://ipfs.io/ipfs/"  # two of three; kept as E'\x01'
# Text, and what changes about once in a token's life, would only fatten the hot rows.
PROFILE_FIELDS = tuple(name for name in UPDATE_FIELDS if name in RARELY_CHANGED)
STATS_FIELDS = tuple(name for name in UPDATE_FIELDS if name not in RARELY_CHANGED)
# What readers look up by token once they have chosen: all that a birth or a profile tells. (Its
# last trade stands there, too, in another unit.)
CARD_FIELDS = (
    *PROFILE_FIELDS,
    *(name for name in BIRTH_FIELDS if name not in (*PROFILE_FIELDS, "last_trade_at")),
)
TOKEN_FIELDS = (*(name for name in IDENTITY_FIELDS if name != "id"), *BIRTH_FIELDS)
CHANGE_TABLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"token_stats": STATS_FIELDS, "token_profile": PROFILE_FIELDS}
)


@frozen
class ColumnType:
    """How Postgres keeps a kind of value, and what of it we send."""

    stored: str
    bytes: int  # in an array of the journal; 0: never there
    sent: str
    python: frozenset[type]  # of values that are sent as they are


class Kind(Enum):
    """What a column keeps."""

    TEXT = ColumnType("text", 0, "text", frozenset({str}))
    INTEGER = ColumnType("integer", 4, "integer", frozenset({int}))
    NUMBER = ColumnType("real", 4, "real", frozenset({float, int}))
    PRECISE = ColumnType("double precision", 8, "double precision", frozenset({float, int}))
    TIME = ColumnType("integer", 4, "double precision", frozenset({float, int}))
    FLAG = ColumnType("boolean", 1, "boolean", frozenset({bool}))
    STATUS = ColumnType("smallint", 2, "smallint", frozenset())  # always checked


_RANGES: Mapping[Kind, tuple[float, float]] = {
    Kind.INTEGER: (-(2**31), 2**31 - 1),  # Postgres' integer has four bytes
    Kind.STATUS: (min(Status), max(Status)),
    Kind.NUMBER: (-GREATEST_NUMBER, GREATEST_NUMBER),
    Kind.PRECISE: (-sys.float_info.max, sys.float_info.max),
    Kind.TIME: (EPOCH_SECONDS - 2**31, END_SECONDS - 1),
}
_KIND_OF_TYPE = {
    str: Kind.TEXT,
    int: Kind.INTEGER,
    float: Kind.NUMBER,
    bool: Kind.FLAG,
    Status: Kind.STATUS,
}


def _find_kind(name: str, rule: FieldRule) -> Kind:
    """What keeps a field: its type, and its precision."""
    if rule.is_time and name in STATS_FIELDS:
        return Kind.TIME
    if rule.is_time or rule.group is Group.SCORE:
        return Kind.PRECISE
    return _KIND_OF_TYPE[rule.type]


KINDS: Mapping[str, Kind] = {name: _find_kind(name, rule) for name, rule in FIELDS.items()}
# Of a new token: what its first row keeps, and what needs another.
_list_first = attrgetter(*TOKEN_FIELDS)
_LATER_FIELDS = tuple(name for name in UPDATE_FIELDS if name not in BIRTH_FIELDS)
_list_later = attrgetter(*_LATER_FIELDS)
_LATER_DEFAULTS = tuple(getattr(attrs.fields(Token), name).default for name in _LATER_FIELDS)
# Of columns that take any such value: the texts, and the range of the numbers.
_TEXTS = frozenset(name for name, kind in KINDS.items() if kind is Kind.TEXT)
_RANGES_OF_FRACTIONS = {
    name: _RANGES[kind] for name, kind in KINDS.items() if float in kind.value.python
}


# -- From a token to rows ------------------------------------------------------------------


def keep_first_of_each(tokens: Iterable[Token]) -> dict[Mint, Token]:
    """The tokens by mint, in order; what comes again in the same batch does not count."""
    offered: dict[Mint, Token] = {}
    for token in tokens:
        offered.setdefault(token.mint, token)
    return offered


def make_token_row(token: Token) -> dict[str, Value]:
    """The row of table `token`; `RowsRefused` names the first value that cannot be kept."""
    return {
        "period": find_period(token.first_seen_at),
        **convert_values(
            {
                name: value
                for name, value in zip(TOKEN_FIELDS, _list_first(token), strict=True)
                if value is not None
            }
        ),
    }


def list_later_values(token: Token) -> dict[str, Value]:
    """What a new token already has beyond its row of table `token`, as its columns take it.

    Mostly nothing, and then the token needs no second row.
    """
    values = _list_later(token)
    if values == _LATER_DEFAULTS:
        return {}
    pairs = zip(_LATER_FIELDS, values, _LATER_DEFAULTS, strict=True)
    return convert_values({name: v for name, v, usual in pairs if v is not None and v != usual})


def to_stored_token(token: Token, token_id: int | None = None) -> Token:
    """A new token as it is read back: until a value comes later, its birth is its last update."""
    newest = token.first_seen_at
    if token.last_updated_at is not None and list_later_values(token):
        newest = max(newest, floor_time(token.last_updated_at))
    return replace_fields(round_token(token), {"last_updated_at": newest, "id": token_id})


def find_period(moment: UnixSeconds) -> int:
    """Which partition keeps a token first seen at `moment`; they are numbered from 1970."""
    if not EPOCH_SECONDS <= moment < END_SECONDS:  # which also NaN is not
        raise RowsRefused(f"first_seen_at: {moment!r} is no time between 2020 and 2088")
    return int(moment // PERIOD_SECONDS)


def refuse_repeated_tokens(changes: StoredChanges) -> None:
    """A batch with two changes of one token is a programming error: which would be the newer?"""
    if len(set(changes.ids)) < len(changes):
        raise ValueError("a batch holds at most one change a token")


def has_fitting_types(name: str, values: Iterable[Value]) -> bool:
    """True when column `name` takes values of these types as they are; ranges are not looked at."""
    return KINDS[name].value.python.issuperset(map(type, values))


def find_tables(names: Iterable[str]) -> tuple[str, ...]:
    """The tables of changing values that have any of these fields."""
    wanted = set(names)
    return tuple(table for table, fields in CHANGE_TABLES.items() if not wanted.isdisjoint(fields))


def convert_values(values: Mapping[str, Value]) -> dict[str, Value]:
    """The values as they are kept; `RowsRefused` names the first that cannot be."""
    return {name: convert_value(name, value) for name, value in values.items()}


def convert_value(name: str, value: Value) -> Value:
    """The value as column `name` takes it."""
    if type(value) is str and name in _TEXTS and value.isascii() and "\x00" not in value:
        return value
    if type(value) is float and name in _RANGES_OF_FRACTIONS:
        lowest, highest = _RANGES_OF_FRACTIONS[name]
        if lowest <= value <= highest:
            return value if name in IDENTITY_FIELDS else round_value(name, value)
    return _convert_unusual(name, value)


def _convert_unusual(name: str, value: Value) -> Value:
    kind = KINDS[name]
    reason = _find_refusal(kind, value)
    if reason is not None:
        raise RowsRefused(f"{name}: {value!r:.80} {reason}")
    if kind is Kind.INTEGER or kind is Kind.STATUS:
        return int(value)  # sources send 5.0 as readily as 5
    if kind is Kind.TEXT or kind is Kind.FLAG:
        return value
    return float(value) if name in IDENTITY_FIELDS else round_value(name, float(value))


def _find_refusal(kind: Kind, value: Value) -> str | None:
    """Why a column of this kind cannot keep the value; None when it can."""
    if kind is Kind.TEXT:
        return _find_text_refusal(value)
    if kind is Kind.FLAG:
        return None if isinstance(value, bool) else "is neither true nor false"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "is not a number"
    return _find_number_refusal(kind, value)


def _find_number_refusal(kind: Kind, value: float) -> str | None:
    lowest, highest = _RANGES[kind]
    if not lowest <= value <= highest:  # which also NaN is not
        return "is out of range"
    whole = kind in (Kind.INTEGER, Kind.STATUS)
    return "is not whole" if whole and value != int(value) else None


def _find_text_refusal(value: Value) -> str | None:
    if not isinstance(value, str):
        return "is not text"
    if "\x00" in value:
        return "contains NUL"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "is not Unicode"
    return None


# -- Lists of columns for the named queries ------------------------------------------------


def render_definitions(names: Iterable[str]) -> str:
    """`name type, ...` for json_to_recordset."""
    return ", ".join(f"{name} {KINDS[name].value.sent}" for name in names)


def render_list(names: Iterable[str], of: str | None = None) -> str:
    """`of.name, ...`, or `name, ...`."""
    return ", ".join(f"{of}.{name}" if of else name for name in names)


def render_outline() -> str:
    """The columns of an outline, in the order of its fields."""
    told = (f"({n} IS NOT NULL)::integer << {place}" for place, n in enumerate(ACCOUNT_FIELDS))
    computed = {"told": " | ".join(f"({bit})" for bit in told)}
    return ", ".join(computed.get(name, name) for name in TokenOutline._fields)


def render_birth(names: Iterable[str]) -> str:
    """Sent values, each as its column of table `token` keeps it."""
    return ", ".join(_render_birth_value(name) for name in names)


def render_difference(name: str, new: str, old: str, dead_band: float) -> str:
    """The new value where it differs from the old one, else NULL: unchanged or not known."""
    given, known = _render_encoding(name, f"{new}.{name}"), f"{old}.{name}"
    if name in GREATEST_WINS:
        return f"CASE WHEN {known} IS NULL OR {given} > {known} THEN {given} END"
    if name in STATUS_FIELDS:  # which tell of the change of a status, and say nothing without one
        status, reached = f"{new}.status", f"{old}.status"
        told = f"{status} IS NULL OR {reached} IS NULL OR {status} > {reached}"
        return f"CASE WHEN {told} THEN nullif({given}, {known}) END"
    if dead_band and KINDS[name] is Kind.NUMBER:
        distance = f"abs({given}::double precision - {known})"
        return f"CASE WHEN {distance} <= abs({known}) * {dead_band} THEN NULL ELSE {given} END"
    return f"nullif({given}, {known})"


def render_packing(name: str) -> str:
    """The values of a pack of changes as one array; NULL when no token of the pack has any."""
    return f"CASE WHEN count({name}) > 0 THEN array_agg({name}) END"


def render_packed_bytes(names: Iterable[str]) -> str:
    """What one token's values take in the arrays of a pack."""
    by_size: dict[int, list[str]] = {}
    for name in names:
        by_size.setdefault(KINDS[name].value.bytes, []).append(name)
    return " + ".join(f"{size} * num_nonnulls({render_list(n)})" for size, n in by_size.items())


def _render_encoding(name: str, value: str) -> str:
    """A sent value as its column keeps it."""
    return render_seconds_since_epoch(value) if KINDS[name] is Kind.TIME else value


def _render_birth_value(name: str) -> str:
    match name:
        case "quote_mint":
            return _render_short_text(name, SHORT_QUOTES)
        case "total_supply":
            return _render_short_text(name, SHORT_SUPPLIES)
        case "launchpad":  # nearly always where the token trades at its birth
            return "CASE WHEN launchpad = pool_type THEN '' ELSE launchpad END"
        case "metadata_uri":  # one that begins as a short one does, or as this escape, is escaped
            length = len(USUAL_URI_PREFIX)
            return (
                f"CASE WHEN left(metadata_uri, {length}) = '{USUAL_URI_PREFIX}' "
                f"THEN E'\\x01' || substr(metadata_uri, {length + 1}) "
                "WHEN left(metadata_uri, 1) IN (E'\\x01', E'\\x02') "
                "THEN E'\\x02' || metadata_uri ELSE metadata_uri END"
            )
    return _render_encoding(name, name)


def _render_short_text(name: str, short: Mapping[str, str]) -> str:
    cases = " ".join(f"WHEN '{usual}' THEN '{kept}'" for usual, kept in short.items())
    return f"CASE {name} {cases} ELSE {name} END"


def render_seconds_since_epoch(moment: str) -> str:
    """A time in hot rows: whole seconds in four bytes."""
    return f"floor({moment} - {EPOCH_SECONDS})::integer"


def keep_newer(
    changes: Iterable[tuple[int, TokenChange]], versions: Mapping[tuple[str, int], int]
) -> list[TokenChange]:
    """The changes without values whose row has their version, or a later one.

    `versions` has the stored version by table and token id. One without a value left is left out.
    """
    newer: list[TokenChange] = []
    for token_id, change in changes:
        values: dict[str, Value] = {}
        for table, fields in CHANGE_TABLES.items():
            if versions.get((table, token_id), -1) < change.version:
                values |= {name: change.values[name] for name in fields if name in change.values}
        if len(values) == len(change.values):
            newer.append(change)
        elif values:
            newer.append(change._replace(values=values))
    return newer
