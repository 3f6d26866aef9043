"""The numbers of the view "TokenDiscovery": compared with a literal, they are what they show."""

import random
from collections.abc import Sequence

import psycopg
import pytest
from psycopg import sql

from domain.precision import round_value
from domain.token import UPDATE_FIELDS
from store.columns import KINDS, Kind
from tests.contract.store_world import (
    StoreWorld,
    a_change,
    a_token,
    asked,
    make_earlier_release,
    postgres_world,
    url_of,
    write,
)

SHOWN_AS = {
    "bonding_curve_progress": "bondingCurveProgress",
    "sol_raised": "solRaised",
    "sol_to_graduate": "solToGraduate",
    "market_cap_sol": "marketCapSol",
    "market_cap_usd": "marketCapUsd",
    "price_usd": "priceUsd",
    "price_change_24h": "priceChange24h",
    "liquidity_usd": "liquidityUsd",
    "volume_24h": "volume24h",
    "volume_change_24h": "volumeChange24h",
    "volume_24h_sol": "volume24hSol",
    "top_holders_percent": "topHoldersPercent",
    "dev_balance_percent": "devBalancePercent",
    "organic_score": "organicScore",
    "initial_buy_sol": "initialBuySol",
}
POWERS = [float(f"{sign}1e{power}") for power in range(-37, 39) for sign in ("", "-")]
EDGES = [
    *POWERS, 0.0, 0.001, 0.1, 0.3, 0.07, 80.5, 99.9999, 999999.0, 1000000.0, 1000010.0, 16777200.0,
    9.99999e-17, 1.00001e-16, 9.99999e26, 1.00001e27, 1.23457e-37, 3.39999e38, 0.00099999, 1.00001,
]  # fmt: skip


def random_numbers(count: int) -> list[float]:
    """Of as many digits as are kept, over all that a column takes; mostly such as occur."""
    dice = random.Random(13)
    powers = [dice.choice((dice.uniform(-37, 38), dice.uniform(-12, 9))) for _ in range(count)]
    return [float(round_value("price_usd", dice.choice((1, -1)) * 10**power)) for power in powers]


def test_all_columns_of_type_real_are_looked_at() -> None:
    assert {name for name in UPDATE_FIELDS if KINDS[name] is Kind.NUMBER} == SHOWN_AS.keys()


async def missed(url: str, column: str, numbers: Sequence[float]) -> list[tuple[object, ...]]:
    """What one of `=`, `<=` and `>=` with the literal of a token's own number does not find."""
    literals = sql.SQL(", ").join(
        sql.SQL("({}, {}::double precision, {})").format(
            index, sql.SQL(repr(number)), sql.SQL(repr(number))
        )
        for index, number in enumerate(numbers)
    )
    query = sql.SQL(
        """SELECT named.index, named.as_decimal, {column}
        FROM "TokenDiscovery" JOIN (VALUES {literals}) AS named (index, as_double, as_decimal)
            ON symbol = 'S' || named.index
        WHERE NOT ({column} = as_double AND {column} <= as_decimal AND {column} >= as_decimal)"""
    ).format(column=sql.Identifier(column), literals=literals)
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("stats_logged", [False, True], ids=["unlogged", "logged"])
async def test_a_literal_finds_the_number_that_looks_like_it(
    server_world: StoreWorld, stats_logged: bool
) -> None:
    world = postgres_world(url_of(server_world), stats_logged=stats_logged)
    numbers = [*EDGES, *random_numbers(3000)]
    store, tokens = await world.stored(*(a_token(index) for index in range(len(numbers))))
    changes = [
        a_change(token, 1, **dict.fromkeys(SHOWN_AS, number))
        for token, number in zip(tokens, numbers, strict=True)
    ]
    await write(store, changes)
    for column in SHOWN_AS.values():
        assert await missed(url_of(world), column, numbers) == []
    await world.close()


async def test_readers_get_the_very_number_that_was_written(server_world: StoreWorld) -> None:
    numbers = random_numbers(len(SHOWN_AS))
    store, (token,) = await server_world.stored(a_token(1))
    await write(store, [a_change(token, 1, **dict(zip(SHOWN_AS, numbers, strict=True)))])
    columns = ", ".join(f'"{column}"' for column in SHOWN_AS.values())
    query = f'SELECT {columns} FROM "TokenDiscovery"'
    assert await asked(url_of(server_world), query) == [tuple(numbers)]


async def test_a_birth_is_compared_as_it_is_shown(newest_server_world: StoreWorld) -> None:
    await newest_server_world.stored(
        a_token(1, bonding_curve_progress=0.001, sol_raised=0.3, market_cap_sol=27.9589),
        a_token(2, bonding_curve_progress=None),
    )
    query = """SELECT symbol, "bondingCurveProgress" <= 0.001, "solRaised" <= 0.3,
        "marketCapSol" <= 27.9589, "priceUsd" IS NULL FROM "TokenDiscovery" ORDER BY symbol"""
    assert await asked(url_of(newest_server_world), query) == [
        ("S1", True, True, True, True),
        ("S2", True, None, None, True),
    ]


async def test_numbers_of_the_view_are_floats_to_prisma(server_world: StoreWorld) -> None:
    await server_world.store()
    types = await asked(
        url_of(server_world),
        """SELECT DISTINCT data_type FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = 'TokenDiscovery'
            AND column_name = ANY (%s)""",
        list(SHOWN_AS.values()),
    )
    assert types == [("double precision",)]


async def test_exact_numbers_are_made_for_the_rows_that_are_left(server_world: StoreWorld) -> None:
    """After ORDER BY and LIMIT: for every row they would cost more than all the rest."""
    await server_world.stored(*(a_token(number) for number in range(200)))
    query = 'EXPLAIN VERBOSE SELECT * FROM "TokenDiscovery" ORDER BY "hotScore" DESC LIMIT 50'
    lines = [line for (line,) in await asked(url_of(server_world), query)]
    plan = "\n".join(lines)
    before_the_sort, sort = plan.split("->  Sort")
    assert "log(" in before_the_sort
    assert "Output:" in sort
    assert "log(" not in sort


async def test_what_was_granted_on_the_view_survives_its_new_definition(
    postgres_url: str,
) -> None:
    await make_earlier_release(postgres_url)
    rights = """SELECT grantee, privilege_type, is_grantable, ''
        FROM information_schema.role_table_grants
        WHERE table_name = 'TokenDiscovery' AND grantee <> current_user
        UNION ALL SELECT grantee, privilege_type, is_grantable, column_name
        FROM information_schema.role_column_grants
        WHERE table_name = 'TokenDiscovery' AND grantee = 'A narrow one' ORDER BY 1, 2, 4"""
    await asked(postgres_url, 'CREATE ROLE reader; CREATE ROLE "A narrow one"')
    await asked(
        postgres_url,
        """GRANT SELECT ON "TokenDiscovery" TO PUBLIC;
        GRANT SELECT, REFERENCES ON "TokenDiscovery" TO reader WITH GRANT OPTION;
        GRANT SELECT (mint, "priceUsd") ON "TokenDiscovery" TO "A narrow one"; """,
    )
    before = await asked(postgres_url, rights)
    assert len(before) == 5
    world = postgres_world(postgres_url)
    await world.store()
    assert before == await asked(postgres_url, rights)
    await world.close()
    await asked(postgres_url, 'DROP OWNED BY reader, "A narrow one"')
    await asked(postgres_url, 'DROP ROLE reader; DROP ROLE "A narrow one"')
