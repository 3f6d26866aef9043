"""`"TokenDiscovery"` is what the Prisma model of its readers says, and answers them at once."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from math import log2
from typing import Any

import psycopg
import pytest
import trio
from psycopg.rows import dict_row

from domain.lifecycle import RETAIN_NEW_SECONDS
from domain.scoring import LANDMARK
from domain.token import Status, Token
from domain.values import UnixSeconds, Value
from store import TokenStore
from tests.contract.store_model import differing_rows
from tests.contract.store_world import (
    NOW,
    StoreWorld,
    a_change,
    a_token,
    after,
    asked,
    full_token,
    insert,
    postgres_world,
    url_of,
    write,
)

DECIMAL, DATE, TEXT, INTEGER, FLAG, DOUBLE = (
    ("numeric", 65, 30),
    ("timestamp without time zone", None, None),
    ("text", None, None),
    ("integer", 32, 0),
    ("boolean", None, None),
    ("double precision", 53, None),
)
COLUMNS: dict[tuple[str, int | None, int | None], str] = {
    DECIMAL: """bondingCurveProgress liquidityUsd marketCapUsd volume24h volumeChange24h priceUsd
        priceChange24h volume24hSol solRaised solToGraduate ath priceImpact1Pct top1HolderPct
        top5HolderPct tradeFailRate""",
    DATE: "poolCreatedAt lastTradeTs firstSeenAt lastUpdatedAt stateChangedAt",
    TEXT: """id mint symbol name logoURI description imageUrl twitter telegram website state
        previousState bondingCurveKey poolAddress poolType totalSupply creatorWallet status
        metadataUri quoteMint launchpad""",
    INTEGER: """txCount24h holderCount decimals buys24h sells24h uniqueTraders24h watcherCount
        devMints devMigrations""",
    FLAG: "freezeRevoked mintRenounced creatorVerified mintAuthorityRevoked sellable",
    # The raw score has a fraction; a whole one of 0 to 100 is an Int to Prisma all the same.
    DOUBLE: """hotScore marketCapSol initialBuySol topHoldersPercent devBalancePercent
        organicScore""",
}
MODEL = {name: kind for kind, names in COLUMNS.items() for name in names.split()}
FIRST_SEEN = datetime(2025, 10, 9, 8, 53, 20, 123_000)
JUST_BORN = {
    "id": a_token(1).mint, "mint": a_token(1).mint, "state": "new", "status": "NEW",
    "bondingCurveProgress": 0, "volume24hSol": 0, "buys24h": 0, "sells24h": 0,
    "uniqueTraders24h": 0, "solRaised": 0, "solToGraduate": 0, "tradeFailRate": 0, "hotScore": 0.0,
    "watcherCount": 0, "freezeRevoked": False, "mintRenounced": False, "creatorVerified": False,
    "mintAuthorityRevoked": False, "sellable": True, "firstSeenAt": FIRST_SEEN,
    "lastUpdatedAt": FIRST_SEEN, "stateChangedAt": FIRST_SEEN,
}  # fmt: skip
CRASH = "DELETE FROM token_stats; DELETE FROM token_card; DELETE FROM token_stats_mark"
FEED = """SELECT {columns} FROM "TokenDiscovery"
    WHERE state = '{state}' ORDER BY "{order}" DESC LIMIT 50 OFFSET 0"""
ORDERS = ("hotScore", "volume24h", "firstSeenAt", "stateChangedAt")


async def rows_of(url: str, query: str = 'SELECT * FROM "TokenDiscovery" ORDER BY mint') -> Any:
    def read() -> list[dict[str, Any]]:
        with psycopg.connect(url, row_factory=dict_row) as connection:
            return connection.execute(query).fetchall()

    return await trio.to_thread.run_sync(read)


# -- The model -----------------------------------------------------------------------------


async def test_every_column_has_the_type_of_the_model(server_world: StoreWorld) -> None:
    await server_world.store()
    columns = await asked(
        url_of(server_world),
        """SELECT column_name, data_type, numeric_precision, numeric_scale, datetime_precision
        FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = 'TokenDiscovery'""",
    )
    assert {name: tuple(kind) for name, *kind, _ in columns} == MODEL
    assert {precision for _, kind, *_, precision in columns if kind == DATE[0]} == {3}


@pytest.mark.parametrize("stats_logged", [False, True], ids=["unlogged", "logged"])
async def test_a_just_born_token_has_the_defaults_of_the_model(
    newest_server_world: StoreWorld, stats_logged: bool
) -> None:
    world = postgres_world(url_of(newest_server_world), stats_logged=stats_logged)
    token = Token(mint=a_token(1).mint, first_seen_at=after(0.123))
    await world.stored(token)
    (row,) = await rows_of(url_of(world))
    assert {**dict.fromkeys(MODEL), **JUST_BORN} == row
    await world.close()


@pytest.mark.parametrize("stats_logged", [False, True], ids=["unlogged", "logged"])
async def test_every_value_of_a_token_is_in_its_row(
    server_world: StoreWorld, stats_logged: bool
) -> None:
    world = postgres_world(url_of(server_world), stats_logged=stats_logged)
    store, (token,) = await world.stored(a_token(1, name="First", sol_raised=1.5))
    assert token.id is not None
    later: dict[str, Value] = {
        "name": "Later",
        "mint_renounced": True,
        "website": "w",
        "pool_address": "pool",
    }
    await write(store, [a_change(token, 1, price_usd=0.001, volume_24h=12.5, **later)])
    (row,) = await rows_of(url_of(world))
    told = {name: row[name] for name in ("name", "symbol", "website", "poolAddress", "poolType")}
    assert told == {
        "name": "Later", "symbol": "S1", "website": "w", "poolAddress": "pool",
        "poolType": "pumpfun",
    }  # fmt: skip
    assert (row["mintRenounced"], row["mintAuthorityRevoked"]) == (True, True)
    assert (row["priceUsd"], row["volume24h"], row["solRaised"]) == (
        Decimal("0.001"), Decimal("12.5"), Decimal("1.5"),
    )  # fmt: skip
    assert row["lastUpdatedAt"] == FIRST_SEEN.replace(second=21, microsecond=0)
    assert await differing_rows(url_of(world)) == []
    await world.close()


async def test_both_ways_to_a_row_tell_every_field_alike(server_world: StoreWorld) -> None:
    await server_world.stored(full_token(1), a_token(2))
    assert await differing_rows(url_of(server_world)) == []


# -- The readers' words --------------------------------------------------------------------


async def told_with(
    world: StoreWorld, *tokens: Mapping[str, Any], **settings: Any
) -> list[tuple[Any, ...]]:
    """Status, state and hot score of tokens with these values, in the order given."""
    readers = postgres_world(url_of(world), **settings)
    store, stored = await readers.stored(*(a_token(number) for number in range(len(tokens))))
    changes = [a_change(t, 1, **v) for t, v in zip(stored, tokens, strict=True) if v]
    await write(store, changes)
    query = 'SELECT status, state, "hotScore" FROM {} ORDER BY mint'
    told = await asked(url_of(world), query.format("token_discovery_now"))
    assert told == await asked(url_of(world), query.format("token_discovery_logged"))
    await readers.close()
    return told


EVERY_STANDING = [
    {"status": int(status), "silent": silent} | ({"hot_score": 20_000.5} if is_traded else {})
    for status in Status
    for is_traded in (False, True)
    for silent in (False, True)
]


async def test_the_owners_words(server_world: StoreWorld) -> None:
    told = await told_with(server_world, *EVERY_STANDING, {}, status_words="LAUNCHING")
    assert [row[:2] for row in told] == [
        ("LAUNCHING", "new"), ("DEAD", "new"), ("ACTIVE", "new"), ("DEAD", "new"),
        ("ABOUT_TO_BOND", "graduating"), ("DEAD", "graduating"),
        ("ABOUT_TO_BOND", "graduating"), ("DEAD", "graduating"),
        *[("BONDED", "bonded")] * 4,
        ("LAUNCHING", "new"),
    ]  # fmt: skip


async def test_our_words(server_world: StoreWorld) -> None:
    told = await told_with(server_world, *EVERY_STANDING, {}, status_words="NEW")
    assert [row[:2] for row in told] == [
        *[("NEW", "new"), ("DEAD", "dead")] * 2,
        *[("GRADUATING", "graduating"), ("DEAD", "dead")] * 2,
        *[("BONDED", "bonded")] * 4,
        ("NEW", "new"),
    ]


async def test_a_score_of_a_hundred_follows_the_sol_it_stands_for(
    server_world: StoreWorld,
) -> None:
    half_life = 86_400.0 * 365  # at which the seconds of a test are nothing
    ((now,),) = await asked(url_of(server_world), "SELECT extract(epoch FROM now())::float8")
    sols = (0.0001, 0.001, 0.1, 1, 8, 1000, 100_000)
    scores = [{"hot_score": log2(sol) + (now - LANDMARK) / half_life} for sol in sols]
    form = {"hot_score_form": "hundred", "half_life_seconds": half_life}
    told = await told_with(server_world, *scores, {}, **form)
    assert [score for _, _, score in told] == [0, 0, 33, 50, 65, 100, 100, 0]


async def test_a_setting_is_heard_by_readers_that_are_connected(
    newest_server_world: StoreWorld,
) -> None:
    url = url_of(newest_server_world)
    await newest_server_world.stored(a_token(1))
    query = 'SELECT status FROM "TokenDiscovery"'
    written = "SELECT xmin::text FROM token_reader_settings"
    with psycopg.connect(url, autocommit=True, prepare_threshold=0) as reader:
        for words, told in (("NEW", "NEW"), ("LAUNCHING", "LAUNCHING"), ("NEW", "NEW")):
            world = postgres_world(url, status_words=words)
            await world.store()
            assert reader.execute(query).fetchall() == [(told,)]
            before = await asked(url, written)
            await world.store()  # a second one, which wants the same
            assert before == await asked(url, written)
            await world.close()


# -- What is in step -----------------------------------------------------------------------


async def test_readers_miss_nothing_between_a_crash_and_the_rebuild(
    server_world: StoreWorld,
) -> None:
    url = url_of(server_world)
    store, tokens = await server_world.stored(*(a_token(number) for number in range(20)))
    await write(
        store,
        [a_change(t, 1, price_usd=1.5, twitter="t", status=i % 3) for i, t in enumerate(tokens)],
    )
    before = await rows_of(url)
    assert len(before) == 20
    await asked(url, CRASH)
    assert before == await rows_of(url)
    await insert(store, [a_token(99)])  # which finds nothing rebuilt, and is no reason to
    assert [(1,)] == await asked(url, "SELECT count(*) FROM token_stats")
    amid = await rows_of(url)
    assert (before, len(amid)) == (amid[:20], 21)
    assert await differing_rows(url) == []
    await store.open()
    assert [(21, 21)] == await asked(
        url, "SELECT (SELECT count(*) FROM token_stats), (SELECT count(*) FROM token_card)"
    )
    assert amid == await rows_of(url)


async def test_the_fold_after_a_crash_is_for_who_may_read_the_view(postgres_url: str) -> None:
    world = postgres_world(postgres_url)
    await world.stored(a_token(1))
    await asked(postgres_url, 'CREATE ROLE guest LOGIN; GRANT SELECT ON "TokenDiscovery" TO guest')
    as_guest = postgres_url.replace("postgres@", "guest@")
    query = 'SELECT symbol, state FROM "TokenDiscovery"'
    assert await asked(as_guest, query) == [("S1", "new")]
    assert await asked(as_guest, "SELECT * FROM token_without_row()") == []
    await asked(postgres_url, CRASH)
    assert await asked(as_guest, query) == [("S1", "new")]
    await world.close()
    await asked(postgres_url, "DROP OWNED BY guest")
    await asked(postgres_url, "DROP ROLE guest")


async def test_what_left_the_feed_left_the_view(server_world: StoreWorld) -> None:
    url = url_of(server_world)
    old = UnixSeconds(NOW - RETAIN_NEW_SECONDS - 10_000)
    store, tokens = await server_world.stored(
        a_token(1, first_seen_at=old), a_token(2, first_seen_at=old), a_token(3, first_seen_at=NOW)
    )
    bonded, gone, _ = tokens
    await write(store, [a_change(bonded, 1, status=2, name="Kept")])
    await store.drop_unretained(NOW)
    names = 'SELECT name, state FROM "TokenDiscovery" ORDER BY mint'
    kept = [("Kept", "bonded"), ("Name 3", "new")]
    assert kept == await asked(url, names)
    counts = "SELECT (SELECT count(*) FROM token_stats), (SELECT count(*) FROM token_card)"
    assert [(2, 2)] == await asked(url, counts)
    await write(store, [a_change(gone, 2, price_usd=1.0)])  # a flush that comes too late
    assert kept == await asked(url, names)
    assert await differing_rows(url) == []


async def test_a_writer_of_another_kind_shows_what_it_inserts(
    newest_server_world: StoreWorld,
) -> None:
    url = url_of(newest_server_world)
    store, (token,) = await newest_server_world.stored(a_token(1))
    await asked(
        url,
        f"""INSERT INTO token (period, first_seen_at, mint, name, total_supply, metadata_uri)
        SELECT period, first_seen_at, 'other', 'By hand', '1e9', E'\\x01bafy' FROM token;
        INSERT INTO token_profile (token_id, version, observed_at, website)
        VALUES ({token.id}, 1, {NOW}, 'w')""",
    )
    query = 'SELECT name, "totalSupply", "metadataUri", website FROM "TokenDiscovery" ORDER BY id'
    assert await asked(url, query) == [
        ("Name 1", None, None, "w"),
        ("By hand", "1000000000", "https://ipfs.io/ipfs/bafy", None),
    ]
    assert await differing_rows(url) == []
    await store.close()


# -- What a query costs --------------------------------------------------------------------

TOKENS = 400


async def filled(world: StoreWorld) -> TokenStore:
    store, tokens = await world.stored(*(a_token(number) for number in range(TOKENS)))
    changes = [
        a_change(token, 1, hot_score=float(number % 97), volume_24h=float(number), status=0)
        for number, token in enumerate(tokens)
    ]
    await write(store, changes)
    await asked(url_of(world), "ANALYZE token_stats; ANALYZE token_card")
    return store


def nodes_of(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes_of(part))]


async def plan_of(url: str, query: str) -> dict[str, Any]:
    ((told,),) = await asked(url, f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}")
    plan: dict[str, Any] = told[0]["Plan"]
    return plan


@pytest.mark.parametrize("order", ORDERS)
async def test_a_feed_query_looks_up_what_it_shows_and_no_more(
    server_world: StoreWorld, order: str
) -> None:
    await filled(server_world)
    url = url_of(server_world)
    columns = ", ".join(f'"TokenDiscovery"."{name}"' for name in MODEL)
    plan = await plan_of(url, FEED.format(columns=columns, state="new", order=order))
    nodes = nodes_of(plan)
    look_ups = [node for node in nodes if node.get("Parent Relationship") == "SubPlan"]
    assert {node["Actual Loops"] for node in look_ups} <= {0, 50}
    scans = [n for n in nodes if n["Node Type"] == "Seq Scan" and n["Actual Rows"] > 1]
    assert [n["Relation Name"] for n in scans] == ["token_stats"]
    folds = [n for n in nodes if n["Node Type"] == "Function Scan"]
    assert [n["Actual Loops"] for n in folds] == [0]
    assert not any("token_2" in str(n.get("Relation Name")) for n in nodes)  # no partition
    ((pages,),) = await asked(url, "SELECT pg_relation_size('token_stats') / 8192")
    touched = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert touched < pages + 50 * len(look_ups) * 3 + 20
    assert plan["Total Cost"] < 100_000  # jit_above_cost


@pytest.mark.parametrize("key", ["mint", "id"])
async def test_a_token_is_found_by_an_index(server_world: StoreWorld, key: str) -> None:
    store = await filled(server_world)
    without_scans = f"{url_of(server_world)}%20-cenable_seqscan%3Doff"  # of so small a table
    query = f"SELECT * FROM \"TokenDiscovery\" WHERE {key} = '{a_token(7).mint}'"
    nodes = nodes_of(await plan_of(without_scans, query))
    found = [n for n in nodes if n.get("Index Name") == "token_stats_mint_idx"]
    assert [n["Actual Loops"] for n in found] == [1]
    await store.close()


async def test_orders_of_a_feed_are_those_of_its_columns(server_world: StoreWorld) -> None:
    await filled(server_world)
    url = url_of(server_world)
    for order in ORDERS:
        found = await rows_of(url, FEED.format(columns="*", state="new", order=order))
        values = [row[order] for row in found]
        assert len(values) == 50
        assert values == sorted(values, reverse=True)
        (best,) = await rows_of(url, f'SELECT max("{order}") AS best FROM "TokenDiscovery"')
        assert values[0] == best["best"]
    ((count,),) = await asked(url, 'SELECT count(*) FROM "TokenDiscovery"')
    assert count == TOKENS
    assert timedelta(0) < values[0] - values[-1]
    assert re.fullmatch(r"\d{43}p", found[0]["id"])
