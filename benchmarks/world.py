"""What the benchmarks share: real servers of their own, and the real sync actor on them.

The actor is built by the service's own composition, so that what is measured is what runs.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from random import Random
from statistics import median
from time import monotonic, perf_counter, thread_time
from typing import Any, TypeVar, TypeVarTuple

import psycopg
import structlog
import trio
from attrs import define, field, frozen

from actors.sync.flush import FlushOrder
from buffer.memory_tape import MemoryTape
from buffer.redis import RedisBuffer
from buffer.tape import TapeBounds
from commands.embedded import EmbeddedPostgres, EmbeddedRedis, RunDirectory
from commands.storm.server import OWN_SETTINGS
from commands.storm.trace import STARTED_AT
from config.loading import load_settings
from config.settings import Settings
from domain.messages import SyncMessage
from domain.values import UnixSeconds
from store.ledger import Ledger
from store.postgres import PostgresStore
from store.postgres.plain import with_options
from supervision.environment import Environment
from supervision.mailbox import Mailbox
from wiring.children import Composition
from wiring.doors import Doors
from wiring.mailboxes import Mailboxes

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


@frozen
class Addresses:
    """Two running servers."""

    postgres: str
    redis: str


@contextmanager
def servers(**more: str) -> Iterator[Addresses]:
    """A Postgres and a Redis that vanish afterwards; `more` are settings of Postgres."""
    with RunDirectory() as directory:
        postgres = EmbeddedPostgres(directory, settings={**OWN_SETTINGS, **more})
        redis = EmbeddedRedis(directory / "redis")
        try:
            postgres.start()
            redis.start()
            yield Addresses(postgres.url, redis.url)
        finally:
            postgres.stop("immediate")
            redis.stop()


def settings_for(addresses: Addresses, **more: str) -> Settings:
    """The service's defaults on these servers; names in `more` as SECTION__NAME."""
    chosen = {f"TOKEN_DISCOVERY__{name}": value for name, value in more.items()}
    return load_settings(
        None, {"DATABASE_URL": addresses.postgres, "REDIS_URL": addresses.redis, **chosen}
    )


@define
class MeasuringOffload:
    """Runs a door's calls in a thread, as the service does, and adds up that thread's CPU."""

    cpu_seconds: float = 0.0
    limiter: trio.CapacityLimiter = field(init=False, factory=lambda: trio.CapacityLimiter(1))

    async def __call__(
        self, function: Callable[[*Arguments], Result], /, *arguments: *Arguments
    ) -> Result:
        def measured() -> Result:
            started = thread_time()
            try:
                return function(*arguments)
            finally:
                self.cpu_seconds += thread_time() - started

        return await trio.to_thread.run_sync(measured, limiter=self.limiter)


@define
class OneCondition:
    """Whether sync is ready; the only condition here."""

    ready: trio.Event = field(factory=trio.Event, init=False)

    def set(self, name: str, reason: str | None) -> None:
        if reason is None:
            self.ready.set()

    def report_outage(self, name: str, reporter: str, problem: str | None) -> None:
        """Nobody looks."""

    def list_away(self) -> frozenset[str]:
        return frozenset()


def silent_environment(
    clock: Callable[[], UnixSeconds], conditions: OneCondition | None = None
) -> Environment:
    """What an actor is given, with a log that goes nowhere."""
    log = structlog.wrap_logger(None, processors=[_discard], wrapper_class=structlog.BoundLogger)
    return Environment(
        clock=clock, random=Random(7), log=log, readiness=conditions or OneCondition()
    )


def trace_clock() -> Callable[[], UnixSeconds]:
    """A wall clock that starts when the trace does: its population is on the feed still."""
    started = monotonic()
    return lambda: UnixSeconds(STARTED_AT + monotonic() - started)


