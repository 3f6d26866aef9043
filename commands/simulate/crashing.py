"""Actors and mailboxes that a fault can crash, and that are seen at work.

fault -> CrashableActor (at whatever checkpoint), TappedMailbox (with messages in hand)
"""

from collections.abc import Callable
from typing import Any

import trio
from attrs import Factory, define, field

from domain.snapshots import Snapshot
from supervision import Actor
from supervision.mailbox import Mailbox


class SimulatedCrash(Exception):
    """What an actor that a fault crashes has met."""


@define(eq=False)
class CrashableActor:
    """An actor that a fault can crash at whatever checkpoint it has come to."""

    actor: Actor
    note_end: Callable[[Snapshot], None]  # of this life of the actor
    crash: trio.Event = Factory(trio.Event)

    async def run(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._raise_when_told)
                await self.actor.run()
                nursery.cancel_scope.cancel()
        finally:
            self.note_end(self.actor.snapshot())

    def snapshot(self) -> Snapshot:
        return self.actor.snapshot()

    async def _raise_when_told(self) -> None:
        await self.crash.wait()
        raise SimulatedCrash


@define(eq=False)
class TappedMailbox(Mailbox[Any]):
    """A mailbox whose messages are seen, and whose reader a fault can crash with some in hand."""

    see: Callable[[object], None] = field(kw_only=True)
    changed: dict[Mailbox[Any], None] = field(kw_only=True)  # since somebody has looked
    crashes_reader: bool = field(default=False, init=False)

    def _put(self, message: Any, now: float) -> None:
        self.see(message)
        self.changed[self] = None
        super()._put(message, now)

    async def receive_batch(self, limit: int) -> list[Any]:
        self.changed[self] = None
        batch = await super().receive_batch(limit)
        self.changed[self] = None
        self._crash_if_told()
        return batch

    async def __anext__(self) -> Any:
        self.changed[self] = None
        message = await super().__anext__()
        self.changed[self] = None
        self._crash_if_told()
        return message

    def _crash_if_told(self) -> None:
        if self.crashes_reader:
            self.crashes_reader = False
            raise SimulatedCrash
