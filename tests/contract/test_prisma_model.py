"""The owner's models, his tables and his client are of one piece, and are as Prisma has them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from tests.contract.prisma_world import COLUMNS, columns_of_model
from tests.contract.store_world import asked
from tests.owner.backend import (
    MIGRATION,
    BackendUnavailable,
    PrismaClient,
    PrismaError,
    PrismaProcess,
    install_backend,
    run_prisma,
)

LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
TYPES = {
    "text": str,
    "numeric(65,30)": Decimal,
    "timestamp(3) without time zone": datetime,
    "integer": int,
    "boolean": bool,
}


@pytest.fixture
def owner(prisma_process: PrismaProcess, postgres_url: str) -> Iterator[PrismaClient]:
    """The client on the owner's empty tables."""
    with psycopg.connect(postgres_url) as connection:
        connection.execute(MIGRATION)
    client = PrismaClient(prisma_process, postgres_url)
    yield client
    client.disconnect()


def test_the_migration_is_what_prisma_makes_of_the_models(
    prisma_directory: Path, postgres_url: str
) -> None:
    models = ("--from-empty", "--to-schema-datamodel", "schema.prisma")
    made = run_prisma(prisma_directory, "migrate", "diff", *models, "--script", url=postgres_url)
    note, _, script = MIGRATION.partition("\n")
    assert note.startswith("-- ")
    assert made.strip() == script.strip()


@pytest.mark.parametrize("model", ["TokenDiscovery", "TokenWatch"])
async def test_columns_have_the_types_of_the_model(owner: PrismaClient, model: str) -> None:
    rows = await asked(
        owner.url,
        """SELECT attname::text, format_type(atttypid, atttypmod), attnotnull
        FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum""",
        f'"{model}"',
    )
    columns = columns_of_model(model).values()
    assert [(column.name, column.type, column.is_required) for column in columns] == [
        (name, TYPES[kind], is_required) for name, kind, is_required in rows
    ]


async def test_eleven_secondary_indexes_stand_beside_two_keys(owner: PrismaClient) -> None:
    query = "SELECT indexname::text FROM pg_indexes WHERE tablename = 'TokenDiscovery'"
    names = {name for (name,) in await asked(owner.url, query)}
    keys = {"TokenDiscovery_pkey", "TokenDiscovery_mint_key"}
    assert keys < names
    assert 11 == len(names - keys)


def test_a_row_that_says_nothing_has_the_defaults(owner: PrismaClient) -> None:
    row = owner.token_discovery("create", data={"mint": "mint"})
    assert {
        "mint": "mint",
        "state": "new",
        "status": "LAUNCHING",
        "hotScore": Decimal(0),
        "watcherCount": 0,
        "freezeRevoked": False,
        "mintRenounced": False,
        "creatorVerified": False,
        "mintAuthorityRevoked": False,
        "sellable": True,
        "tradeFailRate": Decimal(0),
        "volume24hSol": Decimal(0),
        "buys24h": 0,
        "sells24h": 0,
        "uniqueTraders24h": 0,
        "solRaised": Decimal(0),
        "solToGraduate": Decimal(0),
    } == {
        name: value
        for name, value in row.items()
        if value is not None
        and name not in {"id", "firstSeenAt", "lastUpdatedAt", "stateChangedAt"}
    }
    assert [str] == [type(row["id"])]
    assert COLUMNS.keys() == row.keys()


def test_a_number_keeps_all_its_digits(owner: PrismaClient) -> None:
    price = Decimal("12345678901234567890123456789012345.000000000000000000000000000001")
    made = owner.token_discovery("create", data={"mint": "mint", "priceUsd": price})
    assert price == made["priceUsd"]
    assert 1 == owner.token_discovery("count", where={"priceUsd": price})


def test_an_update_counts_and_tells_its_time(owner: PrismaClient) -> None:
    before = owner.token_discovery("create", data={"mint": "名", "lastUpdatedAt": LONG_AGO})
    after = owner.token_discovery(
        "update", where={"mint": "名"}, data={"watcherCount": {"increment": 1}}
    )
    assert (0, 1) == (before["watcherCount"], after["watcherCount"])
    assert before["lastUpdatedAt"] < after["lastUpdatedAt"]


def test_a_watch_is_one_a_user_and_mint(owner: PrismaClient) -> None:
    made = owner.token_watch("create", data={"userId": "u", "mint": "m"})
    with pytest.raises(PrismaError) as refusal:
        owner.token_watch("create", data={"userId": "u", "mint": "m"})
    assert "P2002" == refusal.value.code
    key = {"userId_mint": {"userId": "u", "mint": "m"}}
    assert made == owner.token_watch("findUnique", where=key)
    changed = owner.token_watch("update", where=key, data={"notifyOnPriceChange": True})
    assert {**made, "notifyOnPriceChange": True} == changed
    assert changed == owner.token_watch("delete", where=key)
    assert 0 == owner.token_watch("count")


@pytest.mark.parametrize("present", [(), ("node",)])
def test_a_machine_without_npm_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: tuple[str, ...]
) -> None:
    for name in present:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendUnavailable, match="apt-get install nodejs npm"):
        install_backend(tmp_path / "owner")
    assert not (tmp_path / "owner").exists()


def test_a_registry_that_is_away_is_told_with_npms_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prisma_directory: Path
) -> None:
    assert prisma_directory.exists()  # npm is there
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_fetch_retry_mintimeout", "1")
    with pytest.raises(BackendUnavailable, match="ECONNREFUSED"):
        install_backend(tmp_path / "owner")
