"""Jobs that run at intervals while somebody is looking: what the job actors share.

SystemActivated, SystemIdled  ->  Activity  ->  run_periodically  ->  the actor's job
TokenPublished  ->  JobMail  ->  what the actor learns, and TokenUpdated of what it finds out
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import repeat
from math import inf
from typing import Any

import trio
from attrs import define, field, frozen

from domain.messages import (
    ActivityChange,
    RosterWanted,
    SystemActivated,
    TokenPublished,
    TokenUpdated,
)
from domain.token import Token
from domain.values import Mint, Value
from supervision import Inbox, Outbox, WallClock
from supervision.batches import receive_batches

FRESH_SECONDS = 1.0  # an activation does not repeat a job that started so lately
PUBLICATIONS_AT_ONCE = 1000
ROSTER_SECONDS = 1.0  # from the first publication until a start has told of (nearly) all tokens


@define(kw_only=True, eq=False)
class Activity:
    """Active or idle, as the activity actor last told; active until told otherwise."""

    active: bool = True
    activations: int = field(init=False, default=0)  # changes from idle to active
    _activated: trio.Event = field(init=False, factory=trio.Event)
    _idled: trio.Event = field(init=False, factory=trio.Event)

    async def obey(self, control: Inbox[ActivityChange]) -> None:
        """Follow the activity actor until it closes the mailbox."""
        async for change in control:
            self._change(isinstance(change, SystemActivated))

    def _change(self, active: bool) -> None:
        if active and not self.active:
            self.activations += 1
            self._activated.set()
            self._activated = trio.Event()
        if self.active and not active:
            self._idled.set()
            self._idled = trio.Event()
        self.active = active

    async def wait_idled(self) -> None:
        """Until it is idle; at once when it is."""
        while self.active:
            await self._idled.wait()

    async def wait_activated(self, after: int) -> None:
        """Until there have been more than `after` activations.

        Counting, and not just waiting, misses no activation that comes while a job runs.
        """
        while self.activations <= after:
            await self._activated.wait()


@frozen(kw_only=True)
class JobMail:
    """What a job hears and says; one for all lives of the actor.

    Sync tells it of tokens, activity whether to work at all; sync takes what it finds out.
    """

    name: str  # origin of its updates, subscriber of its publications
    publications: Inbox[TokenPublished]
    control: Inbox[ActivityChange]
    activity: Activity = field(factory=Activity, init=False)  # as last told
    updates: Outbox[TokenUpdated | RosterWanted]
    clock: WallClock

    async def serve(
        self,
        job: Callable[[], Awaitable[None]],
        *,
        learn: Callable[[Token], Awaitable[None]],
        intervals_seconds: Iterable[float],
        first_run: Callable[[], Awaitable[None]] | None = None,
        log: Any,
    ) -> None:
        """Learn of every token, and run `job` at intervals, until sync closes the publications.

        The first run is when `first_run` returns; without one, when there are tokens: before, it
        would ask for nothing, and the next is far.
        """
        has_heard = trio.Event()

        async def roster_told() -> None:
            await has_heard.wait()
            await trio.sleep(ROSTER_SECONDS)

        async def run() -> None:
            await (first_run or roster_told)()
            await run_at_intervals(
                job, intervals_seconds, activity=self.activity, log=log, name=self.name
            )

        await self.updates.send(RosterWanted(subscriber=self.name))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.activity.obey, self.control)
            nursery.start_soon(run)
            async for published in receive_batches(self.publications, PUBLICATIONS_AT_ONCE):
                has_heard.set()
                for message in published:
                    await learn(message.token)
            nursery.cancel_scope.cancel()

    async def update(self, mint: Mint, values: Mapping[str, Value]) -> None:
        """Tell sync what is seen of a token now."""
        await self.updates.send(
            TokenUpdated(mint=mint, observed_at=self.clock(), origin=self.name, values=values)
        )


async def run_periodically(
    job: Callable[[], Awaitable[None]],
    *,
    interval_seconds: float,
    activity: Activity,
    log: Any,
    name: str,
) -> None:
    """Run `job` now, then each interval from its last start, and at once upon an activation.

    While idle the job is skipped, and each tick says so. A job that takes longer than the
    interval runs again as soon as it has finished. Errors of the job end this.
    """
    await run_at_intervals(job, repeat(interval_seconds), activity=activity, log=log, name=name)


async def run_at_intervals(
    job: Callable[[], Awaitable[None]],
    intervals_seconds: Iterable[float],
    *,
    activity: Activity,
    log: Any,
    name: str,
) -> None:
    """As `run_periodically`, with intervals that may differ; it ends when they do."""
    last_run_at = -inf
    for interval_seconds in intervals_seconds:
        tick_at = trio.current_time()
        activations = activity.activations
        if activity.active:
            last_run_at = tick_at
            await job()
        else:
            log.info("skipping job: system idle", job=name)
        await _wait_for_next_run(tick_at + interval_seconds, activity, activations, last_run_at)


async def _wait_for_next_run(
    next_tick_at: float, activity: Activity, activations: int, last_run_at: float
) -> None:
    """Until the next tick, or the next activation that finds the job's results no longer fresh."""
    with trio.move_on_at(next_tick_at):
        while True:
            await activity.wait_activated(activations)
            if trio.current_time() - last_run_at >= FRESH_SECONDS:
                return
            activations = activity.activations
    await trio.lowlevel.checkpoint()  # the job may have taken longer than the interval
