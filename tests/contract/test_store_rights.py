"""The schema is made where the role may; where it may not, the start says what is missing."""

from collections.abc import Iterator

import psycopg
import pytest
import trio

from domain.errors import BadConfiguration
from store.postgres.facts import read_facts
from store.postgres.migrating import wanted_schema
from tests.contract.store_world import a_token, asked, insert, postgres_settings, postgres_world

ROLE = "plain"


@pytest.fixture
def plain_url(postgres_url: str) -> Iterator[str]:
    """An empty database, for a role without any right of its own."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {ROLE} LOGIN")
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        yield postgres_url.replace("postgres@", f"{ROLE}@")
        connection.execute(f"DROP OWNED BY {ROLE} CASCADE")
        connection.execute(f"DROP ROLE {ROLE}")


async def granted(postgres_url: str, grant: str) -> None:
    await asked(postgres_url, f"GRANT {grant} TO {ROLE}")


async def test_a_missing_schema_is_made(postgres_url: str) -> None:
    world = postgres_world(f'{postgres_url}?options=-csearch_path%3D"My%5C%20tokens"')
    store = await world.store()
    await insert(store, [a_token(1)])
    tables = "SELECT schemaname FROM pg_tables WHERE tablename = 'schema_migration'"
    assert [("My tokens",)] == await asked(postgres_url, tables)
    await world.close()


async def test_stores_that_start_at_once_make_the_schema_once(postgres_url: str) -> None:
    world = postgres_world(f"{postgres_url}?options=-csearch_path%3Dfresh")
    async with trio.open_nursery() as nursery:
        for component in ("ingest", "sync", "ingest", "sync"):
            nursery.start_soon(world.store, component)
    await world.close()


async def doctor_finds_it_fit(url: str) -> bool:
    return (await read_facts(postgres_settings(url), trio.to_thread.run_sync)).may_create


@pytest.mark.parametrize("schema", ["public", "fresh"])
async def test_a_role_that_may_not_make_the_schema_is_told_the_grant(
    schema: str, plain_url: str, postgres_url: str
) -> None:
    url = f"{plain_url}?options=-csearch_path%3D{schema}"
    world = postgres_world(url)
    with pytest.raises(BadConfiguration) as refusal:
        await world.store()
    database = plain_url.rsplit("/", 1)[1]
    grant = f"CREATE ON DATABASE {database}"
    assert f": GRANT {grant} TO {ROLE}; or, if schema {schema} exists, GRANT" in str(refusal.value)
    assert not await doctor_finds_it_fit(url)
    await granted(postgres_url, grant)
    if schema == "public":
        with pytest.raises(
            BadConfiguration, match=f"GRANT USAGE, CREATE ON SCHEMA public TO {ROLE}"
        ):
            await world.store()
        await granted(postgres_url, "USAGE, CREATE ON SCHEMA public")
    assert await doctor_finds_it_fit(url)
    await (await world.store()).insert_tokens([a_token(1)])
    await world.close()


async def test_a_search_path_of_nothing_is_bad_configuration(postgres_url: str) -> None:
    world = postgres_world(f"{postgres_url}?options=-csearch_path%3D")
    with pytest.raises(BadConfiguration, match="the search_path names no schema"):
        await world.store()
    await world.close()


async def test_a_role_that_may_only_look_is_told_the_grant(
    plain_url: str, postgres_url: str
) -> None:
    await granted(postgres_url, "USAGE ON SCHEMA public")
    world = postgres_world(plain_url)
    with pytest.raises(BadConfiguration, match=f"GRANT USAGE, CREATE ON SCHEMA public TO {ROLE}$"):
        await world.store()
    await granted(postgres_url, "CREATE ON SCHEMA public")
    await (await world.store()).insert_tokens([a_token(1)])
    await world.close()


@pytest.mark.parametrize(
    ("search_path", "schema"),
    [
        ('"$user", public', "public"),
        ('"a, ""b""", c', '"a, ""b"""'),
        ("tokens,public", "tokens"),
        ('""', None),
        ("", None),
    ],
)
def test_the_schema_that_a_search_path_wants(search_path: str, schema: str | None) -> None:
    assert schema == wanted_schema(search_path)