@define
class SyncWorld:
    """The real sync on real servers, with its mailboxes."""

    settings: Settings
    clock: Callable[[], UnixSeconds] = field(factory=trace_clock)
    store_offload: MeasuringOffload = field(factory=MeasuringOffload, init=False)
    buffer_offload: MeasuringOffload = field(factory=MeasuringOffload, init=False)
    conditions: OneCondition = field(factory=OneCondition, init=False)
    ledger: Ledger = field(init=False)
    mailboxes: Mailboxes = field(init=False)
    store: PostgresStore = field(init=False)
    buffer: RedisBuffer = field(init=False)
    sync: Any = field(init=False)  # the actor, of which benchmarks call single steps

    def __attrs_post_init__(self) -> None:
        self.ledger = Ledger(clock=self.clock)
        self.mailboxes = Mailboxes(self.settings.tracking.tokens)
        self.store = PostgresStore(
            self.settings.postgres,
            "sync",
            self.store_offload,
            self.ledger,
            self.settings.hot_score.half_life_seconds,
        )
        redis = self.settings.redis
        self.buffer = RedisBuffer(redis.url, redis.timeout_seconds, self.buffer_offload, self.clock)
        doors = Doors(
            ingest_store=self.store,
            sync_store=self.store,
            ingest_buffer=self.buffer,
            sync_buffer=self.buffer,
            quarantine=self.buffer,
            tape=MemoryTape(TapeBounds(trades=1, candle_days=1)),  # trading does not run
            streams={},
        )
        environment = silent_environment(self.clock, self.conditions)
        composition = Composition(self.settings, doors, environment, self.mailboxes)
        operations: Any = None  # only the gateway is given it, which is not built
        specs = composition.child_specs(operations)
        self.sync = next(spec for spec in specs if spec.name == "sync").build_actor()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Sync runs in its loop, and has restored what its stores hold."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.sync.run)
            await self.conditions.ready.wait()
            yield
            nursery.cancel_scope.cancel()

    async def append(self, messages: Sequence[SyncMessage]) -> None:
        """Send to sync's mailbox, and wait until all of it is durable in the buffer."""
        mailbox = self.mailboxes.updates
        await mailbox.send_all(messages)
        await _wait_until(lambda: self._has_handled_all(mailbox) and self.sync.appender.is_done)

    @staticmethod
    def _has_handled_all(mailbox: Mailbox[SyncMessage]) -> bool:
        books = mailbox.statistics()
        return books.sent == books.handled + books.conflated

    async def flush(self) -> None:
        """Flush everything, whatever the governor thinks, and wait until it is in Postgres."""
        done = trio.Event()
        self.sync.flusher.order_flush(FlushOrder(name="benchmark", then=done.set))
        await done.wait()

    async def close(self) -> None:
        await self.store.close()
        await self.buffer.close()


async def _wait_until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - sync tells nobody when it is done
        await trio.sleep(0.001)


def _discard(_: object, __: str, ___: object) -> Any:
    raise structlog.DropEvent


@frozen(kw_only=True)
class Spent:
    """Time of one measured step, in seconds."""

    wall: float
    loop: float  # CPU of the Trio thread
    client: float  # CPU of the thread that talks to Postgres
    redis: float  # CPU of the thread that talks to Redis

    @staticmethod
    def middle(several: "list[Spent]") -> "Spent":
        return Spent(
            wall=median(each.wall for each in several),
            loop=median(each.loop for each in several),
            client=median(each.client for each in several),
            redis=median(each.redis for each in several),
        )


async def spent_in(
    step: Callable[[], Any], store: MeasuringOffload, buffer: MeasuringOffload
) -> Spent:
    """What one awaited step costs, when nothing else runs."""
    wall, loop = perf_counter(), thread_time()
    client, redis = store.cpu_seconds, buffer.cpu_seconds
    await step()
    return Spent(
        wall=perf_counter() - wall,
        loop=thread_time() - loop,
        client=store.cpu_seconds - client,
        redis=buffer.cpu_seconds - redis,
    )


def schema_for_peer(addresses: Addresses) -> str:
    """The connection string of an empty schema, where a peer's table does not meet ours."""
    with psycopg.connect(addresses.postgres, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA peer")
    return with_options(addresses.postgres, "-csearch_path=peer")


def asked(url: str, query: str) -> list[tuple[Any, ...]]:
    """What an observer on a connection of its own reads."""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query).fetchall()
