"""The buffer in Redis (6.2 or later) or Valkey, through redis-py in worker threads.

    append_observations -> append.lua       spool_tokens    -> spool.lua
    read_dirty          -> read_dirty.lua   quarantine_rows -> quarantine.lua
    clear_flushed       -> clear.lua        read_spooled, read_quarantined      -> read_shelf.lua
    open                -> mend_dirty.lua   remove_spooled, release_quarantined
                                                                         -> remove_from_shelf.lua

Each method but `open` is one call of one script, which the server runs as a whole or not at all;
a batch travels as one JSON text, both ways, because redis-py pays microseconds for every argument.
Keys: td:version, td:epoch, td:dirty, td:token:<mint>, td:changes (a stream), and td:spool:* and
td:quarantine:*. The server must not evict keys (maxmemory-policy noeviction).
"""

from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from hashlib import sha1
from operator import methodcaller
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol, TypeVar

import orjson
import redis
from attrs import define, field
from redis.exceptions import NoScriptError

from buffer import USUAL_BOUNDS, Appended, BufferBounds, DirtyPage
from buffer.codec import (
    decode_changes,
    decode_refused,
    decode_token,
    encode_batch,
    encode_refused,
    encode_token,
)
from buffer.redis.connection import RedisConnections
from buffer.redis.facts import describe_risks, read_facts, require_single_server
from domain.chunks import chunks
from domain.errors import BufferUnavailable
from domain.merging import Observations
from domain.messages import Refused, TokenChange
from domain.token import GREATEST_WINS, Token
from domain.values import NO_VERSION, Mint, UnixSeconds, Version

SCRIPTS = {
    file.stem: file.read_text("utf-8") for file in sorted(Path(__file__).parent.glob("*.lua"))
}
SHA1 = {
    name: sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in SCRIPTS.items()
}
LANDMARK = "."  # see append.lua
HASH_PREFIX = "td:token:"
MOST_KEYS_SCANNED = 1_000_000  # about a second; past it lost entries of td:dirty stay lost
SCANNED_AT_ONCE = 1000
DIRTY_KEY = "td:dirty"
SPOOL_KEYS = ("td:spool:order", "td:spool:rows")
SPOOL_READ_KEYS = (*SPOOL_KEYS, "td:epoch")
APPEND_KEYS = ("td:version", "td:epoch", DIRTY_KEY, "td:changes", "td:spool:order")
PAGE_KEYS = (DIRTY_KEY, "td:epoch", "td:version", *SPOOL_KEYS)
QUARANTINE_KEYS = ("td:quarantine:order", "td:quarantine:rows")
GREATEST_WINS_JSON = orjson.dumps(dict.fromkeys(sorted(GREATEST_WINS), True))

Answer = TypeVar("Answer")


class RedisOffload(Protocol):
    """Runs a blocking function: `partial(trio.to_thread.run_sync, limiter=...)` in production.

    It must not abandon the function when cancelled; the call ends by its own time-out.
    """

    def __call__(
        self, function: Callable[..., Answer], /, *arguments: Any
    ) -> Awaitable[Answer]: ...


def _read_count(answer: Any) -> int:
    if type(answer) is not int:
        raise redis.InvalidResponse(f"{type(answer).__name__} in place of a count")
    return answer


