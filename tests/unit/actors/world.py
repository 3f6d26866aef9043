"""What the tests of actors share: time, a log, twins that note when, and mailboxes as wired."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Generic, TypeVar

import base58
import structlog
import trio
import trio.testing
from attrs import Factory, define, evolve, field
from structlog.testing import LogCapture
from structlog.typing import EventDict

from buffer.memory import MemoryBuffer
from config.loading import load_settings
from config.settings import Settings
from domain.errors import RowsRefused
from domain.token import Token
from domain.values import Mint, UnixSeconds
from store import StoredChange, WriteReceipt
from store.memory import MemoryStore
from store.memory_database import MemoryDatabase
from supervision import Actor
from supervision.environment import Environment

M = TypeVar("M")

AT_ZERO = 1_780_000_000.0  # what the wall clock says at second 0 of a test
HOUR = 3600.0

SETTINGS: Settings = load_settings(
    None, {"DATABASE_URL": "postgresql://nowhere/test", "REDIS_URL": "redis://nowhere"}
)


def at(second: float) -> UnixSeconds:
    """The wall clock at a second of the test."""
    return UnixSeconds(AT_ZERO + second)


def clock() -> UnixSeconds:
    return at(trio.current_time())


def mint(number: int) -> Mint:
    """A valid mint, one for each number."""
    return Mint(base58.b58encode(number.to_bytes(32, "big")).decode())


def token(number: int = 1, **fields: Any) -> Token:
    return Token(mint=mint(number), first_seen_at=fields.pop("first_seen_at", at(0)), **fields)


class Log:
    """A structlog logger and what it was told."""

    def __init__(self) -> None:
        self._capture = LogCapture()
        self.logger: Any = structlog.wrap_logger(None, processors=[self._stamp, self._capture])

    def _stamp(self, _: Any, __: str, event: EventDict) -> EventDict:
        return {**event, "at": trio.current_time()}

    def entries(self, event: str) -> list[EventDict]:
        return [entry for entry in self._capture.entries if entry["event"] == event]

    def times(self, event: str) -> list[float]:
        return [entry["at"] for entry in self.entries(event)]


@define
class Conditions:
    """What actors said of their readiness, and of the stores that they found away."""

    reasons: dict[str, str | None] = Factory(dict)
    problems: dict[tuple[str, str], str] = Factory(dict)  # by (store, reporter), while away
    outages: list[tuple[float, str, str, str | None]] = Factory(list)  # with the second, as told

    def set(self, name: str, reason: str | None) -> None:
        self.reasons[name] = reason

    def report_outage(self, name: str, reporter: str, problem: str | None) -> None:
        self.outages.append((trio.current_time(), name, reporter, problem))
        if problem is None:
            self.problems.pop((name, reporter), None)
        else:
            self.problems[name, reporter] = problem

    def list_away(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.problems)


class NoJitter(Random):
    """Chance that cuts no wait short, so that a test knows when something is tried again."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def environment(log: Log | None = None) -> Environment:
    return Environment(
        clock=clock, random=NoJitter(0), log=(log or Log()).logger, readiness=Conditions()
    )


@define
class Sent(Generic[M]):
    """An outbox that keeps every message, with the second at which it was sent."""

    entries: list[tuple[float, M]] = Factory(list)
    on_send: Callable[[M], object] | None = None  # may look, or raise

    async def send(self, message: M) -> None:
        await self.send_all((message,))

    async def send_all(self, messages: Iterable[M]) -> None:
        await trio.lowlevel.checkpoint()
        for message in messages:
            self.send_nowait(message)

    def send_nowait(self, message: M) -> None:
        if self.on_send is not None:
            self.on_send(message)
        self.entries.append((trio.current_time(), message))

    @property
    def messages(self) -> list[M]:
        return [message for _, message in self.entries]

    def of(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.messages if isinstance(message, kind)]

    def times(self, kind: type[Any] = object) -> list[float]:
        return [second for second, message in self.entries if isinstance(message, kind)]


@define(kw_only=True, eq=False)
class TimedStore(MemoryStore):
    """A twin that notes when it was asked to write, and can tell of its WAL."""

    cold_days: int = SETTINGS.postgres.cold_days
    wal_bytes_a_row: int = 0
    writes: list[tuple[float, Sequence[StoredChange]]] = field(factory=list, init=False)
    attempts: list[float] = field(factory=list, init=False)  # to write or insert

    async def _write_changes(self, changes: Sequence[StoredChange]) -> WriteReceipt:
        self.attempts.append(trio.current_time())
        receipt = await super()._write_changes(changes)
        self.writes.append((trio.current_time(), changes))
        return evolve(receipt, wal_bytes=receipt.rows * self.wal_bytes_a_row)

    async def _insert_tokens(self, tokens: Sequence[Token]) -> Sequence[Token]:
        self.attempts.append(trio.current_time())
        return await super()._insert_tokens(tokens)

    @property
    def write_times(self) -> list[float]:
        return [second for second, _ in self.writes]


@define(kw_only=True, eq=False)
class PickyStore(TimedStore):
    """A twin with a constraint that the rows of some mints break."""

    refused_mints: set[Mint] = field(factory=set)

    async def _write_changes(self, changes: Sequence[StoredChange]) -> WriteReceipt:
        self._require_allowed(change.mint for _, change in changes)
        return await super()._write_changes(changes)

    async def _insert_tokens(self, tokens: Sequence[Token]) -> Sequence[Token]:
        self._require_allowed(token.mint for token in tokens)
        return await super()._insert_tokens(tokens)

    def _require_allowed(self, mints: Iterable[Mint]) -> None:
        if not self.refused_mints.isdisjoint(mints):
            raise RowsRefused("CheckViolation: the row breaks a constraint")


@define
class Servers:
    """The twins of Postgres and Redis; they outlive the actors that use them."""

    database: MemoryDatabase = Factory(MemoryDatabase)
    buffer: MemoryBuffer = Factory(lambda: MemoryBuffer(clock))

    def store(self, delay_seconds: float = 0.0) -> TimedStore:
        return TimedStore(database=self.database, delay_seconds=delay_seconds)

    async def insert(self, *tokens: Token) -> list[Token]:
        """As an earlier life of the service left them."""
        stored, _ = await self.store().insert_tokens(tokens)
        return list(stored)


@asynccontextmanager
async def running(actor: Actor) -> AsyncIterator[trio.Nursery]:
    """The actor serves within the block, and is killed at its end."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        yield nursery
        nursery.cancel_scope.cancel()


async def until(second: float) -> None:
    """Let the test's clock reach a second, and everybody act who wants to at it."""
    await trio.sleep_until(second)
    await trio.testing.wait_all_tasks_blocked(0)
