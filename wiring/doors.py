"""What the actors talk to outside the process: two stores, a buffer and the world.

Tests and simulations put twins here; `RealDoors` is production.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import httpx
import trio
from attrs import define, field, frozen

from actors.trading.coverage import StreamReach
from buffer import NewestTold, QuarantineShelf, UpdateBuffer
from buffer.activity_keys import ActivityKeys
from buffer.history import HistoryShelf
from buffer.redis import RedisBuffer
from buffer.redis.activity_keys import RedisActivityKeys
from buffer.redis.history import RedisHistory
from buffer.redis.tape import RedisTape
from buffer.tape import TapeBounds, TradeTape
from config.settings import Settings
from config.web_address import find_http_address
from domain.messages import SourceEvent
from domain.outline import TokenOutline
from feed import Library
from feed.listening import open_listeners
from images.cache import open_cache
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
from wiring.alerts import AlertDoors, open_alert_doors
from wiring.jobs import JOBS
from wiring.outside import Outside

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
    quarantine: QuarantineShelf
    tape: TradeTape
    streams: Mapping[str, Stream]  # by child's name
    # Which tokens' trades each stream brings, by the stream's name.
    trade_reaches: Mapping[str, StreamReach] = field(factory=dict)
    follow_tokens: Callable[[Sequence[TokenOutline]], object] = lambda tokens: None  # older ones
    providers: Mapping[str, Any] = field(factory=dict)  # whom a job asks, by the job's name
    library: Library = field(factory=Library)  # what the gateway reads beside its catalogue
    activity_keys: ActivityKeys | None = None  # None: they are not heeded
    history: HistoryShelf | None = None  # None: no history is kept
    alerts: AlertDoors | None = None  # None: there are no endpoints
    listen: Callable[[str, int], Awaitable[list[trio.SocketListener]]] = open_listeners

    async def close(self) -> None:
        """Disconnect from both stores."""
        for door in (
            self.ingest_store,
            self.sync_store,
            self.ingest_buffer,
            self.sync_buffer,
            self.quarantine,
            self.tape,
            self.activity_keys,
            self.history,
            None if self.alerts is None else self.alerts.shelf,
        ):
            if door is not None:
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
        url = ingest.chain_rpc_url or find_http_address(ingest.chain_url)
        return JsonRpc(url=url, http=http)

    def build(self, events: Outbox[SourceEvent]) -> Doors:
        """Doors that open lazily: nothing is connected yet."""
        tape = self._new_tape()
        images = self.settings.images
        cache = open_cache(images.directory, images.cache_bytes, self.environment.clock)
        newest_told = NewestTold()
        outside = Outside(
            upstreams=Upstreams(self.settings, self.client),
            images=cache,
            chain_rpc=self.chain_rpc if self.chain_rpc.url else None,
        )
        return Doors(
            ingest_store=self._new_store("ingest"),
            sync_store=self._new_store("sync"),
            ingest_buffer=self._new_buffer(newest_told),
            sync_buffer=self._new_buffer(newest_told),
            quarantine=self._new_buffer(newest_told),
            tape=tape,
            library=Library(history=tape, images=cache),
            trade_reaches=self._list_reaches(),
            streams=self._list_streams(events),
            follow_tokens=self._follow_tokens,
            providers={name: job.connect(outside) for name, job in JOBS.items()},
            activity_keys=self._new_activity_keys(),
            history=self._new_history(),
            alerts=open_alert_doors(self.settings, self.environment.clock),
        )

    def _follow_tokens(self, tokens: Sequence[TokenOutline]) -> None:
        """Tell the streams of tokens that an earlier life of the service knew, newest first."""
        self.pumpportal.subscriptions.follow_older([token.mint for token in tokens])
        self.chain.follow_pools(tokens)

    # The stores.

    def _new_store(self, component: Literal["ingest", "sync"]) -> PostgresStore:
        offload = offload_to_threads(THREADS_A_DOOR)
        half_life = self.settings.hot_score.half_life_seconds
        return PostgresStore(self.settings.postgres, component, offload, self.ledger, half_life)

    def _new_buffer(self, newest_told: NewestTold) -> RedisBuffer:
        redis = self.settings.redis
        return RedisBuffer(
            redis.url,
            redis.timeout_seconds,
            offload_to_threads(THREADS_A_DOOR),
            self.environment.clock,
            newest_told=newest_told,
        )

    def _new_tape(self) -> RedisTape:
        redis, trading = self.settings.redis, self.settings.trading
        return RedisTape(
            url=redis.url,
            timeout_seconds=redis.timeout_seconds,
            offload=offload_to_threads(THREADS_A_DOOR),
            bounds=TapeBounds(trades=trading.trades, candle_days=trading.candle_days),
        )

    def _new_activity_keys(self) -> RedisActivityKeys | None:
        if not self.settings.activity.external_keys:
            return None
        redis = self.settings.redis
        return RedisActivityKeys(
            url=redis.url, timeout_seconds=redis.timeout_seconds, offload=offload_to_threads(1)
        )

    def _new_history(self) -> RedisHistory:
        redis = self.settings.redis
        return RedisHistory(
            url=redis.url, timeout_seconds=redis.timeout_seconds, offload=offload_to_threads(1)
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

    def _list_streams(self, events: Outbox[SourceEvent]) -> dict[str, Stream]:
        """The streams that have an address, each as it is built at every start."""
        ingest = self.settings.ingest
        kinds: list[tuple[str, str, Callable[..., EventStream], Any]] = [
            (PUMPPORTAL, ingest.url, partial(PumpPortal, api_key=ingest.api_key), self.pumpportal),
            (CHAIN, ingest.chain_url, partial(PumpChain, rpc=self.chain_rpc), self.chain),
            (PUMPAPI, ingest.pumpapi_url, PumpApi, PumpApiMemory()),
            (
                SOLANA_POOLS,
                ingest.pools_url,
                partial(SolanaPools, rpc=self._new_pools_rpc()),
                SolanaPoolsMemory(),
            ),
        ]
        return {
            name: self._make_stream(name, url, partial(kind, events=events), memory)
            for name, url, kind, memory in kinds
            if url
        }

    def _make_stream(
        self, name: str, url: str, kind: Callable[..., EventStream], memory: object
    ) -> Stream:
        ingest = self.settings.ingest
        line = LineSettings(
            url=url,
            silence_seconds=ingest.silence_seconds,
            reconnect_seconds=ingest.reconnect_seconds,
            reconnect_longest_seconds=ingest.reconnect_longest_seconds,
        )
        environment = self.environment.for_actor(name)

        def build(memory: object) -> EventStream:
            return kind(settings=line, environment=environment, memory=memory)

        return Stream(build=build, memory=memory)

    def _new_pools_rpc(self) -> JsonRpc:
        ingest = self.settings.ingest
        http = new_json_http(self.client, ingest.pools_timeout_seconds, POOL_REQUESTS_PER_MINUTE)
        return JsonRpc(url=ingest.pools_rpc_url or find_http_address(ingest.pools_url), http=http)
