"""Fetches side by side, bounded in all and for each host, so that a slow host delays itself alone.

    Errand, Errand ... -> Errands.work_off -> handle, at most so many at a time

An errand whose host has its share of fetches under way waits, and those behind it are begun.
"""

from collections import Counter, deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal

import trio
from attrs import Factory, define, field, frozen

from domain.token import Token

HOST_PART = 4  # one host has a quarter of all fetches at most
SHARED_HOSTS = frozenset({"ipfs"})  # of many coins, behind several gateways: a half

ErrandKind = Literal["document", "image"]


@frozen(kw_only=True)
class Errand:
    """One thing to fetch."""

    kind: ErrandKind
    token: Token
    link: str
    host: str


@define(kw_only=True)
class Errands:
    """The errands of one run."""

    concurrency: int
    waiting: deque[Errand] = Factory(deque)
    under_way: Counter[str] = field(factory=Counter, init=False)  # by host
    _changed: trio.Event = field(factory=trio.Event, init=False)

    def add_next(self, errand: Errand) -> None:
        """Begin it before all that wait."""
        self.waiting.appendleft(errand)
        self._tell_change()

    async def work_off(
        self, handle: Callable[[Errand], Awaitable[None]], is_wanted: Callable[[], bool]
    ) -> None:
        """Handle all, in their order as far as the bounds allow; begin none that is not wanted."""
        async with trio.open_nursery() as nursery:
            for _ in range(self.concurrency):
                nursery.start_soon(partial(self._work, handle, is_wanted))

    async def _work(
        self, handle: Callable[[Errand], Awaitable[None]], is_wanted: Callable[[], bool]
    ) -> None:
        while True:
            if not is_wanted():
                self.waiting.clear()
            errand = self._take_next()
            if errand is None:
                if not self.waiting and not self.under_way.total():
                    return
                await self._changed.wait()
                continue
            try:
                await handle(errand)
            finally:
                self.under_way[errand.host] -= 1
                self._tell_change()

    def _take_next(self) -> Errand | None:
        for errand in self.waiting:
            if self.under_way[errand.host] < self._bound_host(errand.host):
                self.waiting.remove(errand)
                self.under_way[errand.host] += 1
                return errand
        return None

    def _bound_host(self, host: str) -> int:
        part = 2 if host in SHARED_HOSTS else HOST_PART
        return max(1, self.concurrency // part)

    def _tell_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