@define
class RedisBuffer:
    """`buffer.UpdateBuffer` on a Redis-protocol server."""

    url: str = field(repr=False)  # as config.redis_url understands it; may hold a password
    timeout_seconds: float  # to connect, and for one call
    offload: RedisOffload
    clock: Callable[[], UnixSeconds]
    bounds: BufferBounds = USUAL_BOUNDS
    _connections: RedisConnections = field(init=False)
    # State: what this process knows of the life of the data.
    _newest: Version = field(default=NO_VERSION, init=False)  # that an append has told
    _unsure: set[Mint] = field(factory=set, init=False)  # in appends that may have happened

    @_connections.default
    def _new_connections(self) -> RedisConnections:
        return RedisConnections(self.url, self.timeout_seconds)

    async def open(self) -> Sequence[str]:
        return await self.offload(self._open)

    async def close(self) -> None:
        self._connections.close()

    async def append_observations(
        self, batch: Mapping[Mint, Observations], *, forced: bool = False
    ) -> Appended:
        try:
            appended = await self.offload(self._append, batch, forced)
        except BufferUnavailable:
            # Bounded by the tokens of the failed batches, which the caller is to repeat.
            self._unsure.update(batch)
            raise
        self._newest = max(self._newest, appended.newest)
        if self._unsure and not forced:  # what is put back is older than what is unsure
            self._unsure.difference_update(batch)
        return appended

    async def read_dirty(self, after: Version, limit: int) -> DirtyPage:
        return await self.offload(self._read_dirty, after, limit)

    async def clear_flushed(self, changes: Sequence[TokenChange]) -> int:
        return await self.offload(self._clear, changes)

    async def spool_tokens(self, tokens: Sequence[Token]) -> None:
        rows = [(token.mint, encode_token(token)) for token in tokens]
        await self.offload(
            self._put_on_shelf, "spool", SPOOL_KEYS, rows, self.bounds.spooled_tokens
        )

    async def read_spooled(self, limit: int) -> Sequence[Token]:
        rows = await self.offload(self._read_json, "read_shelf", SPOOL_READ_KEYS, limit)
        return [decode_token(row) for row in rows]

    async def remove_spooled(self, mints: Sequence[Mint]) -> None:
        await self.offload(self._remove_from_shelf, SPOOL_KEYS, mints)

    async def quarantine_rows(self, rows: Sequence[Refused]) -> None:
        encoded = [(row.mint, encode_refused(row)) for row in rows]
        most = self.bounds.quarantined_mints
        await self.offload(self._put_on_shelf, "quarantine", QUARANTINE_KEYS, encoded, most)

    async def read_quarantined(self) -> Sequence[Refused]:
        most = self.bounds.quarantined_mints
        rows = await self.offload(self._read_json, "read_shelf", QUARANTINE_KEYS, most)
        return [decode_refused(row) for row in rows]

    async def release_quarantined(self, mints: Sequence[Mint]) -> None:
        await self.offload(self._remove_from_shelf, QUARANTINE_KEYS, mints)

    # Blocking from here on, in a worker thread.

    def _open(self) -> Sequence[str]:
        facts = read_facts(self._connections)
        if facts is not None:
            require_single_server(facts)
        for text in SCRIPTS.values():
            self._connections.call(methodcaller("script_load", text))
        self._mend_dirty_list()
        return describe_risks(facts)

    def _mend_dirty_list(self) -> None:
        """Find tokens that nobody would flush, after td:dirty was lost and the process ended."""

        def find_all(client: redis.Redis) -> list[list[str]]:
            is_there = client.zscore(DIRTY_KEY, LANDMARK) is not None
            if is_there or int(client.dbsize()) > MOST_KEYS_SCANNED:
                return []
            keys = client.scan_iter(match=HASH_PREFIX + "*", count=SCANNED_AT_ONCE)
            mints = (key.decode(errors="replace").removeprefix(HASH_PREFIX) for key in keys)
            return list(chunks(mints, SCANNED_AT_ONCE))

        for mints in self._connections.call(find_all):
            self._run("mend_dirty", (DIRTY_KEY,), orjson.dumps(mints))

    def _append(self, batch: Mapping[Mint, Observations], forced: bool) -> Appended:
        bounds = self.bounds
        encoded, mints, refused = flatten_batch(batch, batch if forced else self._unsure)
        answer = self._read_json(
            "append",
            APPEND_KEYS,
            encoded,
            GREATEST_WINS_JSON,
            int(self.clock() * 1e6),
            self._newest,
            token_hex(8),
            len(mints),
            bounds.dirty_tokens,
            bounds.stream_entries,
            bounds.clean_seconds,
            int(forced),
        )
        return Appended(
            epoch=answer["epoch"],
            newest=Version(answer["newest"]),
            changed=select_changed(batch, mints, answer["changed"]),
            refused=refused,
        )

    def _read_dirty(self, after: Version, limit: int) -> DirtyPage:
        epoch, newest, rows = self._read_json("read_dirty", PAGE_KEYS, after, limit, self._newest)
        return DirtyPage(epoch, newest, decode_changes(rows))

    def _clear(self, changes: Sequence[TokenChange]) -> int:
        pairs = orjson.dumps([(change.mint, change.version) for change in changes])
        cleaned: int = self._run("clear", (DIRTY_KEY,), pairs, self.bounds.clean_seconds)
        return cleaned

    def _put_on_shelf(
        self, script: str, keys: Sequence[str], rows: Sequence[tuple[Mint, str]], most: int
    ) -> None:
        self._run(script, keys, orjson.dumps(rows), most)

    def _remove_from_shelf(self, keys: Sequence[str], mints: Sequence[Mint]) -> None:
        self._run("remove_from_shelf", keys, orjson.dumps(mints))

    def _read_json(self, script: str, keys: Sequence[str], *arguments: bytes | int | str) -> Any:
        """The JSON that a script answers."""
        return self._run(script, keys, *arguments, read=orjson.loads)

    def _run(
        self,
        script: str,
        keys: Sequence[str],
        *arguments: bytes | int | str,
        read: Callable[[Any], Any] = _read_count,
    ) -> Any:
        """What `read` makes of a script's answer."""
        given: Sequence[Any] = (*keys, *arguments)

        def run(client: redis.Redis) -> Any:
            try:
                return read(client.evalsha(SHA1[script], len(keys), *given))
            except NoScriptError:  # the server has restarted
                client.script_load(SCRIPTS[script])
                return read(client.evalsha(SHA1[script], len(keys), *given))

        return self._connections.call(run)


def flatten_batch(
    batch: Mapping[Mint, Observations], forced: Container[Mint]
) -> tuple[bytes, Sequence[Mint], Mapping[Mint, str]]:
    """The batch as append.lua wants it, the mints in it, and why the others are refused."""
    flat: list[object] = []
    mints: list[Mint] = []
    refused: dict[Mint, str] = {}
    for mint, observed, texts, times in encode_batch(batch, refused):
        mints.append(mint)
        flat += mint, len(texts), mint in forced
        flat += observed.values
        flat += texts
        flat += times
    return orjson.dumps(flat), mints, refused


def select_changed(
    batch: Mapping[Mint, Observations],
    mints: Sequence[Mint],
    answers: Sequence[bool | Sequence[str]],
) -> dict[Mint, Observations]:
    """What append.lua says has changed of each mint: all fields, none, or those named."""
    return {
        mint: batch[mint] if names is True else batch[mint].reduced_to(names)
        for mint, names in zip(mints, answers, strict=True)
        if names
    }
