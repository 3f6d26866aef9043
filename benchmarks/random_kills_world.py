"""What random kills are done to: both stores and the service, each a process of its own.

deliver(blow) -> SIGKILL and an immediate restart, or SIGSTOP for a while
wait_until_ready -> /readyz is sound, and a birth told since then stands in Postgres
"""

import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Literal

import httpx
import orjson
import trio
from attrs import Factory, define, field, frozen

from benchmarks.random_kills_market import RisingMarket, make_market
from benchmarks.random_kills_readers import POLL_SECONDS, Readers
from benchmarks.random_kills_truth import Truth
from commands.embedded import EmbeddedPostgres, EmbeddedRedis, RunDirectory, free_port
from commands.embedded.process import descendants
from commands.market.server import PUMPPORTAL_PATH, MarketServer
from commands.service_process import ServiceProcess
from domain.errors import TokenDiscoveryError
from tests.acceptance.service import settings

Victim = Literal["service", "redis", "postgres"]
VICTIMS: tuple[Victim, ...] = ("service", "redis", "postgres")
READY_SECONDS = 60.0  # after a blow; then the run has failed
# Values are to be in Postgres soon: what is looked for is their loss, not how the governor saves.
PACE = {
    "INGEST__API_KEY": "kills",
    "SYNC__INTERVAL_SECONDS": "1",
    "SYNC__WAL_BUDGET_BYTES_PER_SECOND": "1e9",
    "SYNC__ROWS_BUDGET_PER_HOUR": "1e9",
    "STALENESS__LIFECYCLE_SECONDS": "2",
    "STALENESS__MARKET_SECONDS": "2",
}


class NotReadyAgain(TokenDiscoveryError):
    """The service did not become ready again after a blow."""


@frozen(kw_only=True)
class Blow:
    """What happens to one victim."""

    victim: Victim
    stopped_seconds: float | None  # SIGSTOP for so long; None: SIGKILL

    @property
    def name(self) -> str:
        return f"{self.victim} {'killed' if self.stopped_seconds is None else 'stopped'}"


@define(kw_only=True)
class KillWorld:
    """Servers, service, market, and those who read all the while."""

    postgres: EmbeddedPostgres
    redis: EmbeddedRedis
    service: ServiceProcess
    market: MarketServer
    truth: Truth
    readers: Readers
    log_lines: Counter[str] = Factory(Counter)  # of the service, by event
    log_offset: int = field(default=0, init=False)
    ended_by_itself: list[int] = Factory(list)  # exit codes

    # What is done to it.

    async def deliver(self, blow: Blow) -> None:
        """Kill and start anew at once, or stop and let go on."""
        if blow.stopped_seconds is None:
            await self._kill_and_start(blow.victim)
            return
        family = self._list_processes(blow.victim)
        _signal_all(family, signal.SIGSTOP)
        try:
            await trio.sleep(blow.stopped_seconds)
        finally:
            _signal_all(reversed(family), signal.SIGCONT)

    async def _kill_and_start(self, victim: Victim) -> None:
        if victim == "service":
            await self._kill_service()
            self.service.start()
            return
        server = self.postgres if victim == "postgres" else self.redis
        await trio.to_thread.run_sync(server.kill)
        await trio.to_thread.run_sync(server.start)

    async def _kill_service(self) -> None:
        if self.service.process is not None:
            self.service.process.kill()
            await self.service.drain()  # no process is left to drain, and none to guard

    def _list_processes(self, victim: Victim) -> list[int]:
        if victim == "service":
            process = self.service.process
            return [] if process is None else [process.pid]
        server = self.postgres if victim == "postgres" else self.redis
        return [server.pid, *descendants(server.pid)]

    async def wait_until_ready(self) -> None:
        """Return when all is well and works: nothing is away, and a new birth is stored."""
        told_before = len(self.truth.births_told)
        with trio.move_on_after(READY_SECONDS):
            while not await self._works_since(told_before):
                await self._start_if_ended()
                await trio.sleep(POLL_SECONDS)
            return
        raise NotReadyAgain(f"not ready after {READY_SECONDS:.0f} s:\n{self.service.log_tail()}")

    async def _works_since(self, told_before: int) -> bool:
        """Whether nothing is away, and one of the births that were told since is stored."""
        born = self.truth.births_told[told_before:]
        return await self.readers.is_sound() and await self.readers.has_stored_any(born)

    async def _start_if_ended(self) -> None:
        if not self.service.running:
            self.ended_by_itself.append(await self.service.drain())
            self.service.start()

    def connection(self) -> object:
        """The service's connection to the market, if it has one."""
        return next(iter(self.market.audience.portal_clients), None)

    def end_market(self) -> None:
        """Nothing more happens there."""
        market = self.market.market
        assert isinstance(market, RisingMarket)
        market.is_over = True

    # What is read of it.

    def count_log_lines(self) -> int:
        """How many lines the service has written since the last call; they are counted by event."""
        with self.service.log.open("rb") as log:
            log.seek(self.log_offset)
            lines = log.readlines()
            self.log_offset = log.tell()
        self.log_lines.update(map(_event_of, lines))
        return len(lines)


@asynccontextmanager
async def kill_world(seed: int) -> AsyncIterator[KillWorld]:
    """All of it, running and ready; nothing of it is left at the end."""
    with RunDirectory() as directory:
        postgres = EmbeddedPostgres(directory)
        # By `everysec` Redis puts off a write for up to 2 s while the disk is slow, and answers all
        # the same: a kill then loses what it has acknowledged.
        redis = EmbeddedRedis(directory, appendonly=True, settings={"appendfsync": "always"})
        try:
            await trio.to_thread.run_sync(postgres.start)
            await trio.to_thread.run_sync(redis.start)
            async with _running(directory, postgres, redis, seed) as world:
                yield world
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(redis.stop)
                await trio.to_thread.run_sync(partial(postgres.stop, "immediate"))


@asynccontextmanager
async def _running(
    directory: Path, postgres: EmbeddedPostgres, redis: EmbeddedRedis, seed: int
) -> AsyncIterator[KillWorld]:
    """The market, the service and the readers beside the servers."""
    truth = Truth(trio.current_time)
    market = make_market(seed, truth)
    port = free_port()
    async with trio.open_nursery() as nursery:
        await nursery.start(market.serve)
        url = f"{market.origin.replace('http', 'ws', 1)}{PUMPPORTAL_PATH}"
        chosen = settings(postgres.url, redis.url, INGEST__URL=url, **PACE)
        service = ServiceProcess(directory, port, chosen | {"PORT": str(port)})
        async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
            readers = Readers(postgres_url=postgres.url, port=port, client=client, truth=truth)
            world = KillWorld(
                postgres=postgres,
                redis=redis,
                service=service,
                market=market,
                truth=truth,
                readers=readers,
            )
            try:
                service.start()
                await world.wait_until_ready()
                nursery.start_soon(readers.read_postgres_for_ever)
                nursery.start_soon(readers.watch_boards_for_ever)
                yield world
            finally:
                nursery.cancel_scope.cancel()
                with trio.CancelScope(shield=True):
                    await service.drain()


def _event_of(line: bytes) -> str:
    try:
        return str(orjson.loads(line)["event"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "not JSON"


def _signal_all(processes: Iterable[int], number: int) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)
