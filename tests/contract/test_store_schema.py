"""What others see of `PostgresStore` in a real server: tables, the view, sessions, WAL."""

import re
from datetime import datetime
from itertools import pairwise

import pytest
import trio

from domain.errors import BadConfiguration
from domain.token import Status
from domain.values import WRAPPED_SOL
from store.columns import CHANGE_TABLES, KINDS, TOKEN_FIELDS, find_period
from store.postgres.migrating import known_migrations
from tests.conftest import PostgresFactory
from tests.contract.store_world import (
    DAY_SECONDS,
    SESSIONS,
    StoreWorld,
    a_change,
    a_token,
    after,
    asked,
    insert,
    postgres_world,
    schema_of,
    url_of,
    write,
)
from tests.patience import PATIENCE_SECONDS

BIRTH_TIME = "timestamp without time zone"

# -- The schema ----------------------------------------------------------------------------


async def test_processes_that_start_at_once_migrate_once(server_world: StoreWorld) -> None:
    async with trio.open_nursery() as nursery:
        for component in ("ingest", "sync", "ingest", "sync"):
            nursery.start_soon(server_world.store, component)
    applied = await asked(url_of(server_world), "SELECT name FROM schema_migration ORDER BY name")
    assert [(migration.name,) for migration in known_migrations()] == applied


async def test_a_database_that_is_ahead_of_the_program_is_refused(server_world: StoreWorld) -> None:
    await server_world.store()
    ahead = "INSERT INTO schema_migration (name, checksum) VALUES ('9999_tomorrow', '')"
    await asked(url_of(server_world), ahead)
    with pytest.raises(BadConfiguration, match="newer than this program: it has 9999_tomorrow"):
        await server_world.store()


async def test_a_migration_that_was_changed_is_refused(newest_server_world: StoreWorld) -> None:
    await newest_server_world.store()
    await asked(url_of(newest_server_world), "UPDATE schema_migration SET checksum = 'x'")
    with pytest.raises(BadConfiguration, match="differs from the one that was applied"):
        await newest_server_world.store()


async def test_the_tables_have_exactly_the_columns_that_the_domain_has(
    server_world: StoreWorld,
) -> None:
    await server_world.store()
    columns = await asked(
        url_of(server_world),
        """SELECT table_name, column_name, data_type FROM information_schema.columns
        WHERE table_schema = current_schema()""",
    )
    domain = {"token": TOKEN_FIELDS, **CHANGE_TABLES}
    keys = {"id", "period", "token_id", "version", "observed_at"}
    keys |= {"standing", "state_changed_at", "decimal_volume_24h"}  # of values beside them
    birth = {("token_stats", "mint", "text"), ("token_stats", "first_seen_at", BIRTH_TIME)}
    assert {
        (table, name, KINDS[name].value.stored)
        for table, fields in domain.items()
        for name in fields
    } == {column for column in columns if column[0] in domain and column[1] not in keys} - birth


async def test_no_index_stands_on_anything_that_changes(server_world: StoreWorld) -> None:
    store, (token,) = await server_world.stored(a_token(1))
    await write(store, [a_change(token, 1, price_usd=1.0, twitter="t")])
    indexes = await asked(
        url_of(server_world), "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()"
    )
    keys = {definition.split(" USING ")[1] for (definition,) in indexes}
    # Of a migration, of one row, of what others have written.
    once = {"btree (name)", "btree (whole)", "btree (is_only_row)", "btree (mint)"}
    assert {"hash (mint)", "btree (token_id)", *once} == keys


async def test_updates_of_hot_rows_stay_on_their_page(server_world: StoreWorld) -> None:
    store, tokens = await server_world.stored(*(a_token(number) for number in range(500)))
    for version in range(1, 7):  # every token in every flush: the worst there is
        await write(store, [a_change(t, version, price_usd=version / 7) for t in tokens])
    await store.close()  # the server counts when it has ended the session, which takes a moment
    updates = hot = 0
    with trio.fail_after(PATIENCE_SECONDS):
        while not updates:
            ((updates, hot),) = await asked(
                url_of(server_world),
                """SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables
                WHERE schemaname = current_schema() AND relname = 'token_stats'""",
            )
    assert updates == 3000  # the first one, too: its row stands there since its birth
    assert hot >= 0.99 * updates


