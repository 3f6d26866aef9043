"""A bounded queue whose items can be taken only from a time on: what is to be tried again later."""

from heapq import heappop, heappush
from math import inf
from typing import Generic, TypeVar

import trio
from attrs import define, field

Item = TypeVar("Item")


@define(kw_only=True)
class DelayedQueue(Generic[Item]):
    """Items by the time from which they may be taken, the earliest first."""

    limit: int
    heap: list[tuple[float, int, Item]] = field(factory=list, init=False)
    puts: int = field(default=0, init=False)  # so far: the order among equal times
    item_added: trio.Event = field(factory=trio.Event, init=False)

    def add_item(self, item: Item) -> bool:
        """Put an item that can be taken at once; False, and nothing done, where it is full."""
        if len(self.heap) >= self.limit:
            return False
        self.put_back(item, trio.current_time())
        return True

    def put_back(self, item: Item, due_at: float) -> None:
        """Put an item that was taken, to be taken again from `due_at` on, also where it is full."""
        self.puts += 1
        heappush(self.heap, (due_at, self.puts, item))
        self.item_added.set()
        self.item_added = trio.Event()

    async def take_item(self) -> Item:
        """Wait until the time of an item has come, and take it."""
        while not self.heap or self.heap[0][0] > trio.current_time():
            with trio.move_on_at(self.heap[0][0] if self.heap else inf):
                await self.item_added.wait()
        return heappop(self.heap)[2]
