"""Which table keeps which field of a token, in which type, and what a column refuses.

    Token, TokenChange  ->  rows as JSON objects  ->  Postgres  ->  records  ->  Token

Everything is derived from `domain.token`: a new field there appears here by itself, and the
contract suite fails until a migration adds its column. Numbers are kept in double precision and
times as their seconds, so that what is read back equals what was written, to the bit: a value
that did not change is then recognised as such, also after a restart.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from types import MappingProxyType, NoneType
from typing import Any, cast, get_args, get_type_hints

import attrs

from domain.errors import RowsRefused
from domain.token import FIELDS, GREATEST_WINS, IDENTITY_FIELDS, UPDATE_FIELDS, Group, Status, Token
from domain.values import Mint, UnixSeconds, Value
from store import TokenChange

FIRST_DAY, LAST_DAY = date(2020, 1, 1), date(2099, 12, 31)  # Solana began in 2020

# What a create frame says of a token stands in its first row, so that most tokens, which never
# see a second trade, need no other. A later value hides it, and never rewrites it.
BIRTH_FIELDS = (
    "bonding_curve_progress",
    "sol_raised",
    "sol_to_graduate",
    "market_cap_sol",
    "pool_type",
)
# Text, and what changes about once in a token's life, would only fatten the hot rows.
RARELY_CHANGED = frozenset({"pool_address", "pool_type", "pool_created_at"})

PROFILE_FIELDS = tuple(
    name for name in UPDATE_FIELDS if FIELDS[name].group is Group.PROFILE or name in RARELY_CHANGED
)
STATS_FIELDS = tuple(name for name in UPDATE_FIELDS if name not in PROFILE_FIELDS)
TOKEN_FIELDS = (*(name for name in IDENTITY_FIELDS if name != "id"), *BIRTH_FIELDS)
CHANGE_TABLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"token_stats": STATS_FIELDS, "token_profile": PROFILE_FIELDS}
)


class Kind(Enum):
    """A column's type, named as Postgres names it."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "double precision"
    FLAG = "boolean"
    STATUS = "smallint"


_RANGES: Mapping[Kind, tuple[float, float]] = {
    Kind.INTEGER: (-(2**31), 2**31 - 1),  # Postgres' integer has four bytes
    Kind.STATUS: (min(Status), max(Status)),
    Kind.NUMBER: (-sys.float_info.max, sys.float_info.max),
}
_KIND_OF_TYPE = {
    str: Kind.TEXT,
    int: Kind.INTEGER,
    float: Kind.NUMBER,
    bool: Kind.FLAG,
    Status: Kind.STATUS,
}


def _kind(hint: Any) -> Kind:
    """The column type for an attribute's type: optional or not, `NewType` or not."""
    alternatives = [each for each in get_args(hint) if each is not NoneType]
    plain = alternatives[0] if alternatives else hint
    return _KIND_OF_TYPE[getattr(plain, "__supertype__", plain)]


KINDS: Mapping[str, Kind] = {name: _kind(hint) for name, hint in get_type_hints(Token).items()}
_NUMBERS = frozenset(name for name, kind in KINDS.items() if kind is Kind.NUMBER)
DEFAULTS: Mapping[str, Value] = {
    attribute.name: attribute.default
    for attribute in attrs.fields(Token)
    if attribute.name in UPDATE_FIELDS and attribute.default is not None
}


# -- From a token to rows ------------------------------------------------------------------


def first_of_each(tokens: Iterable[Token]) -> dict[Mint, Token]:
    """The tokens by mint, in order; what comes again in the same batch does not count."""
    offered: dict[Mint, Token] = {}
    for token in tokens:
        offered.setdefault(token.mint, token)
    return offered


def token_row(token: Token) -> dict[str, Value]:
    """The row of table `token`; `RowsRefused` names the first value that cannot be kept."""
    return {
        "day": day_of(token.first_seen_at).isoformat(),
        **stored_values(_known(token, TOKEN_FIELDS)),
    }


def later_values(token: Token) -> dict[str, Value]:
    """What a new token already has beyond its row of table `token`, as its columns take it.

    Mostly nothing, and then the token needs no second row.
    """
    known = _known(token, (name for name in UPDATE_FIELDS if name not in BIRTH_FIELDS))
    return stored_values({n: value for n, value in known.items() if value != DEFAULTS.get(n)})


def born(token: Token) -> Token:
    """A new token as it is read back: until a value comes later, its birth is its last update."""
    newest = token.first_seen_at
    if token.last_updated_at is not None and later_values(token):
        newest = max(newest, token.last_updated_at)
    return attrs.evolve(token, last_updated_at=newest)


