"""The buffer in Redis (6.2 or later) or Valkey, through redis-py in worker threads.

    append_observations -> append.lua       spool_tokens    -> spool.lua
    read_dirty          -> read_dirty.lua   quarantine_entries -> quarantine.lua
    clear_flushed       -> clear.lua        read_spooled, read_quarantined      -> read_shelf.lua
    recall_stored       -> recall.lua       remember_births -> quarantine.lua
    open                -> mend_dirty.lua   remove_spooled, release_quarantined
                                                                         -> remove_from_shelf.lua

Each method but `open` and `recall_stored` is one call of one script, which the server runs as a
whole or not at all; a batch travels as one JSON text, both ways, because redis-py pays microseconds
for every argument.
Keys: td:version, td:epoch, td:dirty, td:token:<mint>, td:changes (a stream), and td:spool:*,
td:births:*, td:store-epoch and td:quarantine:*. The server must not evict keys (maxmemory-policy
noeviction).
"""

from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import methodcaller
from secrets import token_hex
from typing import Any, Protocol, TypeVar

import orjson
import redis
from attrs import define, field

from buffer import (
    NO_MINTS,
    USUAL_BOUNDS,
    Appended,
    BufferBounds,
    DirtyPage,
    NewestTold,
    Recalled,
)
from buffer.codec import (
    decode_others,
    decode_token,
    encode_batch,
    encode_token,
)
from buffer.entries import decode_entry, encode_entry
from buffer.redis.connection import RedisConnections
from buffer.redis.facts import describe_risks, read_facts, require_single_server
from buffer.redis.scripts import SCRIPTS, run_script
from buffer.redis.unusable import HASH_PREFIX, MOST_KEYS_SCANNED, SCANNED_AT_ONCE
from domain.changes import ChangeColumns
from domain.chunks import chunks
from domain.errors import BufferUnavailable
from domain.merging import Observations
from domain.messages import TokenChange
from domain.quarantine import QuarantineEntry
from domain.token import GREATEST_WINS, PLAIN_FIELDS, Token
from domain.values import Mint, UnixSeconds, Version

LANDMARK = "."  # see append.lua
DIRTY_KEY = "td:dirty"
SPOOL_KEYS = ("td:spool:order", "td:spool:rows")
SPOOL_PUT_KEYS = (*SPOOL_KEYS, "td:version", "td:epoch")
SPOOL_READ_KEYS = (*SPOOL_KEYS, "td:epoch")
APPEND_KEYS = ("td:version", "td:epoch", DIRTY_KEY, "td:changes", "td:spool:order")
PAGE_KEYS = (DIRTY_KEY, "td:epoch", "td:version", *SPOOL_KEYS)
BIRTH_KEYS = ("td:births:order", "td:births:rows")
STORE_EPOCH_KEY = "td:store-epoch"
QUARANTINE_KEYS = ("td:quarantine:order", "td:quarantine:entries")
TEXTS_END = "\x1e"  # between values; no JSON text has it
PLAIN_FIELDS_JSON = orjson.dumps({name: kind.__name__ for name, kind in PLAIN_FIELDS.items()})
GREATEST_WINS_JSON = orjson.dumps(dict.fromkeys(sorted(GREATEST_WINS), True))

