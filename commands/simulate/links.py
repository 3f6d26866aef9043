"""The ways to the stores, and what is wrong with them: the fault layer around the twins.

    actor -> LinkedStore, LinkedBuffer -> Link (delay, failure, lost reply) -> twin

A call goes to the server, has its effect there at one instant, and its answer comes back. A call
under way is not abandoned when its actor is cancelled, as none in a thread is. When the process
dies, a call that had not arrived never does, and of one that had, nobody hears.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from math import inf
from random import Random
from typing import TypeVar

import trio
from attrs import define, field

from buffer.memory import Effect, MemoryBuffer
from buffer.tape import TapeEntry, TradeTape
from domain.trading import Candle, TradeRecord
from domain.values import Mint
from store import RefusedChanges, StoredChange, WriteReceipt
from store.memory import MemoryStore

Answer = TypeVar("Answer")

USUAL_SECONDS = (0.0005, 0.004)  # of a call on a sound server
SLOW_SECONDS = (0.2, 3.0)
TIMEOUT_SECONDS = 5.0  # of a call to a server that hangs
LOCK_TIMEOUT_SECONDS = 15.0  # as `lock_timeout` of the service's sessions


@define(kw_only=True)
class Link:
    """The way to one server, for all processes and connections."""

    name: str
    error: type[Exception]  # what its client raises
    random: Random
    on_call: Callable[[str, str], None]  # (server, method), for the trace
    on_refused: Callable[[str], None]  # (server)
    answered_at: float = field(default=-inf, init=False)  # trio time
    is_down: bool = field(default=False, init=False)
    is_slow: bool = field(default=False, init=False)
    is_hanging: bool = field(default=False, init=False)
    loses_replies: bool = field(default=False, init=False)
    is_read_only: bool = field(default=False, init=False)
    is_locked: bool = field(default=False, init=False)
    unlocked: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False)

    @asynccontextmanager
    async def exchange(
        self, life: "LifeLine", method: str, *, is_write: bool = False
    ) -> AsyncIterator[None]:
        """One call: there, its effect (the body), and back."""
        await trio.lowlevel.checkpoint_if_cancelled()
        with trio.CancelScope(shield=True):
            await self._travel(life)
            if is_write:
                await self._wait_for_permission()
            self.on_call(self.name, method)
            self.answered_at = trio.current_time()
            yield
            if self.is_hanging:
                await trio.sleep(TIMEOUT_SECONDS)
                raise self.error(f"{self.name}: no answer")
            await trio.sleep(self._draw_seconds())
        if self.loses_replies and self.random.random() < 0.5:
            raise self.error(f"{self.name}: the answer was lost")

    async def _travel(self, life: "LifeLine") -> None:
        await trio.sleep(self._draw_seconds())
        if self.is_hanging and self.random.random() < 0.5:
            await trio.sleep(TIMEOUT_SECONDS)
            raise self.error(f"{self.name}: no answer")
        if self.is_down:
            self.on_refused(self.name)
        if self.is_down or life.is_over:
            raise self.error(f"{self.name}: cannot be reached")

    async def _wait_for_permission(self) -> None:
        """A write waits for the locks of others, as long as the server lets it."""
        with trio.move_on_after(LOCK_TIMEOUT_SECONDS):
            while self.is_locked:
                await self.unlocked.park()
        if self.is_locked:
            raise self.error(f"{self.name}: a lock was not free in time")
        if self.is_read_only:
            raise self.error(f"{self.name}: the server takes no writes")

    def unlock(self) -> None:
        """Let the writes go on that wait for a lock."""
        self.is_locked = False
        self.unlocked.unpark_all()

    def _draw_seconds(self) -> float:
        return self.random.uniform(*(SLOW_SECONDS if self.is_slow else USUAL_SECONDS))


@define
class LifeLine:
    """One process's life, as its calls see it."""

    is_over: bool = False


@define(kw_only=True, eq=False)
class LinkedStore(MemoryStore):
    """The twin of Postgres on the other side of a link."""

    link: Link
    life: LifeLine
    component: str
    on_written: Callable[[Sequence[StoredChange]], None]

    async def write_changes(
        self, changes: Sequence[StoredChange]
    ) -> tuple[Sequence[WriteReceipt], RefusedChanges]:
        written = await super().write_changes(changes)
        self.on_written(changes)
        return written

    @asynccontextmanager
    async def _exchange(
        self, *, is_write: bool = False, is_counted: bool = True
    ) -> AsyncIterator[None]:
        kind = "write" if is_write else "read"
        name = f"{self.component} {kind}"
        async with self.link.exchange(self.life, name, is_write=is_write):
            yield


@define(kw_only=True, eq=False)
class LinkedBuffer(MemoryBuffer):
    """The twin of Redis on the other side of a link."""

    link: Link
    life: LifeLine

    async def _call(self, effect: Effect, function: Callable[[], Answer]) -> Answer:
        async with self.link.exchange(self.life, effect.value):
            self._require_permission(effect)
            return function()


@define(kw_only=True, eq=False)
class LinkedTape:
    """A `TradeTape` on the other side of a link."""

    tape: TradeTape
    link: Link
    life: LifeLine

    async def append_entries(self, entries: Sequence[TapeEntry]) -> None:
        async with self.link.exchange(self.life, "tape adds"):
            await self.tape.append_entries(entries)

    async def read_candles(self, mint: Mint, interval: str, limit: int) -> Sequence[Candle]:
        async with self.link.exchange(self.life, "tape reads"):
            return await self.tape.read_candles(mint, interval, limit)

    async def read_trades(self, mint: Mint, limit: int) -> Sequence[TradeRecord]:
        async with self.link.exchange(self.life, "tape reads"):
            return await self.tape.read_trades(mint, limit)

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()