async def test_tokens_stand_in_the_partition_of_their_two_hours(server_world: StoreWorld) -> None:
    tokens = [a_token(day, first_seen_at=after(day * DAY_SECONDS)) for day in range(3)]
    await server_world.stored(*tokens)
    found = await asked(
        url_of(server_world), "SELECT tableoid::regclass::text FROM token ORDER BY period"
    )
    assert [(f"token_{find_period(token.first_seen_at)}",) for token in tokens] == found


async def test_everything_is_in_the_schema_of_the_search_path(
    newest_server_world: StoreWorld,
) -> None:
    await newest_server_world.stored(a_token(1))
    created = await asked(
        url_of(newest_server_world),
        """SELECT DISTINCT relnamespace::regnamespace::text FROM pg_class
        WHERE relname ~ '^(token|schema_migration|TokenDiscovery)' AND relkind IN ('r', 'p', 'v')
        AND relnamespace::regnamespace::text = current_schema()""",
    )
    assert [(schema_of(url_of(newest_server_world)),)] == created


# -- The view ------------------------------------------------------------------------------

PRISMA_NAMES = (
    "mint symbol name logoURI description imageUrl twitter telegram website state previousState "
    "bondingCurveProgress bondingCurveKey poolAddress poolType poolCreatedAt liquidityUsd "
    "marketCapUsd volume24h volumeChange24h priceUsd priceChange24h txCount24h holderCount "
    "decimals totalSupply lastTradeTs volume24hSol buys24h sells24h uniqueTraders24h solRaised "
    "solToGraduate creatorWallet freezeRevoked mintRenounced hotScore watcherCount status "
    "firstSeenAt lastUpdatedAt stateChangedAt"
)


async def test_the_view_has_every_name_that_readers_know(server_world: StoreWorld) -> None:
    await server_world.store()
    columns = await asked(
        url_of(server_world),
        """SELECT column_name FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = 'TokenDiscovery'
        ORDER BY ordinal_position""",
    )
    assert " ".join(name for (name,) in columns).startswith(PRISMA_NAMES)


async def test_readers_see_a_birth_at_zero_per_cent(server_world: StoreWorld) -> None:
    await server_world.stored(a_token(1, bonding_curve_progress=None, first_seen_at=after(0.123)))
    seen = datetime(2025, 10, 9, 8, 53, 20, 123_000)
    query = """SELECT status, state, "previousState", "bondingCurveProgress", "watcherCount",
        "firstSeenAt", "lastUpdatedAt", "stateChangedAt" FROM "TokenDiscovery" """
    assert [("NEW", "new", None, 0, 0, seen, seen, seen)] == await asked(
        url_of(server_world), query
    )


@pytest.mark.parametrize(
    ("status", "silent", "shown"),
    [
        (Status.NEW, False, "NEW"),
        (Status.GRADUATING, False, "GRADUATING"),
        (Status.BONDED, False, "BONDED"),
        (Status.NEW, True, "DEAD"),
        (Status.GRADUATING, True, "DEAD"),
        (Status.BONDED, True, "BONDED"),
    ],
)
async def test_readers_see_the_status_in_words(
    newest_server_world: StoreWorld, status: Status, silent: bool, shown: str
) -> None:
    store, (token,) = await newest_server_world.stored(a_token(1))
    changed_at = after(1)
    await write(
        store,
        [
            a_change(
                token,
                1,
                status=int(status),
                silent=silent,
                previous_status=0,
                status_changed_at=changed_at,
            )
        ],
    )
    query = 'SELECT status, state, "previousState", "stateChangedAt" FROM "TokenDiscovery"'
    changed = datetime(2025, 10, 9, 8, 53, 21)
    assert [(shown, shown.lower(), "new", changed)] == await asked(
        url_of(newest_server_world), query
    )


async def test_readers_see_the_newest_values(newest_server_world: StoreWorld) -> None:
    store, (token,) = await newest_server_world.stored(a_token(1, total_supply="1000000000000000"))
    await write(store, [a_change(token, 1, bonding_curve_progress=80.5, pool_type="raydium")])
    query = 'SELECT "bondingCurveProgress", "poolType", "totalSupply" FROM "TokenDiscovery"'
    assert await asked(url_of(newest_server_world), query) == [
        (80.5, "raydium", "1000000000000000")
    ]