Answer = TypeVar("Answer")
Row = TypeVar("Row")


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
    newest_told: NewestTold = field(factory=NewestTold, kw_only=True)
    _connections: RedisConnections = field(init=False)
    # State.
    _unsure: set[Mint] = field(factory=set, init=False)  # in appends that may have happened

    @_connections.default
    def _new_connections(self) -> RedisConnections:
        return RedisConnections(self.url, self.timeout_seconds)

    async def open(self) -> Sequence[str]:
        return await self.offload(self._open)

    async def close(self) -> None:
        self._connections.close()

    async def append_observations(
        self,
        batch: Mapping[Mint, Observations],
        *,
        forced: bool = False,
        differing: AbstractSet[Mint] = NO_MINTS,
    ) -> Appended:
        forced_mints = batch.keys() if forced else self._unsure | differing
        try:
            appended = await self.offload(self._append, batch, forced_mints, forced)
        except BufferUnavailable:
            # Bounded by the tokens of the failed batches, which the caller is to repeat.
            self._unsure.update(batch)
            raise
        self.newest_told.note(appended.newest)
        if self._unsure and not forced:  # what is put back is older than what is unsure
            self._unsure.difference_update(batch)
        return appended

    async def read_dirty(self, after: Version, limit: int) -> DirtyPage:
        return await self.offload(self._read_dirty, after, limit)

    async def clear_flushed(self, changes: Sequence[TokenChange]) -> int:
        return await self.offload(self._clear, changes)

    async def spool_tokens(self, tokens: Sequence[Token]) -> None:
        self.newest_told.note(await self.offload(self._spool, tokens))

    async def read_spooled(self, limit: int) -> Sequence[Token]:
        return await self.offload(self._read_shelf, SPOOL_READ_KEYS, limit, decode_token)

    async def remove_spooled(self, mints: Sequence[Mint]) -> None:
        await self.offload(self._remove_from_shelf, SPOOL_KEYS, mints)

    async def remember_births(self, births: Sequence[Token]) -> None:
        await self.offload(self._remember_births, births)

    async def note_store_epoch(self, epoch: str) -> None:
        await self.offload(self._connections.call, methodcaller("set", STORE_EPOCH_KEY, epoch))

    async def recall_stored(self, epoch: str) -> Recalled:
        return await self.offload(self._recall_stored, epoch)

    async def quarantine_entries(self, entries: Sequence[QuarantineEntry]) -> None:
        encoded = orjson.dumps([(entry.id, encode_entry(entry)) for entry in entries])
        most = self.bounds.quarantined_entries
        await self.offload(self._run, "quarantine", QUARANTINE_KEYS, encoded, most)

    async def read_quarantined(self) -> Sequence[QuarantineEntry]:
        most = self.bounds.quarantined_entries
        return await self.offload(self._read_shelf, QUARANTINE_KEYS, most, decode_entry)

    async def release_quarantined(self, entry_ids: Sequence[str]) -> None:
        await self.offload(self._remove_from_shelf, QUARANTINE_KEYS, entry_ids)

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

        def has_list(client: redis.Redis) -> bool:
            return client.zscore(DIRTY_KEY, LANDMARK) is not None

        if not self._connections.call(has_list):
            self._run_for_all("mend_dirty")

    def _recall_stored(self, epoch: str) -> Recalled:
        noted = self._connections.call(methodcaller("get", STORE_EPOCH_KEY))
        is_dirty = noted is None or noted.decode(errors="replace") != epoch
        if is_dirty:
            self._run_for_all("recall")
        births = self._read_shelf(BIRTH_KEYS, self.bounds.remembered_births, decode_token)
        return Recalled(births, is_dirty)

    def _run_for_all(self, script: str) -> None:
        """Run a script for every token that has a hash."""

        def find_all(client: redis.Redis) -> list[list[str]]:
            if int(client.dbsize()) > MOST_KEYS_SCANNED:  # then they stay lost
                return []
            keys = client.scan_iter(match=HASH_PREFIX + "*", count=SCANNED_AT_ONCE)
            mints = (key.decode(errors="replace").removeprefix(HASH_PREFIX) for key in keys)
            return list(chunks(mints, SCANNED_AT_ONCE))

        for mints in self._connections.call(find_all):
            self._run(script, (DIRTY_KEY,), orjson.dumps(mints))

    def _append(
        self, batch: Mapping[Mint, Observations], forced: Container[Mint], is_put_back: bool
    ) -> Appended:
        bounds = self.bounds
        encoded, mints, refused = flatten_batch(batch, forced)
        answer = self._read_json(
            "append",
            APPEND_KEYS,
            encoded,
            GREATEST_WINS_JSON,
            self._least_version(),
            self.newest_told.version,
            token_hex(8),
            len(mints),
            bounds.dirty_tokens,
            bounds.stream_entries,
            bounds.clean_seconds,
            int(is_put_back),
        )
        return Appended(
            epoch=answer["epoch"],
            newest=Version(answer["newest"]),
            changed=select_changed(batch, mints, answer["changed"]),
            refused=refused,
        )

    def _read_dirty(self, after: Version, limit: int) -> DirtyPage:
        told = self.newest_told.version
        page: DirtyPage = self._run(
            "read_dirty", PAGE_KEYS, after, limit, told, PLAIN_FIELDS_JSON, read=read_page
        )
        return page

    def _clear(self, changes: Sequence[TokenChange]) -> int:
        columns = ChangeColumns.of(changes)
        flushed = orjson.dumps((columns.mints, columns.versions))
        cleaned: int = self._run("clear", (DIRTY_KEY,), flushed, self.bounds.clean_seconds)
        return cleaned

    def _remember_births(self, births: Sequence[Token]) -> None:
        most = self.bounds.remembered_births
        self._run("quarantine", BIRTH_KEYS, encode_rows(births), most)

    def _spool(self, tokens: Sequence[Token]) -> Version:
        rows = encode_rows(tokens)
        most, told = self.bounds.spooled_tokens, self.newest_told.version
        return Version(self._run("spool", SPOOL_PUT_KEYS, rows, most, self._least_version(), told))

    def _read_shelf(
        self, keys: Sequence[str], most: int, decode: Callable[[Any], Row]
    ) -> list[Row]:
        def read(answer: Any) -> list[Row]:
            return [decode(row) for row in orjson.loads(answer)]

        rows: list[Row] = self._run("read_shelf", keys, most, read=read)
        return rows

    def _remove_from_shelf(self, keys: Sequence[str], names: Sequence[str]) -> None:
        self._run("remove_from_shelf", keys, orjson.dumps(names))

    def _least_version(self) -> int:
        """A version is at least the wall clock's microseconds."""
        return int(self.clock() * 1e6)

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

        def run(client: redis.Redis) -> Any:
            return read(run_script(client, script, keys, arguments))

        return self._connections.call(run)


def encode_rows(tokens: Sequence[Token]) -> bytes:
    """The tokens as the shelves' scripts want them."""
    return orjson.dumps([(token.mint, encode_token(token)) for token in tokens])


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


def read_page(answer: Any) -> DirtyPage:
    """A page as read_dirty.lua answers it."""
    facts, texts = answer
    epoch, newest, mints, versions, dirty_since, observed_at, places = orjson.loads(facts)
    values = texts.decode().split(TEXTS_END) if texts else []
    changes = ChangeColumns(mints, versions, dirty_since, observed_at, values)
    return DirtyPage(epoch, newest, decode_others(changes, places))


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
