"""Users of another server keep the system active: as Redis tells, or a request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from attrs import Factory, define
from trio.testing import MockClock

from actors.activity_keys import READ_SECONDS, ActivityKeysReader, ActivityKeysSnapshot
from buffer.activity_keys import ACTIVE_USERS_KEY, LAST_ACTIVITY_KEY
from buffer.memory_activity_keys import MemoryActivityKeys
from domain.messages import (
    CensusTaken,
    ClientConnected,
    ClientLeft,
    FeedRequested,
    Teller,
    UsersElsewhereTold,
)
from tests.unit.actors.test_activity import World
from tests.unit.actors.world import AT_ZERO, environment, running, until

IDLE_AFTER_SECONDS, HOUR = 600.0, 3600.0


@define
class KeysWorld(World):
    """Activity, and what reads the keys for it."""

    keys: MemoryActivityKeys = Factory(MemoryActivityKeys)

    def reader(self) -> ActivityKeysReader:
        return ActivityKeysReader(
            keys=self.keys, environment=environment(self.log), presences=self.presences
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        async with running(self.activity()), running(self.reader()):
            yield

    async def set_key(self, second: float, key: str, value: bytes | None) -> None:
        await until(second)
        if value is None:
            self.keys.values.pop(key, None)
        else:
            self.keys.values[key] = value


def milliseconds(second: float) -> bytes:
    return b"%d" % round((AT_ZERO + second) * 1000)


# Keys in Redis.


async def test_users_elsewhere_keep_the_system_active_for_hours(autojump_clock: MockClock) -> None:
    world = KeysWorld()
    world.keys.values[ACTIVE_USERS_KEY] = b"1"
    async with world.serving():
        await until(5 * HOUR)
        assert [(0.0, True)] == world.changes
        await world.set_key(5 * HOUR + 1, ACTIVE_USERS_KEY, None)
        await until(6 * HOUR)
    lapsed_at = 5 * HOUR + READ_SECONDS  # the read that finds no key any more
    assert [(lapsed_at + IDLE_AFTER_SECONDS, False)] == world.changes[1:]
    [idle] = world.log.entries("system going idle")
    assert "redis keys" == idle["by"]


@pytest.mark.parametrize("moment", [1.0, 14.9, 15.0, 1000.0])
async def test_users_elsewhere_wake_the_system_within_a_read(
    autojump_clock: MockClock, moment: float
) -> None:
    world = KeysWorld()
    async with world.serving():
        await world.set_key(HOUR + moment, ACTIVE_USERS_KEY, b"3")
        await until(2 * HOUR)
    [woken_at] = [at for at, active in world.changes if active][1:]
    assert 0.0 <= woken_at - (HOUR + moment) <= READ_SECONDS
    active = world.log.entries("system activated")[-1]
    assert ("redis keys", 0, 3) == (active["by"], active["clients"], active["elsewhere"])


@pytest.mark.parametrize(
    "value", [b"0", b"000", b"-1", b"", b"many", b"1e3", b"1.5", b" 1", b"1" + b"0" * 10, b"\xff"]
)
async def test_no_users_and_junk_are_no_sign(autojump_clock: MockClock, value: bytes) -> None:
    world = KeysWorld()
    world.keys.values[ACTIVE_USERS_KEY] = value
    async with world.serving():
        await until(2 * HOUR)
    assert [(0.0, True), (600.0, False)] == world.changes


async def test_last_activity_is_a_sign_at_its_moment(autojump_clock: MockClock) -> None:
    world = KeysWorld()
    async with world.serving():
        await world.set_key(1001.0, LAST_ACTIVITY_KEY, milliseconds(990.0))
        await until(5000.0)  # the key does not change, and is read again and again
    assert [(1005.0, True), (990.0 + IDLE_AFTER_SECONDS, False)] == world.changes[2:]


@pytest.mark.parametrize("value", [milliseconds(400.0), b"1780000000", b"0", b"9" * 20, b"soon"])
async def test_stale_last_activity_is_no_sign(autojump_clock: MockClock, value: bytes) -> None:
    """Nor is a moment in seconds in place of milliseconds: that would be in January 1970."""
    world = KeysWorld()
    async with world.serving():
        await world.set_key(1001.0, LAST_ACTIVITY_KEY, value)
        await until(5000.0)
    assert [(0.0, True), (600.0, False)] == world.changes


async def test_last_activity_in_the_future_counts_as_now(autojump_clock: MockClock) -> None:
    world = KeysWorld()
    async with world.serving():
        await world.set_key(1001.0, LAST_ACTIVITY_KEY, milliseconds(10 * HOUR))
        await world.set_key(1006.0, LAST_ACTIVITY_KEY, None)
        await until(5000.0)
    assert [(1005.0, True), (1605.0, False)] == world.changes[2:]


async def test_unreadable_keys_hold_for_their_lifetime_and_no_longer(
    autojump_clock: MockClock,
) -> None:
    world = KeysWorld()
    world.keys.values[ACTIVE_USERS_KEY] = b"1"
    async with world.serving():
        await until(HOUR)  # read just now
        world.keys.is_away = True
        await until(2 * HOUR)
        assert [(HOUR + 60.0 + IDLE_AFTER_SECONDS, False)] == world.changes[1:]
        world.keys.is_away = False
        await until(2 * HOUR + READ_SECONDS)
    assert world.changes[-1][1]


async def test_a_short_outage_of_redis_changes_nothing(autojump_clock: MockClock) -> None:
    world = KeysWorld()
    world.keys.values[ACTIVE_USERS_KEY] = b"1"
    async with world.serving():
        for hour in range(1, 20):
            await until(hour * 100.0)
            world.keys.is_away = True
            await until(hour * 100.0 + 44.0)
            world.keys.is_away = False
        await until(HOUR)
    assert [(0.0, True)] == world.changes


async def test_a_problem_is_told_when_it_begins_and_ends_and_each_is_counted(
    autojump_clock: MockClock,
) -> None:
    world = KeysWorld()
    reader = world.reader()
    async with running(reader):
        await until(100.0)  # 7 reads, the last at 90
        world.keys.is_away = True
        await until(HOUR)  # 234 reads
        world.keys.is_away, world.keys.is_forbidden = False, True
        await until(HOUR + READ_SECONDS)
        assert "may not read" in str(reader.snapshot().problem)
        await until(HOUR + 100)  # 6 reads
        world.keys.is_forbidden = False
        world.keys.values |= {ACTIVE_USERS_KEY: b"?", LAST_ACTIVITY_KEY: b"-5"}
        await until(HOUR + 200)  # 7 reads
        assert (
            ActivityKeysSnapshot(reads=14, failed_reads=240, junk_values=14, problem=reader.problem)
            == reader.snapshot()
        )
        assert "no such number" in str(reader.snapshot().problem)
        world.keys.values[ACTIVE_USERS_KEY] = b"2"
        del world.keys.values[LAST_ACTIVITY_KEY]
        await until(HOUR + 300)
    told = [
        (entry["at"], entry["problem"]) for entry in world.log.entries("activity keys tell nothing")
    ]
    assert [105.0, HOUR + 15, HOUR + 105] == [at for at, _ in told]
    assert f"no such number: {ACTIVE_USERS_KEY}, {LAST_ACTIVITY_KEY}" == told[2][1]
    assert [HOUR + 210] == world.log.times("activity keys are heeded again")


async def test_keys_are_read_once_in_fifteen_seconds_also_while_idle(
    autojump_clock: MockClock,
) -> None:
    world = KeysWorld()
    reader = world.reader()
    async with running(reader):
        await until(HOUR - 1)
        assert HOUR / READ_SECONDS == reader.snapshot().reads


# Requests.


def told(users: int, by: Teller = "http") -> UsersElsewhereTold:
    return UsersElsewhereTold(by=by, users=users)


async def test_a_report_holds_for_a_minute(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.activity()):
        await world.send(1000.0, told(5))
        assert (1000.0, True) == world.changes[-1]
        await until(5000.0)
    assert (1000.0 + 60.0 + IDLE_AFTER_SECONDS, False) == world.changes[-1]
    assert "http" == world.log.entries("system activated")[-1]["by"]


async def test_a_later_report_takes_the_place_of_an_earlier_one(autojump_clock: MockClock) -> None:
    world = World()
    activity = world.activity()
    async with running(activity):
        for minute in range(60):
            await world.send(minute * 59.0, told(minute + 1))
        assert {"redis keys": 0, "http": 60, "alerts": 0} == activity.snapshot().users_elsewhere
        await world.send(59 * 59.0 + 10, told(0))
        assert {"redis keys": 0, "http": 0, "alerts": 0} == activity.snapshot().users_elsewhere
        await until(9000.0)
    assert [(0.0, True), (59 * 59.0 + 10 + IDLE_AFTER_SECONDS, False)] == world.changes


async def test_nobody_withdrawn_is_no_sign(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.activity()):
        for minute in range(60):
            await world.send(minute * 60.0, told(0))
    assert [(0.0, True), (600.0, False)] == world.changes


async def test_a_report_of_one_teller_withdraws_no_other(autojump_clock: MockClock) -> None:
    world = World()
    activity = world.activity()
    async with running(activity):
        await world.send(10.0, told(7, "redis keys"))
        await world.send(20.0, told(0))
        assert {"redis keys": 7, "http": 0, "alerts": 0} == activity.snapshot().users_elsewhere


async def test_a_report_outlives_a_restart_of_activity(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.activity()):
        await world.send(10.0, told(7))
    activity = world.activity()
    async with running(activity):
        await until(30.0)
        assert {"redis keys": 0, "http": 7, "alerts": 0} == activity.snapshot().users_elsewhere
        await until(71.0)
        assert {"redis keys": 0, "http": 0, "alerts": 0} == activity.snapshot().users_elsewhere


async def test_lapse_while_a_client_is_here_is_no_idling(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.activity()):
        await world.send(10.0, ClientConnected(client=1))
        await world.send(20.0, told(7))
        await world.send(2000.0, ClientLeft(client=1))
        await until(5000.0)
    assert [(0.0, True), (2600.0, False)] == world.changes


async def test_census_of_nobody_forgets_no_users_elsewhere(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.activity()):
        for tick in range(1, 100):
            await world.send(tick * 50.0, told(1))
            await world.send(tick * 50.0 + 1, CensusTaken(watched={}))
    assert [(0.0, True)] == world.changes


async def test_snapshot_tells_how_long_until_idle_and_since_when(
    autojump_clock: MockClock,
) -> None:
    world = World()
    activity = world.activity()

    def figures() -> tuple[object, ...]:
        told = activity.snapshot()
        return told.last_sign, told.quiet_seconds, told.until_idle_seconds, told.idle_seconds

    assert (None, None, None) == figures()[:3]  # before the start
    async with running(activity):
        await world.send(10.0, told(2))
        await until(30.0)
        assert ("http", 0.0, None, 0.0) == figures()
        await until(100.0)
        assert ("http", 30.0, 570.0, 0.0) == figures()
        await world.send(200.0, FeedRequested())
        await until(300.0)
        assert ("feed request", 100.0, 500.0, 0.0) == figures()
        await until(1000.0)
        assert ("feed request", 800.0, None, 200.0) == figures()
