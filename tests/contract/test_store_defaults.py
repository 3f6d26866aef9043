"""What a server, database or role sets as its default must not matter to our connections."""

from datetime import UTC, datetime

import psycopg
import pytest
import trio
from psycopg import sql

from store.postgres.facts import read_facts
from store.postgres.plain import PlainConnection
from tests.contract.store_pooler import needs_pgbouncer
from tests.contract.store_world import (
    DAY_SECONDS,
    a_change,
    a_token,
    after,
    found,
    insert,
    postgres_settings,
    postgres_world,
    write,
)

ODD_DEFAULTS = {
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "extra_float_digits": "-10",
    "standard_conforming_strings": "off",
    "default_transaction_isolation": "serializable",
    "search_path": "pg_catalog, public",
}


@pytest.fixture(params=ODD_DEFAULTS)
def odd_url(request: pytest.FixtureRequest, postgres_url: str) -> str:
    """A database with one odd default."""
    name = request.param
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        database = sql.Identifier(connection.info.dbname)
        values = sql.SQL(", ").join(map(sql.Literal, ODD_DEFAULTS[name].split(", ")))
        change = sql.SQL("ALTER DATABASE {} SET {} TO {}")
        connection.execute(change.format(database, sql.Identifier(name), values))
    return postgres_url


@pytest.mark.parametrize("way", ["direct", pytest.param("pooled", marks=needs_pgbouncer)])
async def test_store_works_whatever_the_defaults_are(
    odd_url: str, way: str, request: pytest.FixtureRequest
) -> None:
    pooler = request.getfixturevalue("session_pooler") if way == "pooled" else None
    world = postgres_world(odd_url, pooler=pooler)
    ingest, sync = await world.store("ingest"), await world.store("sync")
    (token,) = await insert(ingest, [a_token(1)])
    await write(sync, [a_change(token, 1, price_usd=1.23457e-37)])
    kept = await found(sync, token.mint)
    assert (1.23457e-37, token.first_seen_at) == (kept.price_usd, kept.first_seen_at)
    await sync.drop_unretained(after(30 * DAY_SECONDS))
    assert {} == await sync.find_tokens([token.mint])
    await world.close()


async def test_doctor_works_whatever_the_defaults_are(odd_url: str) -> None:
    facts = await read_facts(postgres_settings(odd_url), trio.to_thread.run_sync)
    assert facts.may_create
    assert 300.0 == facts.pulse.checkpoint_timeout_seconds


def test_storm_reads_and_writes_whatever_the_defaults_are(odd_url: str) -> None:
    moment = datetime(2025, 10, 9, 8, 53, 20, 123_000, tzinfo=UTC)
    connection = PlainConnection(odd_url)
    connection.script("CREATE TABLE moment (at timestamp(3), share double precision)")
    connection.write("INSERT INTO moment VALUES ($1, $2)", moment, 1 / 3)
    kept = connection.read("SELECT at, share FROM moment")
    connection.close()
    assert [(moment.replace(tzinfo=None), 1 / 3)] == kept
