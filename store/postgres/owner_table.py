"""The way back: tokens of ours into a table of the owner's shape.

    OwnerTable.open_new, open_old  ->  write_tokens, a page of mints at a time  ->  finish_export

Everything happens on the server: each page is an UPDATE of the rows whose token has changed since,
and an INSERT of those that are not there. So each page, and all of them, can be repeated. What is
not known here leaves what a row has; a state never falls; `id`s of rows stay.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from importlib.resources import files

from attrs import define, field

from domain.errors import BadConfiguration
from domain.values import Mint
from store import WriteReceipt
from store.postgres.connection import StoreConnection
from store.postgres.foreign_table import (
    PAST_BLOCKS,
    Relation,
    describe_relation,
    quote_name,
    quote_table,
)
from store.postgres.queries import named_blocks
from store.postgres.session import Session

DDL = named_blocks(files("store.postgres").joinpath("export_table.sql").read_text("utf-8"))
FINISHED_MARK = "made by token-discovery export"
UNFINISHED_MARK = f"{FINISHED_MARK}; unfinished"
LONGEST_NAME_BYTES = 63 - len("_bondingCurveProgress_idx")  # so that no index name is cut
NEEDED = ("mint", "lastUpdatedAt")
FLAGS = ("freezeRevoked", "mintRenounced", "mintAuthorityRevoked")
RANK = "coalesce(array_position(ARRAY['new', 'graduating', 'bonded'], lower(stored.\"state\")), 1)"
HAS_COME_FURTHER = f"told.rank >= {RANK}"
# What a new row has where nothing is known; the table's own default for all that is not told.
DEFAULTS: Mapping[str, str] = {
    **dict.fromkeys(FLAGS, "false"),
    **dict.fromkeys(("volume24hSol", "buys24h", "sells24h", "uniqueTraders24h"), "0"),
    **dict.fromkeys(("solRaised", "solToGraduate", "hotScore"), "0"),
    "stateChangedAt": 'told."firstSeenAt"',
}
# How a row that is there takes what is told; of all others, what is known.
RULES: Mapping[str, str] = {
    **{name: f'coalesce(told."{name}", false) OR stored."{name}"' for name in FLAGS},
    "state": f"CASE WHEN {HAS_COME_FURTHER} THEN told.state ELSE stored.state END",
    "previousState": f'CASE WHEN {HAS_COME_FURTHER} THEN coalesce(told."previousState", '
    'stored."previousState") ELSE stored."previousState" END',
    "stateChangedAt": f'CASE WHEN {HAS_COME_FURTHER} THEN coalesce(told."stateChangedAt", '
    'stored."stateChangedAt") ELSE stored."stateChangedAt" END',
    # ACTIVE is what the owner knows of trading beyond the score here.
    "status": f"CASE WHEN NOT {HAS_COME_FURTHER} OR told.status = 'LAUNCHING' "
    "AND stored.status = 'ACTIVE' THEN stored.status ELSE told.status END",
    "firstSeenAt": 'least(told."firstSeenAt", stored."firstSeenAt")',
}
NEEDS_STATE = frozenset({"state", "previousState", "stateChangedAt", "status"})
TOLD_COLUMNS = (
    *("mint", "symbol", "name", "logoURI", "description", "imageUrl", "twitter", "telegram"),
    *("website", "state", "previousState", "bondingCurveProgress", "bondingCurveKey"),
    *("poolAddress", "poolType", "poolCreatedAt", "liquidityUsd", "marketCapUsd", "volume24h"),
    *("volumeChange24h", "priceUsd", "priceChange24h", "txCount24h", "holderCount", "decimals"),
    *("totalSupply", "lastTradeTs", "volume24hSol", "buys24h", "sells24h", "uniqueTraders24h"),
    *("solRaised", "solToGraduate", "creatorWallet", "freezeRevoked", "mintRenounced"),
    *("mintAuthorityRevoked", "hotScore", "status", "firstSeenAt", "lastUpdatedAt"),
    "stateChangedAt",
)


@define(kw_only=True, eq=False)
class OwnerTable:
    """A table of the owner's shape, in the database of ours.

    The connection's search path is ours. Every method raises `StoreUnavailable` when Postgres
    does not answer in time; all can then be repeated.
    """

    connection: StoreConnection
    schema: str
    name: str
    ids_from: str | None = None  # a table of the same schema whose ids the new rows take over
    columns: frozenset[str] = field(factory=frozenset, init=False)
    statements: Mapping[str, str] = field(factory=dict, init=False)

    async def open_new(self, *, replace: bool) -> None:
        """Make the table, or go on with one that an earlier export has not finished."""
        if len(self.name.encode()) > LONGEST_NAME_BYTES:
            raise BadConfiguration(f"a name of at most {LONGEST_NAME_BYTES} bytes is needed")
        found = await self._describe(self.name)
        if found is not None and found.comment not in (FINISHED_MARK, UNFINISHED_MARK):
            raise BadConfiguration(f"{self._title()} exists, and no export made it")
        if found is not None and found.comment == FINISHED_MARK and not replace:
            raise BadConfiguration(
                f"{self._title()} exists: --replace makes it anew, --into brings it up to date"
            )
        if found is None or replace:
            steps = ("make_table",) if found is None else ("drop_table", "make_table")
            texts = [self._render_ddl(step, UNFINISHED_MARK) for step in steps]
            await self.connection.run(partial(_run_texts, texts=texts))
        await self.open_old()

    async def open_old(self) -> None:
        """Look at a table that is there, and prepare the statements for its columns."""
        found = await self._describe(self.name)
        if found is None:
            raise BadConfiguration(f"there is no table {self._title()}")
        if not found.is_table:
            raise BadConfiguration(f"{self._title()} is a view: name a table")
        missing = [name for name in NEEDED if name not in found.types]
        if missing:
            raise BadConfiguration(f"{self._title()} is no table of tokens: it has no {missing[0]}")
        if self.ids_from is not None:
            source = await self._describe(self.ids_from)
            if source is None or not {"id", "mint"} <= source.types.keys():
                raise BadConfiguration(f"--ids-from: there is no table {self.ids_from} with ids")
        self.columns = frozenset(found.types)
        self.statements = self._build_statements()

    async def write_tokens(self, mints: Sequence[Mint]) -> tuple[int, int, WriteReceipt]:
        """Bring the rows of these tokens up to date: updated, inserted, and what it cost."""
        return await self.connection.run(
            partial(_write_told, statements=self.statements, mints=mints)
        )

    async def finish_export(self) -> Sequence[WriteReceipt]:
        """Give the table that `open_new` has made its secondary indexes, one after the other."""
        steps = self._render_ddl("make_indexes", FINISHED_MARK).split(";\n")
        return [await self.connection.run(partial(_run_texts, texts=[step])) for step in steps]

    async def _describe(self, name: str) -> Relation | None:
        return await self.connection.run(partial(describe_relation, schema=self.schema, name=name))

    def _render_ddl(self, step: str, mark: str) -> str:
        name = self.name.replace('"', '""')
        return DDL[step].format(table=quote_table(self.schema, self.name), name=name, mark=mark)

    def _title(self) -> str:
        return f'"{self.name}" in schema "{self.schema}"'

    def _build_statements(self) -> dict[str, str]:
        told = [name for name in TOLD_COLUMNS if name in self.columns]
        table = quote_table(self.schema, self.name)
        ids = "" if self.ids_from is None else quote_table(self.schema, self.ids_from)
        blocks = {"table": table, "told": PAST_BLOCKS["told"]}
        return {
            "update": PAST_BLOCKS["update_told"].format(
                **blocks, assignments=", ".join(self._list_assignments(told))
            ),
            "insert": PAST_BLOCKS["insert_told"].format(
                **blocks,
                columns=", ".join(map(quote_name, ["id", *told] if self._has_id else told)),
                values=", ".join(self._list_values(told)),
                ids=PAST_BLOCKS["known_ids"].format(table=ids) if ids else "",
            ),
        }

    @property
    def _has_id(self) -> bool:
        return "id" in self.columns

    def _list_values(self, told: Iterable[str]) -> list[str]:
        new_id = "gen_random_uuid()::text"
        ids = [new_id if self.ids_from is None else f"coalesce(known.id, {new_id})"]
        values = [
            f"coalesce(told.{quote_name(name)}, {DEFAULTS[name]})"
            if name in DEFAULTS
            else f"told.{quote_name(name)}"
            for name in told
        ]
        return (ids if self._has_id else []) + values

    def _list_assignments(self, told: Iterable[str]) -> list[str]:
        names = [name for name in told if name != "mint"]
        if "state" not in self.columns:
            names = [name for name in names if name not in NEEDS_STATE]
        return [
            f"{quote_name(name)} = "
            + RULES.get(name, f"coalesce(told.{quote_name(name)}, stored.{quote_name(name)})")
            for name in names
        ]


def _write_told(
    session: Session, statements: Mapping[str, str], mints: Sequence[Mint]
) -> tuple[int, int, WriteReceipt]:
    with session.transaction("begin_export") as transaction:
        counts = []
        for name in ("update", "insert"):
            cursor = session.connection.execute(statements[name], (list(mints),), prepare=False)
            counts.append(max(cursor.rowcount, 0))
            transaction.statements += 1
        transaction.rows = sum(counts)
    return counts[0], counts[1], transaction.make_receipt()


def _run_texts(session: Session, texts: Sequence[str]) -> WriteReceipt:
    with session.transaction("begin_export") as transaction:
        for text in texts:
            session.run_script(text)
            transaction.statements += 1
    return transaction.make_receipt()
