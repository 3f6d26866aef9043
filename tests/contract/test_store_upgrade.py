"""A database of the release before profiles could be completed is migrated where it stands."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
import trio
from psycopg.rows import dict_row

from domain.errors import BadConfiguration
from domain.token import Status
from domain.values import WRAPPED_SOL, Mint, Version
from store.postgres.migrating import known_migrations
from tests.contract.store_world import (
    StoreWorld,
    a_change,
    asked,
    found,
    make_earlier_release,
    postgres_world,
    url_of,
    write,
)

STEPS_BEFORE = 3
NEW_VALUES = {
    "quoteMint": None, "launchpad": None, "initialBuySol": None, "topHoldersPercent": None,
    "devBalancePercent": None, "devMints": None, "devMigrations": None, "organicScore": None,
    "ath": None, "priceImpact1Pct": None, "creatorVerified": False, "top1HolderPct": None,
    "top5HolderPct": None, "mintAuthorityRevoked": False, "sellable": True, "tradeFailRate": 0,
}  # fmt: skip
NEW_NAMES = {"id", *NEW_VALUES}
# As that release wrote them: two births in the partition of their two hours, the second of them
# bonded and cold; a pack of the journal with the rows for readers; a row with text.
DATA = """
CREATE TABLE token_244444 (
    LIKE token INCLUDING DEFAULTS INCLUDING CONSTRAINTS, EXCLUDE USING hash (mint WITH =)
) WITH (autovacuum_enabled = off);
ALTER TABLE token ATTACH PARTITION token_244444 FOR VALUES FROM (244444) TO (244445);
CREATE TABLE token_cold_2 (
    LIKE token INCLUDING DEFAULTS INCLUDING CONSTRAINTS, EXCLUDE USING hash (mint WITH =)
) WITH (autovacuum_enabled = off);
ALTER TABLE token ATTACH PARTITION token_cold_2 FOR VALUES FROM (-2) TO (-1);
INSERT INTO token (first_seen_at, period, bonding_curve_progress, sol_raised, decimals,
    freeze_revoked, mint, symbol, name, metadata_uri, creator_wallet, total_supply, pool_type)
VALUES
    (1760000000.125, 244444, 0.07, 0.3, 6, true, 'first', 'ONE', 'Name one', 'ipfs://one', 'maker',
        '1000000000', 'pumpfun'),
    (1750000000.5, -2, 0, NULL, NULL, NULL, 'second', 'TWO', NULL, NULL, NULL, NULL, 'pumpfun');
INSERT INTO token_journal_a (era, token_ids, versions, observed_at, hot_score, price_usd,
    holder_count, status, silent)
VALUES (1, '{1,2}', '{5,6}', '{182163201,182163202}', '{NULL,7.5}', '{0.001,2.5}', '{3,NULL}',
    '{NULL,2}', '{false,NULL}');
INSERT INTO token_stats (token_id, version, observed_at, hot_score, price_usd, holder_count, status,
    silent)
VALUES (1, 2147483653, 182163201, NULL, 0.001, 3, NULL, false),
    (2, 2147483654, 182163202, 7.5, 2.5, NULL, 2, NULL);
INSERT INTO token_profile (token_id, version, observed_at, pool_address, pool_type, website)
VALUES (2, 2147483654, 1760000002, 'pool', 'pumpswap', 'https://two.example/');
"""
WITH_BASE = """
INSERT INTO token_stats_base SELECT * FROM token_stats;
UPDATE token_journal_state SET has_base = true;
CREATE OR REPLACE VIEW token_shown AS SELECT * FROM token_now_logged;
"""
WITHOUT_UNLOGGED_ROWS = "DELETE FROM token_stats; DELETE FROM token_stats_mark;"
SHOWN = """SELECT pg_get_viewdef('token_shown'::regclass) ~ 'token_now_logged'"""


async def seen(url: str, relation: str) -> list[dict[str, Any]]:
    def read() -> list[dict[str, Any]]:
        with psycopg.connect(url, row_factory=dict_row) as connection:
            return connection.execute(f"SELECT * FROM {relation} ORDER BY mint").fetchall()

    return await trio.to_thread.run_sync(read)


DEFAULTS = {
    "buys24h": 0, "sells24h": 0, "uniqueTraders24h": 0, "volume24hSol": 0, "solRaised": 0,
    "solToGraduate": 0, "freezeRevoked": False, "mintRenounced": False, "hotScore": 0.0,
}  # fmt: skip


def as_shown_since(row: dict[str, Any]) -> dict[str, Any]:
    """The row of before, in the types of the readers' model and with its defaults."""
    shown = {**row, **{n: value for n, value in DEFAULTS.items() if row[n] is None}}
    shown["stateChangedAt"] = row["stateChangedAt"] or row["firstSeenAt"]
    return {name: as_plain(value) for name, value in shown.items()}


