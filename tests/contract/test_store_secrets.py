"""No part of user, password or parameters is in what a failed connection says, or its traceback."""

import traceback

import psycopg
import pytest
import trio

from commands.embedded import EmbeddedPostgres
from domain.errors import BadConfiguration, StoreUnavailable, TokenDiscoveryError
from store.postgres.facts import read_facts
from store.postgres.plain import PlainConnection
from tests.conftest import PostgresFactory
from tests.contract.store_world import a_token, asked, postgres_settings, postgres_world

WORDS = "hush"


@pytest.fixture
def guarded_server(new_postgres: PostgresFactory) -> EmbeddedPostgres:
    """A server that wants passwords, but of its superuser."""
    server = new_postgres()
    (server.data / "pg_hba.conf").write_text(
        "host all postgres 127.0.0.1/32 trust\n"
        "host all hushed 127.0.0.1/32 reject\n"
        "host all all 127.0.0.1/32 scram-sha-256\n"
    )
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE ROLE hushuser LOGIN PASSWORD 'right'")
        connection.execute("CREATE ROLE hushed LOGIN PASSWORD 'right'")
    return server


async def refusals_of(url: str) -> list[TokenDiscoveryError]:
    """What the service, doctor and the storm make of an address."""
    refusals: list[TokenDiscoveryError] = []
    world = postgres_world(url)
    for attempt in (
        world.store,
        lambda: read_facts(postgres_settings(url), trio.to_thread.run_sync),
        lambda: trio.to_thread.run_sync(PlainConnection(url).connection),
    ):
        with pytest.raises((StoreUnavailable, BadConfiguration)) as refusal:
            await attempt()
        refusals.append(refusal.value)
    await world.close()
    return refusals


@pytest.mark.parametrize(
    ("address", "meaning"),
    [
        ("hushuser:hushpass@{}/postgres", "the server refuses the user or the password"),
        ("hushuser@{}/postgres", "the server wants a password"),
        ("hushed:hushpass@{}/postgres", "the server's pg_hba.conf does not let this client in"),
        ("hushnobody:hushpass@{}/postgres", "the server refuses the user or the password"),
        ("postgres:hushpass@{}/hushbase", "there is no such database"),
        ("postgres:hushpass@{}/postgres?options=-cno_such%3Dhush", "options"),
        ("postgres:hushpass@{}/postgres?options=-cstatement_timeout%3Dhush", "options"),
        ("postgres:hushpass@{}/postgres?sslmode=require&application_name=hush", "offer TLS"),
        ("postgres:hushpass@127.0.0.1:1/postgres", "Connection refused"),
        ("postgres:hushpass@hush.invalid/postgres", "the host's name is not known"),
        ("postgres:hushpass@%2Fhush/postgres", "there is no such socket"),
        ("postgres:hushpass@127.0.0.1/postgres?service=hush", "a parameter of the connection"),
    ],
)
async def test_a_failed_connection_repeats_nothing(
    guarded_server: EmbeddedPostgres, address: str, meaning: str
) -> None:
    host = f"127.0.0.1:{guarded_server.port}"
    for refusal in await refusals_of(f"postgresql://{address.format(host)}"):
        assert meaning in str(refusal)
        told = "".join(traceback.format_exception(refusal))
        assert WORDS not in told.replace("test_store_secrets", "")


async def test_what_a_server_says_of_a_statement_is_told_without_the_user(
    guarded_server: EmbeddedPostgres,
) -> None:
    url = guarded_server.url
    await asked(url, "GRANT CREATE ON SCHEMA public TO hushuser")
    world = postgres_world(url.replace("postgres@", "hushuser:right@"))
    store = await world.store()
    await asked(
        url,
        """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
        AS $$BEGIN RAISE 'role "hushuser" with right may not: %%', current_user; END$$""",
    )
    await asked(url, "CREATE TRIGGER t BEFORE INSERT ON token EXECUTE FUNCTION refuse()")
    with pytest.raises(StoreUnavailable) as refusal:
        await store.insert_tokens([a_token(1)])
    assert str(refusal.value) == 'RaiseException: role "…" with … may not: …'
    assert WORDS not in "".join(traceback.format_exception(refusal.value))
    await world.close()
