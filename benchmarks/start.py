"""A start of the service with ever more tokens: until it serves, until its boards are right.

    tokens in a real Postgres, unflushed scores in a real Redis -> the service as a process

Three starts: in order; after a kill of the service, with values that only Redis has; and after a
crash of Postgres besides, which empties the rows for readers. CPU is the process's own. What a
token takes is the slope of RSS between the smallest and the largest number of tokens, once all has
settled.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import trio
from attrs import define, field

from benchmarks.results import Cell, Result
from benchmarks.start_world import (
    Start,
    append_scores,
    fill_postgres,
    list_boards,
    make_tokens,
    watch_start,
)
from benchmarks.world import Addresses
from commands.embedded import EmbeddedPostgres, EmbeddedRedis, RunDirectory, free_port
from commands.service_process import ServiceProcess
from domain.token import Token
from tests.acceptance.service import settings

SIZES, QUICK_SIZES = (20_000, 100_000), (2_000, 10_000)
READY_BAR_SECONDS, TOKEN_BAR_BYTES = 2.0, 2000
KINDS = ("in order", "after a kill", "after a crash of Postgres")
PHASES = ("gateway listens", "tokens restored", "service ready")
UNFLUSHED_FROM = {"after a kill": 1000.0, "after a crash of Postgres": 20_000.0}  # least score
Starts = Mapping[tuple[int, str], Start]


def run(is_quick: bool) -> Result:
    sizes = QUICK_SIZES if is_quick else SIZES
    starts = {key: start for size in sizes for key, start in _run_size(size).items()}
    smallest, largest = min(sizes), max(sizes)
    grown_mb = starts[largest, KINDS[0]].settled_mb - starts[smallest, KINDS[0]].settled_mb
    token_bytes = grown_mb * 2**20 / (largest - smallest)
    slowest = max(starts[largest, kind].ready_seconds for kind in KINDS)
    return Result(
        name="start",
        title="Starts of the service as a process, on real servers",
        headings=(
            "tokens", "start", "ready s", "boards s", "CPU s", "CPU settled s", "peak MB", "MB",
            *(f"{phase} s" for phase in PHASES),
        ),
        lines=list(_list_lines(starts)),
        conclusion=(
            f"With {largest:,} tokens the slowest start is ready after {slowest:.1f} s (bar "
            f"{READY_BAR_SECONDS:g}); a token takes {token_bytes:,.0f} bytes of the process (bar "
            f"{TOKEN_BAR_BYTES:,})."
        ),
        figures={"token_bytes": round(token_bytes), "slowest_ready_seconds": round(slowest, 2)},
    )  # fmt: skip


def _list_lines(starts: Starts) -> Iterator[list[Cell]]:
    for (size, kind), start in starts.items():
        yield [
            size, kind, start.ready_seconds, start.boards_seconds, start.cpu_seconds,
            start.settled_cpu_seconds, start.peak_mb, start.settled_mb,
            *(start.phases.get(phase) for phase in PHASES),
        ]  # fmt: skip


def _run_size(size: int) -> Starts:
    with RunDirectory() as directory:
        postgres = EmbeddedPostgres(directory)
        redis = EmbeddedRedis(directory / "redis")
        try:
            postgres.start()
            redis.start()
            trial = Trial(size=size, directory=directory, postgres=postgres, redis=redis)
            return trio.run(trial.start_each_way)
        finally:
            postgres.stop("immediate")
            redis.stop()


@define(kw_only=True)
class Trial:
    """The starts with one number of tokens."""

    size: int
    directory: Path
    postgres: EmbeddedPostgres
    redis: EmbeddedRedis
    tokens: list[Token] = field(factory=list, init=False)

    @property
    def addresses(self) -> Addresses:
        return Addresses(self.postgres.url, self.redis.url)

    async def start_each_way(self) -> Starts:
        """One start of each kind, on what the one before has left."""
        self.tokens = make_tokens(self.size)
        await fill_postgres(self.addresses, self.tokens)
        return {(self.size, kind): await self._start(kind) for kind in KINDS}

    async def _start(self, kind: str) -> Start:
        if kind in UNFLUSHED_FROM:
            self.tokens = await append_scores(self.addresses, self.tokens, UNFLUSHED_FROM[kind])
        if kind == KINDS[-1]:
            await trio.to_thread.run_sync(self.postgres.kill)
            await trio.to_thread.run_sync(self.postgres.start)
        port = free_port()
        chosen = settings(self.postgres.url, self.redis.url, SYNC__INTERVAL_SECONDS="300")
        service = ServiceProcess(self.directory, port, chosen | {"PORT": str(port)})
        try:
            return await watch_start(service, list_boards(self.tokens))
        finally:
            if service.process is not None:
                service.process.kill()
            with trio.CancelScope(shield=True):
                await service.drain()
