"""The way back: write a table of the owner's shape, or bring his old table up to date.

--to makes a new table with the columns, types, defaults, keys and indexes of the Prisma model; one
that an export made before is made anew with --replace, and an unfinished one is gone on with.
--into brings a table that is there up to date: rows whose token has changed here since get its
values, and new ones are added; `id`s, what this service does not know, and rows of tokens that it
has given up stay as they are. Statuses are LAUNCHING, ACTIVE, ABOUT_TO_BOND, BONDED, DEAD, and
hotScore goes from 0 to 100, whatever the view's settings are. watcherCount is left alone.

It works in batches, may be killed and run again, and may run beside the service. Exit code 0 when
the table has everything, 69 when Postgres cannot be reached, 78 when there is no such table, or
one of that name that no export made.
"""

import argparse

import trio

from commands.past.opening import (
    Past,
    Progress,
    add_common_arguments,
    add_pace_argument,
    find_pace,
    open_past,
    print_summary,
    render_bytes,
)
from domain.errors import BadConfiguration
from store.postgres.owner_table import OwnerTable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--to", metavar="TABLE", help="a new table")
    target.add_argument("--into", metavar="TABLE", help="a table that is there")
    parser.add_argument("--replace", action="store_true", help="with --to: drop an earlier export")
    parser.add_argument(
        "--ids-from", metavar="TABLE", help="a table of the schema, whose ids new rows take over"
    )
    add_common_arguments(parser)
    add_pace_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    return trio.run(_export_tokens, arguments)


async def _export_tokens(arguments: argparse.Namespace) -> int:
    if arguments.replace and not arguments.to:
        raise BadConfiguration("--replace goes with --to")
    async with open_past(arguments, "export") as past:
        if not await past.store.has_schema():
            raise BadConfiguration("there is nothing of this service in its schema")
        await past.store.open()
        table = OwnerTable(
            connection=past.connect(None),
            schema=arguments.schema,
            name=arguments.to or arguments.into,
            ids_from=arguments.ids_from,
        )
        if arguments.to:
            await table.open_new(replace=arguments.replace)
        else:
            await table.open_old()
        updated, inserted = await _write_all(past, table, arguments)
        if arguments.to:
            for receipt in await table.finish_export():
                past.ledger.book("export", receipt)
        print_summary(
            {
                "updated": f"{updated:,} rows whose token had changed since",
                "inserted": f"{inserted:,} new rows",
                "WAL": render_bytes(past.wal_bytes),
            }
        )
        return 0


async def _write_all(
    past: Past, table: OwnerTable, arguments: argparse.Namespace
) -> tuple[int, int]:
    """Every token of ours, a batch at a time; how many rows were updated and inserted."""
    pace = await find_pace(past, arguments.wal_bytes_per_second)
    progress = Progress(verb="exported", total=0)
    done = updated = inserted = 0
    for period in reversed(await past.store.list_periods()):
        after = ""
        while mints := await past.store.read_mints(period, after, arguments.batch_rows):
            changed, added, receipt = await table.write_tokens(mints)
            past.ledger.book("export", receipt)
            done, updated, inserted = done + len(mints), updated + changed, inserted + added
            after = mints[-1]
            progress.tell_count(done)
            await pace.wait_for_wal(past.wal_bytes)
    progress.end_line()
    return updated, inserted
