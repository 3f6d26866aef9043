"""What servers, networks and operators do to Postgres, under the real service.

Each time: births are on the feed meanwhile and stored afterwards, nothing final is lost, nothing
falls back, nothing comes twice, and the log has a line for each change of state.
"""

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import trio

from commands.embedded import EmbeddedPostgres, RunDirectory
from config.postgres_url import parse_postgres_url
from domain.values import UnixSeconds
from store.columns import find_period
from tests.acceptance.faulty_store import MORE, STATUSES, FaultyStore, faulty_store, until_reason
from tests.acceptance.postgres_line import PostgresLine, running_line
from tests.acceptance.service import rows, until_rows
from tests.acceptance.test_process import paused
from tests.conftest import PostgresFactory
from tests.patience import PATIENCE_SECONDS

OURS = "application_name LIKE 'token-discovery:%' AND datname = current_database()"
END_SESSIONS = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {OURS}"
DISK_BYTES = 160 << 20


async def ask(url: str, query: str) -> list[tuple[object, ...]]:
    return await trio.to_thread.run_sync(rows, url, query)


# -- The server ----------------------------------------------------------------------------


async def test_a_stopped_server_is_told_and_caught_up_with(
    tmp_path: Path, new_postgres: PostgresFactory, redis_url: str
) -> None:
    server = new_postgres()
    async with faulty_store(tmp_path, server.url, redis_url) as store:
        with paused(server):
            await store.tell_more()
            await until_reason(store.service, "took too long")
        await store.until_all_is_well()


