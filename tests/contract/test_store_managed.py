"""Managed servers that refuse what they grant: nothing that is stored may depend on a figure."""

import psycopg
import pytest
import trio

from commands.advice import Finding, Gravity, on_postgres
from commands.embedded import EmbeddedPostgres
from store import ServerPulse
from store.postgres.facts import PostgresFacts, read_facts
from tests.conftest import PostgresFactory
from tests.contract.conftest import PoolerFactory
from tests.contract.store_pooler import needs_pgbouncer
from tests.contract.store_world import (
    StoreWorld,
    a_change,
    a_token,
    asked,
    postgres_settings,
    postgres_world,
    write,
)

# As on Aurora PostgreSQL: the functions are there, everybody may call them, and each call fails.
REFUSED_FUNCTIONS = ["pg_control_checkpoint", "pg_current_wal_insert_lsn", "pg_stat_get_wal"]
DECLARATION = """SELECT proname || '(' || pg_get_function_arguments(oid) || ') RETURNS '
    || pg_get_function_result(oid), oid::regprocedure::text
FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = %s"""
REFUSAL = """CREATE FUNCTION pg_catalog.{declaration} LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'Function {name}() is currently not supported for Aurora'
        USING ERRCODE = 'feature_not_supported';
END $$"""


@pytest.fixture
def aurora_like(new_postgres: PostgresFactory) -> EmbeddedPostgres:
    """A server whose functions of the WAL fail when they are called."""
    server = new_postgres()
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("SET allow_system_table_mods = on")
        for name in REFUSED_FUNCTIONS:
            # What is built in is called by its number, so another one has to take the name.
            [(declaration, original)] = connection.execute(DECLARATION, [name]).fetchall()
            connection.execute(f"ALTER FUNCTION {original} RENAME TO original_{name}")
            connection.execute(REFUSAL.format(declaration=declaration, name=name))
        [(view,)] = connection.execute("SELECT pg_get_viewdef('pg_stat_wal'::regclass)").fetchall()
        view = view.replace("original_", "")
        connection.execute(f"CREATE OR REPLACE VIEW pg_catalog.pg_stat_wal AS {view}")
    return server


def only(subject: str, facts: PostgresFacts) -> Finding:
    [finding] = [each for each in on_postgres(facts) if each.subject == subject]
    return finding


async def store_and_tell(world: StoreWorld) -> ServerPulse:
    """Write as the service does, twice on one connection, and take two pulses."""
    store, (token,) = await world.stored(a_token(1))
    for version in (1, 2):
        receipt = await write(store, [a_change(token, version, price_usd=float(version))])
        assert (1, 0) == (receipt.rows, receipt.wal_bytes)
    await store.drop_unretained(token.first_seen_at)
    first = await store.read_pulse()
    assert first == await store.read_pulse()
    await world.close()
    return first


async def test_functions_that_fail_at_call_time_cost_figures_and_no_commit(
    aurora_like: EmbeddedPostgres,
) -> None:
    pulse = await store_and_tell(postgres_world(aurora_like.url))
    assert (None, None) == (pulse.wal_bytes, pulse.full_page_images)
    assert (None, None) == (pulse.wal_position, pulse.wal_since_checkpoint_bytes)
    assert 300.0 == pulse.checkpoint_timeout_seconds


async def test_each_refused_call_is_made_once_a_connection(aurora_like: EmbeddedPostgres) -> None:
    """Each is a line in the server's log, and a pulse is taken twice a minute."""
    await store_and_tell(postgres_world(aurora_like.url))
    refusals = aurora_like.log.read_text().count("ERROR:  Function")
    # The position as it connects, the counters and the place of the last checkpoint at a pulse.
    assert 3 == refusals


@needs_pgbouncer
async def test_the_same_holds_behind_a_pooler(
    aurora_like: EmbeddedPostgres, new_pooler: PoolerFactory
) -> None:
    """There a read holds a transaction, which the refusal breaks."""
    pooler = new_pooler(aurora_like, size=2)
    pulse = await store_and_tell(postgres_world(pooler.url_of(aurora_like.url)))
    assert (None, None) == (pulse.wal_bytes, pulse.wal_position)


async def test_doctor_says_which_figures_are_missing_and_what_to_set(
    aurora_like: EmbeddedPostgres,
) -> None:
    facts = await read_facts(postgres_settings(aurora_like.url), trio.to_thread.run_sync)
    finding = only("statistics", facts)
    assert Gravity.ADVICE is finding.gravity
    assert "refuses to tell the WAL of our commits, the server's WAL, the WAL since" in finding.says
    assert "set sync.rows_budget_per_hour" in finding.says
    assert Gravity.FAILURE not in {each.gravity for each in on_postgres(facts)}


async def test_neon_is_known_by_its_own_setting(postgres_url: str) -> None:
    """What its compute has and no other server: a timeline; and `fsync = off`, for good reason."""
    database = postgres_url.rsplit("/", 1)[1]
    facts = await read_facts(postgres_settings(postgres_url), trio.to_thread.run_sync)
    assert not facts.is_neon
    await asked(postgres_url, f"ALTER DATABASE {database} SET neon.timeline_id = '1f2e'")
    facts = await read_facts(postgres_settings(postgres_url), trio.to_thread.run_sync)
    assert facts.is_neon
