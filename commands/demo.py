"""The whole service on this machine, with a simulated market: nothing to set up, nothing left.

    embedded Postgres and Redis, market on loopback  <-  the service, a process as in production

Everything runs on loopback ports and in one temporary directory. Ctrl-C drains the service,
stops the servers and removes the directory; --keep DIR keeps the data, and a later demo goes on
with it. Even after kill -9 nothing stays: a caretaker process sees to that.
"""

import argparse
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import trio
from attrs import frozen

from commands.demo_settings import HOST, JUPITER_KEY, settings_of_demo
from commands.embedded import EmbeddedPostgres, EmbeddedRedis, RunDirectory, free_port
from commands.market.clock import MarketClock, TimeLapse
from commands.market.model import Market
from commands.market.server import MarketServer, ServerSettings
from commands.screen import Screen
from commands.service_process import ServiceProcess
from config.command_line import read_number
from config.conversion import make_printable
from domain.errors import BadConfiguration, ExitingError
from domain.values import UnixSeconds

USUAL_PORT = 8080
POLL_SECONDS = 0.2

# Twelve minutes of the market in half a minute: long enough for the first graduations, and slow
# enough for a service that hears every trade from three streams.
LAPSE = TimeLapse(market_seconds=720.0, real_seconds=30.0)


@frozen(kw_only=True)
class DemoOptions:
    """What the command line says."""

    speed: float
    port: int | None  # of the page; None: the usual one, or any free one
    keep: Path | None
    seed: int
    duration_seconds: float | None  # None: until a signal
    trouble_seconds: float | None  # between two upstreams' troubles, on average; None: none


def add_arguments(parser: argparse.ArgumentParser) -> None:
    speed = "how fast the market's time passes; 1 (default) is the real market's pace"
    parser.add_argument("--speed", type=_positive, default=1.0, metavar="FACTOR", help=speed)
    port = f"of the page; default $PORT, else {USUAL_PORT}, or a free one if that is taken"
    parser.add_argument("--port", type=_port, metavar="PORT", help=port)
    keep = "keep data and logs in DIR; default: keep nothing"
    parser.add_argument("--keep", type=Path, metavar="DIR", help=keep)
    parser.add_argument("--seed", type=int, default=7, help="of the market; default 7")
    duration = "end by itself so long after it is ready; default: run until Ctrl-C"
    parser.add_argument("--duration", type=_positive, metavar="SECONDS", help=duration)
    trouble = "let a stream break off or fall silent, or a provider refuse, so often on average"
    parser.add_argument("--trouble", type=_positive, metavar="SECONDS", help=trouble)


