"""What the store's contract tests share: tokens to store, and places to store them in."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any, Literal

import attrs
import psycopg
import trio
from attrs import Factory, define, field

from config.loading import load_settings
from config.settings import PostgresSettings
from domain.errors import StoreUnavailable
from domain.messages import TokenChange
from domain.token import FIELDS, Status, Token
from domain.values import Mint, UnixSeconds, Value, Version
from store import StoredChange, TokenStore, WriteReceipt
from store.ledger import Ledger
from store.memory import MemoryStore
from store.memory_database import MemoryDatabase
from store.postgres import PostgresStore
from store.postgres.connection import StoreConnection
from store.postgres.migrating import known_migrations, migrate
from tests.contract.store_pooler import EmbeddedPooler
from tests.patience import PATIENCE_SECONDS

NOW = UnixSeconds(1_760_000_000.0)  # 2025-10-09T08:53:20Z
DAY_SECONDS = 86_400
SCHEMA_NUMBERS = count(1)
SESSIONS = """SELECT pid FROM pg_stat_activity
WHERE application_name LIKE 'token-discovery:%%' AND datname = current_database()"""

# One value of every field that can be written after birth, as it is kept; odd ones, that show
# any further rounding.
ODD_VALUES: Mapping[str, Value] = {
    "status": int(Status.GRADUATING),
    "previous_status": int(Status.NEW),
    "status_changed_at": 1_760_000_001.0,
    "silent": True,
    "pool_address": "5Q544fKrFoe6tsEbD7S8EmxGTJYAKtTVhAW5Q5pge4j1",
    "pool_type": "raydium-cpmm",
    "pool_created_at": 3_000_000_002.0,
    "bonding_curve_progress": 99.99,
    "sol_raised": 0.333333,
    "sol_to_graduate": 1e-9,
    "market_cap_sol": 410.812,
    "market_cap_usd": 123_457_000.0,
    "price_usd": 1.23457e-37,
    "price_change_24h": -99.9999,
    "liquidity_usd": 3.39999e38,
    "volume_24h": 0.0,
    "volume_change_24h": -0.01,
    "volume_24h_sol": 3.33333,
    "tx_count_24h": 2**31 - 1,
    "buys_24h": 0,
    "sells_24h": -(2**31),
    "unique_traders_24h": 1,
    "last_trade_at": 3_725_320_447.0,
    "holder_count": 3,
    "top_holders_percent": 12.3457,
    "dev_balance_percent": 0.0,
    "dev_mints": 2**31 - 1,
    "dev_migrations": 0,
    "organic_score": 99.9999,
    "hot_score": 33_561.1234,
    "watcher_count": 7,
    "symbol": " $odd\u200b ",
    "name": "Later 名",
    "metadata_uri": "ipfs://bafy",
    "creator_wallet": "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU",
    "bonding_curve_key": "BqW3",
    "decimals": 0,
    "total_supply": "1000000000.000001",
    "freeze_revoked": True,
    "mint_renounced": False,
    "quote_mint": "So11111111111111111111111111111111111111112",
    "launchpad": "launchlab",
    "initial_buy_sol": 1.47123,
    "image_url": "data:image/png;base64,iVBORw0KGgo=",
    "logo_uri": "",
    "description": "牛 'quoted' \"double\" \\ back {brace} %s $1 \n\t 🚀 \u2028 null",
    "twitter": "https://x.com/a?b=c&d",
    "telegram": " leading and trailing ",
    "website": "x" * 20_000,
}

NOTHING_WRITTEN = WriteReceipt(rows=0, statements=0, wal_bytes=0, seconds=0.0)


async def insert(store: TokenStore, tokens: Sequence[Token]) -> list[Token]:
    """The tokens as they are stored; none of them may be refused."""
    stored, refused = await store.insert_tokens(tokens)
    assert [] == list(refused)
    return list(stored)


async def write(store: TokenStore, changes: Sequence[StoredChange]) -> WriteReceipt:
    """The receipt of the one commit; none of the changes may be refused."""
    receipts, refused = await store.write_changes(changes)
    assert [] == list(refused)
    return receipts[0] if receipts else NOTHING_WRITTEN


def after(seconds: float) -> UnixSeconds:
    return UnixSeconds(NOW + seconds)


def mint_of(number: int) -> Mint:
    return Mint(f"{number:043d}p")


def a_token(number: int, **more: Any) -> Token:
    """A token as a create frame makes it."""
    values = {
        "first_seen_at": after(number / 1000),
        "symbol": f"S{number}",
        "name": f"Name {number}",
        "pool_type": "pumpfun",
        "bonding_curve_progress": 0.0,
    }
    return Token(mint=mint_of(number), **{**values, **more})


def full_token(number: int) -> Token:
    """A token with every field set."""
    return attrs.evolve(a_token(number), last_updated_at=after(60), **with_statuses(ODD_VALUES))


def with_statuses(values: Mapping[str, Value]) -> dict[str, Any]:
    statuses = {"status", "previous_status"} & values.keys()
    return {**values, **{name: Status(int(values[name])) for name in statuses}}


def a_change(token: Token, version: int, **values: Value) -> StoredChange:
    assert token.id is not None
    return token.id, TokenChange(
        mint=token.mint,
        version=Version(version),
        dirty_since=Version(version),
        observed_at=after(version),
        values=values,
    )


def known_fields(token: Token) -> dict[str, object]:
    return {name: getattr(token, name) for name in FIELDS if getattr(token, name) is not None}


async def found(store: TokenStore, mint: Mint) -> Token:
    """The stored token."""
    return (await store.find_tokens([mint]))[mint]


@define
class StoreWorld:
    """A database that any number of stores can be opened on; all are closed in the end."""

    new_store: Callable[[Literal["ingest", "sync"]], TokenStore]
    url: str | None = None  # None: the twin
    stores: list[TokenStore] = Factory(list)
    ledger: Ledger = field(factory=lambda: Ledger(clock=wall_clock))

    async def store(self, component: Literal["ingest", "sync"] = "sync") -> TokenStore:
        store = self.new_store(component)
        self.stores.append(store)
        await store.open()
        return store

    async def stored(self, *tokens: Token) -> tuple[TokenStore, Sequence[Token]]:
        """A store with these tokens in it, as it returned them."""
        store = await self.store()
        return store, await insert(store, tokens)

    async def close(self) -> None:
        for store in self.stores:
            await store.close()


def wall_clock() -> UnixSeconds:
    return UnixSeconds(time.time())


def memory_world() -> StoreWorld:
    database = MemoryDatabase()
    cold_days = postgres_settings("postgresql://nowhere").cold_days
    return StoreWorld(lambda component: MemoryStore(database=database, cold_days=cold_days))


def postgres_settings(url: str, **more: Any) -> PostgresSettings:
    """As a service has them, but that a test waits less."""
    given = load_settings(None, {"DATABASE_URL": url, "REDIS_URL": "redis://nowhere"}).postgres
    less = {"connect_timeout_seconds": 2.0, "statement_timeout_seconds": 10.0}
    return attrs.evolve(given, **{**less, **more})


def postgres_world(
    url: str,
    statement_timeout_seconds: float = 10.0,
    ledger: Ledger | None = None,
    pooler: EmbeddedPooler | None = None,
    half_life_seconds: float = 1800.0,
    **more: Any,
) -> StoreWorld:
    """Stores on a server, by way of a pooler or not; observers always ask the server itself."""
    settings = postgres_settings(
        pooler.url_of(url) if pooler else url,
        statement_timeout_seconds=statement_timeout_seconds,
        **more,
    )
    booked_in = ledger or Ledger(clock=wall_clock)

    def new_store(component: Literal["ingest", "sync"]) -> PostgresStore:
        return PostgresStore(
            settings, component, trio.to_thread.run_sync, booked_in, half_life_seconds
        )

    return StoreWorld(new_store, url, ledger=booked_in)


@contextmanager
def fresh_schema(url: str) -> Iterator[str]:
    """The url of an empty schema in the url's database; much faster to make than a database."""
    name = f"contract_{next(SCHEMA_NUMBERS)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        yield f"{url}?options=-csearch_path%3D{name}"
        connection.execute("SET client_min_messages = warning")
        connection.execute(f"DROP SCHEMA {name} CASCADE")


async def make_earlier_release(url: str, steps: int = 2) -> None:
    """The schema as a release left it that knew so many migrations."""
    connection = StoreConnection(
        settings=postgres_settings(url),
        application_name="token-discovery:sync",
        offload=trio.to_thread.run_sync,
    )
    await connection.run(partial(migrate, migrations=known_migrations()[:steps]))
    await connection.close()


def url_of(world: StoreWorld) -> str:
    assert world.url is not None
    return world.url


def schema_of(url: str) -> str:
    found = re.search(r"search_path%3D(\w+)", url)
    assert found is not None
    return found[1]


async def asked(url: str, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What an outside observer sees, on a connection of its own."""
    return await trio.to_thread.run_sync(partial(_asked, url, query, parameters))


def _asked(url: str, query: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []


async def until_available(store: TokenStore, mint: Mint) -> None:
    """Wait until the store answers again."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            try:
                await store.find_tokens([mint])
            except StoreUnavailable:
                await trio.sleep(0.02)
            else:
                return
