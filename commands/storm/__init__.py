"""Replay an hour of background writes on a real Postgres: as it was, and as this service does it.

Every strategy gets the same deterministic hour, one after the other, on the same server: a
private one that vanishes afterwards, or with --database-url a schema of its own on yours, which
is dropped afterwards, also on Ctrl-C. There the role needs CREATE on the database, and from
PostgreSQL 15 on pg_checkpoint (before, it must be a superuser). Simulated time passes as fast as
the server allows; the first simulated hour only warms up. WAL figures repeat exactly for one seed
on a private server (with wal_compression nearly).

The columns, each for one hour:
  statements    that write                     WAL dist. kB  most WAL between two checkpoints
  full pages    page images in the WAL         HOT           updates that touch no index
  buffers/ckpt  pages a checkpoint writes      CPU s         of the server's backends
  as it was, limit                             WAL bytes against these two strategies
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import orjson
import trio
from attrs import frozen

from commands.screen import Screen
from commands.storm.duration import Duration
from commands.storm.picture import drawn
from commands.storm.replay import Outcome, Plan, StrategyName, replay
from commands.storm.report import Report
from commands.storm.server import StormServer, given_server, own_server
from commands.storm.strategies import every_strategy
from commands.storm.trace import RATES, Trace
from config.command_line import read_number, read_whole_number
from config.conversion import make_printable
from config.loading import load_settings
from config.settings import Settings
from domain.errors import (
    BadConfiguration,
    ExitingError,
    StoreNotReached,
    StoreUnavailable,
    TokenDiscoveryError,
)
from store.postgres.plain import PlainConnection, with_options

WARM_UP_HOURS = 1
NO_SERVER = {"DATABASE_URL": "postgresql://localhost", "REDIS_URL": "redis://localhost"}
STRATEGIES = (
    "as-it-was",
    "case",
    "coalesced",
    "no-index",
    "service",
    "service-logged",
    "limit",
)


class ValuesWrong(ExitingError):
    """A strategy did not store what the trace says."""

    exit_code = 70


@frozen(kw_only=True)
class StormOptions:
    """What the command line says."""

    plan: Plan
    rates: str
    chosen: tuple[StrategyName, ...]
    server: AbstractContextManager[StormServer]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    where = parser.add_argument_group("where")
    where.add_argument("--database-url", metavar="URL", help="default: a private server")
    where.add_argument("--postgres-version", type=int, metavar="N", help="of the private server")
    compression = "off, pglz, lz4 or zstd; default: the server's own setting"
    where.add_argument("--wal-compression", metavar="METHOD", help=compression)
    what = parser.add_argument_group("what")
    rates = "seeds: 5,000 updates and 25 new tokens an hour; real: 8,900 and 1,700; default seeds"
    what.add_argument("--rates", choices=tuple(RATES), default="seeds", help=rates)
    tokens = "tokens in the table before; default 50000"
    what.add_argument("--tokens", type=_whole, default=50_000, metavar="N", help=tokens)
    hours = "simulated hours that are measured; default 1"
    what.add_argument("--hours", type=_positive, default=1.0, metavar="H", help=hours)
    minutes = "simulated minutes between checkpoints; default 5"
    what.add_argument("--checkpoint-minutes", type=_positive, default=5.0, help=minutes)
    what.add_argument("--seed", type=int, default=7, metavar="N", help="of the hour; default 7")
    names = f"some of {','.join(STRATEGIES)}; default: all"
    what.add_argument("--strategies", type=_names, default=STRATEGIES, metavar="A,B", help=names)
    output = parser.add_argument_group("output, beside the table")
    output.add_argument("--json", type=Path, metavar="FILE", help="every figure")
    output.add_argument("--picture", type=Path, metavar="FILE", help="a bar chart, SVG")


def _whole(text: str) -> int:
    value = read_whole_number(text)
    if not 1 <= value <= 10_000_000:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 10000000")
    return value


def _positive(text: str) -> float:
    value = read_number(text)
    if not 0 < value <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1000")
    return value


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if unknown := [name for name in names if name not in STRATEGIES]:
        known = ", ".join(STRATEGIES)
        raise argparse.ArgumentTypeError(
            f"{make_printable(', '.join(unknown))}: not one of {known}"
        )
    return names


def run(arguments: argparse.Namespace) -> int:
    options = _options(arguments)
    for file in (arguments.json, arguments.picture):
        _require_writable(file)
    with _one_reason(), _interruptible(), options.server as server:
        outcomes = _outcomes(options, server)
        report = Report(
            plan=options.plan,
            rates=options.rates,
            server_version=server.version,
            wal_compression=_compression(server),
            outcomes=outcomes,
        )
    print(report.table())
    if arguments.json:
        arguments.json.write_bytes(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2))
    if arguments.picture:
        arguments.picture.write_text(drawn(report), encoding="utf-8")
    if wrong := [outcome.title for outcome in outcomes if outcome.wrong_values]:
        raise ValuesWrong(f"not the values of the trace: {', '.join(wrong)}")
    return 0


@contextmanager
def _one_reason() -> Iterator[None]:
    """Away from the service, a server that does not answer is one that was not reached."""
    try:
        yield
    except StoreUnavailable as error:
        raise StoreNotReached(str(error)) from error


@contextmanager
def _interruptible() -> Iterator[None]:
    """A polite `kill` undoes as much as Ctrl-C, which works in a shell's background job, too."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    is_terminated = False

    def terminate(*_: object) -> None:
        nonlocal is_terminated
        is_terminated = True
        # Trio keeps a SIGINT, and no other, out of its own machinery.
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt:
        if is_terminated:
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _options(arguments: argparse.Namespace) -> StormOptions:
    trace = Trace(
        rates=RATES[arguments.rates],
        tokens=arguments.tokens,
        hours=WARM_UP_HOURS + arguments.hours,
        seed=arguments.seed,
    )
    known = every_strategy(service_settings())
    compression = arguments.wal_compression
    if arguments.database_url:
        server = given_server(arguments.database_url, compression)
    else:
        server = own_server(arguments.postgres_version, compression)
    return StormOptions(
        plan=Plan(trace=trace, checkpoint_seconds=arguments.checkpoint_minutes * 60),
        rates=arguments.rates,
        chosen=tuple(each for each in known if each.name in arguments.strategies),
        server=server,
    )