def _positive(text: str) -> float:
    value = read_number(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{make_printable(text)} is not a positive number")
    return value


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{make_printable(text)} is not a port")
    return int(text)


def _port_of_environment(environment: Mapping[str, str]) -> int | None:
    """What PORT wants, as for the service; it is not repeated where it is no port."""
    try:
        return _port(environment["PORT"]) if environment.get("PORT") else None
    except argparse.ArgumentTypeError as error:
        raise BadConfiguration("PORT: must be a number from 1 to 65535") from error


def run(arguments: argparse.Namespace) -> int:
    options = DemoOptions(
        speed=arguments.speed,
        port=arguments.port or _port_of_environment(os.environ),
        keep=arguments.keep,
        seed=arguments.seed,
        duration_seconds=arguments.duration,
        trouble_seconds=arguments.trouble,
    )
    try:
        trio.run(demo, options)
    except BaseExceptionGroup as group:
        # Whatever ended the demo came through nurseries; a person wants the one reason.
        raise _reason(group) from None
    return 0


def _reason(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error that says why, or the whole group if it is none of ours."""
    ours: BaseException | None = group.subgroup(ExitingError)
    while isinstance(ours, BaseExceptionGroup):
        ours = ours.exceptions[0]
    return ours or group


async def demo(options: DemoOptions) -> None:
    """Run until a signal or the duration's end; `ExitingError` if something does not start."""
    screen = Screen(sys.stderr)
    stopping = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        await nursery.start(_stop_on_signal, stopping)
        with stopping:
            await _run(options, screen)
        nursery.cancel_scope.cancel()


async def _stop_on_signal(
    stopping: trio.CancelScope, task_status: "trio.TaskStatus[None]" = trio.TASK_STATUS_IGNORED
) -> None:
    """What runs is shut down in order, on its way out; a second signal does not disturb that."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        task_status.started()
        async for _ in signals:
            stopping.cancel()


async def _run(options: DemoOptions, screen: Screen) -> None:
    port = _page_port(options.port, screen)
    with _directory(options.keep) as directory:
        async with _servers(directory, screen) as (postgres, redis), _market(options) as market:
            stores = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
            settings = stores | settings_of_demo(market, directory, port)
            service = ServiceProcess(directory, port, settings)
            try:
                await _present(service, market, options, screen)
            finally:
                with trio.CancelScope(shield=True):
                    await _drain(service, screen)


async def _present(
    service: ServiceProcess, market: MarketServer, options: DemoOptions, screen: Screen
) -> None:
    with screen.step("service is ready"):
        service.start()
        await service.wait_until_ready()
    screen.line("\n  Open this page; Operations are under /ops; Ctrl-C ends all of it:")
    Screen(sys.stdout).line(f"{service.url}/")  # alone there, for a program that waits for it
    screen.line("")
    ready_at = time.monotonic()
    shown_at = 0.0
    while (
        options.duration_seconds is None or time.monotonic() - ready_at < options.duration_seconds
    ):
        await trio.sleep(POLL_SECONDS)
        service.require_running()
        if time.monotonic() - shown_at >= screen.status_seconds:
            shown_at = time.monotonic()
            screen.status(_status(market, shown_at - ready_at))


async def _drain(service: ServiceProcess, screen: Screen) -> None:
    if not service.running:
        await service.drain()  # it ended by itself, and why has been said already
        return
    with screen.step("service drained"):
        code = await service.drain()
    if code != 0:
        screen.line(f"  the service ended with exit code {code}:\n{service.log_tail()}")


def _status(market: MarketServer, seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    counts, trouble = market.counts(), market.troubles.describe()
    return (
        f"  {minutes:02d}:{rest:02d}  market: {counts['tokens']:,} coins, "
        f"{counts['graduated']:,} graduated, {market.audience.frames_sent:,} frames sent"
        f"{trouble and f'; in trouble: {trouble}'}"
    )


# The parts.


def _page_port(wanted: int | None, screen: Screen) -> int:
    """The port of the page: the wanted one, the usual one, or any."""
    port = USUAL_PORT if wanted is None else wanted
    if _is_free(port):
        return port
    if wanted is not None:
        raise BadConfiguration(f"port {wanted} is taken; choose another one with --port or PORT")
    chosen = free_port()
    screen.line(f"  port {USUAL_PORT} is taken; using {chosen}")
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with RunDirectory() as path:
            yield path
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadConfiguration(f"--keep {keep}: {error.strerror}") from error
    yield keep.absolute()


@asynccontextmanager
async def _servers(
    directory: Path, screen: Screen
) -> AsyncIterator[tuple[EmbeddedPostgres, EmbeddedRedis]]:
    """Both servers, stopped at the end whatever happens; every wait in them is bounded."""
    postgres = EmbeddedPostgres(directory)
    redis = EmbeddedRedis(directory, appendonly=True)
    try:
        with screen.step(f"PostgreSQL {postgres.version}"):
            await trio.to_thread.run_sync(postgres.start)
        with screen.step(f"{redis.binary.name}"):
            await trio.to_thread.run_sync(redis.start)
        yield postgres, redis
    finally:
        with trio.CancelScope(shield=True), screen.step("servers stopped"):
            await trio.to_thread.run_sync(redis.stop)
            await trio.to_thread.run_sync(postgres.stop)


@asynccontextmanager
async def _market(options: DemoOptions) -> AsyncIterator[MarketServer]:
    clock = MarketClock(wall_clock=_now, speed=options.speed, lapse=LAPSE)
    settings = ServerSettings(
        jupiter_keys=frozenset({JUPITER_KEY}), trouble_seconds=options.trouble_seconds
    )
    server = MarketServer(market=Market(options.seed), clock=clock, settings=settings)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve)
        yield server
        nursery.cancel_scope.cancel()


def _now() -> UnixSeconds:
    return UnixSeconds(time.time())
