"""What the actors talk to outside the process: two stores, a buffer and the world.

Tests and simulations put twins here; `RealDoors` is production.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

import httpx
from attrs import asdict, define, field, frozen

from buffer import UpdateBuffer
from buffer.redis import RedisBuffer
from config.settings import (
    HolderCountSettings,
    IngestSettings,
    MarketDataSettings,
    Settings,
    SolPriceSettings,
)
from domain.messages import SourceEvent
from domain.values import Mint
from sources import EventStream, HolderCounts, SolPrice
from sources import MarketData as MarketDataSource
from sources.dexscreener import DexScreener
from sources.holders import JupiterHolders, RpcHolders
from sources.http import JsonHttp, RateLimiter
from sources.line import LineSettings
from sources.pumpportal import PumpPortal
from sources.rpc import JsonRpc
from sources.sol_price import JupiterSolPrice
from sources.solana_pubsub import SolanaPools
from sources.trade_subscriptions import TradeSubscriptions
from store import TokenStore
from store.ledger import Ledger
from store.postgres import PostgresSettings, PostgresStore
from supervision import Outbox
from supervision.environment import Environment
from supervision.offload import offload_to_threads

THREADS_A_DOOR = 4
POOL_REQUESTS_PER_MINUTE = 600.0
SOL_PRICE_REQUESTS_PER_MINUTE = 30.0


@frozen(kw_only=True)
class Doors:
    """Everything outside the process that the actors talk to."""

    ingest_store: TokenStore
    sync_store: TokenStore
    ingest_buffer: UpdateBuffer
    sync_buffer: UpdateBuffer
    streams: Mapping[str, Callable[[], EventStream]]  # by child's name; built at every start
    follow_trades: Callable[[Sequence[Mint]], object] = lambda mints: None  # of older tokens
    quotes: MarketDataSource | None = None
    sol_price: SolPrice | None = None
    holders: HolderCounts | None = None

    async def close(self) -> None:
        """Disconnect from both stores."""
        for door in (self.ingest_store, self.sync_store, self.ingest_buffer, self.sync_buffer):
            await door.close()


@define(kw_only=True)
class RealDoors:
    """Builds the doors of production."""

    settings: Settings
    environment: Environment
    client: httpx.AsyncClient
    ledger: Ledger
    trades: TradeSubscriptions = field(init=False)  # whose trades are streamed

    @trades.default
    def _new_trades(self) -> TradeSubscriptions:
        return TradeSubscriptions(limit=self.settings.ingest.trade_subscriptions)

    def build(self, events: Outbox[SourceEvent]) -> Doors:
        """Doors that open lazily: nothing is connected yet."""
        return Doors(
            ingest_store=self._store("ingest"),
            sync_store=self._store("sync"),
            ingest_buffer=self._buffer(),
            sync_buffer=self._buffer(),
            streams=self._streams(self.settings.ingest, events),
            follow_trades=self.trades.seed,
            quotes=self._quotes(self.settings.market_data),
            sol_price=self._sol_price(self.settings.sol_price),
            holders=self._holders(self.settings.holder_count),
        )

    # The stores.

    def _store(self, component: Literal["ingest", "sync"]) -> PostgresStore:
        settings = PostgresSettings(**asdict(self.settings.postgres))
        return PostgresStore(settings, component, offload_to_threads(THREADS_A_DOOR), self.ledger)

    def _buffer(self) -> RedisBuffer:
        redis = self.settings.redis
        return RedisBuffer(
            redis.url,
            redis.timeout_seconds,
            offload_to_threads(THREADS_A_DOOR),
            self.environment.clock,
        )

    # The world.

    def _streams(
        self, settings: IngestSettings, events: Outbox[SourceEvent]
    ) -> dict[str, Callable[[], EventStream]]:
        streams: dict[str, Callable[[], EventStream]] = {}
        if settings.url:
            streams["pumpportal"] = partial(self._pumpportal, settings, events)
        if settings.pools_url:
            streams["solana-pools"] = partial(self._solana_pools, settings, events)
        return streams

    def _pumpportal(self, settings: IngestSettings, events: Outbox[SourceEvent]) -> PumpPortal:
        return PumpPortal(
            events=events,
            settings=_line(settings, settings.url),
            api_key=settings.api_key,
            environment=self.environment.for_actor("pumpportal"),
            trades=self.trades,
        )

    def _solana_pools(self, settings: IngestSettings, events: Outbox[SourceEvent]) -> SolanaPools:
        rpc_url = settings.pools_rpc_url or settings.pools_url.replace("ws", "http", 1)
        http = self._http(settings.pools_timeout_seconds, POOL_REQUESTS_PER_MINUTE)
        return SolanaPools(
            events=events,
            settings=_line(settings, settings.pools_url),
            rpc=JsonRpc(url=rpc_url, http=http),
            environment=self.environment.for_actor("solana-pools"),
        )

    def _quotes(self, settings: MarketDataSettings) -> DexScreener | None:
        if not settings.url:
            return None
        http = self._http(settings.timeout_seconds, settings.requests_per_minute)
        return DexScreener(url=settings.url, http=http)

    def _sol_price(self, settings: SolPriceSettings) -> JupiterSolPrice | None:
        if not settings.url:
            return None
        http = self._http(settings.timeout_seconds, SOL_PRICE_REQUESTS_PER_MINUTE)
        return JupiterSolPrice(url=settings.url, http=http)

    def _holders(self, settings: HolderCountSettings) -> JupiterHolders | RpcHolders | None:
        http = self._http(settings.timeout_seconds, settings.requests_per_minute)
        match settings.provider:
            case "jupiter":
                return JupiterHolders(url=settings.url, http=http)
            case "rpc":
                return RpcHolders(rpc=JsonRpc(url=settings.url, http=http))
            case _:
                return None

    def _http(self, timeout_seconds: float, requests_per_minute: float) -> JsonHttp:
        limiter = RateLimiter(per_minute=requests_per_minute)
        return JsonHttp(client=self.client, timeout_seconds=timeout_seconds, limiter=limiter)


def _line(settings: IngestSettings, url: str) -> LineSettings:
    return LineSettings(
        url=url,
        silence_seconds=settings.silence_seconds,
        reconnect_seconds=settings.reconnect_seconds,
        reconnect_longest_seconds=settings.reconnect_longest_seconds,
    )
