"""What the actors talk to outside the process: two stores, a buffer and the world.

Tests and simulations put twins here; `RealDoors` is production.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import httpx
from attrs import define, field, frozen

from actors.trading.coverage import StreamReach
from buffer import UpdateBuffer
from buffer.redis import RedisBuffer
from buffer.redis.tape import RedisTape
from buffer.tape import TapeBounds, TradeTape
from config.settings import (
    IngestSettings,
    Settings,
)
from domain.messages import SourceEvent
from domain.token import Token
from feed import Library
from sources import EventStream
from sources.line import LineSettings
from sources.names import CHAIN, PUMPAPI, PUMPPORTAL, SOLANA_POOLS
from sources.providers import Upstreams, new_json_http
from sources.pump_chain.stream import PumpChain, PumpChainMemory
from sources.pumpapi import PumpApi, PumpApiMemory
from sources.pumpportal import PumpPortal, PumpPortalMemory
from sources.rpc import JsonRpc
from sources.solana_pubsub import SolanaPools, SolanaPoolsMemory
from sources.trade_subscriptions import TradeSubscriptions
from sources.venues import LAUNCHLAB, PUMPFUN, PUMPSWAP
from store import TokenStore
from store.ledger import Ledger
from store.postgres import PostgresStore
from supervision import Outbox
from supervision.environment import Environment
from supervision.offload import offload_to_threads
from wiring.jobs import JOBS

THREADS_A_DOOR = 4
POOL_REQUESTS_PER_MINUTE = 600.0


@frozen(kw_only=True)
class Stream:
    """How a stream is built at every start, and what outlives its restarts."""

    build: Callable[[Any], EventStream]  # with `memory`
    memory: Any = None


@frozen(kw_only=True)
class Doors:
    """Everything outside the process that the actors talk to."""

    ingest_store: TokenStore
    sync_store: TokenStore
    ingest_buffer: UpdateBuffer
    sync_buffer: UpdateBuffer
    tape: TradeTape
    streams: Mapping[str, Stream]  # by child's name
    # Which tokens' trades each stream brings, by the stream's name.
    trade_reaches: Mapping[str, StreamReach] = field(factory=dict)
    follow_tokens: Callable[[Sequence[Token]], object] = lambda tokens: None  # older ones
    providers: Mapping[str, Any] = field(factory=dict)  # whom a job asks, by the job's name
    library: Library = field(factory=Library)  # what the gateway reads beside its catalogue

    async def close(self) -> None:
        """Disconnect from both stores."""
        for door in (
            self.ingest_store,
            self.sync_store,
            self.ingest_buffer,
            self.sync_buffer,
            self.tape,
        ):
            await door.close()


@define(kw_only=True)
class RealDoors:
    """Builds the doors of production."""

    settings: Settings
    environment: Environment
    client: httpx.AsyncClient
    ledger: Ledger
    pumpportal: PumpPortalMemory = field(init=False)
    chain: PumpChainMemory = field(init=False, factory=PumpChainMemory)
    chain_rpc: JsonRpc = field(init=False)  # one for all that ask it: they share its rate

    @pumpportal.default
    def _new_pumpportal_memory(self) -> PumpPortalMemory:
        limit = self.settings.ingest.trade_subscriptions
        return PumpPortalMemory(subscriptions=TradeSubscriptions(limit=limit))

    @chain_rpc.default
    def _new_chain_rpc(self) -> JsonRpc:
        ingest = self.settings.ingest
        http = new_json_http(
            self.client, ingest.pools_timeout_seconds, ingest.chain_requests_per_minute
        )
        url = ingest.chain_rpc_url or ingest.chain_url.replace("ws", "http", 1)
        return JsonRpc(url=url, http=http)

    def build(self, events: Outbox[SourceEvent]) -> Doors:
        """Doors that open lazily: nothing is connected yet."""
        tape = self._new_tape()
        upstreams = Upstreams(self.settings, self.client)
        return Doors(
            ingest_store=self._new_store("ingest"),
            sync_store=self._new_store("sync"),
            ingest_buffer=self._new_buffer(),
            sync_buffer=self._new_buffer(),
            tape=tape,
            library=Library(history=tape),
            trade_reaches=self._list_reaches(),
            streams=self._list_streams(self.settings.ingest, events),
            follow_tokens=self._follow_tokens,
            providers={name: job.connect(upstreams) for name, job in JOBS.items()},
        )

    def _follow_tokens(self, tokens: Sequence[Token]) -> None:
        """Tell the streams of tokens that an earlier life of the service knew, newest first."""
        self.pumpportal.subscriptions.follow_older([token.mint for token in tokens])
        self.chain.follow_pools(tokens)

    # The stores.

    def _new_store(self, component: Literal["ingest", "sync"]) -> PostgresStore:
        offload = offload_to_threads(THREADS_A_DOOR)
        return PostgresStore(self.settings.postgres, component, offload, self.ledger)

    def _new_buffer(self) -> RedisBuffer:
        redis = self.settings.redis
        return RedisBuffer(
            redis.url,
            redis.timeout_seconds,
            offload_to_threads(THREADS_A_DOOR),
            self.environment.clock,
        )

    def _new_tape(self) -> RedisTape:
        redis, trading = self.settings.redis, self.settings.trading
        return RedisTape(
            url=redis.url,
            timeout_seconds=redis.timeout_seconds,
            offload=offload_to_threads(THREADS_A_DOOR),
            bounds=TapeBounds(trades=trading.trades, candle_days=trading.candle_days),
        )

    def _list_reaches(self) -> dict[str, StreamReach]:
        """PumpPortal's trades are those of the tokens that are subscribed to."""
        return {
            CHAIN: StreamReach(venues=frozenset({PUMPFUN, PUMPSWAP, LAUNCHLAB})),
            PUMPAPI: StreamReach(),
            PUMPPORTAL: StreamReach(
                follows=lambda mint: mint in self.pumpportal.subscriptions.wanted
            ),
        }

    # The world.

    def _list_streams(
        self, settings: IngestSettings, events: Outbox[SourceEvent]
    ) -> dict[str, Stream]:
        streams: dict[str, Stream] = {}
        if settings.url:
            build = partial(self._build_pumpportal, settings, events)
            streams[PUMPPORTAL] = Stream(build=build, memory=self.pumpportal)
        if settings.chain_url:
            build_chain = partial(self._build_pump_chain, settings, events)
            streams[CHAIN] = Stream(build=build_chain, memory=self.chain)
        if settings.pumpapi_url:
            build_pumpapi = partial(self._build_pumpapi, settings, events)
            streams[PUMPAPI] = Stream(build=build_pumpapi, memory=PumpApiMemory())
        if settings.pools_url:
            build_pools = partial(self._build_solana_pools, settings, events)
            streams[SOLANA_POOLS] = Stream(build=build_pools, memory=SolanaPoolsMemory())
        return streams

    def _build_pumpportal(
        self, settings: IngestSettings, events: Outbox[SourceEvent], memory: PumpPortalMemory
    ) -> PumpPortal:
        return PumpPortal(
            events=events,
            settings=_new_line_settings(settings, settings.url),
            api_key=settings.api_key,
            environment=self.environment.for_actor(PUMPPORTAL),
            memory=memory,
        )

    def _build_pump_chain(
        self, settings: IngestSettings, events: Outbox[SourceEvent], memory: PumpChainMemory
    ) -> PumpChain:
        return PumpChain(
            events=events,
            settings=_new_line_settings(settings, settings.chain_url),
            rpc=self.chain_rpc,
            environment=self.environment.for_actor(CHAIN),
            memory=memory,
        )

    def _build_pumpapi(
        self, settings: IngestSettings, events: Outbox[SourceEvent], memory: PumpApiMemory
    ) -> PumpApi:
        return PumpApi(
            events=events,
            settings=_new_line_settings(settings, settings.pumpapi_url),
            environment=self.environment.for_actor(PUMPAPI),
            memory=memory,
        )

    def _build_solana_pools(
        self, settings: IngestSettings, events: Outbox[SourceEvent], memory: SolanaPoolsMemory
    ) -> SolanaPools:
        rpc_url = settings.pools_rpc_url or settings.pools_url.replace("ws", "http", 1)
        http = new_json_http(self.client, settings.pools_timeout_seconds, POOL_REQUESTS_PER_MINUTE)
        return SolanaPools(
            events=events,
            settings=_new_line_settings(settings, settings.pools_url),
            rpc=JsonRpc(url=rpc_url, http=http),
            environment=self.environment.for_actor(SOLANA_POOLS),
            memory=memory,
        )


def _new_line_settings(settings: IngestSettings, url: str) -> LineSettings:
    return LineSettings(
        url=url,
        silence_seconds=settings.silence_seconds,
        reconnect_seconds=settings.reconnect_seconds,
        reconnect_longest_seconds=settings.reconnect_longest_seconds,
    )
