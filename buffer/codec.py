"""What the buffer keeps in Redis, as JSON and back, exactly.

A single value travels and is compared as its JSON text: the server never parses one (Lua has
only doubles), and `True`, `1` and `1.0` stay what they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

import orjson

from domain.merging import Observations
from domain.messages import Refused, TokenChange
from domain.token import (
    FIELDS,
    FIELDS_OF_TYPE_STATUS,
    GREATEST_WINS,
    UPDATE_FIELDS,
    Status,
    Token,
)
from domain.values import Mint, UnixSeconds, Value

NOT_SAYABLE = "null"  # what orjson makes of NaN, infinity and None
LONGEST_SHOWN_CHARACTERS = 100  # of a value, in the reason for refusing it
FIELDS_OF_THIS_RELEASE = frozenset(UPDATE_FIELDS)


def encode_values(values: Mapping[str, Value]) -> list[str]:
    """The JSON texts of the values, in their order; equal texts are equal values.

    `ValueError` names the first field whose value JSON cannot say.
    """
    try:
        texts = [orjson.dumps(value).decode() for value in values.values()]
    except TypeError:
        texts = [NOT_SAYABLE]
    if NOT_SAYABLE in texts:
        raise ValueError(_describe_unsayable(values))
    for name in GREATEST_WINS & values.keys():
        if not _is_number(values[name]):
            raise ValueError(f"{name}: is compared as a number, and {_shown(values[name])} is none")
    return texts


def encode_observations(observed: Observations) -> tuple[list[str], list[UnixSeconds]]:
    """The values' JSON texts and times of observation; `ValueError` if either cannot be said."""
    texts = encode_values(observed.values)
    times = [observed.observed_at] * len(texts)
    is_timed = _is_time(observed.observed_at)
    if observed.sightings:
        times = [observed.time_of(name) for name in observed.values]
        is_timed = all(map(_is_time, times))
    if not is_timed:
        raise ValueError("observed at no time")
    return texts, times


def encode_batch(
    batch: Mapping[Mint, Observations], refused: dict[Mint, str]
) -> Iterator[tuple[Mint, Observations, list[str], list[UnixSeconds]]]:
    """Each token that has values, with their JSON texts and times.

    Of those that cannot be said, the reasons are put into `refused`.
    """
    for mint, observed in batch.items():
        try:
            texts, times = encode_observations(observed)
        except ValueError as error:
            refused[mint] = str(error)
            continue
        if texts:
            yield mint, observed, texts, times


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_time(moment: object) -> bool:
    return isinstance(moment, int | float) and isfinite(moment)


def _describe_unsayable(values: Mapping[str, Value]) -> str:
    for name, value in values.items():
        if not _is_sayable(value):
            return f"{name}: JSON cannot say {_shown(value)}: {_describe_kind(value)}"
    raise AssertionError("asked about values that JSON can say")


def _describe_kind(value: object) -> str:
    match value:
        case int():
            return "more than 64 bits"
        case float():
            return "not a finite number"
        case str():
            return "surrogates without their partners"
        case _:
            return "no value of a field"


def _shown(value: object) -> str:
    return ascii(value)[:LONGEST_SHOWN_CHARACTERS]


def decode_value(text: str) -> Value:
    value: Value = orjson.loads(text)
    return value


def encode_token(token: Token) -> str:
    """Every field that is known; absent ones are None again on the way back."""
    values = ((name, getattr(token, name)) for name in FIELDS)
    known = {name: value for name, value in values if value is not None}
    texts = encode_values(known)
    members = (f'"{name}":{text}' for name, text in zip(known, texts, strict=True))
    return "{" + ",".join(members) + "}"


def decode_token(row: Mapping[str, Any]) -> Token:
    """A spooled token; fields of a newer release of the service are left out."""
    known = {name: value for name, value in row.items() if name in FIELDS}
    for name in FIELDS_OF_TYPE_STATUS:
        if name in known:
            known[name] = Status(known[name])
    return Token(**known)


def encode_refused(row: Refused) -> str:
    """A row for the quarantine, which refuses nothing."""
    return orjson.dumps(
        {
            "mint": row.mint,
            "reason": _sayable(row.reason),
            "refused_at": row.refused_at,
            "values": {name: _sayable(value) for name, value in row.values.items()},
        }
    ).decode()


def _sayable(value: Any) -> Any:
    """The value itself, or its `repr` where JSON cannot say it: a person will read it."""
    return value if _is_sayable(value) else ascii(value)


def _is_sayable(value: object) -> bool:
    try:
        return orjson.dumps(value) != NOT_SAYABLE.encode()
    except TypeError:
        return False


def decode_refused(row: Mapping[str, Any]) -> Refused:
    return Refused(
        mint=Mint(row["mint"]),
        reason=row["reason"],
        refused_at=UnixSeconds(float(row["refused_at"])),
        values=row["values"],
    )


def decode_changes(rows: Sequence[Sequence[Any]]) -> list[TokenChange]:
    """Changes as read_dirty.lua lists them, without fields of another release of the service."""
    changes = list(map(TokenChange._make, rows))
    if all(change.values.keys() <= FIELDS_OF_THIS_RELEASE for change in changes):
        return changes
    return [change._replace(values=_of_this_release(change.values)) for change in changes]


def _of_this_release(values: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if name in FIELDS_OF_THIS_RELEASE}
