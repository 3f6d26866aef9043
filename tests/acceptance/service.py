"""The service as a process of its own, as it runs in production."""

import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psycopg
import trio
from attrs import define, field

from commands.embedded import free_port
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]


@define(kw_only=True)
class Service:
    """A running `python -m supervisor`."""

    process: trio.Process
    port: int
    log_path: Path
    client: httpx.AsyncClient = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE_SECONDS
        )

    @property
    def websocket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def log(self) -> str:
        return self.log_path.read_text()

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path)

    async def until_ready(self) -> None:
        """`AssertionError` with the log when it is not ready in time."""
        with trio.move_on_after(PATIENCE_SECONDS):
            while self.process.returncode is None:
                try:
                    if (await self.get("/readyz")).status_code == 200:
                        return
                    await trio.sleep(0.05)
                except httpx.HTTPError:  # it does not listen yet
                    await trio.sleep(0.05)
        raise AssertionError(self.log())

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        with trio.fail_after(PATIENCE_SECONDS):
            return await self.process.wait()


@asynccontextmanager
async def running_service(
    directory: Path,
    environment: Mapping[str, str],
    *arguments: str,
    stderr: int | None = None,
    port: int | None = None,
) -> AsyncIterator[Service]:
    """A service with these settings; it is killed at the end if it still runs.

    It listens on `port`, or on a free one, and logs into a file of the directory, or to the
    descriptor `stderr`.
    """
    port = port or free_port()
    log_path = directory / f"service-{port}.log"
    with log_path.open("wb") as log:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "supervisor", *arguments],
            cwd=ROOT,
            env={**os.environ, "PORT": str(port), **environment},
            stderr=log if stderr is None else stderr,
        )
    service = Service(process=process, port=port, log_path=log_path)
    try:
        await service.until_ready()
        yield service
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await service.client.aclose()


def settings(postgres_url: str, redis_url: str, **more: str) -> dict[str, str]:
    """An environment that asks nobody outside; names in `more` as SECTION__NAME."""
    offline = {
        "INGEST__URL": "",
        "MARKET_DATA__URL": "",
        "HOLDER_COUNT__PROVIDER": "off",
        "INGEST__PUMPAPI_URL": "",
        "JUPITER__URL": "",
        "SOL_PRICE__PYTH_URL": "",
        "SOL_PRICE__COINGECKO_URL": "",
        "METADATA__ENABLED": "false",
        "SYNC__INTERVAL_SECONDS": "1",
    }
    chosen = {f"TOKEN_DISCOVERY__{name}": value for name, value in (offline | more).items()}
    return {"DATABASE_URL": postgres_url, "REDIS_URL": redis_url, **chosen}


def rows(postgres_url: str, query: str, *parameters: object) -> list[tuple[object, ...]]:
    """What a reader of the database sees, or nothing where there is nothing to see."""
    with psycopg.connect(postgres_url) as connection:
        cursor = connection.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


async def until_rows(postgres_url: str, query: str, expected: list[tuple[object, ...]]) -> None:
    """Wait for a query's answer; `AssertionError` with the last one when it does not come."""
    last: list[tuple[object, ...]] = []
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        last = await trio.to_thread.run_sync(rows, postgres_url, query)
        if last == expected:
            return
        await trio.sleep(0.05)
    assert last == expected