def service_settings() -> Settings:
    """The service's settings as the environment has them; only the servers are the storm's."""
    return load_settings(None, {**NO_SERVER, **os.environ})


def _require_writable(file: Path | None) -> None:
    """Better now than after minutes of work."""
    if file is None:
        return
    try:
        file.touch()
    except OSError as error:
        raise BadConfiguration(f"{file}: {error.strerror}") from error


def _outcomes(options: StormOptions, server: StormServer) -> list[Outcome]:
    try:
        return trio.run(_storm, options, server, Screen(sys.stderr))
    except BaseExceptionGroup as group:
        # It came through the nursery of a store; a person wants the one reason.
        raise _reason(group) from None


def _reason(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """An interruption, else the first error of ours, else the whole group."""
    for kind in (KeyboardInterrupt, TokenDiscoveryError):
        found: BaseException | None = group.subgroup(kind)
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        if found is not None:
            return found
    return group


async def _storm(options: StormOptions, server: StormServer, screen: Screen) -> list[Outcome]:
    outcomes = []
    duration = Duration.guess(len(options.chosen), options.plan.trace)
    screen.line(duration.describe_start())
    for chosen in options.chosen:
        started = trio.current_time()
        with screen.step(chosen.title):
            outcomes.append(
                await replay(options.plan, server, chosen, _Progress(screen, chosen.title))
            )
        duration.note_end(trio.current_time() - started)
        if rest := duration.describe_rest():
            screen.status(f"  ... {rest}")
    return outcomes


@frozen
class _Progress:
    """Tells the screen what a strategy is doing, as often as a reader can follow."""

    screen: Screen
    title: str

    def __call__(self, what: str) -> None:
        if self.screen.is_terminal:
            self.screen.status(f"  ... {self.title}: {what}")


def _compression(server: StormServer) -> str:
    connection = PlainConnection(with_options(server.url, server.options))
    try:
        ((method,),) = connection.read("SELECT current_setting('wal_compression')")
    finally:
        connection.close()
    return str(method)