def day_of(moment: UnixSeconds) -> date:
    """The day (UTC) whose partition keeps a token first seen at `moment`."""
    try:
        day = datetime.fromtimestamp(moment, UTC).date()
    except (ValueError, OverflowError, OSError) as error:
        raise RowsRefused(f"first_seen_at: {moment!r} is no time") from error
    if not FIRST_DAY <= day <= LAST_DAY:
        raise RowsRefused(f"first_seen_at: {day} is not between {FIRST_DAY} and {LAST_DAY}")
    return day


def refuse_repeated(changes: Sequence[TokenChange]) -> None:
    """A batch with two changes of one token is a programming error: which would be the newer?"""
    if len({change.token_id for change in changes}) < len(changes):
        raise ValueError("a batch holds at most one change a token")


def stored_values(values: Mapping[str, Value]) -> dict[str, Value]:
    """The values as their columns take them; `RowsRefused` names the first that cannot be."""
    # Nearly all values are finite floats for number columns; telling them here makes a flush of
    # 1,000 rows cost a third of the time. x - x is 0 for finite numbers only.
    return {
        name: value
        if type(value) is float and name in _NUMBERS and value - value == 0
        else stored_value(name, value)
        for name, value in values.items()
    }


def stored_value(name: str, value: Value) -> Value:
    """The value as column `name` takes it."""
    kind = KINDS[name]
    reason = _refusal(kind, value)
    if reason is not None:
        raise RowsRefused(f"{name}: {value!r:.80} {reason}")
    if kind is Kind.INTEGER or kind is Kind.STATUS:
        return int(value)  # sources send 5.0 as readily as 5
    return float(value) if kind is Kind.NUMBER else value


def _known(token: Token, names: Iterable[str]) -> dict[str, Value]:
    values = ((name, getattr(token, name)) for name in names)
    return {name: value for name, value in values if value is not None}


def _refusal(kind: Kind, value: Value) -> str | None:
    """Why a column of this kind cannot keep the value; None when it can."""
    if kind is Kind.TEXT:
        return _text_refusal(value)
    if kind is Kind.FLAG:
        return None if isinstance(value, bool) else "is neither true nor false"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "is not a number"
    return _number_refusal(kind, value)


def _number_refusal(kind: Kind, value: float) -> str | None:
    lowest, highest = _RANGES[kind]
    if not lowest <= value <= highest:  # which also NaN is not
        return "is out of range"
    return None if kind is Kind.NUMBER or value == int(value) else "is not whole"


def _text_refusal(value: Value) -> str | None:
    if not isinstance(value, str):
        return "is not text"
    if "\x00" in value:
        return "contains NUL"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "is not Unicode"
    return None


# -- From records to tokens ----------------------------------------------------------------


def token_from_record(record: Sequence[object]) -> Token:
    """The token in a record of `reading_list`'s columns."""
    values = dict(zip(FIELDS, record, strict=True))
    values["status"] = Status(cast(int, values["status"]))
    if values["previous_status"] is not None:
        values["previous_status"] = Status(cast(int, values["previous_status"]))
    return Token(**cast(dict[str, Any], values))


# -- Lists of columns for the named queries ------------------------------------------------


def definitions(names: Iterable[str]) -> str:
    """`name type, ...` for json_to_recordset."""
    return ", ".join(f"{name} {KINDS[name].value}" for name in names)


def listed(names: Iterable[str], of: str | None = None) -> str:
    """`of.name, ...`, or `name, ...`."""
    return ", ".join(f"{of}.{name}" if of else name for name in names)


def merged(name: str, new: str, old: str) -> str:
    """The new value over the old one; NULL means unchanged, and status only grows."""
    function = "greatest" if name in GREATEST_WINS else "coalesce"
    return f"{function}({new}.{name}, {old}.{name})"


def reading_list() -> str:
    """Every field of a token in order, from tables token, stats and profile."""
    return ", ".join(_reading(name) for name in FIELDS)


def _reading(name: str) -> str:
    if name == "last_updated_at":
        return "greatest(token.first_seen_at, stats.observed_at, profile.observed_at)"
    if name in IDENTITY_FIELDS:
        return f"token.{name}"
    table = "profile" if name in PROFILE_FIELDS else "stats"
    if name in BIRTH_FIELDS:
        return f"coalesce({table}.{name}, token.{name})"
    if name in DEFAULTS:
        default = stored_value(name, DEFAULTS[name])
        return f"coalesce({table}.{name}, {str(default).lower()})"
    return f"{table}.{name}"
