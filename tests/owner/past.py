"""The owner's table as it stands after some weeks: a deterministic mixture, made by the server.

`make_owner_table` runs his migration in a schema and fills the table. Row n is born n times
`seconds_apart` before `now`; of a hundred rows 3 have bonded and 7 graduate. Without a
trade for four hours, an unbonded one is DEAD.
"""

import hashlib

import base58
import psycopg

from tests.owner.backend import MIGRATION

FILL = """
INSERT INTO {table} (
    id, mint, symbol, name, "logoURI", description, "imageUrl", twitter, state, "previousState",
    "bondingCurveProgress", "bondingCurveKey", "poolAddress", "poolType", "poolCreatedAt",
    "liquidityUsd", "marketCapUsd", "volume24h", "volumeChange24h", "priceUsd", "priceChange24h",
    "txCount24h", "holderCount", decimals, "totalSupply", "lastTradeTs", "volume24hSol", "buys24h",
    "sells24h", "uniqueTraders24h", "solRaised", "solToGraduate", "creatorWallet", "freezeRevoked",
    "mintRenounced", "hotScore", "watcherCount", status, "firstSeenAt", "lastUpdatedAt",
    "stateChangedAt", ath
)
SELECT
    'c' || md5(mint), mint, 'S' || n % 9973, 'Token ' || n, NULL,
    CASE WHEN n % 10 = 0 THEN repeat('meme ', (n % 40)::integer + 1) END,
    CASE WHEN n % 3 = 0 THEN 'https://ipfs.io/ipfs/' || md5(mint) END,
    CASE WHEN n % 4 = 0 THEN 'https://x.com/t' || n END,
    state, CASE state WHEN 'bonded' THEN 'graduating' WHEN 'graduating' THEN 'new' END,
    CASE state WHEN 'bonded' THEN 100 WHEN 'graduating' THEN 80 + n % 20
        ELSE n % 80 + 0.123456789 END,
    reverse(mint), CASE WHEN state = 'bonded' THEN mint END,
    CASE WHEN state = 'bonded' THEN 'pumpswap' ELSE 'pumpfun' END,
    CASE WHEN state = 'bonded' THEN born + interval '5 minutes' END,
    CASE WHEN n % 5 > 0 THEN (n * 37 % 1000003) / 7.0 END, 4000 + (n * 97 % 1000003) / 3.0,
    CASE WHEN n % 6 > 0 THEN (n * 61 % 500009) / 11.0 END, n % 200 - 100.5,
    1 / (1000 + n * 7.7), CASE WHEN n % 7 > 0 THEN n % 300 - 99.25 END,
    (n % 5000)::integer, CASE WHEN n % 2 = 0 THEN n % 800 END, 6, '1000000000',
    born + (n % 3000) * interval '1 second', n % 90 / 8.0, n % 400, n % 300, n % 120,
    n % 85 / 3.0, 85 - n % 85, reverse(mint), n % 2 = 0, n % 3 = 0, n % 100, n % 4,
    CASE WHEN state = 'bonded' THEN 'BONDED'
        WHEN born + (n % 3000) * interval '1 second' < moment - interval '4 hours' THEN 'DEAD'
        WHEN state = 'graduating' THEN 'ABOUT_TO_BOND'
        WHEN n % 2 = 0 THEN 'ACTIVE' ELSE 'LAUNCHING' END,
    born, born + (n % 3600) * interval '1 second' + interval '7 milliseconds',
    CASE state WHEN 'new' THEN born ELSE born + interval '4 minutes' END, n
FROM (
    SELECT n, mint,
        CASE WHEN n % 100 < 3 THEN 'bonded' WHEN n % 100 < 10 THEN 'graduating'
            ELSE 'new' END AS state,
        to_timestamp(%(now)s - 4000 - n * %(apart)s) AT TIME ZONE 'UTC' AS born,
        to_timestamp(%(now)s) AT TIME ZONE 'UTC' AS moment
    FROM unnest(%(mints)s::text[]) WITH ORDINALITY AS given (mint, n)
) AS made
"""


def make_mints(count: int, first: int = 1) -> list[str]:
    """Base58 of 32 bytes each, the same at every run."""
    numbers = range(first, first + count)
    return [
        base58.b58encode(hashlib.sha256(f"owner {n}".encode()).digest()).decode() for n in numbers
    ]


def make_owner_table(
    connection: psycopg.Connection[tuple[object, ...]],
    mints: list[str],
    *,
    now: float,
    seconds_apart: float = 2.0,
    schema: str = "public",
) -> None:
    """His migration and his rows; the connection's search path is left as it is."""
    with connection.transaction():
        connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        connection.execute(f'SET LOCAL search_path TO "{schema}"')
        connection.execute(MIGRATION.encode())
        add_rows(connection, mints, now=now, seconds_apart=seconds_apart)


def add_rows(
    connection: psycopg.Connection[tuple[object, ...]],
    mints: list[str],
    *,
    now: float,
    seconds_apart: float = 2.0,
    table: str = '"TokenDiscovery"',
) -> None:
    """Rows of his as his own worker would have left them."""
    values = {"mints": mints, "now": now, "apart": seconds_apart}
    connection.execute(FILL.replace("{table}", table).replace(" % ", " %% ").encode(), values)
