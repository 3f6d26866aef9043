"""What the view alone answers for before the owner's Prisma client: types, rights, words."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import psycopg
import pytest
import trio

from commands.embedded import EmbeddedPostgres
from domain.scoring import add_trade
from domain.values import Sol, UnixSeconds
from tests.conftest import fresh_database
from tests.contract.prisma_world import row_of, store_tokens
from tests.contract.store_world import (
    DAY_SECONDS,
    StoreWorld,
    a_change,
    a_token,
    asked,
    postgres_world,
    schema_of,
    url_of,
    wall_clock,
    write,
)
from tests.owner.backend import MIGRATION, PrismaClient, PrismaProcess

HALF_LIFE_SECONDS = 1800.0
TYPES_OF_COLUMNS = """SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = '"TokenDiscovery"'::regclass AND attnum > 0"""


@pytest.fixture
async def world(newest_server_world: StoreWorld) -> AsyncIterator[StoreWorld]:
    """In a schema of its own, with the words of the owner's model."""
    world = postgres_world(url_of(newest_server_world), status_words="LAUNCHING")
    yield world
    await world.close()


@pytest.fixture
def client(prisma_process: PrismaProcess, world: StoreWorld) -> Iterator[PrismaClient]:
    """The client on the world's schema, as `?schema=` would set it."""
    url = url_of(world)
    client = PrismaClient(prisma_process, url.partition("?")[0], schema_of(url))
    yield client
    client.disconnect()


async def test_columns_of_the_view_have_the_types_of_the_owners_table(
    world: StoreWorld, postgres_url: str
) -> None:
    await asked(postgres_url, MIGRATION)
    table = dict(await asked(postgres_url, TYPES_OF_COLUMNS))
    await world.store()
    view = dict(await asked(url_of(world), TYPES_OF_COLUMNS))
    # A model may call a score Decimal, Float or Int: this is what Prisma reads as any of them.
    assert {**table, "hotScore": "double precision"} == {name: view.get(name) for name in table}


async def test_a_view_in_a_schema_of_its_own_is_read(
    world: StoreWorld, client: PrismaClient
) -> None:
    _, tokens = await world.stored(a_token(1), a_token(2))
    found = client.token_discovery("findMany", orderBy={"mint": "asc"})
    assert [row_of(token) for token in tokens] == [
        {name: value for name, value in row.items() if name != "id"} for row in found
    ]


async def test_a_number_that_no_decimal_holds_is_unknown_and_hides_no_row(
    world: StoreWorld, client: PrismaClient
) -> None:
    """The model's has 35 digits before its point and 30 behind."""
    numbers = {3.39999e38: None, -3.39999e38: None, 9.99999e34: Decimal("9.99999e34"), 1.2e-37: 0}
    store, tokens = await world.stored(*(a_token(number) for number in range(len(numbers))))
    names = ("price_usd", "liquidity_usd", "volume_24h", "price_change_24h")
    changes = [
        a_change(token, 1, **dict.fromkeys(names, number))
        for token, number in zip(tokens, numbers, strict=True)
    ]
    await write(store, changes)
    found = client.token_discovery("findMany", orderBy={"mint": "asc"})
    for column in ("priceUsd", "liquidityUsd", "volume24h", "priceChange24h"):
        assert list(numbers.values()) == [row[column] for row in found]


async def test_integers_of_any_size_are_read(world: StoreWorld, client: PrismaClient) -> None:
    store, (token,) = await world.stored(a_token(1))
    greatest, least = 2**31 - 1, -(2**31)
    await write(store, [a_change(token, 1, holder_count=greatest, sells_24h=least, decimals=0)])
    row = client.token_discovery("findUnique", where={"mint": token.mint})
    assert (greatest, least, 0) == (row["holderCount"], row["sells24h"], row["decimals"])


async def test_a_change_is_seen_by_the_next_query(world: StoreWorld, client: PrismaClient) -> None:
    store, (token,) = await world.stored(a_token(1))
    seen = []
    for version, price in enumerate((1.5, 0.0, 2e-12), start=1):
        await write(store, [a_change(token, version, price_usd=price, name=f"名 {version}")])
        row = client.token_discovery("findUnique", where={"mint": token.mint})
        seen.append((row["priceUsd"], row["name"]))
    assert [(Decimal("1.5"), "名 1"), (0, "名 2"), (Decimal("2e-12"), "名 3")] == seen


async def test_words_of_a_status_are_those_that_are_set(
    prisma_process: PrismaProcess, postgres_url: str
) -> None:
    client = PrismaClient(prisma_process, postgres_url)
    await store_tokens(postgres_url)
    told = []
    for words in ("LAUNCHING", "NEW"):
        world = postgres_world(postgres_url, status_words=words)
        await world.store()
        groups = client.token_discovery("groupBy", by=["status"])
        told.append({group["status"] for group in groups})
        await world.close()
    client.disconnect()
    assert [
        {"LAUNCHING", "ACTIVE", "ABOUT_TO_BOND", "BONDED", "DEAD"},
        {"NEW", "GRADUATING", "BONDED", "DEAD"},
    ] == told


async def test_scores_of_the_owners_form_are_whole_from_0_to_100(
    newest_server_world: StoreWorld, client: PrismaClient
) -> None:
    """And those of a token that was never traded are not the best of all."""
    world = postgres_world(url_of(newest_server_world), hot_score_form="hundred")
    now = wall_clock()
    traded = (1e6, 1000.0, 1.0, 0.125, 0.0)
    store, tokens = await world.stored(*(a_token(number) for number in range(len(traded) + 2)))
    scores = [add_trade(None, Sol(sol), now, HALF_LIFE_SECONDS) for sol in traded]
    scores.append(add_trade(None, Sol(1e6), UnixSeconds(now - DAY_SECONDS), HALF_LIFE_SECONDS))
    changes = [
        a_change(token, 1, hot_score=score) for token, score in zip(tokens, scores, strict=False)
    ]
    await write(store, changes)
    await world.close()
    found = client.token_discovery("findMany", orderBy=[{"hotScore": "desc"}, {"mint": "asc"}])
    assert [100, 100, 50, 35, 0, 0, 0] == [row["hotScore"] for row in found]
    assert [token.mint for token in tokens] == [row["mint"] for row in found]
    assert {Decimal} == {type(row["hotScore"]) for row in found}


def test_who_may_only_read_the_view_reads_all_of_it(
    prisma_process: PrismaProcess, postgres_server: EmbeddedPostgres
) -> None:
    with fresh_database(postgres_server) as url:
        trio.run(store_tokens, url)
        with psycopg.connect(url) as connection:
            connection.execute("CREATE ROLE narrow_reader LOGIN")
            connection.execute('GRANT SELECT ON "TokenDiscovery" TO narrow_reader')
        client = PrismaClient(prisma_process, url.replace("//postgres@", "//narrow_reader@"))
        count = client.token_discovery("count")
        rows = client.token_discovery("findMany")
        client.disconnect()
        with psycopg.connect(url) as connection:
            connection.execute("DROP OWNED BY narrow_reader")
            connection.execute("DROP ROLE narrow_reader")
        assert count == len(rows) > 0
