"""docs/sql/roles.sql: the service and the backend that writes through the view can do their work.

And nothing else.
"""

from collections.abc import Iterator

import psycopg
import pytest
import trio
from psycopg import errors

from domain.lifecycle import RETAIN_NEW_SECONDS
from store.postgres.facts import read_facts
from tests.contract.store_world import (
    a_change,
    a_token,
    after,
    asked,
    found,
    insert,
    mint_of,
    postgres_settings,
    postgres_world,
    write,
)
from tests.contract.test_store_overlay import overlay_of
from tests.postgres_roles import Roles, made_roles, run_script

WATCH_TABLE = """CREATE SCHEMA "Their own"; CREATE TABLE "Their own"."TokenWatch" (mint text);
INSERT INTO "Their own"."TokenWatch" VALUES ('m'), ('m'), ('n'), (NULL)"""


@pytest.fixture
def roles(postgres_url_by_version: str) -> Iterator[Roles]:
    with made_roles(postgres_url_by_version) as made:
        yield made


def view_of(roles: Roles) -> str:
    return f'"{roles.schema}"."TokenDiscovery"'


async def test_the_service_does_all_its_work_in_its_schema(roles: Roles) -> None:
    world = postgres_world(roles.service_url)
    ingest, sync = await world.store("ingest"), await world.store()
    [token] = await insert(ingest, [a_token(1)])
    await write(sync, [a_change(token, 1, price_usd=2.5, twitter="t", status=2)])
    assert 2.5 == (await found(sync, token.mint)).price_usd
    assert [token.mint] == [each.mint for each in await ingest.load_tokens(after(1), 10)]
    assert (await sync.read_pulse()).wal_position is not None
    await sync.set_watchers({token.mint: 2})
    assert 2 == (await overlay_of(sync))[token.mint].watchers
    await sync.drop_unretained(after(2 * RETAIN_NEW_SECONDS))
    assert 2.5 == (await found(sync, token.mint)).price_usd
    facts = await read_facts(postgres_settings(roles.service_url), trio.to_thread.run_sync)
    assert facts.may_create
    elsewhere = await asked(
        roles.admin_url,
        """SELECT nspname FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
        WHERE relowner = (SELECT oid FROM pg_roles WHERE rolname = %s) AND nspname !~ '^pg_toast'
        GROUP BY 1""",
        roles.service,
    )
    assert [(roles.schema,)] == elsewhere
    await world.close()


async def test_a_store_with_the_base_of_replicas_works_there_too(roles: Roles) -> None:
    world = postgres_world(roles.service_url, stats_logged=True)
    await world.stored(a_token(1))
    roles.grant()
    shown = f"SELECT symbol FROM {view_of(roles)}"
    assert [("S1",)] == await asked(roles.backend_url, shown)
    await world.close()


async def test_the_backend_reads_and_writes_the_view(roles: Roles) -> None:
    assert "start the service" in roles.grant()
    world = postgres_world(roles.service_url)
    store, (token,) = await world.stored(a_token(1))
    assert "All is granted" in roles.grant()
    query = f"""UPDATE {view_of(roles)} SET "watcherCount" = "watcherCount" + 1, website = 'w'
        WHERE id = %s RETURNING mint, "watcherCount", website"""
    assert [(token.mint, 1, "w")] == await asked(roles.backend_url, query, token.mint)
    row = (await overlay_of(store))[token.mint]
    assert (1, {"website": "w"}) == (row.watchers, row.texts)
    assert [("off",)] == await asked(roles.backend_url, "SHOW jit")
    await world.close()


FORBIDDEN = [
    "SELECT * FROM {schema}.token",
    "SELECT * FROM {schema}.token_profile",
    "SELECT * FROM {schema}.token_overlay",
    "SELECT * FROM {schema}.schema_migration",
    "UPDATE {schema}.token_overlay SET watchers = 7",
    "INSERT INTO {schema}.token_overlay (mint, watchers) VALUES ('m', 1)",
    "DELETE FROM {schema}.token_stats",
    'INSERT INTO {schema}."TokenDiscovery" (id, mint) VALUES (1, 1)',
    'DELETE FROM {schema}."TokenDiscovery"',
    "CREATE TABLE {schema}.mine (a integer)",
    "CREATE TABLE public.mine (a integer)",
    # With the rights of the function's owner, on rows that the caller makes up.
    """CREATE TEMP VIEW mine AS SELECT 'm' AS mint;
    CREATE TRIGGER t INSTEAD OF UPDATE ON mine FOR EACH ROW
    EXECUTE FUNCTION {schema}.token_take_write()""",
    "DROP VIEW {schema}.\"TokenDiscovery\"",
]  # fmt: skip


