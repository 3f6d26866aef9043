"""What the three commands have in common: options, connections, progress, and a bound on their WAL.

arguments  ->  open_past  ->  Past: the store, and a way to an owner's table
"""

import argparse
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio
from attrs import Factory, define, field

from config.loading import load_store_settings
from config.redaction import find_secrets, register_secrets
from domain.errors import BadConfiguration, StoreNeedsRepair, StoreNotReached, StoreUnavailable
from domain.values import UnixSeconds
from store.ledger import Ledger
from store.postgres.connection import StoreConnection, parse_address
from store.postgres.foreign_table import ForeignTable
from store.postgres.past import PastStore
from store.postgres.store import Component
from supervision.offload import offload_to_threads

LARGEST_BATCH = 10_000
# Of the WAL that the server takes between two timed checkpoints: so much may be the command's.
WAL_SHARE = 0.5
BURST_SHARE = 0.1  # of the same, before the first wait
PROGRESS_SECONDS = 5.0  # between two lines, where they are not rewritten in place
TERMINAL_SECONDS = 0.2


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--schema", default="public", help="where that table stands; default: %(default)s"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file over the defaults")
    parser.add_argument(
        "--batch-rows", type=int, default=1000, metavar="N", help="default: %(default)s"
    )


def add_url_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url", help="of the database with that table (default: postgres.url, DATABASE_URL)"
    )


def add_pace_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wal-bytes-per-second",
        type=float,
        metavar="N",
        help="the most WAL to write (default: half of what the server takes between two "
        "timed checkpoints, by max_wal_size and checkpoint_timeout; 0: no bound)",
    )


@define(kw_only=True)
class Past:
    """The service's store, and how to reach an owner's table."""

    store: PastStore
    ledger: Ledger
    connect: Callable[[str | None], StoreConnection] = field(repr=False)

    def table(self, arguments: argparse.Namespace, columns: frozenset[str]) -> ForeignTable:
        """The owner's table that the arguments name."""
        return ForeignTable(
            connection=self.connect(arguments.url),
            schema=arguments.schema,
            name=arguments.table,
            wanted=columns,
        )

    @property
    def wal_bytes(self) -> int:
        """What all commits of the command have written so far."""
        return sum(account.wal_bytes for account in self.ledger.snapshot().totals.values())


@asynccontextmanager
async def open_past(arguments: argparse.Namespace, component: Component) -> AsyncIterator[Past]:
    """The settings' store, connected lazily, and closed at the end.

    Trouble ends the command: 69 where Postgres cannot be reached, 78 where something is missing.
    """
    if not 1 <= arguments.batch_rows <= LARGEST_BATCH:
        raise BadConfiguration(f"--batch-rows must lie between 1 and {LARGEST_BATCH}")
    settings, half_life = load_store_settings(arguments.config, os.environ)
    register_secrets(find_secrets(settings))
    ledger = Ledger(clock=lambda: UnixSeconds(time.time()))
    offload = offload_to_threads(threads=2)
    store = PastStore(settings, component, offload, ledger, half_life)
    opened: list[StoreConnection] = []

    def connect(url: str | None) -> StoreConnection:
        parse_address(url or settings.url)
        his = attrs.evolve(settings, url=url or settings.url)
        register_secrets(find_secrets(his))
        connection = StoreConnection(
            settings=his,
            application_name=f"token-discovery:{component}",
            offload=offload,
        )
        opened.append(connection)
        return connection

    try:
        yield Past(store=store, ledger=ledger, connect=connect)
    except StoreNeedsRepair as error:
        raise BadConfiguration(f"Postgres: {error}") from error
    except StoreUnavailable as error:
        raise StoreNotReached(f"Postgres: {error}; run it again, it goes on") from error
    finally:
        with trio.CancelScope(shield=True):
            for connection in opened:
                await connection.close()
            await store.close()


@define(kw_only=True)
class Pace:
    """Holds the WAL of a command below a rate, so that it causes no checkpoint before its time."""

    bytes_per_second: float  # 0: no bound
    burst_bytes: float
    started: float = Factory(trio.current_time)

    async def wait_for_wal(self, written_bytes: int) -> None:
        """Wait until so much may have been written."""
        if self.bytes_per_second > 0:
            due_seconds = (written_bytes - self.burst_bytes) / self.bytes_per_second
            await trio.sleep_until(self.started + max(0.0, due_seconds))


async def find_pace(past: Past, wanted: float | None) -> Pace:
    """The rate that was asked for, or what the server's settings leave room for."""
    if wanted is not None:
        if wanted < 0:
            raise BadConfiguration("--wal-bytes-per-second must not be below 0")
        return Pace(bytes_per_second=wanted, burst_bytes=wanted)
    pulse = await past.store.read_pulse()
    room = pulse.wal_before_requested_bytes
    return Pace(
        bytes_per_second=WAL_SHARE * room / max(1.0, pulse.checkpoint_timeout_seconds),
        burst_bytes=BURST_SHARE * room,
    )


@define(kw_only=True)
class Progress:
    """Says on stderr how far a command is: a line rewritten on a terminal, else one at times."""

    verb: str
    total: int  # an estimate; 0: not known
    started: float = Factory(time.monotonic)
    told_at: float = field(default=0.0, init=False)

    @property
    def is_terminal(self) -> bool:
        return sys.stderr.isatty()

    def tell_count(self, count: int) -> None:
        """Say so, unless it was said a moment ago."""
        now = time.monotonic()
        pause = TERMINAL_SECONDS if self.is_terminal else PROGRESS_SECONDS
        if now - max(self.told_at, self.started) < pause:
            return
        self.told_at = now
        of = f" of about {self.total:,}" if self.total > 0 else ""
        rate = count / max(now - self.started, 1e-9)
        line = f"{count:,}{of} rows {self.verb}, {rate:,.0f} a second"
        print(f"\r\x1b[K{line}" if self.is_terminal else line, end="", file=sys.stderr, flush=True)
        if not self.is_terminal:
            print(file=sys.stderr, flush=True)

    def end_line(self) -> None:
        """Leave the terminal's line to others."""
        if self.is_terminal and self.told_at:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def print_summary(lines: Mapping[str, str]) -> None:
    """What came of it, a line each, on stdout."""
    width = max(map(len, lines))
    for name, says in lines.items():
        print(f"{name:<{width}}  {says}")


def render_bytes(number: float) -> str:
    """Bytes for people."""
    return f"{number / 1e6:,.1f} MB" if number >= 1e5 else f"{number / 1e3:,.1f} kB"
