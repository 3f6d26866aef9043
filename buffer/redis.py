"""The buffer in Redis (6.2 or later) or Valkey, through redis-py in worker threads.

    append -> append.lua    spool      -> spool.lua         spooled, quarantined -> shelved.lua
    dirty  -> dirty.lua     quarantine -> quarantine.lua    unspool, release     -> unshelve.lua
    clear  -> clear.lua

Each method is one call of one script, which the server runs as a whole or not at all; a batch
travels as one JSON text, both ways, because redis-py pays microseconds for every argument.
Keys: td:version, td:epoch, td:dirty, td:token:<mint>, td:changes (a stream), and td:spool:* and
td:quarantine:*. The server must not evict keys (maxmemory-policy noeviction).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol, TypeVar

import orjson
import redis
from attrs import define, field
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

from buffer import USUAL_BOUNDS, Appended, BufferBounds, DirtyPage
from buffer.codec import (
    decode_changes,
    decode_refused,
    decode_token,
    encode_batch,
    encode_refused,
    encode_token,
)
from domain.errors import BufferUnavailable
from domain.merging import Observations
from domain.messages import Refused, TokenChange
from domain.token import GREATEST_WINS, Token
from domain.values import NO_VERSION, Mint, UnixSeconds, Version

SCRIPTS = ("append", "dirty", "clear", "spool", "quarantine", "shelved", "unshelve")
APPEND_KEYS = ("td:version", "td:epoch", "td:dirty", "td:changes")
DIRTY_KEY = "td:dirty"
PAGE_KEYS = (DIRTY_KEY, "td:epoch", "td:version")
SPOOL_KEYS = ("td:spool:order", "td:spool:rows")
QUARANTINE_KEYS = ("td:quarantine:order", "td:quarantine:rows")
GREATEST_WINS_JSON = orjson.dumps(dict.fromkeys(sorted(GREATEST_WINS), True))
NO_EVICTION = "noeviction"
MOST_CONNECTIONS = 8  # the offload function's limiter should allow no more

Answer = TypeVar("Answer")


class Offload(Protocol):
    """Runs a blocking function: `partial(trio.to_thread.run_sync, limiter=...)` in production.

    It must not abandon the function when cancelled; the call ends by its own time-out.
    """

    def __call__(
        self, function: Callable[..., Answer], /, *arguments: Any
    ) -> Awaitable[Answer]: ...


@define
class RedisBuffer:
    """`buffer.UpdateBuffer` on a Redis-protocol server."""

    url: str = field(repr=False)  # may hold a password
    timeout_seconds: float  # to connect, and for one call
    offload: Offload
    clock: Callable[[], UnixSeconds]
    bounds: BufferBounds = USUAL_BOUNDS
    _client: redis.Redis = field(init=False, repr=False)
    _scripts: Mapping[str, Script] = field(init=False, repr=False)
    # State: what this process knows of the life of the data.
    _newest: Version = field(default=NO_VERSION, init=False)  # that an append has told
    _unsure: set[Mint] = field(factory=set, init=False)  # in appends that may have happened

    def __attrs_post_init__(self) -> None:
        self._client = connected_later(self.url, self.timeout_seconds)
        self._scripts = {name: self._client.register_script(text_of(name)) for name in SCRIPTS}

    async def open(self) -> Sequence[str]:
        return await self.offload(self._prepare)

    async def close(self) -> None:
        self._client.connection_pool.disconnect()  # closing sockets does not block

    async def append_observations(
        self, batch: Mapping[Mint, Observations], *, forced: bool = False
    ) -> Appended:
        texts, refused = encode_batch(batch)
        try:
            answer = await self.offload(self._append, batch, texts, forced)
        except BufferUnavailable:
            # Bounded by the tokens of the failed batches, which the caller is to repeat.
            self._unsure.update(texts)
            raise
        self._newest = max(self._newest, Version(answer["newest"]))
        if self._unsure:
            self._unsure.difference_update(texts)
        return Appended(
            epoch=answer["epoch"],
            newest=Version(answer["newest"]),
            changed=changed(batch, texts, answer["changed"]),
            refused=refused,
        )

    async def read_dirty(self, after: Version, limit: int) -> DirtyPage:
        return await self.offload(self._dirty, after, limit)

    async def clear_flushed(self, flushed: Sequence[TokenChange]) -> int:
        return await self.offload(self._clear, flushed)

    async def spool_tokens(self, tokens: Sequence[Token]) -> None:
        rows = [(token.mint, encode_token(token)) for token in tokens]
        await self.offload(self._shelve, "spool", SPOOL_KEYS, rows, self.bounds.spooled_tokens)

    async def read_spooled(self, limit: int) -> Sequence[Token]:
        rows = await self.offload(self._asked, "shelved", SPOOL_KEYS, limit)
        return [decode_token(row) for row in rows]

    async def remove_spooled(self, mints: Sequence[Mint]) -> None:
        await self.offload(self._unshelve, SPOOL_KEYS, mints)

    async def quarantine_rows(self, rows: Sequence[Refused]) -> None:
        encoded = [(row.mint, encode_refused(row)) for row in rows]
        most = self.bounds.quarantined_mints
        await self.offload(self._shelve, "quarantine", QUARANTINE_KEYS, encoded, most)

    async def read_quarantined(self) -> Sequence[Refused]:
        most = self.bounds.quarantined_mints
        rows = await self.offload(self._asked, "shelved", QUARANTINE_KEYS, most)
        return [decode_refused(row) for row in rows]

    async def release_quarantined(self, mints: Sequence[Mint]) -> None:
        await self.offload(self._unshelve, QUARANTINE_KEYS, mints)

    # Blocking from here on, in a worker thread.

    def _prepare(self) -> Sequence[str]:
        for script in self._scripts.values():
            with_errors_translated(self._client.script_load, script.script)
        memory: Mapping[str, Any] = with_errors_translated(self._client.info, "memory")
        policy = str(memory.get("maxmemory_policy", NO_EVICTION))
        if int(memory.get("maxmemory", 0)) and policy != NO_EVICTION:
            return [f"maxmemory-policy {policy} evicts keys when memory is short"]
        return []

    def _append(
        self, batch: Mapping[Mint, Observations], texts: Mapping[Mint, list[str]], forced: bool
    ) -> Any:
        bounds = self.bounds
        now = int(self.clock() * 1e6)
        return self._asked(
            "append",
            APPEND_KEYS,
            encoded(batch, texts, texts.keys() if forced else self._unsure),
            GREATEST_WINS_JSON,
            now,
            self._newest,
            token_hex(8),
            len(texts),
            bounds.dirty_tokens,
            bounds.stream_entries,
            bounds.clean_seconds,
        )

    def _dirty(self, after: Version, limit: int) -> DirtyPage:
        epoch, newest, rows = self._asked("dirty", PAGE_KEYS, after, limit, self._newest)
        return DirtyPage(epoch, newest, decode_changes(rows))

    def _clear(self, flushed: Sequence[TokenChange]) -> int:
        pairs = orjson.dumps([(change.mint, change.version) for change in flushed])
        return int(self._run("clear", (DIRTY_KEY,), pairs, self.bounds.clean_seconds))

    def _shelve(
        self, script: str, keys: Sequence[str], rows: Sequence[tuple[Mint, str]], most: int
    ) -> None:
        self._run(script, keys, orjson.dumps(rows), most)

    def _unshelve(self, keys: Sequence[str], mints: Sequence[Mint]) -> None:
        self._run("unshelve", keys, orjson.dumps(mints))

    def _asked(self, script: str, keys: Sequence[str], *arguments: bytes | int | str) -> Any:
        """The JSON that a script answers."""
        return orjson.loads(self._run(script, keys, *arguments))

    def _run(self, script: str, keys: Sequence[str], *arguments: bytes | int | str) -> Any:
        # A server that has restarted does not know the script: redis-py then loads it again.
        return with_errors_translated(self._scripts[script], keys, arguments)


def connected_later(url: str, timeout_seconds: float) -> redis.Redis:
    """A client that connects with its first call, never waits longer and never retries."""
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=MOST_CONNECTIONS,
        timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),  # retrying belongs to the actors
        protocol=2,  # needs no handshake, and the answers here are plain texts
    )
    return redis.Redis(connection_pool=pool)


def text_of(script: str) -> str:
    return Path(__file__).with_name(f"{script}.lua").read_text("utf-8")


def with_errors_translated(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns; whatever the server or the network refuses: BufferUnavailable."""
    try:
        return function(*arguments)
    except redis.RedisError as error:
        raise BufferUnavailable(f"{type(error).__name__}: {error}") from error


def encoded(
    batch: Mapping[Mint, Observations], texts: Mapping[Mint, list[str]], unsure: Set[Mint]
) -> bytes:
    """The batch as append.lua wants it."""
    flat: list[object] = []
    for mint, values in texts.items():
        seen = batch[mint]
        flat += mint, len(values), mint in unsure
        flat += seen.values
        flat += values
        if seen.times:
            flat += map(seen.time_of, seen.values)
        else:
            flat += [seen.observed_at] * len(values)
    return orjson.dumps(flat)


def changed(
    batch: Mapping[Mint, Observations],
    mints: Iterable[Mint],
    answers: Sequence[bool | Sequence[str]],
) -> dict[Mint, Observations]:
    """The changes that append.lua tells of: all fields of a token, none, or those named."""
    return {
        mint: batch[mint] if names is True else batch[mint].reduced_to(names)
        for mint, names in zip(mints, answers, strict=True)
        if names
    }
