"""Jobs that run at intervals while somebody is looking: what the job actors share.

SystemActivated, SystemIdled  ->  Activity  ->  run_periodically  ->  the actor's job
"""

from collections.abc import Awaitable, Callable, Iterable
from itertools import repeat
from math import inf
from typing import Any

import trio
from attrs import define, field, frozen

from domain.messages import ActivityChange, SystemActivated, TokenPublished
from supervision import Inbox

FRESH_SECONDS = 1.0  # an activation does not repeat a job that started so lately


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
class JobInboxes:
    """What a job hears: tokens from sync, and from activity whether to ask the world at all."""

    publications: Inbox[TokenPublished]
    control: Inbox[ActivityChange]
    activity: Activity = field(factory=Activity)  # as last told; one for all lives of the actor


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
