"""The strategies on the wide table that the Prisma model made.

as-it-was  one UPDATE a changed row, each in a transaction of its own
case       one UPDATE with a CASE a column for each run of a job
coalesced  changes wait for a flush, which writes each changed row once
no-index   as it was, but without any index on what changes
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from typing import ClassVar

import orjson
import trio
from attrs import define, field

from commands.storm.strategy import QUERIES, Counts, Pending, dispatch
from commands.storm.trace import CHANGED_FIELDS, Event, JobRan, Population, moment
from domain.chunks import chunks
from domain.token import FIELDS, Status, Token
from domain.values import Mint, Value
from store.postgres.plain import PlainConnection

BATCH_ROWS = 500
STATES = tuple(status.name.lower() for status in Status)
IDENTITY = (
    "mint",
    "symbol",
    "name",
    "creator_wallet",
    "bonding_curve_key",
    "decimals",
    "total_supply",
    "pool_type",
    "sol_raised",
    "sol_to_graduate",
)
COLUMN_TYPES = {
    "bondingCurveProgress": "double precision",
    "liquidityUsd": "double precision",
    "marketCapUsd": "double precision",
    "volume24h": "double precision",
    "priceUsd": "double precision",
    "priceChange24h": "double precision",
    "txCount24h": "integer",
    "holderCount": "integer",
    "hotScore": "double precision",
    "watcherCount": "integer",
    "status": "text",
    "state": "text",
    "previousState": "text",
    "stateChangedAt": "timestamp(3)",
    "lastUpdatedAt": "timestamp(3)",
}


def timestamp(at: float) -> datetime:
    """A moment as the table keeps it: without a zone, to the millisecond."""
    return datetime.fromtimestamp(round(at, 3), UTC).replace(tzinfo=None)


def columns(values: Mapping[str, Value]) -> dict[str, object]:
    """A token's fields under the names and in the types of the wide table."""
    row: dict[str, object] = {}
    for name, value in values.items():
        if name == "status":
            row |= {"status": Status(int(value)).name, "state": STATES[int(value)]}
        elif name == "previous_status":
            row["previousState"] = STATES[int(value)]
        elif FIELDS[name].is_time:
            row[str(FIELDS[name].wire)] = timestamp(float(value))
        else:
            row[str(FIELDS[name].wire)] = value
    return row


def token_key(mint: Mint) -> str:
    """The text key that the model's generator would have made."""
    return "c" + blake2b(mint.encode(), digest_size=12).hexdigest()


def quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


@define
class WideTable(ABC):
    """What the four have in common: the table, births, and what is stored in the end."""

    has_hot_indexes: ClassVar[bool] = True
    url: str
    connection: PlainConnection = field(init=False)
    counts: Counts = field(init=False, factory=Counts)
    pending: Pending = field(init=False, factory=Pending)
    now_seconds: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self.connection = PlainConnection(self.url)

    async def open(self) -> None:
        await trio.to_thread.run_sync(self.connection.connection)

    async def close(self) -> None:
        await trio.to_thread.run_sync(self.connection.close)

    async def backends(self) -> list[int]:
        return [self.connection.backend]

    async def prepare(self, population: Population) -> None:
        await trio.to_thread.run_sync(self._prepare, population)

    def _prepare(self, population: Population) -> None:
        self.connection.script(QUERIES["wide_table"])
        for tokens in chunks(population, 20_000):
            rows = [wide_row(token) for token in tokens]
            self.connection.copy(f'COPY "TokenDiscovery" ({quoted(rows[0])}) FROM STDIN',
                                 (list(row.values()) for row in rows))  # fmt: skip
        if self.has_hot_indexes:
            self.connection.script(QUERIES["wide_table_hot_indexes"])

    async def take(self, event: Event) -> None:
        self.now_seconds = event.at_seconds
        await dispatch(event, self._born, self.ran)

    async def _born(self, token: Token) -> None:
        row = wide_row(token)
        places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
        statement = f'INSERT INTO "TokenDiscovery" ({quoted(row)}) VALUES ({places})'  # noqa: S608
        await self.send(statement, *row.values())

    @abstractmethod
    async def ran(self, run: JobRan) -> None:
        """A job has new values."""

    async def flush(self) -> None:
        """Write whatever is still unwritten; only `Coalesced` has anything."""
        await trio.lowlevel.checkpoint()

    async def send(self, statement: str, *parameters: object) -> None:
        """Send one writing statement and count it."""
        rows = await trio.to_thread.run_sync(partial(self.connection.write, statement, *parameters))
        self.counts.add(rows)

    async def final_values(self, mints: Sequence[Mint]) -> Mapping[Mint, Mapping[str, Value]]:
        query = f'SELECT mint, {_reading_list()} FROM "TokenDiscovery" WHERE mint = ANY ($1)'  # noqa: S608
        records = await trio.to_thread.run_sync(self.connection.read, query, list(mints))
        return {
            mint: {n: v for n, v in zip(CHANGED_FIELDS, values, strict=True) if v is not None}
            for mint, *values in records
        }


