"""`async for batch in Batches(inbox, limit)`: every batch until the mailbox is closed and empty."""

from collections.abc import Sequence
from typing import Generic, Self, TypeVar

import trio
from attrs import frozen

from supervision import Inbox

Message = TypeVar("Message")


@frozen
class Batches(Generic[Message]):
    """A batch is in hand until the next one is asked for; a crash offers it again."""

    inbox: Inbox[Message]
    limit: int  # most messages a batch

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Sequence[Message]:
        try:
            return await self.inbox.receive_batch(self.limit)
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
