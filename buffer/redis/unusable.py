"""What somebody else has put where ours should be: moved aside, and told by name.

    WRONGTYPE, a script that stumbles, an answer that cannot be read
        ->  move_aside  ->  what was moved, in words

A key of another type, a token's hash with a field that is none, or a row that is no token's would
fail every call that meets it, for ever, and all that comes with it in a batch. What stood there of
ours is gone, and is missed as any other loss (`buffer`); what stands there now is not ours to
delete.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import isfinite
from struct import Struct
from typing import Any

import orjson
import redis

from buffer.alerts import decode_alert, decode_rule
from buffer.codec import decode_token
from buffer.entries import decode_entry
from domain.chunks import chunks

PREFIX, ASIDE = "td:", "td:aside:"
TYPES = {
    "td:version": "string",
    "td:epoch": "string",
    "td:dirty": "zset",
    "td:changes": "stream",
    "td:spool:order": "zset",
    "td:spool:rows": "hash",
    "td:quarantine:order": "zset",
    "td:quarantine:entries": "hash",
    "td:births:order": "zset",
    "td:births:rows": "hash",
    "td:store-epoch": "string",
    "td:history:points": "list",
    "td:history:coarse": "list",
    "td:history:events": "list",
    "td:alerts:order": "zset",
    "td:alerts:rows": "hash",
    "td:alert-rules:order": "zset",
    "td:alert-rules:rows": "hash",
}
HASH_PREFIX = "td:token:"
TYPES_BY_PREFIX = {HASH_PREFIX: "hash", "td:candles:": "hash", "td:trades:": "list"}
ROW_READERS: Mapping[str, Callable[[Any], object]] = {
    "td:spool:rows": decode_token,
    "td:births:rows": decode_token,
    "td:quarantine:entries": decode_entry,
    "td:alerts:rows": decode_alert,
    "td:alert-rules:rows": decode_rule,
}
MOST_KEYS_SCANNED = 1_000_000  # some seconds; past it only the keys named above are looked at
SCANNED_AT_ONCE = 1000
SHOWN = 3
MARKS = b"."  # see append.lua, as for the doubles
TWO_DOUBLES = Struct(">dd")
STUMBLED = re.compile(r"user_script:\d+: ")  # a script's own error; the server's name it otherwise


def may_be_met(error: Exception) -> bool:
    """True where a call may have failed by what stands in the server's keys."""
    if isinstance(error, redis.ResponseError):
        text = str(error)  # a script's error repeats the word
        return "WRONGTYPE" in text or STUMBLED.search(text) is not None
    return isinstance(error, ValueError)  # of an answer, by its reader


def move_aside(client: redis.Redis) -> str:
    """Put all that no call can use under `td:aside:`, over what was there before; say what."""
    moved = [*_move_keys(client), *_move_rows(client)]
    shown = moved[:SHOWN] + [f"{len(moved) - SHOWN} more"] * (len(moved) > SHOWN)
    return "; ".join(shown)


# Keys.


def _move_keys(client: redis.Redis) -> Iterator[str]:
    for keys in chunks(_list_keys(client), SCANNED_AT_ONCE):
        unusable = dict(_find_mistyped(client, keys))
        hashes = [key for key in keys if key.startswith(HASH_PREFIX) and key not in unusable]
        unusable |= dict.fromkeys(_find_malformed(client, hashes), "no hash of a token")
        for key, kind in unusable.items():
            if client.rename(_encode(key), _encode(ASIDE + key)):
                yield f"{key} was {kind}, and is {ASIDE}{key} now"
    epoch = client.get("td:epoch")
    if isinstance(epoch, bytes) and not epoch.isascii():
        client.rename("td:epoch", ASIDE + "td:epoch")
        yield f"td:epoch was no name, and is {ASIDE}td:epoch now"


def _list_keys(client: redis.Redis) -> Iterator[str]:
    yield from TYPES
    if int(client.dbsize()) <= MOST_KEYS_SCANNED:
        for key in client.scan_iter(match=PREFIX + "*", count=SCANNED_AT_ONCE):
            name = key.decode(errors="surrogateescape")
            if name.startswith(tuple(TYPES_BY_PREFIX)):
                yield name


def _find_mistyped(client: redis.Redis, keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    pipeline: Any = client.pipeline(transaction=False)
    for key in keys:
        pipeline.type(_encode(key))
    for key, answer in zip(keys, pipeline.execute(), strict=True):
        kind = answer.decode()
        if kind not in ("none", _type_of(key)):
            yield key, f"a {kind}"


def _type_of(key: str) -> str:
    if key in TYPES:
        return TYPES[key]
    return next(kind for prefix, kind in TYPES_BY_PREFIX.items() if key.startswith(prefix))


def _find_malformed(client: redis.Redis, keys: Sequence[str]) -> Iterator[str]:
    pipeline: Any = client.pipeline(transaction=False)
    for key in keys:
        pipeline.hgetall(_encode(key))
    for key, fields in zip(keys, pipeline.execute(), strict=True):
        marks = fields.pop(MARKS, None)
        is_marked = marks is None or (len(marks) == TWO_DOUBLES.size and _is_timed(marks))
        if not (is_marked and all(map(_is_field, fields.values()))):
            yield key


def _is_field(stored: bytes) -> bool:
    """Whether it is a version, a time and a value's JSON text."""
    return len(stored) > TWO_DOUBLES.size and _is_timed(stored) and _is_json(stored)


def _is_timed(stored: bytes) -> bool:
    return all(map(isfinite, TWO_DOUBLES.unpack_from(stored)))


def _is_json(stored: bytes) -> bool:
    try:
        orjson.loads(memoryview(stored)[TWO_DOUBLES.size :])
    except ValueError:
        return False
    return True


# Rows of shelves.


def _move_rows(client: redis.Redis) -> Iterator[str]:
    for key, read in ROW_READERS.items():
        rows: Iterable[tuple[bytes, bytes]] = client.hscan_iter(key, count=SCANNED_AT_ONCE)
        for name, text in rows:
            if not _is_row(text, read):
                client.hset(ASIDE + key, name, text)
                client.hdel(key, name)
                shown = ascii(name.decode(errors="replace"))
                yield f"{shown} in {key} was no row, and is in {ASIDE}{key} now"


def _is_row(text: bytes, read: Callable[[Any], object]) -> bool:
    try:
        read(orjson.loads(text))
    except ValueError:
        return False
    return True


def _encode(key: str) -> bytes:
    return key.encode(errors="surrogateescape")
