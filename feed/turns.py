"""Turns at what takes long: a few at a time, some wait, more are refused.

No address has more than half of all that is under way or waits, so that there is room for others
beside one that asks for more than is answered. (Half still is the hundred pictures that a page asks
for at once where a proxy passes them on side by side.)
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from attrs import Factory, define, field

from domain.errors import RequestRefused

SHARES = 2  # of which an address has one at most


@define(eq=False)
class Turns:
    """Those who have a turn, and those who wait for one."""

    at_once: int
    waiting: int
    _limiter: trio.CapacityLimiter = field(
        init=False,
        default=Factory(lambda self: trio.CapacityLimiter(self.at_once), takes_self=True),
    )
    _taken: dict[str, int] = field(init=False, factory=dict)  # by block; none is 0

    @asynccontextmanager
    async def take_turn(self, block: str | None) -> AsyncIterator[None]:
        """Wait for a turn, and have it; `RequestRefused` where too many wait already."""
        most = (self.at_once + self.waiting) // SHARES
        if self.count_waiting() >= self.waiting or (block and self._taken.get(block, 0) >= most):
            raise RequestRefused(429, "too_many_requests", "too many requests at once; try again")
        self._count_for(block, 1)
        try:
            async with self._limiter:
                yield
        finally:
            self._count_for(block, -1)

    def count_waiting(self) -> int:
        """How many wait."""
        return self._limiter.statistics().tasks_waiting

    def _count_for(self, block: str | None, change: int) -> None:
        if block is None:
            return
        self._taken[block] = self._taken.get(block, 0) + change
        if not self._taken[block]:
            del self._taken[block]
