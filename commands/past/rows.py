"""A row of the owner's table as a token of ours, and what of it a stored token takes.

    his column names and values  ->  read_row  ->  Token, or RowsRefused, MintRefused
    stored token, his token      ->  select_news  ->  values

His nullable columns with a default of 0, and his flags with a default of false, do not tell 0 from
"not known"; here they are not known, and the readers' view shows 0 and false for that.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import isfinite
from typing import Any, cast

from domain.errors import MintRefused, RowsRefused
from domain.precision import floor_time, round_token
from domain.token import BIRTH_PROFILE_FIELDS, FIELDS, STATUS_FIELDS, UPDATE_FIELDS, Status, Token
from domain.values import UnixSeconds, Value, parse_address, parse_mint
from store.columns import KINDS, Kind, list_later_values, make_token_row

# His score is another measure; his watchers are rows of his, ours are clients connected now; and
# of the last update a store keeps the observation of values, not the writing of a row.
NOT_TAKEN = frozenset({"hot_score", "watcher_count"})
# By column of his. `state` and `status` together are a status and a silence here.
FIELD_BY_COLUMN: Mapping[str, str] = {
    rule.wire: name
    for name, rule in FIELDS.items()
    if rule.wire is not None and name not in NOT_TAKEN and name not in ("status", "previous_status")
}
COLUMNS = frozenset(FIELD_BY_COLUMN) | {"state", "status", "previousState"}
# Which the model does not have, but a table that was made of the view may.
BEYOND_MODEL = frozenset(
    {
        *("metadataUri", "marketCapSol", "quoteMint", "launchpad", "initialBuySol"),
        *("topHoldersPercent", "devBalancePercent", "devMints", "devMigrations", "organicScore"),
    }
)
COLUMN_BY_FIELD: Mapping[str, str] = {
    **{field: column for column, field in FIELD_BY_COLUMN.items()},
    "status": "state",
    "previous_status": "previousState",
    "silent": "status",
}
COMPARED = tuple(name for name in COLUMN_BY_FIELD if name not in ("mint", "last_updated_at"))
ZERO_IS_UNKNOWN = frozenset(
    {
        *("volume_24h_sol", "buys_24h", "sells_24h", "unique_traders_24h"),
        *("sol_raised", "sol_to_graduate", "bonding_curve_progress"),
    }
)
STATUS_BY_STATE = {status.name.lower(): status for status in Status}
STATUS_BY_WORD = {
    "LAUNCHING": Status.NEW,
    "ACTIVE": Status.NEW,
    "ABOUT_TO_BOND": Status.GRADUATING,
    **{status.name: status for status in Status},
}
SILENT_WORD = "DEAD"
# A clock that is a little ahead is usual; a time beyond that would stay in front for ever.
MOST_AHEAD_SECONDS = 60
CHECKED_TIMES = ("first_seen_at", "status_changed_at", "last_trade_at")


def read_row(row: Mapping[str, Any], now: UnixSeconds) -> Token:
    """The token that a row tells of.

    Raises `MintRefused` for what is no coin's mint, and `RowsRefused` naming the first value that
    cannot be kept.
    """
    mint = parse_mint(row.get("mint"))
    values = {
        field: _convert_value(column, field, row.get(column))
        for column, field in FIELD_BY_COLUMN.items()
        if column != "mint"
    }
    status, silent = _read_standing(row.get("state"), row.get("status"))
    values |= {"status": status, "silent": silent}
    values["previous_status"] = _find_status("previousState", row.get("previousState"))
    _check_times(values, now)
    _settle_times(values, now)
    _drop_wrong_address(values)
    known = {name: value for name, value in values.items() if value is not None}
    token = Token(mint=mint, **cast(dict[str, Any], known))
    make_token_row(token), list_later_values(token)  # raises for what no column keeps
    return round_token(token)


def explain_refusal(error: MintRefused | RowsRefused) -> str:
    """The reason in his words: a value under the name of his column."""
    if isinstance(error, MintRefused):
        return f"mint: {error.reason}"
    name, colon, rest = str(error).partition(": ")
    column = name if name in COLUMNS else COLUMN_BY_FIELD.get(name, name)
    return f"{column}{colon}{rest}"


def select_news(stored: Token, his: Token) -> dict[str, Value]:
    """The values of his that a stored token takes.

    What is not known is completed. What is known gives way to a newer row, unless it is what a
    birth tells, which stays. A status only grows, and takes its times along.
    """
    is_newer = is_row_newer(stored, his)
    grows = his.status > stored.status
    news: dict[str, Value] = {}
    for name in UPDATE_FIELDS:
        new, old = getattr(his, name), getattr(stored, name)
        if name in NOT_TAKEN or new is None or new == old:
            continue
        if name in STATUS_FIELDS:
            is_taken = grows or (old is None and his.status == stored.status)
        elif old is None:
            is_taken = True
        else:
            is_taken = is_newer and name not in BIRTH_PROFILE_FIELDS
        if is_taken:
            news[name] = int(new) if isinstance(new, Status) else new
    return news


def is_row_newer(stored: Token, his: Token) -> bool:
    """True when his row was updated later, in whole seconds, as ours are kept."""
    updated_at = UnixSeconds(his.last_updated_at or his.first_seen_at)
    return floor_time(updated_at) > (stored.last_updated_at or stored.first_seen_at)


def find_differences(stored: Token, his: Token) -> dict[str, tuple[object, object]]:
    """By column of his, his value and ours, where they differ as both are kept."""
    found = {}
    for name in COMPARED:
        pair = _comparable(name, his), _comparable(name, stored)
        if pair[0] != pair[1]:
            found[COLUMN_BY_FIELD[name]] = pair
    return found


def _comparable(name: str, token: Token) -> object:
    """A value as both sides can tell it."""
    value = getattr(token, name)
    if name in COMPARE_BY:
        return COMPARE_BY[name](value, token)
    if name in ZERO_IS_UNKNOWN or KINDS[name] is Kind.FLAG:
        return value or None
    return value


# His times are whole milliseconds; of a status that never changed, the view shows the birth's.
COMPARE_BY: Mapping[str, Callable[[Any, Token], object]] = {
    "first_seen_at": lambda value, _: round(value, 3),
    "status_changed_at": lambda value, token: int(value or token.first_seen_at),
    "status": lambda value, _: value.name.lower(),
    "previous_status": lambda value, _: None if value is None else value.name.lower(),
    "silent": lambda value, token: (
        SILENT_WORD if value and token.status is not Status.BONDED else None
    ),
}


def _convert_value(column: str, field: str, value: Any) -> Value | None:
    """A value of his in the type of ours, where its own differs; None for "not known"."""
    kind = KINDS[field]
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if kind is Kind.TEXT:
        return format(value, "f") if isinstance(value, Decimal) else _as_text(value)
    if kind is Kind.FLAG:
        return value or None
    if isinstance(value, str):
        value = _parse_number(column, value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise RowsRefused(f"{column}: {value} is no number")
        value = float(value)
    if field in ZERO_IS_UNKNOWN and value == 0:
        return None
    return cast(Value, value)


def _as_text(value: Any) -> Value:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else cast(Value, value)


def _parse_number(column: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise RowsRefused(f"{column}: {text!r:.80} is not a number") from None
    if not isfinite(number):
        raise RowsRefused(f"{column}: {text:.80} is no number")
    return number


def _read_standing(state: Any, word: Any) -> tuple[Status, bool]:
    """A status, and whether the token is silent; of both columns the further one counts."""
    by_state = _find_status("state", state)
    is_silent = isinstance(word, str) and word.strip().upper() == SILENT_WORD
    by_word = None if is_silent else _find_word(word)
    known = [status for status in (by_state, by_word) if status is not None]
    return max(known, default=Status.NEW), is_silent or _is_dead(state)


def _is_dead(state: Any) -> bool:
    """A table that an earlier setting of the view was copied to has silence as a state."""
    return isinstance(state, str) and state.strip().lower() == SILENT_WORD.lower()


def _find_status(column: str, state: Any) -> Status | None:
    if state is None or _is_dead(state):
        return None
    found = STATUS_BY_STATE.get(state.strip().lower()) if isinstance(state, str) else None
    if found is None:
        raise RowsRefused(f"{column}: {state!r:.80} is no state that is known")
    return found


def _find_word(word: Any) -> Status | None:
    if word is None:
        return None
    found = STATUS_BY_WORD.get(word.strip().upper()) if isinstance(word, str) else None
    if found is None:
        raise RowsRefused(f"status: {word!r:.80} is no status that is known")
    return found


def _check_times(values: Mapping[str, Any], now: UnixSeconds) -> None:
    if values["first_seen_at"] is None:
        raise RowsRefused("firstSeenAt: there is none")
    for name in CHECKED_TIMES:
        at = values[name]
        if at is not None and at > now + MOST_AHEAD_SECONDS:
            raise RowsRefused(f"{COLUMN_BY_FIELD[name]}: {at:.0f} lies in the future")


def _settle_times(values: dict[str, Any], now: UnixSeconds) -> None:
    """The last update lies between birth and now; a status that never changed has no time."""
    born = values["first_seen_at"]
    values["last_updated_at"] = min(max(values["last_updated_at"] or born, born), max(now, born))
    changed = values["status_changed_at"]
    is_new = values["status"] is Status.NEW and values["previous_status"] is None
    if is_new and changed is not None and int(changed) == int(born):
        values["status_changed_at"] = None


def _drop_wrong_address(values: dict[str, Any]) -> None:
    """A venue's name that was stored as an address (as `migrate.pool` was) is none."""
    try:
        if values["pool_address"] is not None:
            parse_address(values["pool_address"])
    except MintRefused:
        values["pool_address"] = None
