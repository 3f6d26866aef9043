"""What the buffer keeps in Redis, as JSON and back, exactly.

A single value travels and is compared as its JSON text: the server never parses one (Lua has
only doubles), and `True`, `1` and `1.0` stay what they are.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import attrs
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

FIELDS_OF_THIS_RELEASE = frozenset(UPDATE_FIELDS)


def encode_values(values: Mapping[str, Value]) -> list[str]:
    """The JSON texts of the values, by the fields' names; equal texts are equal values."""
    texts = [orjson.dumps(value).decode() for value in values.values()]
    if "null" in texts:  # what orjson makes of NaN and infinity
        raise ValueError(f"JSON cannot say every one of {values!r}")
    for name in GREATEST_WINS & values.keys():
        if isinstance(values[name], bool | str):
            raise TypeError(f"{name} is compared as a number, and {values[name]!r} is none")
    return texts


def encode_batch(
    batch: Mapping[Mint, Observations],
) -> tuple[dict[Mint, list[str]], dict[Mint, str]]:
    """The JSON texts of each token's values; and the reasons why JSON cannot say some tokens."""
    texts: dict[Mint, list[str]] = {}
    refused: dict[Mint, str] = {}
    for mint, seen in batch.items():
        if not seen.values:
            continue
        if not (isfinite(seen.observed_at) and all(map(isfinite, seen.times.values()))):
            refused[mint] = "observed at no time"
            continue
        try:
            texts[mint] = encode_values(seen.values)
        except (ValueError, TypeError) as error:
            refused[mint] = str(error)
    return texts, refused


def decode_value(text: str) -> Value:
    value: Value = orjson.loads(text)
    return value


def encode_token(token: Token) -> str:
    """Every field that is known; absent ones are None again on the way back."""
    known = attrs.asdict(token, recurse=False, filter=lambda _, value: value is not None)
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
    try:
        is_sayable = orjson.dumps(value) != b"null"
    except TypeError:
        is_sayable = False
    return value if is_sayable else ascii(value)


def decode_refused(row: Mapping[str, Any]) -> Refused:
    return Refused(
        mint=Mint(row["mint"]),
        reason=row["reason"],
        refused_at=UnixSeconds(float(row["refused_at"])),
        values=row["values"],
    )


def decode_changes(rows: Sequence[Sequence[Any]]) -> list[TokenChange]:
    """Changes as dirty.lua lists them; fields of another release of the service are left out."""
    changes = list(map(TokenChange._make, rows))
    if all(change.values.keys() <= FIELDS_OF_THIS_RELEASE for change in changes):
        return changes
    return [change._replace(values=_of_this_release(change.values)) for change in changes]


def _of_this_release(values: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if name in FIELDS_OF_THIS_RELEASE}
