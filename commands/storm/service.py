"""This service's real store, through its port, and the limit that it is held against.

service        new tokens at once, changes with each flush, in batches of `sync.batch_rows`
service-logged the same, where replicas are read, too (`postgres.stats_logged`)
limit          the same new tokens; the same changes packed into bare WAL messages: their
               bytes must be in the WAL in some form, and no table can do with less
"""

from collections.abc import Mapping, Sequence
from struct import pack
from typing import Any

import attrs
import trio
from attrs import define, field

from actors.sync.upkeep import RETAIN_EVERY_SECONDS
from commands.storm.replay import FLUSH_SECONDS
from commands.storm.strategy import QUERIES, Counts, Pending, dispatch
from commands.storm.trace import CHANGED_FIELDS, STARTED_AT, Event, JobRan, Population
from config.settings import Settings
from domain.chunks import chunks
from domain.messages import TokenChange
from domain.token import Token
from domain.values import Mint, UnixSeconds, Value, Version
from store import StoredChange
from store.ledger import Ledger
from store.postgres import PostgresStore
from store.postgres.plain import PlainConnection
from supervision.offload import offload_to_threads

POPULATION_BATCH_TOKENS = 1000
RETAIN_FLUSHES = round(RETAIN_EVERY_SECONDS / FLUSH_SECONDS)
EMIT = "SELECT pg_logical_emit_message(true, 'storm', $1::bytea)"

# A change in as many bytes as the precision that is kept takes (struct's letters): scores double,
# other numbers single, times in whole seconds.
PACKED_AS = {
    **dict.fromkeys(CHANGED_FIELDS, "f"),
    **dict.fromkeys(("tx_count_24h", "holder_count", "watcher_count"), "i"),
    **dict.fromkeys(("status", "previous_status"), "h"),
    "status_changed_at": "i",
    "hot_score": "d",
}


