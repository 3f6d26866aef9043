"""The numbers of "TokenDiscovery": compared with a literal, they are what they show."""

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
EXACT = {"marketCapSol", "topHoldersPercent", "devBalancePercent", "organicScore", "initialBuySol"}
# A model's Decimal has 35 digits before its point and 30 after it.
GREATEST_DECIMAL, SMALLEST_DECIMAL = 1e35, 1e-24
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


EXACT_ZERO = 0.0


def fits(column: str, number: float) -> bool:
    return column in EXACT or number == 0 or SMALLEST_DECIMAL <= abs(number) < GREATEST_DECIMAL


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
        a_change(
            token,
            1,
            **{
                name: number if fits(shown, number) else EXACT_ZERO
                for name, shown in SHOWN_AS.items()
            },
        )
        for token, number in zip(tokens, numbers, strict=True)
    ]
    await write(store, changes)
    for column in SHOWN_AS.values():
        shown = [EXACT_ZERO if not fits(column, number) else number for number in numbers]
        assert await missed(url_of(world), column, shown) == []
    await world.close()


async def test_readers_get_the_very_number_that_was_written(server_world: StoreWorld) -> None:
    found = [number for number in random_numbers(300) if fits("priceUsd", number)]
    numbers = found[: len(SHOWN_AS)]
    store, (token,) = await server_world.stored(a_token(1))
    await write(store, [a_change(token, 1, **dict(zip(SHOWN_AS, numbers, strict=True)))])
    columns = ", ".join(f'"{column}"' for column in SHOWN_AS.values())
    query = f'SELECT {columns} FROM "TokenDiscovery"'
    ((*seen,),) = await asked(url_of(server_world), query)
    assert [float(number) for number in seen] == numbers


@pytest.mark.parametrize(("number", "shown"), [(3.39999e38, None), (-1e35, None), (1e-37, 0)])
async def test_a_number_that_no_decimal_holds_is_in_nobodys_way(
    newest_server_world: StoreWorld, number: float, shown: int | None
) -> None:
    store, (token,) = await newest_server_world.stored(a_token(1))
    names = [name for name, column in SHOWN_AS.items() if column not in EXACT]
    await write(store, [a_change(token, 1, **dict.fromkeys(names, number))])
    query = 'SELECT "priceUsd", "volume24h", "liquidityUsd" FROM token_discovery_'
    for view in ("now", "logged"):
        assert await asked(url_of(newest_server_world), query + view) == [(shown,) * 3]


async def test_a_birth_is_compared_as_it_is_shown(newest_server_world: StoreWorld) -> None:
    await newest_server_world.stored(
        a_token(1, bonding_curve_progress=0.001, sol_raised=0.3, market_cap_sol=27.9589),
        a_token(2, bonding_curve_progress=None),
    )
    query = """SELECT symbol, "bondingCurveProgress" <= 0.001, "solRaised" <= 0.3,
        "marketCapSol" <= 27.9589, "priceUsd" IS NULL FROM "TokenDiscovery" ORDER BY symbol"""
    assert await asked(url_of(newest_server_world), query) == [
        ("S1", True, True, True, True),
        ("S2", True, True, None, True),
    ]


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