async def test_the_backend_may_nothing_else(postgres_url: str) -> None:
    with made_roles(postgres_url) as roles:
        world = postgres_world(roles.service_url)
        await world.stored(a_token(1))
        roles.grant()
        for forbidden in FORBIDDEN:
            with pytest.raises(errors.InsufficientPrivilege):
                await asked(roles.backend_url, forbidden.format(schema=f'"{roles.schema}"'))
        with pytest.raises(errors.ObjectNotInPrerequisiteState):
            await asked(roles.backend_url, f'UPDATE {view_of(roles)} SET "priceUsd" = 1')
        await world.close()


async def test_the_view_does_not_fall_for_tables_of_its_names(postgres_url: str) -> None:
    """A writer's own search path, or temporary tables, change nothing of what a write does."""
    with made_roles(postgres_url) as roles:
        world = postgres_world(roles.service_url)
        store, (token,) = await world.stored(a_token(1))
        roles.grant()
        with psycopg.connect(roles.backend_url) as writer:
            writer.execute("CREATE TEMP TABLE token_overlay (mint text, watchers integer)")
            writer.execute('CREATE TEMP TABLE "TokenDiscovery" (mint text)')
            writer.execute("SET search_path = pg_temp, public")
            writer.execute(f"UPDATE {view_of(roles)} SET website = 'w'")
            writer.commit()
        assert {"website": "w"} == (await overlay_of(store))[token.mint].texts
        await world.close()


async def test_the_service_may_do_nothing_elsewhere(postgres_url: str) -> None:
    with made_roles(postgres_url) as roles:
        await asked(postgres_url, WATCH_TABLE)
        for forbidden in (
            "CREATE TABLE public.mine (a integer)",
            "CREATE SCHEMA mine",
            'SELECT * FROM "Their own"."TokenWatch"',
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                await asked(roles.service_url, forbidden)
        superior = """SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication
            OR rolbypassrls FROM pg_roles WHERE rolname IN (%s, %s)"""
        found_rights = await asked(postgres_url, superior, roles.service, roles.backend)
        assert [(False,), (False,)] == found_rights


async def test_others_watches_are_read_where_that_is_granted(roles: Roles) -> None:
    await asked(roles.admin_url, WATCH_TABLE)
    world = postgres_world(roles.service_url)
    store = await world.store()
    name = '"Their own".TokenWatch'
    refused = await store.count_watches(name, 10)
    assert "permission denied" in str(refused.problem)
    roles.grant("watch_schema=Their own", "watch_table=TokenWatch")
    told = await store.count_watches(name, 10)
    assert (None, {"m": 2, "n": 1}) == (told.problem, told.counts)
    with psycopg.connect(roles.admin_url) as holder:
        holder.execute('LOCK TABLE "Their own"."TokenWatch"')
        locked = await store.count_watches(name, 10)
        assert "lock timeout" in str(locked.problem)
    await insert(store, [a_token(2)])  # as well as ever
    assert mint_of(2) == (await found(store, mint_of(2))).mint
    await world.close()


async def test_names_are_there_by_default_and_the_script_may_run_again(postgres_url: str) -> None:
    names = ("token_discovery", "token_discovery_backend")
    for _ in range(2):
        assert "start the service" in run_script(postgres_url)
    may = """SELECT has_schema_privilege(%s, 'token_discovery', 'CREATE'),
        has_schema_privilege(%s, 'token_discovery', 'CREATE')"""
    assert [(True, False)] == await asked(postgres_url, may, *names)
    await asked(postgres_url, "DROP OWNED BY {0}, {1}; DROP ROLE {0}, {1}".format(*names))
