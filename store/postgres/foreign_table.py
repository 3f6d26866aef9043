"""Somebody else's table of tokens, read without a trace.

    ForeignTable.read_page, find_mints  ->  rows as mappings of his column names to values

Pages go by the key (firstSeenAt, mint), newest first, each in a read-only transaction of its own:
nothing is locked but for readers, and no snapshot is held that would keep a vacuum from its work.
An index on "firstSeenAt" makes a page cheap; without one, each page sorts the table.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from importlib.resources import files
from typing import Any

from attrs import define, field, frozen

from domain.errors import BadConfiguration
from store.postgres.connection import StoreConnection
from store.postgres.queries import named_blocks
from store.postgres.session import Record, Session

PAST_BLOCKS = named_blocks(files("store.postgres").joinpath("past.sql").read_text("utf-8"))
KEY = ("mint", "firstSeenAt")
KINDS_OF_TABLES = frozenset({"r", "p", "f", "m"})
ForeignRow = Mapping[str, Any]
ForeignKey = tuple[str, str]  # firstSeenAt and mint, as text


@frozen(kw_only=True)
class Relation:
    """What stands under a name in Postgres."""

    kind: str  # pg_class.relkind
    comment: str | None
    types: Mapping[str, str]  # by column, in order
    rows: int  # by the server's own estimate; 0 where it has none

    @property
    def is_table(self) -> bool:
        return self.kind in KINDS_OF_TABLES


@frozen(kw_only=True)
class ForeignPage:
    """Some rows, and the key to go on from; None after the last."""

    rows: Sequence[ForeignRow]
    end: ForeignKey | None


@define(kw_only=True, eq=False)
class ForeignTable:
    """A table with the columns of the model, or with some of them; it is never written to.

    Every method raises `StoreUnavailable` when Postgres does not answer in time.
    """

    connection: StoreConnection
    schema: str
    name: str
    wanted: frozenset[str]  # columns that are read where they are
    relation: Relation = field(init=False)

    async def open(self) -> None:
        """Look at the table; `BadConfiguration` if it is none of tokens."""
        found = await self.connection.run(
            partial(describe_relation, schema=self.schema, name=self.name)
        )
        where = f'"{self.name}" in schema "{self.schema}"'
        if found is None:
            raise BadConfiguration(f"there is no table {where}")
        if not found.is_table:
            raise BadConfiguration(f"{where} is a view: name a table")
        missing = [name for name in KEY if name not in found.types]
        if missing:
            raise BadConfiguration(f"{where} is no table of tokens: it has no {missing[0]}")
        self.relation = found

    @property
    def columns(self) -> tuple[str, ...]:
        """The wanted columns that are there."""
        return tuple(name for name in self.relation.types if name in self.wanted)

    async def count_keyless(self) -> int:
        """How many rows have no mint or no time, which pages do not reach."""
        rows = await self._read("rows_without_key")
        return int(rows[0][0])

    async def read_page(self, after: ForeignKey | None, limit: int) -> ForeignPage:
        """Up to `limit` rows after a key, newest first. Times are seconds since 1970, UTC."""
        name = "first_page" if after is None else "next_page"
        records = await self._read(name, limit, *(after or ()))
        columns = self.columns
        rows = [dict(zip(columns, record[2:], strict=True)) for record in records]
        end = (records[-1][0], records[-1][1]) if len(records) == limit else None
        return ForeignPage(rows=rows, end=end)

    async def read_pages(self, limit: int) -> AsyncIterator[Sequence[ForeignRow]]:
        """All rows, newest first, up to `limit` at a time."""
        after: ForeignKey | None = None
        while True:
            page = await self.read_page(after, limit)
            yield page.rows
            if page.end is None:
                return
            after = page.end

    async def find_mints(self, mints: Sequence[str]) -> frozenset[str]:
        """Those of the mints that have a row."""
        return frozenset(mint for (mint,) in await self._read("mints_of", list(mints)))

    async def close(self) -> None:
        """Disconnect; harmless when not connected."""
        await self.connection.close()

    async def _read(self, name: str, *parameters: object) -> list[Record]:
        text = PAST_BLOCKS[name].format(
            table=quote_table(self.schema, self.name),
            columns=", ".join(map(self._render_column, self.columns)),
            time_type=self.relation.types["firstSeenAt"],
        )
        return await self.connection.run(partial(read_foreign, text=text, parameters=parameters))

    def _render_column(self, name: str) -> str:
        """A column as it is read: of a time its seconds, which also an infinite one has."""
        is_time = self.relation.types[name].startswith(("timestamp", "date"))
        quoted = quote_name(name)
        return f"extract(epoch FROM {quoted}) AS {quoted}" if is_time else quoted


def read_foreign(session: Session, text: str, parameters: Sequence[object]) -> list[Record]:
    """Every record of a query, in a read-only transaction with the planner's usual means."""
    with session.transaction("begin_load"):
        return session.connection.execute(text, parameters or None, prepare=False).fetchall()


def describe_relation(session: Session, schema: str, name: str) -> Relation | None:
    """What stands under the name; None: nothing."""
    found = read_foreign(session, PAST_BLOCKS["relation"], (schema, name))
    if not found:
        return None
    ((kind, comment, names, types, rows),) = found
    return Relation(
        kind=kind, comment=comment, types=dict(zip(names, types, strict=True)), rows=rows
    )


def quote_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quote_table(schema: str, name: str) -> str:
    return f"{quote_name(schema)}.{quote_name(name)}"