def as_plain(value: Any) -> Any:
    if isinstance(value, datetime):  # in UTC, to the millisecond
        naive = value.astimezone(UTC).replace(tzinfo=None)
        return naive.replace(microsecond=round(naive.microsecond, -3))
    return float(value) if isinstance(value, Decimal) else value


def without(row: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: as_plain(value) for name, value in row.items() if name not in names}


@pytest.fixture(params=[False, True], ids=["unlogged", "logged"])
def stats_logged(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def test_an_upgrade_keeps_every_value(server_world: StoreWorld, stats_logged: bool) -> None:
    url = url_of(server_world)
    await make_earlier_release(url, STEPS_BEFORE)
    await asked(url, DATA + WITH_BASE * stats_logged)
    before = await seen(url, '"TokenDiscovery"')
    assert [(row["name"], row["priceUsd"], row["website"]) for row in before] == [
        ("Name one", 0.001, None),
        (None, 2.5, "https://two.example/"),
    ]
    world = postgres_world(url, stats_logged=stats_logged)
    await world.store()
    after = await seen(url, '"TokenDiscovery"')
    assert [as_shown_since(row) for row in before] == [without(row, NEW_NAMES) for row in after]
    assert [{"id": row["mint"], **NEW_VALUES} for row in before] == [
        {n: row[n] for n in NEW_NAMES} for row in after
    ]
    assert [(stats_logged,)] == await asked(url, SHOWN)
    await world.close()


async def test_an_upgrade_that_finds_the_rows_for_readers_lost_rebuilds_them(
    server_world: StoreWorld, stats_logged: bool
) -> None:
    """As after a crash of the server in between: the journal alone has the values."""
    url = url_of(server_world)
    await make_earlier_release(url, STEPS_BEFORE)
    await asked(url, DATA + WITH_BASE * stats_logged)
    before = await seen(url, '"TokenDiscovery"')
    await asked(url, WITHOUT_UNLOGGED_ROWS)
    # The schema alone: nothing is rebuilt.
    await make_earlier_release(url, len(known_migrations()))
    folded = await seen(url, '"TokenDiscovery"')
    assert [as_shown_since(row) for row in before] == [without(row, NEW_NAMES) for row in folded]
    world = postgres_world(url, stats_logged=stats_logged)
    await world.store()
    assert folded == await seen(url, '"TokenDiscovery"')
    await world.close()


async def test_tokens_of_before_are_completed_like_new_ones(server_world: StoreWorld) -> None:
    url = url_of(server_world)
    await make_earlier_release(url, STEPS_BEFORE)
    await asked(url, DATA)
    store = await server_world.store()
    for mint in (Mint("first"), Mint("second")):  # in the feed's tables, and in the cold
        token = await found(store, mint)
        token_id, change = a_change(
            token, 100, name="Later", quote_mint=WRAPPED_SOL, dev_mints=4, organic_score=98.7654
        )
        await write(store, [(token_id, change._replace(version=Version((1 << 31) + 100)))])
        completed = await found(store, mint)
        assert ("Later", WRAPPED_SOL, 4, 98.7654, token.symbol, token.price_usd) == (
            completed.name,
            completed.quote_mint,
            completed.dev_mints,
            completed.organic_score,
            completed.symbol,
            completed.price_usd,
        )
    assert Status.BONDED is completed.status
    assert [("Name one",), (None,)] == await asked(url, "SELECT name FROM token ORDER BY mint")


async def test_what_others_have_built_on_the_view_is_told_and_nothing_is_half_done(
    newest_server_world: StoreWorld,
) -> None:
    """Types of its columns change, so that it has to be made anew."""
    url = url_of(newest_server_world)
    await make_earlier_release(url, STEPS_BEFORE)
    await asked(url, DATA)
    await asked(url, 'CREATE VIEW report AS SELECT mint, "priceUsd" FROM "TokenDiscovery"')
    await asked(url, 'CREATE VIEW prices AS SELECT "priceUsd" FROM "TokenDiscovery"')
    before = await asked(url, "SELECT name FROM schema_migration")
    with pytest.raises(BadConfiguration, match=r"report.* prices|prices.* report") as refusal:
        await newest_server_world.store()
    assert "\n" not in str(refusal.value)
    assert before == await asked(url, "SELECT name FROM schema_migration")
    assert [("first", 0.001), ("second", 2.5)] == await asked(
        url, "SELECT * FROM report ORDER BY mint"
    )
    await asked(url, "DROP VIEW report, prices")
    await newest_server_world.store()


async def test_what_was_granted_on_the_view_survives_with_its_grantors_option(
    newest_server_world: StoreWorld,
) -> None:
    url = url_of(newest_server_world)
    await make_earlier_release(url, STEPS_BEFORE)
    await asked(url, DATA)
    await asked(url, 'GRANT SELECT ON "TokenDiscovery" TO PUBLIC')
    rights = "SELECT relacl::text FROM pg_class WHERE oid = '\"TokenDiscovery\"'::regclass"
    before = await asked(url, rights)
    await newest_server_world.store()
    assert before == await asked(url, rights)
