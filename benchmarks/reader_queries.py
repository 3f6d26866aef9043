"""The feed queries of existing readers: the view beside the plain table that they had.

Tokens of 48 hours, in 25 partitions, each with values, some graduating and some bonded; and the
same rows in a plain table with the columns of the view, a key and the model's eleven indexes.
Both are read as Prisma reads: planned each time, with the server's own default for JIT.
"""

from random import Random
from statistics import median
from time import perf_counter
from typing import Any

import psycopg
import trio

from benchmarks.results import Figure, Result
from benchmarks.world import servers, settings_for
from commands.storm.strategy import QUERIES
from commands.storm.trace import STARTED_AT, Population
from config.settings import Settings
from domain.chunks import chunks
from domain.messages import TokenChange
from domain.token import Token
from domain.values import UnixSeconds, Value, Version
from store import StoredChange
from store.ledger import Ledger
from store.postgres import PostgresStore
from supervision.offload import offload_to_threads

TOKENS, QUICK_TOKENS = 50_000, 5_000
BATCH_TOKENS = 1_000
REPEATS = 15
FEED = """SELECT * FROM "TokenDiscovery" WHERE state = '{}' ORDER BY "{}" DESC LIMIT 50 OFFSET 0"""
QUERY_OF = {
    "new, hottest": FEED.format("new", "hotScore"),
    "new, by volume": FEED.format("new", "volume24h"),
    "new, newest": FEED.format("new", "firstSeenAt"),
    "new, changed last": FEED.format("new", "stateChangedAt"),
    "graduating, hottest": FEED.format("graduating", "hotScore"),
    "bonded, changed last": FEED.format("bonded", "stateChangedAt"),
    "one mint": """SELECT * FROM "TokenDiscovery" WHERE mint = '{mint}'""",
    "count": 'SELECT count(*) FROM "TokenDiscovery"',
    "a filter on the cap": (
        'SELECT * FROM "TokenDiscovery" WHERE "marketCapUsd" >= 9e4 '
        'ORDER BY "hotScore" DESC LIMIT 50'
    ),
}
FEED_QUERIES = [name for name in QUERY_OF if "," in name]
# One after the other, so that neither way has the quieter machine.
WAYS = ("public", "plain")


def run(is_quick: bool) -> Result:
    count = QUICK_TOKENS if is_quick else TOKENS
    with servers(shared_buffers="128MB", jit="on") as addresses:  # as Postgres comes
        trio.run(_fill_store, settings_for(addresses), count)
        with psycopg.connect(addresses.postgres, autocommit=True) as connection:
            _make_plain_table(connection)
            times = _time_queries(connection)
    lines = [
        (name, 1000 * shown, 1000 * plain, shown / plain) for name, (shown, plain) in times.items()
    ]
    slowest = max(1000 * times[name][0] for name in FEED_QUERIES)
    return Result(
        name="reader-queries",
        title=f"Queries of existing readers at {count:,} tokens, planning included",
        headings=("query", "view ms", "plain table ms", "ratio"),
        lines=lines,
        conclusion=f"The slowest of the feed's queries takes {slowest:.1f} ms through the view.",
        figures={"slowest query of the feed": Figure(value=slowest, unit="ms")},
    )


async def _fill_store(settings: Settings, count: int) -> None:
    store = PostgresStore(
        settings.postgres,
        "sync",
        offload_to_threads(1),
        Ledger(clock=lambda: STARTED_AT),
        settings.hot_score.half_life_seconds,
    )
    await store.open()
    dice = Random(7)
    for batch in chunks(Population(7, count, is_known=False), BATCH_TOKENS):
        stored, _ = await store.insert_tokens(batch)
        await store.write_changes([_make_change(dice, token) for token in stored])
    await store.close()


def _make_change(dice: Random, token: Token) -> StoredChange:
    assert token.id is not None  # it is stored
    values: dict[str, Value] = {
        "hot_score": 25_000 + 1000 * dice.random(),
        "price_usd": dice.random() / 1000,
        "market_cap_usd": 1e5 * dice.random(),
        "volume_24h": 1e5 * dice.random() ** 4,
        "tx_count_24h": dice.randrange(5000),
        "buys_24h": dice.randrange(2500),
        "holder_count": dice.randrange(500),
        "last_trade_at": STARTED_AT - dice.randrange(3600),
    }
    changed = {"previous_status": 0, "status_changed_at": token.first_seen_at + 300.0}
    fate = dice.random()
    if fate < 0.02:
        values |= {"status": 2, "liquidity_usd": 5e4, "pool_type": "pumpswap", **changed}
    elif fate < 0.03:
        values |= {"status": 1, **changed}
    return token.id, TokenChange(
        mint=token.mint,
        version=Version(1),
        dirty_since=Version(1),
        observed_at=UnixSeconds(STARTED_AT),
        values=values,
    )


def _make_plain_table(connection: psycopg.Connection[Any]) -> None:
    """The rows as the view shows them, where the owner's tools would have put them."""
    connection.execute("CREATE SCHEMA plain")
    connection.execute(
        'CREATE TABLE plain."TokenDiscovery" AS SELECT * FROM public."TokenDiscovery"'
    )
    connection.execute("SET search_path = plain")
    connection.execute('ALTER TABLE "TokenDiscovery" ADD PRIMARY KEY (id)')
    connection.execute('CREATE UNIQUE INDEX ON "TokenDiscovery" (mint)')
    connection.execute('CREATE INDEX ON "TokenDiscovery" ("firstSeenAt")')
    connection.execute(QUERIES["wide_table_hot_indexes"], prepare=False)
    connection.execute("VACUUM ANALYZE")


def _time_queries(connection: psycopg.Connection[Any]) -> dict[str, list[float]]:
    ((mint,),) = connection.execute('SELECT max(mint) FROM "TokenDiscovery"')
    times = {}
    for name, query in QUERY_OF.items():
        seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(REPEATS):
            for way in WAYS:
                connection.execute(f"SET search_path = {way}")
                started = perf_counter()
                connection.execute(query.format(mint=mint), prepare=False).fetchall()
                seconds[way].append(perf_counter() - started)
        times[name] = [median(seconds[way]) for way in WAYS]
    return times
