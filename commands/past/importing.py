"""Bring an owner's table of tokens along: fill this service's tables from his "TokenDiscovery".

His table is only read, in short read-only transactions, newest rows first. What is imported:
tokens that the feed still shows (48 hours from birth, 72 from bonding) and bonded ones for
postgres.cold_days; older ones stay in his table. Of a token that is known here already, what is
missing is completed, and what his row has newer is taken. An imported value never stands in the
way of a later one. Not imported: hotScore (another measure), watcherCount (counted from clients),
id (export gives it back, see there), and what this service has no place for. It may run beside the
service, which shows what was imported after its next start; it may be killed and run again, and a
second run writes nothing.

Exit code 0 when every row was imported, is there, or is too old; 1 when rows were skipped, each
told on stderr by its mint; 69 when Postgres cannot be reached; 78 when there is no such table.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import trio
from attrs import Factory, define, field

from commands.past.opening import (
    Pace,
    Past,
    Progress,
    add_common_arguments,
    add_pace_argument,
    add_url_argument,
    find_pace,
    open_past,
    print_summary,
    render_bytes,
)
from commands.past.rows import BEYOND_MODEL, COLUMNS, explain_refusal, read_row, select_news
from config.redaction import redact_text
from domain.errors import MintRefused, RowsRefused
from domain.messages import TokenChange
from domain.token import Token
from domain.values import UnixSeconds
from store import StoredChange
from store.postgres.past import KnownTokens

MOST_TOLD = 1000  # skipped rows that are told one by one; beyond, they are only counted
SKIPPED = 1  # exit code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from", dest="table", default="TokenDiscovery", help="his table; default: %(default)s"
    )
    add_common_arguments(parser)
    add_url_argument(parser)
    add_pace_argument(parser)
    parser.add_argument("--dry-run", action="store_true", help="write nothing, say what it would")


def run(arguments: argparse.Namespace) -> int:
    return trio.run(_import_table, arguments)


async def _import_table(arguments: argparse.Namespace) -> int:
    async with open_past(arguments, "import") as past:
        table = past.table(arguments, COLUMNS)
        await table.open()
        if not arguments.dry_run:
            await past.store.open()
        importer = Importer(
            past=past,
            pace=await find_pace(past, arguments.wal_bytes_per_second),
            progress=Progress(verb="read", total=table.relation.rows),
            is_dry=arguments.dry_run,
        )
        importer.skip_keyless(await table.count_keyless())
        async for rows in table.read_pages(arguments.batch_rows):
            await importer.take_rows(rows)
        importer.progress.end_line()
        print_summary(importer.summarize_run(table.relation.types))
        return SKIPPED if importer.skipped else 0


@define(kw_only=True)
class Importer:
    """Takes his rows, a page at a time, and counts what became of each."""

    past: Past
    pace: Pace
    progress: Progress
    is_dry: bool
    counts: Counter[str] = field(factory=Counter, init=False)
    reasons: Counter[str] = field(factory=Counter, init=False)  # of skipped rows
    started: float = Factory(time.monotonic)

    @property
    def skipped(self) -> int:
        return self.reasons.total()

    def skip_keyless(self, rows: int) -> None:
        """Rows that no page reaches."""
        if rows:
            self.counts["read"] += rows
            self.reasons["no mint or no firstSeenAt"] += rows

    async def take_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Import a page."""
        now = UnixSeconds(time.time())
        self.counts["read"] += len(rows)
        tokens = {token.mint: token for row in rows if (token := self._read_token(row, now))}
        known = await self.past.store.find_known(list(tokens))
        await self._insert_new([t for m, t in tokens.items() if m not in known], now)
        await self._complete_known([tokens[m] for m in tokens if m in known], known)
        self.progress.tell_count(self.counts["read"])
        await self.pace.wait_for_wal(self.past.wal_bytes)

    def _read_token(self, row: Mapping[str, Any], now: UnixSeconds) -> Token | None:
        try:
            return read_row(row, now)
        except (MintRefused, RowsRefused) as error:
            self._skip_row(str(row.get("mint")), explain_refusal(error))
            return None

    def _skip_row(self, mint: str, reason: str) -> None:
        if self.skipped < MOST_TOLD:
            self.progress.end_line()
            print(f"skipped {mint[:100]}: {redact_text(reason)}", file=sys.stderr)
        self.reasons[reason.partition(":")[0]] += 1

    async def _insert_new(self, tokens: Sequence[Token], now: UnixSeconds) -> None:
        kept = [token for token in tokens if self.past.store.is_kept(token, now)]
        self.counts["too old"] += len(tokens) - len(kept)
        refused: Sequence[tuple[Token, str]] = ()
        if not self.is_dry:
            _, refused = await self.past.store.insert_past(kept, now)
        for token, reason in refused:
            self._skip_row(token.mint, reason)
        self.counts["imported"] += len(kept) - len(refused)

    async def _complete_known(self, tokens: Sequence[Token], known: KnownTokens) -> None:
        changes: list[StoredChange] = []
        for his in tokens:
            stored, version = known[his.mint]
            news = select_news(stored, his)
            if news and stored.id is not None:
                at = UnixSeconds(his.last_updated_at or his.first_seen_at)
                changes.append((stored.id, TokenChange(his.mint, version, version, at, news)))
        refused: Sequence[tuple[StoredChange, str]] = ()
        if changes and not self.is_dry:
            _, refused = await self.past.store.complete_tokens(changes)
        for (_, change), reason in refused:
            self._skip_row(change.mint, reason)
        self.counts["completed"] += len(changes) - len(refused)
        self.counts["already there"] += len(tokens) - len(changes)

    def summarize_run(self, his_columns: Iterable[str]) -> dict[str, str]:
        """What became of all rows, for people."""
        left, missing = set(his_columns) - COLUMNS, COLUMNS - BEYOND_MODEL - set(his_columns)
        counts = self.counts
        seconds = time.monotonic() - self.started
        would = "would be " if self.is_dry else ""
        lines = {
            "read": f"{counts['read']:,} in {seconds:,.1f} s",
            "imported": f"{counts['imported']:,} {would}new here",
            "completed": f"{counts['completed']:,} known here before, {would}told more of",
            "already there": f"{counts['already there']:,}",
            "too old": f"{counts['too old']:,} off the feed, and not bonded in postgres.cold_days",
            "skipped": f"{self.skipped:,}{_list_reasons(self.reasons)}",
            "WAL": self._describe_wal(),
        }
        if left:
            lines["not imported"] = f"his {', '.join(sorted(left))}"
        if missing:
            lines["not in his table"] = ", ".join(sorted(missing))
        if counts["imported"] + counts["completed"] and not self.is_dry:
            lines["next"] = "a running service shows what was imported after its next start"
        return lines

    def _describe_wal(self) -> str:
        account = self.past.ledger.snapshot().totals.get("import")
        commits = account.commits if account else 0
        return f"{render_bytes(self.past.wal_bytes)} in {commits:,} commits"


def _list_reasons(reasons: Mapping[str, int]) -> str:
    told = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
    return f" ({told})" if told else ""