def wide_row(token: Token) -> dict[str, object]:
    """A token's row; one without values yet has the columns' own defaults."""
    known = {name: getattr(token, name) for name in (*IDENTITY, *CHANGED_FIELDS)}
    row = columns({name: value for name, value in known.items() if value is not None})
    born_at = timestamp(token.first_seen_at)
    return {"id": token_key(token.mint), **row, "firstSeenAt": born_at, "lastUpdatedAt": born_at}


def changed_row(values: Mapping[str, Value], at_seconds: float) -> dict[str, object]:
    """What one update sets. Only market data moved "lastUpdatedAt": the cautious assumption,
    for with every update it would make every one of them touch all indexes."""
    row = columns(values)
    if "price_usd" in values:
        row["lastUpdatedAt"] = timestamp(moment(at_seconds))
    return row


def _reading_list() -> str:
    return ", ".join(_reading(name) for name in CHANGED_FIELDS)


def _reading(name: str) -> str:
    if name == "status":
        return "array_position(ARRAY['NEW', 'GRADUATING', 'BONDED'], status) - 1"
    if name == "previous_status":
        return "array_position(ARRAY['new', 'graduating', 'bonded'], \"previousState\") - 1"
    if FIELDS[name].is_time:
        return f'extract(epoch FROM "{FIELDS[name].wire}")::double precision'
    return f'"{FIELDS[name].wire}"'


@define
class AsItWas(WideTable):
    """One UPDATE a row."""

    async def ran(self, run: JobRan) -> None:
        # One thread call a run: a thread call a row would measure threads.
        rows = [
            (token_key(mint), changed_row(values, self.now_seconds))
            for mint, values in run.updates.items()
        ]
        await trio.to_thread.run_sync(self._update_each, rows)

    def _update_each(self, rows: Sequence[tuple[str, Mapping[str, object]]]) -> None:
        for key, row in rows:
            sets = ", ".join(f'"{name}" = ${place}' for place, name in enumerate(row, 2))
            statement = f'UPDATE "TokenDiscovery" SET {sets} WHERE id = $1'  # noqa: S608
            self.counts.add(self.connection.write(statement, key, *row.values()))


@define
class NoIndex(AsItWas):
    """One UPDATE a row, and no index that would notice."""

    has_hot_indexes: ClassVar[bool] = False


@define
class CaseUpdate(WideTable):
    """One UPDATE a job's run, with a CASE a column."""

    async def ran(self, run: JobRan) -> None:
        for part in chunks(run.updates.items(), BATCH_ROWS):
            rows = {token_key(mint): changed_row(values, self.now_seconds) for mint, values in part}
            statement, parameters = _case_update(rows)
            await self.send(statement, *parameters)


def _case_update(rows: Mapping[str, Mapping[str, object]]) -> tuple[str, list[object]]:
    """UPDATE ... SET c = CASE id WHEN $1 THEN $2 ... ELSE c END; the statement, its values."""
    parameters: list[object] = [list(rows)]
    sets = []
    for name in dict.fromkeys(name for row in rows.values() for name in row):
        arms = []
        for key, row in rows.items():
            if name in row:
                parameters += [key, row[name]]
                place = len(parameters)
                arms.append(f"WHEN ${place - 1} THEN ${place}::{COLUMN_TYPES[name]}")
        sets.append(f'"{name}" = CASE id {" ".join(arms)} ELSE "{name}" END')
    statement = f'UPDATE "TokenDiscovery" SET {", ".join(sets)} WHERE id = ANY ($1)'  # noqa: S608
    return statement, parameters


@define
class Coalesced(WideTable):
    """Each changed row once a flush, many rows a statement."""

    async def ran(self, run: JobRan) -> None:
        self.pending.add(run)

    async def flush(self) -> None:
        for part in chunks(self.pending.take().items(), BATCH_ROWS):
            rows = [
                {"id": token_key(mint), **changed_row(values, self.now_seconds)}
                for mint, values in part
            ]
            await self.send(_joined_update(), orjson.dumps(rows).decode())


def _joined_update() -> str:
    definitions = ", ".join(f'"{name}" {kind}' for name, kind in COLUMN_TYPES.items())
    sets = ", ".join(f'"{n}" = coalesce(change."{n}", stored."{n}")' for n in COLUMN_TYPES)
    return (
        f'UPDATE "TokenDiscovery" AS stored SET {sets} '  # noqa: S608
        f"FROM json_to_recordset($1::json) AS change (id text, {definitions}) "
        "WHERE stored.id = change.id"
    )