@define
class StormedService:
    """The two stores as ingest and sync have them."""

    url: str
    settings: Settings
    counts: Counts = field(init=False, factory=Counts)
    pending: Pending = field(init=False, factory=Pending)
    now: UnixSeconds = field(init=False, default=STARTED_AT)
    flushes: int = field(init=False, default=0)
    ids: dict[Mint, int] = field(init=False, factory=dict)
    versions: int = field(init=False, default=0)
    watcher: PlainConnection = field(init=False)
    ingest: PostgresStore = field(init=False)
    sync: PostgresStore = field(init=False)

    def __attrs_post_init__(self) -> None:
        postgres = self.settings.postgres
        settings = attrs.evolve(postgres, url=self.url, **self.more_settings())
        ledger = Ledger(clock=lambda: self.now)
        offload = offload_to_threads(2)
        half_life = self.settings.hot_score.half_life_seconds
        self.ingest = PostgresStore(settings, "ingest", offload, ledger, half_life)
        self.sync = PostgresStore(settings, "sync", offload, ledger, half_life)
        self.watcher = PlainConnection(self.url)

    def more_settings(self) -> dict[str, Any]:
        """Settings that differ from the service's defaults."""
        return {}

    async def open(self) -> None:
        await self.ingest.open()
        await self.sync.open()

    async def close(self) -> None:
        for store in (self.ingest, self.sync):
            await store.close()
        await trio.to_thread.run_sync(self.watcher.close)

    async def backends(self) -> list[int]:
        read = self.watcher.read
        return [pid for (pid,) in await trio.to_thread.run_sync(read, QUERIES["backends_of_store"])]

    async def prepare(self, population: Population) -> None:
        for tokens in chunks(population, POPULATION_BATCH_TOKENS):
            stored_tokens, _ = await self.ingest.insert_tokens(tokens)
            for token in stored_tokens:
                self.ids[token.mint] = _id_of(token)

    async def take(self, event: Event) -> None:
        self.now = UnixSeconds(STARTED_AT + event.at_seconds)
        await dispatch(event, self.born, self._ran)

    async def born(self, token: Token) -> None:
        before, wal_before = self._booked(), self._wal_of_births()
        ((stored,), _) = await self.ingest.insert_tokens([token])
        self.ids[stored.mint] = _id_of(stored)
        self._count_since(before)
        self.counts.births += 1
        self.counts.birth_wal_bytes += self._wal_of_births() - wal_before

    async def _ran(self, run: JobRan) -> None:
        self.pending.add(run)

    async def flush(self) -> None:
        before = self._booked()
        changes = [self._change(*entry) for entry in self.pending.take().items()]
        for part in chunks(changes, self.settings.sync.batch_rows):
            await self.sync.write_changes(part)
        self.flushes += 1
        if self.flushes % RETAIN_FLUSHES == 0:
            # As of the start: no other strategy drops what is off the feed.
            await self.sync.drop_unretained(STARTED_AT)
        self._count_since(before)

    def _change(self, mint: Mint, values: Mapping[str, Value]) -> StoredChange:
        self.versions += 1
        change = TokenChange(
            mint=mint,
            version=Version(self.versions),
            dirty_since=Version(self.versions),
            observed_at=self.now,
            values=values,
        )
        return self.ids[mint], change

    def _booked(self) -> tuple[int, int]:
        accounts = self.sync.ledger.totals.values()  # one ledger for both
        return sum(each.rows for each in accounts), sum(each.statements for each in accounts)

    def _wal_of_births(self) -> int:
        account = self.ingest.ledger.totals.get(self.ingest.component)
        return account.wal_bytes if account else 0

    def _count_since(self, before: tuple[int, int]) -> None:
        rows, statements = self._booked()
        self.counts.add(rows - before[0], statements - before[1])

    async def final_values(self, mints: Sequence[Mint]) -> Mapping[Mint, Mapping[str, Value]]:
        final: dict[Mint, dict[str, Value]] = {}
        for part in chunks(mints, self.settings.sync.batch_rows):
            for mint, token in (await self.sync.find_tokens(part)).items():
                known = {name: getattr(token, name) for name in CHANGED_FIELDS}
                final[mint] = {name: value for name, value in known.items() if value is not None}
        return final


def _id_of(token: Token) -> int:
    if token.id is None:
        raise ValueError(f"{token.mint} came back without its id")
    return token.id


@define
class ServiceLogged(StormedService):
    """As where replicas must be able to read the hot values."""

    def more_settings(self) -> dict[str, Any]:
        return {"stats_logged": True}


@define
class Limit(StormedService):
    """The same inserts, and every flush as WAL messages; nothing can be read back."""

    async def flush(self) -> None:
        changes = [self._change(*entry) for entry in self.pending.take().items()]
        for part in chunks(changes, self.settings.sync.batch_rows):
            await trio.to_thread.run_sync(self.watcher.write, EMIT, packed(part))
            self.counts.add(len(part))

    async def backends(self) -> list[int]:
        await trio.to_thread.run_sync(self.watcher.connection)
        return [*await super().backends(), self.watcher.backend]

    async def final_values(self, mints: Sequence[Mint]) -> Mapping[Mint, Mapping[str, Value]]:
        return {}


def packed(changes: Sequence[StoredChange]) -> bytes:
    """The changes as one array of ids, versions and times, and one of values a column.

    Any durable form has to hold as much: a change without its version could not be told from an
    older one.
    """
    arrays = []
    for name in CHANGED_FIELDS:
        letter = PACKED_AS[name]
        number = float if letter in "df" else int
        values = [number(c.values[name]) for _, c in changes if name in c.values]
        arrays.append(pack(f"<{len(values)}{letter}", *values))
    for token_id, change in changes:
        # Which fields a change has, a bit each, as an array's bitmap of nulls would tell.
        present = sum(1 << bit for bit, name in enumerate(CHANGED_FIELDS) if name in change.values)
        arrays.append(pack("<iiiH", token_id, change.version, int(change.observed_at), present))
    return b"".join(arrays)
