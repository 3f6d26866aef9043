"""When a job runs: at intervals, at once upon an activation, and not while the system is idle."""

from collections.abc import Awaitable, Callable, Iterable
from math import inf
from typing import Any

import trio

from actors.jobs.switch import ActivitySwitch

FRESH_SECONDS = 1.0  # an activation does not repeat a job that started so lately


async def run_at_intervals(
    job: Callable[[], Awaitable[None]],
    intervals_seconds: Iterable[float],
    *,
    activity: ActivitySwitch,
    log: Any | None,
    name: str,
) -> None:
    """Run `job` now, then an interval after its last start, and at once upon an activation.

    While idle the job is skipped, and each tick says so (without a `log`, silently). A job that
    takes longer than its interval runs again as soon as it has finished. It ends with the
    intervals, or by an error of the job.
    """
    last_run_at = -inf
    for interval_seconds in intervals_seconds:
        tick_at = trio.current_time()
        activations = activity.activations
        if activity.active:
            last_run_at = tick_at
            await job()
        elif log is not None:
            log.info("skipping job: system idle", job=name, reason="no_active_users")
        await _wait_for_next_run(tick_at + interval_seconds, activity, activations, last_run_at)


async def _wait_for_next_run(
    next_tick_at: float, activity: ActivitySwitch, activations: int, last_run_at: float
) -> None:
    """Until the next tick, or the next activation that finds the job's results no longer fresh."""
    with trio.move_on_at(next_tick_at):
        while True:
            await activity.wait_activated(activations)
            if trio.current_time() - last_run_at >= FRESH_SECONDS:
                return
            activations = activity.activations
    await trio.lowlevel.checkpoint()  # the job may have taken longer than the interval