async def test_a_birth_row_is_never_rewritten(server_world: StoreWorld) -> None:
    store, (token,) = await server_world.stored(a_token(1, quote_mint=WRAPPED_SOL))
    row = "SELECT xmin, ctid, name, quote_mint FROM token"
    before = await asked(url_of(server_world), row)
    await write(store, [a_change(token, 1, name="Later", quote_mint="other")])
    assert before == await asked(url_of(server_world), row)
    assert before[0][2:] == ("Name 1", "SOL")


async def plan_of_a_look_up(world: StoreWorld) -> str:
    """As it was executed, by whoever reads a token."""
    store, (token,) = await world.stored(a_token(1))
    await write(store, [a_change(token, 1, price_usd=1.0)])
    query = 'EXPLAIN ANALYZE SELECT * FROM "TokenDiscovery" WHERE mint = %s'
    lines = await asked(url_of(world), query, token.mint)
    return "\n".join(line for (line,) in lines)


async def test_a_look_up_reads_no_journal_while_the_rows_are_whole(
    server_world: StoreWorld,
) -> None:
    plan = await plan_of_a_look_up(server_world)
    (fold,) = [line for line in plan.splitlines() if "Function Scan on token_without_row" in line]
    assert "(never executed)" in fold
    assert "token_journal" not in plan


async def test_a_look_up_over_a_base_reads_nothing_unlogged(server_world: StoreWorld) -> None:
    world = postgres_world(url_of(server_world), stats_logged=True)
    plan = await plan_of_a_look_up(world)
    tables = set(re.findall(r" on (token_(?:stats|journal)\w*)", plan))
    assert tables == {"token_stats_base", "token_journal_a", "token_journal_b"}
    assert "token_card" not in plan
    await world.close()


# -- What an operator sees -----------------------------------------------------------------


async def test_the_server_sees_one_named_connection_a_store(new_postgres: PostgresFactory) -> None:
    server = new_postgres()
    world = postgres_world(server.url)
    ingest, sync = await world.store("ingest"), await world.store("sync")
    (token,) = await insert(ingest, [a_token(1)])
    await write(sync, [a_change(token, 1, price_usd=1.0)])
    names = await asked(
        server.url,
        """SELECT application_name FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY 1""",
    )
    assert names == [("token-discovery:ingest",), ("token-discovery:sync",)]
    await world.close()
    assert await asked(server.url, SESSIONS) == []


async def test_every_commit_is_booked_with_its_wal(server_world: StoreWorld) -> None:
    ingest, sync = await server_world.store("ingest"), await server_world.store("sync")
    (token,) = await insert(ingest, [a_token(1)])
    receipt = await write(sync, [a_change(token, 1, price_usd=1.0)])
    await ingest.find_tokens([token.mint])
    assert receipt.wal_bytes > 0
    totals = server_world.ledger.snapshot().totals
    sync_total = totals["sync"]
    assert (1, 1) == (sync_total.commits, sync_total.statements)
    assert receipt.wal_bytes == sync_total.wal_bytes
    assert totals["ingest"].wal_bytes > 0


async def test_a_server_that_hides_its_wal_position_is_written_to_all_the_same(
    new_postgres: PostgresFactory,
) -> None:
    server = new_postgres()
    await asked(server.url, "REVOKE EXECUTE ON FUNCTION pg_current_wal_insert_lsn() FROM PUBLIC")
    await asked(server.url, "CREATE ROLE plain LOGIN")
    await asked(server.url, "GRANT CREATE ON SCHEMA public TO plain")
    world = postgres_world(server.url.replace("postgres@", "plain@"))
    store, (token,) = await world.stored(a_token(1))
    receipt = await write(store, [a_change(token, 1, price_usd=1.0)])
    assert (receipt.rows, receipt.wal_bytes) == (1, 0)
    await world.close()


async def test_wal_follows_the_tokens_changed_not_the_changes_sent(
    server_world: StoreWorld,
) -> None:
    store, tokens = await server_world.stored(*(a_token(number) for number in range(400)))
    await write(store, [a_change(token, 1, price_usd=1.0) for token in tokens])
    costs = []
    for version, changed in enumerate((0, 40, 400), start=2):
        batch = [
            a_change(token, version, price_usd=float(version if index < changed else 1))
            for index, token in enumerate(tokens)
        ]
        costs.append((await write(store, batch)).wal_bytes)
        await write(store, [a_change(t, version + 10, price_usd=1.0) for t in tokens])
    assert all(fewer < more for fewer, more in pairwise(costs))
    assert costs[0] < 0.1 * costs[2]
