"""What others have under our names is found before anything is changed, with the way out."""

import psycopg
import pytest
import trio

from commands.advice import Finding, Gravity, on_postgres
from domain.errors import BadConfiguration
from store.postgres.facts import read_facts
from store.postgres.migrating import FIRST_STEP, NAMES_MADE, known_migrations
from tests.contract.store_world import (
    StoreWorld,
    a_token,
    asked,
    insert,
    make_earlier_release,
    postgres_settings,
    postgres_world,
    schema_of,
    url_of,
)

RELATIONS = """SELECT relname::text, relkind::text FROM pg_class
WHERE relnamespace = current_schema()::regnamespace ORDER BY relname"""
PRISMA = """CREATE TABLE "TokenDiscovery" (id text PRIMARY KEY, mint text);
CREATE UNIQUE INDEX "TokenDiscovery_mint_key" ON "TokenDiscovery" (mint);
INSERT INTO "TokenDiscovery" VALUES ('1', 'm')"""


async def found_by_doctor(url: str, subject: str) -> Finding:
    facts = await read_facts(postgres_settings(url), trio.to_thread.run_sync)
    [finding] = [each for each in on_postgres(facts) if each.subject == subject]
    return finding


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (PRISMA, 'table "TokenDiscovery"'),
        ('CREATE VIEW "TokenDiscovery" AS SELECT 1 AS mint', 'view "TokenDiscovery"'),
        (
            'CREATE MATERIALIZED VIEW "TokenDiscovery" AS SELECT 1 AS mint',
            'materialized view "TokenDiscovery"',
        ),
        ("CREATE TABLE token (id integer)", "table token"),
        ("CREATE SEQUENCE token_profile", "sequence token_profile"),
        ("CREATE TYPE token_stats AS ENUM ('a')", "type token_stats"),
        ("CREATE TABLE mine (a integer); CREATE INDEX token_now ON mine (a)", "index token_now"),
        ("CREATE TABLE token_243999 (a integer)", "table token_243999"),
        ("CREATE TABLE token_cold_7 (a integer)", "table token_cold_7"),
        ("CREATE TABLE schema_migration (version bigint)", "table schema_migration"),
        ("CREATE VIEW schema_migration AS SELECT 1 AS name", "table schema_migration"),
        (
            'CREATE TABLE token_shown (a integer); CREATE TABLE "TokenDiscovery" (b integer)',
            'table "TokenDiscovery", table token_shown',
        ),
    ],
)
async def test_what_others_have_under_our_names_is_found_before_anything_is_changed(
    newest_server_world: StoreWorld, made: str, told: str
) -> None:
    url = url_of(newest_server_world)
    await asked(url, made)
    before = await asked(url, RELATIONS)
    with pytest.raises(BadConfiguration) as refusal:
        await newest_server_world.store()
    assert f"schema {schema_of(url)} has what is not this service's: {told}. " in str(refusal.value)
    assert "?schema=NAME" in str(refusal.value)
    assert "RENAME TO" in str(refusal.value)
    assert before == await asked(url, RELATIONS)
    finding = await found_by_doctor(url, "names")
    assert (finding.gravity, told in finding.says) == (Gravity.FAILURE, True)


@pytest.mark.parametrize("way_out", ["schema", "rename"])
async def test_either_way_out_leads_out(newest_server_world: StoreWorld, way_out: str) -> None:
    url = url_of(newest_server_world)
    await asked(url, PRISMA)
    name = schema_of(url)
    if way_out == "schema":
        world = postgres_world(f"{url.partition('?')[0]}?schema={name}_own")
        old = '"TokenDiscovery"'
    else:
        world, old = newest_server_world, "old_discovery"
        await asked(url, f'ALTER TABLE "TokenDiscovery" RENAME TO {old}')
    store = await world.store()
    await insert(store, [a_token(1)])
    assert [("1", "m")] == await asked(url, f"SELECT * FROM {old}")
    await world.close()
    if way_out == "schema":
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET client_min_messages = warning")
            connection.execute(f"DROP SCHEMA {name}_own CASCADE")


async def test_neighbours_of_other_names_are_no_conflict(newest_server_world: StoreWorld) -> None:
    url = url_of(newest_server_world)
    await asked(
        url,
        """CREATE TABLE tokendiscovery (a integer); CREATE TABLE tokens (a integer);
        CREATE TABLE token_243999_old (a integer); CREATE TABLE "Token" (a integer)""",
    )
    await newest_server_world.store()
    assert (await found_by_doctor(url, "names")).gravity is Gravity.FINE


async def test_our_own_tables_are_no_conflict_of_a_later_step(
    newest_server_world: StoreWorld,
) -> None:
    url = url_of(newest_server_world)
    await newest_server_world.stored(a_token(1))
    await newest_server_world.store()
    last = known_migrations()[-1].name
    assert [(last,)] == await asked(url, "SELECT max(name) FROM schema_migration")
    assert (await found_by_doctor(url, "names")).gravity is Gravity.FINE


async def test_every_name_that_the_migrations_make_is_known(server_world: StoreWorld) -> None:
    await server_world.store()
    made = {
        name
        for name, kind in await asked(url_of(server_world), RELATIONS)
        if kind in ("r", "p", "v", "S")
    }
    known = {name for names in NAMES_MADE.values() for name in names}
    assert made - {"schema_migration"} == known
    assert NAMES_MADE.keys() <= {step.name for step in known_migrations()}
    assert FIRST_STEP == known_migrations()[0].name


async def test_a_view_that_depends_on_ours_is_told_before_a_migration_replaces_it(
    newest_server_world: StoreWorld,
) -> None:
    """As on a database of an earlier release, of which somebody has made more."""
    url = url_of(newest_server_world)
    await make_earlier_release(url)
    await asked(url, 'CREATE VIEW report AS SELECT mint FROM "TokenDiscovery"')
    with pytest.raises(BadConfiguration, match="view report depends on view"):
        await newest_server_world.store()
    await asked(url, "DROP VIEW report")
    await newest_server_world.store()
