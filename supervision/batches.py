"""`async for batch in receive_batches(inbox, 100)`: the messages of a mailbox in batches."""

from collections.abc import AsyncIterator, Sequence
from typing import Generic, Self, TypeVar

import trio
from attrs import frozen

from supervision import Inbox

Message = TypeVar("Message")


def receive_batches(inbox: Inbox[Message], limit: int) -> AsyncIterator[Sequence[Message]]:
    """Every message until the mailbox is closed and empty, in batches of at most `limit`.

    A batch is in hand until the next one is asked for; a crash offers its messages again.
    """
    return _BatchIterator(inbox, limit)


# Not an async generator: one that an error leaves unfinished is closed by the garbage collector,
# at any time and outside of its task.
@frozen
class _BatchIterator(Generic[Message]):
    inbox: Inbox[Message]
    limit: int

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Sequence[Message]:
        try:
            return await self.inbox.receive_batch(self.limit)
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