async def test_sessions_that_are_terminated_are_replaced(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with faulty_store(tmp_path, postgres_url, redis_url) as store:
        for _ in range(3):
            assert {(True,)} == set(await ask(postgres_url, END_SESSIONS))
            await store.tell_more()
            await store.until_stored()
        assert "the server ended the connection" in store.service.log()
        await store.until_all_is_well(most_outages=6)


async def test_tables_that_are_locked_hold_up_neither_births_nor_updates(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    tables = "token, token_stats, token_profile, token_card, token_journal_a"
    async with faulty_store(tmp_path, postgres_url, redis_url) as store:
        with psycopg.connect(postgres_url) as operator:
            operator.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE".encode())
            await store.tell_more()
            await until_reason(store.service, "took too long")
            operator.rollback()
        await store.until_all_is_well()


async def test_no_connection_to_spare_while_it_runs_is_told_and_waited_for(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    with limited_role(postgres_url, -1) as url:
        async with faulty_store(tmp_path, postgres_url, redis_url, through=url) as store:
            await ask(postgres_url, "ALTER ROLE limited CONNECTION LIMIT 0")
            await ask(postgres_url, END_SESSIONS)
            await store.tell_more()
            await until_reason(store.service, "no connection to spare")
            await ask(postgres_url, "ALTER ROLE limited CONNECTION LIMIT -1")
            await store.until_all_is_well()


async def test_no_connection_to_spare_at_the_start_is_waited_for(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    def is_refusal_told() -> bool:
        return any("no connection to spare" in log.read_text() for log in tmp_path.glob("*.log"))

    async def spare_when_refused() -> None:
        with trio.fail_after(PATIENCE_SECONDS):
            while not is_refusal_told():
                await trio.sleep(0.05)
        await ask(postgres_url, "ALTER ROLE limited CONNECTION LIMIT -1")

    with limited_role(postgres_url, 0) as url:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(spare_when_refused)
            async with faulty_store(tmp_path, postgres_url, redis_url, through=url) as store:
                await store.until_all_is_well()


@contextmanager
def limited_role(url: str, connections: int) -> Iterator[str]:
    """The address for a role of its own, who owns the schema and may have so many connections."""
    with psycopg.connect(url, autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE limited LOGIN CONNECTION LIMIT {connections}".encode())
        superuser.execute("GRANT USAGE, CREATE ON SCHEMA public TO limited")
        yield url.replace("postgres@", "limited@")
        superuser.execute("DROP OWNED BY limited")
        superuser.execute("DROP ROLE limited")


async def test_a_disk_that_is_full_is_told_and_caught_up_with(
    tmp_path: Path, redis_url: str
) -> None:
    with small_disk() as directory:
        server = EmbeddedPostgres(directory, settings={"max_wal_size": "32MB"})
        try:
            await trio.to_thread.run_sync(server.start)
            async with faulty_store(tmp_path, server.url, redis_url) as store:
                filler = directory / "filler"
                await trio.to_thread.run_sync(fill_disk, filler)
                await until_full(store)
                await trio.to_thread.run_sync(filler.unlink)
                if not server.running:  # it stops where it cannot even write its log of changes
                    await trio.to_thread.run_sync(server.start)
                await store.until_all_is_well(most_outages=6)
        finally:
            await trio.to_thread.run_sync(server.stop, "immediate")


async def until_full(store: FaultyStore) -> None:
    """Tell of more until Postgres is away for it."""
    while True:
        await store.tell_more()
        answer = await store.service.get("/readyz")
        if any(each["name"] == "postgres" for each in answer.json().get("degraded", [])):
            return


@contextmanager
def small_disk() -> Iterator[Path]:
    """A directory on a file system of its own, with room for a small Postgres."""
    with RunDirectory() as directory:
        options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=711", "tmpfs", str(directory)]
        mounted = subprocess.run(["mount", *options], capture_output=True, check=False)
        if mounted.returncode != 0:
            pytest.skip("only root may mount a small disk")
        try:
            yield directory
        finally:
            subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill_disk(file: Path) -> None:
    """Write until there is no room."""
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(1 << 16)):
            pass
    assert 0 == shutil.disk_usage(file.parent).free


# -- The network ---------------------------------------------------------------------------


@asynccontextmanager
async def store_behind_line(
    directory: Path, url: str, redis_url: str, **more: str
) -> AsyncIterator[tuple[FaultyStore, PostgresLine]]:
    port = int(str(parse_postgres_url(url).parameters["port"]))
    async with running_line(port) as line:
        through = url.replace(f":{port}/", f":{line.port}/")
        async with faulty_store(directory, url, redis_url, through, **more) as store:
            yield store, line


async def test_commits_without_an_answer_are_made_again_and_count_once(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with store_behind_line(tmp_path, postgres_url, redis_url) as (store, line):
        line.answers_to_lose = 4
        while line.answers_to_lose:
            await store.tell_more()
            await store.until_stored()
        await store.until_all_is_well(most_outages=4)


async def test_a_connection_that_nobody_answers_on_is_given_up(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with store_behind_line(tmp_path, postgres_url, redis_url) as (store, line):
        line.forget_connections()
        await store.tell_more()
        await store.until_all_is_well()


async def test_a_server_that_is_far_away_is_no_outage(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    more = {"INGEST__COMMIT_TIMEOUT_SECONDS": "5", "POSTGRES__STATEMENT_TIMEOUT_SECONDS": "30"}
    async with store_behind_line(tmp_path, postgres_url, redis_url, **more) as (store, line):
        line.delay_seconds = 0.15
        await store.tell_more()
        await store.until_all_is_well(most_outages=0)


# -- Operators -----------------------------------------------------------------------------


async def test_a_server_that_takes_no_writes_is_told_and_caught_up_with(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    name = parse_postgres_url(postgres_url).parameters["dbname"]
    alter = f"ALTER DATABASE {name} SET default_transaction_read_only"
    async with faulty_store(tmp_path, postgres_url, redis_url) as store:
        await ask(postgres_url, f"{alter} = on")
        await ask(postgres_url, END_SESSIONS)
        await store.tell_more()
        await until_reason(store.service, "read-only")
        with psycopg.connect(postgres_url, autocommit=True) as operator:
            operator.execute("SET default_transaction_read_only = off")
            operator.execute(f"{alter} = off".encode())
        await store.until_all_is_well()


async def test_a_vacuum_full_is_waited_for(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with faulty_store(tmp_path, postgres_url, redis_url) as store:
        for table in ("token_stats", "token_card", "token"):
            with psycopg.connect(postgres_url, autocommit=True) as operator:
                await trio.to_thread.run_sync(operator.execute, f"VACUUM FULL {table}".encode())
            await store.tell_more()
        await store.until_all_is_well(most_outages=0)


async def test_rows_for_readers_that_are_truncated_come_again_from_the_journal(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with faulty_store(tmp_path, postgres_url, redis_url) as store:
        await store.tell_more()
        await store.until_stored()
        await ask(postgres_url, "TRUNCATE token_stats, token_card")
        assert sorted(store.statuses.items()) == await ask(postgres_url, STATUSES)
        await store.tell_more()
        await store.until_all_is_well(most_outages=0)
        bonded = "SELECT count(*)::int FROM token_stats WHERE status = 2"
        await until_rows(postgres_url, bonded, [(3,)])


async def test_a_partition_that_is_dropped_costs_neither_births_nor_what_readers_have(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with faulty_store(tmp_path, postgres_url, redis_url) as store:
        [[seen_at]] = await ask(postgres_url, "SELECT max(first_seen_at) FROM token")
        period = find_period(UnixSeconds(float(str(seen_at))))
        await ask(postgres_url, f"DROP TABLE token_{period}")
        await store.tell_more()  # one of the coins that are gone bonds
        await store.until_all_is_well()
        assert [(MORE,)] == await ask(postgres_url, "SELECT count(*)::int FROM token")
