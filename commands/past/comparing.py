"""Say what differs between an owner's table of tokens and what this service has, token by token.

Reads both, newest rows first, and writes nothing. Numbers are compared to six significant digits,
times to the second (firstSeenAt to the millisecond), state and status by what they mean, and 0 or
false by default counts as "not known". Not compared: what import does not bring (hotScore,
watcherCount, id), lastUpdatedAt, and rows too old for the feed that have not bonded lately.

Exit code 0 when nothing differs, 1 when something does, 69 when Postgres cannot be reached, 78
when there is no such table, or nothing of this service.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import trio
from attrs import define, field

from commands.past.opening import (
    Past,
    Progress,
    add_common_arguments,
    add_url_argument,
    open_past,
    print_summary,
)
from commands.past.rows import (
    COLUMNS,
    explain_refusal,
    find_differences,
    is_row_newer,
    read_row,
)
from domain.errors import BadConfiguration, MintRefused, RowsRefused
from domain.token import Token
from domain.values import Mint, UnixSeconds
from store.postgres.foreign_table import ForeignTable
from store.postgres.past import KnownTokens

DIFFERS = 1  # exit code
USUAL_LIMIT = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from", dest="table", default="TokenDiscovery", help="his table; default: %(default)s"
    )
    add_common_arguments(parser)
    add_url_argument(parser)
    parser.add_argument(
        "--limit",
        type=int,
        default=USUAL_LIMIT,
        metavar="N",
        help="tokens told one by one; default: %(default)s",
    )
    parser.add_argument("--json", action="store_true", help="a JSON document a line, for programs")


def run(arguments: argparse.Namespace) -> int:
    return trio.run(_compare_tables, arguments)


async def _compare_tables(arguments: argparse.Namespace) -> int:
    async with open_past(arguments, "compare") as past:
        table = past.table(arguments, COLUMNS)
        await table.open()
        if not await past.store.has_schema():
            raise BadConfiguration("there is nothing of this service in its schema: import first")
        comparison = Comparison(
            past=past,
            columns=frozenset(table.columns),
            limit=arguments.limit,
            is_json=arguments.json,
            progress=Progress(verb="compared", total=table.relation.rows),
        )
        await comparison.compare_his(table, arguments.batch_rows)
        await comparison.look_for_ours(table, arguments.batch_rows)
        comparison.progress.end_line()
        comparison.print_result()
        return DIFFERS if comparison.differs else 0


@define(kw_only=True)
class Comparison:
    """What has been found so far; a page of rows is all that is in memory."""

    past: Past
    columns: frozenset[str]  # that his table has
    limit: int
    is_json: bool
    progress: Progress
    counts: Counter[str] = field(factory=Counter, init=False)
    by_column: Counter[str] = field(factory=Counter, init=False)
    told: int = field(default=0, init=False)

    @property
    def differs(self) -> bool:
        names = ("different", "only in his", "only in ours", "not importable")
        return any(self.counts[name] for name in names)

    async def compare_his(self, table: ForeignTable, batch_rows: int) -> None:
        """Every row of his with ours."""
        self.counts["not importable"] += await table.count_keyless()
        async for rows in table.read_pages(batch_rows):
            self._compare_page(rows, await self._find_ours(rows))
            self.progress.tell_count(self.counts["rows"])

    async def _find_ours(self, rows: Sequence[Mapping[str, Any]]) -> KnownTokens:
        return await self.past.store.find_known([Mint(str(row["mint"])) for row in rows])

    def _compare_page(self, rows: Sequence[Mapping[str, Any]], known: KnownTokens) -> None:
        now = UnixSeconds(time.time())
        self.counts["rows"] += len(rows)
        for row in rows:
            try:
                his = read_row(row, now)
            except (MintRefused, RowsRefused) as error:
                self._tell_token("not importable", str(row["mint"]), explain_refusal(error))
                continue
            if his.mint in known:
                self._compare_token(known[his.mint][0], his)
            elif self.past.store.is_kept(his, now):
                self._tell_token("only in his", his.mint, None)
            else:
                self.counts["too old"] += 1

    def _compare_token(self, ours: Token, his: Token) -> None:
        found = {
            column: pair
            for column, pair in find_differences(ours, his).items()
            if column in self.columns
        }
        if not found:
            self.counts["same"] += 1
            return
        self.by_column.update(found.keys())
        # His values lead where his row was updated later; ours otherwise.
        self.counts["newer in his"] += is_row_newer(ours, his)
        self._tell_token("different", his.mint, found)

    async def look_for_ours(self, table: ForeignTable, batch_rows: int) -> None:
        """Every token of ours that has no row in his table."""
        store = self.past.store
        for period in reversed(await store.list_periods()):
            after = ""
            while mints := await store.read_mints(period, after, batch_rows):
                his = await table.find_mints(mints)
                for mint in mints:
                    if mint not in his:
                        self._tell_token("only in ours", mint, None)
                after = mints[-1]

    def _tell_token(self, kind: str, mint: str, found: object) -> None:
        self.counts[kind] += 1
        if self.told >= self.limit:
            return
        self.told += 1
        if self.is_json:
            write_json({"mint": mint, "kind": kind, **_describe_as_json(found)})
            return
        self.progress.end_line()
        print(f"{mint[:100]}  {kind}{_describe_for_people(found)}")

    def print_result(self) -> None:
        """All counts, and by column how many tokens differ there."""
        if self.is_json:
            names = ("rows", "same", "different", "newer in his", "only in his", "only in ours")
            counts = {name: self.counts[name] for name in (*names, "too old", "not importable")}
            write_json({"summary": counts, "columns": dict(self.by_column.most_common())})
            return
        counts = self.counts
        columns = ", ".join(f"{name} {count:,}" for name, count in self.by_column.most_common())
        print_summary(
            {
                "his rows": f"{counts['rows']:,}",
                "same": f"{counts['same']:,}",
                "different": f"{counts['different']:,}, of which his row is newer in "
                f"{counts['newer in his']:,}" + (f": {columns}" if columns else ""),
                "only in his": f"{counts['only in his']:,}",
                "only in ours": f"{counts['only in ours']:,}",
                "too old": f"{counts['too old']:,} of his, which are not kept here",
                "not importable": f"{counts['not importable']:,}",
            }
        )


def _describe_as_json(found: object) -> dict[str, object]:
    if isinstance(found, dict):
        return {"columns": {name: {"his": a, "ours": b} for name, (a, b) in found.items()}}
    return {} if found is None else {"reason": found}


def _describe_for_people(found: object) -> str:
    if isinstance(found, dict):
        pairs = (f"{name}: {a!r:.80} here {b!r:.80}" for name, (a, b) in found.items())
        return "".join(f"\n    {pair}" for pair in pairs)
    return "" if found is None else f": {found}"


def write_json(document: Mapping[str, object]) -> None:
    sys.stdout.write(orjson.dumps(document).decode() + "\n")
