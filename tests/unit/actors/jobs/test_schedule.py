"""Periodic jobs: exact times under the mock clock."""

from collections.abc import Sequence
from itertools import repeat

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from actors.jobs.schedule import run_at_intervals
from actors.jobs.switch import ActivitySwitch
from domain.messages import ActivityChange, SystemActivated, SystemIdled
from supervision.mailbox import Mailbox
from tests.unit.supervision.harness import Log

ACTIVATE, IDLE = SystemActivated(), SystemIdled()


@define
class Job:
    """Notes when it was started; takes as long as told."""

    takes_seconds: float = 0.0
    started_at: list[float] = field(factory=list)

    async def __call__(self) -> None:
        self.started_at.append(trio.current_time())
        await trio.sleep(self.takes_seconds)


async def run_times(
    *changes: tuple[float, ActivityChange],
    until: float,
    takes_seconds: float = 0.0,
    log: Log | None = None,
) -> Sequence[float]:
    """When a job with an interval of 300 s was started, given changes of activity."""
    job = Job(takes_seconds)
    control = Mailbox[ActivityChange]("control", capacity=9)
    activity = ActivitySwitch()
    with trio.move_on_at(until):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(activity.obey_control, control)
            nursery.start_soon(
                lambda: run_at_intervals(
                    job,
                    repeat(300.0),
                    activity=activity,
                    log=(log or Log()).logger,
                    name="job",
                )
            )
            for at, change in changes:
                await trio.sleep_until(at)
                await control.send(change)
    return job.started_at


async def test_job_runs_at_once_and_then_each_interval(autojump_clock: MockClock) -> None:
    assert [0, 300, 600] == await run_times(until=900)


async def test_intervals_may_differ_and_the_job_ends_with_them(autojump_clock: MockClock) -> None:
    job = Job()
    await run_at_intervals(
        job, [25.0, 30.0, 900.0], activity=ActivitySwitch(), log=Log().logger, name="job"
    )
    assert ([0, 25, 55], 955) == (job.started_at, trio.current_time())


async def test_long_job_keeps_the_schedule_of_its_starts(autojump_clock: MockClock) -> None:
    assert [0, 300, 600] == await run_times(until=900, takes_seconds=299)


async def test_job_longer_than_the_interval_runs_again_when_finished(
    autojump_clock: MockClock,
) -> None:
    assert [0, 400, 800] == await run_times(until=1000, takes_seconds=400)


async def test_idle_tick_skips_the_job_and_says_so_once(autojump_clock: MockClock) -> None:
    log = Log()
    assert [0] == await run_times((1, IDLE), until=1000, log=log)
    skipped = log.entries("skipping job: system idle")
    assert [("job", "no_active_users")] * 3 == [(each["job"], each["reason"]) for each in skipped]


async def test_activation_after_idle_runs_the_job_at_once_and_restarts_the_schedule(
    autojump_clock: MockClock,
) -> None:
    assert [0, 450, 750] == await run_times((1, IDLE), (450, ACTIVATE), until=1000)


async def test_activation_between_two_ticks_runs_the_job_at_once(
    autojump_clock: MockClock,
) -> None:
    assert [0, 20, 320] == await run_times((10, IDLE), (20, ACTIVATE), until=500)


async def test_activation_within_a_second_of_the_last_start_does_not_repeat_the_job(
    autojump_clock: MockClock,
) -> None:
    assert [0, 300] == await run_times((0.2, IDLE), (0.9, ACTIVATE), until=500)
    assert [500, 501] == await run_times((500.2, IDLE), (501, ACTIVATE), until=700)


async def test_activation_without_idleness_changes_nothing(autojump_clock: MockClock) -> None:
    assert [0, 300] == await run_times((100, ACTIVATE), until=500)


async def test_activation_during_a_run_repeats_the_job_when_it_has_finished(
    autojump_clock: MockClock,
) -> None:
    times = await run_times((10, IDLE), (20, ACTIVATE), until=100, takes_seconds=50)
    assert [0, 50] == times


async def test_error_of_the_job_escapes_to_the_supervisor(autojump_clock: MockClock) -> None:
    async def broken() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await run_at_intervals(
            broken, [1.0], activity=ActivitySwitch(), log=Log().logger, name="job"
        )


async def test_obeying_ends_when_the_mailbox_is_closed() -> None:
    control = Mailbox[ActivityChange]("control", capacity=9)
    activity = ActivitySwitch()
    await control.send(IDLE)
    control.close()
    await activity.obey_control(control)
    assert not activity.active
