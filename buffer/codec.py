"""What the buffer keeps in Redis, as JSON and back, exactly.

A single value travels and is compared as its JSON text: the server never parses one (Lua has
only doubles), and `True`, `1` and `1.0` stay what they are.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from operator import attrgetter
from typing import Any

import orjson

from domain.changes import ChangeColumns
from domain.merging import Observations
from domain.messages import Values
from domain.records import list_needed_fields
from domain.token import (
    FIELDS,
    FIELDS_OF_TYPE_STATUS,
    GREATEST_WINS,
    PLAIN_FIELDS,
    UPDATE_FIELDS,
    Status,
    Token,
)
from domain.values import Mint, UnixSeconds, Value

NOT_SAYABLE = "null"  # what orjson makes of NaN, infinity and None
LONGEST_SHOWN_CHARACTERS = 100  # of a value, in the reason for refusing it
FIELDS_OF_THIS_RELEASE = frozenset(UPDATE_FIELDS)
NEEDED_FIELDS = list_needed_fields(Token)
_list_fields = attrgetter(*FIELDS)


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
    """Every field that is known; absent ones are None again on the way back.

    `ValueError` names the first field whose value JSON cannot say.
    """
    values = zip(FIELDS, _list_fields(token), strict=True)
    known = {name: value for name, value in values if value is not None}
    try:
        text = orjson.dumps(known).decode()
    except TypeError:
        text = NOT_SAYABLE
    if NOT_SAYABLE in text and not all(map(_is_sayable, known.values())):  # else it is in a name
        raise ValueError(_describe_unsayable(known))
    return text


def join_members(texts: Mapping[str, str]) -> str:
    """The JSON object whose values have these texts."""
    return "{" + ",".join(f'"{name}":{text}' for name, text in texts.items()) + "}"


def decode_token(row: Mapping[str, Any]) -> Token:
    """A spooled token; fields of a newer release of the service are left out.

    `ValueError` where it is no token's row.
    """
    if not isinstance(row, Mapping) or not row.keys() >= NEEDED_FIELDS:
        raise ValueError("no row of a token")
    known = {name: value for name, value in row.items() if name in FIELDS}
    for name in FIELDS_OF_TYPE_STATUS:
        if name in known:
            known[name] = Status(known[name])
    return Token(**known)


def _is_sayable(value: object) -> bool:
    try:
        return orjson.dumps(value) != NOT_SAYABLE.encode()
    except TypeError:
        return False


def is_plain(name: str, text: str) -> bool:
    """True for a value of the type that its field has in `PLAIN_FIELDS`; as read_dirty.lua has it.

    A whole number has no point and no exponent. Any number will do for a fraction.
    """
    kind = PLAIN_FIELDS.get(name)
    if kind is bool:
        return text in ("true", "false")
    if kind is int:
        return text.removeprefix("-").isdecimal()
    return kind is float and text.lstrip("-")[0].isdecimal()


def decode_others(changes: ChangeColumns, places: Iterable[int]) -> ChangeColumns:
    """Texts of changes, with those at `places`, which are not plain, decoded.

    Fields of another release of the service, which cannot be written, are left out.
    """
    texts = changes.list_texts()
    return changes.with_values({place: _decode_known(texts[place]) for place in places})


def _decode_known(text: str) -> Values:
    values: Values = orjson.loads(text)
    return {name: value for name, value in values.items() if name in FIELDS_OF_THIS_RELEASE}
