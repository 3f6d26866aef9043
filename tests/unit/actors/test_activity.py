"""Activity: idle ten minutes after the last sign of anybody, active at the first."""

from typing import Any

import pytest
import trio
from attrs import Factory, define
from trio.testing import MockClock

from actors.activity import (
    ActivityMemory,
    ActivityMonitor,
    ActivityOutboxes,
    ActivitySnapshot,
)
from domain.messages import (
    CensusTaken,
    CensusWanted,
    ClientConnected,
    ClientLeft,
    ClientSpoke,
    FeedRequested,
    MintUnwatched,
    MintWatched,
    Presence,
    SystemActivated,
    SystemIdled,
)
from domain.values import Mint
from supervision.mailbox import Mailbox
from tests.unit.actors.world import SETTINGS, Log, Sent, environment, mint, running, until

IDLE_AFTER_SECONDS = SETTINGS.activity.idle_after_seconds
WATCHERS_SECONDS = SETTINGS.activity.watchers_interval_seconds


@define
class World:
    presences: Mailbox[Presence] = Factory(lambda: Mailbox("activity", capacity=10_000))
    control: Any = Factory(Sent)
    other_control: Sent[Any] = Factory(Sent)
    updates: Any = Factory(Sent)
    census: Sent[Any] = Factory(Sent)
    memory: ActivityMemory = Factory(ActivityMemory)
    log: Log = Factory(Log)

    def activity(self) -> ActivityMonitor:
        return ActivityMonitor(
            presences=self.presences,
            settings=SETTINGS.activity,
            environment=environment(self.log),
            memory=self.memory,
            outboxes=ActivityOutboxes(
                control=(self.control, self.other_control),
                updates=self.updates,
                census=self.census,
            ),
        )

    async def send(self, second: float, presence: Presence) -> None:
        await until(second)
        await self.presences.send(presence)
        await until(second)

    @property
    def changes(self) -> list[tuple[float, bool]]:
        """(second, active) of each announcement."""
        return [(at, isinstance(each, SystemActivated)) for at, each in self.control.entries]

    @property
    def watcher_counts(self) -> list[tuple[float, Mint, int]]:
        return [(at, each.mint, each.values["watcher_count"]) for at, each in self.updates.entries]


# Idle and active.


async def test_start_counts_as_a_sign_of_life(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.activity()):
        await until(0.0)
        assert [CensusWanted()] == world.census.messages
        await until(2 * IDLE_AFTER_SECONDS)
    assert [(0.0, True), (600.0, False)] == world.changes
    assert world.other_control.entries == world.control.entries
    [idle], [active] = map(world.log.entries, ("system going idle", "system activated"))
    assert (600.0, IDLE_AFTER_SECONDS) == (idle["at"], idle["quiet_seconds"])
    assert (0.0, 0) == (active["at"], active["clients"])


async def test_snapshot_tells_who_is_here_and_what_is_watched(autojump_clock: MockClock) -> None:
    world = World()
    activity = world.activity()
    async with running(activity):
        await until(IDLE_AFTER_SECONDS + 1)
        assert activity.snapshot() == ActivitySnapshot(
            active=False,
            clients=0,
            users_elsewhere={"redis keys": 0, "http": 0, "alerts": 0},
            last_sign="start",
            quiet_seconds=IDLE_AFTER_SECONDS + 1,
            until_idle_seconds=None,
            idle_seconds=1.0,
            watched_mints=0,
            counts_due=0,
            uninformed=0,
        )
        for client, number in ((1, 1), (1, 2), (2, 1)):
            world.presences.send_nowait(MintWatched(client=client, mint=mint(number)))
        world.presences.send_nowait(ClientConnected(client=3))
        await until(IDLE_AFTER_SECONDS + 2)
        assert activity.snapshot() == ActivitySnapshot(
            active=True,
            clients=3,
            users_elsewhere={"redis keys": 0, "http": 0, "alerts": 0},
            last_sign="client",
            quiet_seconds=0.0,
            until_idle_seconds=None,
            idle_seconds=0.0,
            watched_mints=2,
            counts_due=0,
            uninformed=0,
        )
    assert 3 == world.log.entries("system activated")[1]["clients"]


@pytest.mark.parametrize(
    "sign", [FeedRequested(), ClientSpoke(client=9), ClientLeft(client=9)], ids=repr
)
async def test_system_is_idle_ten_minutes_after_the_last_sign(
    autojump_clock: MockClock, sign: Presence
) -> None:
    world = World()
    async with running(world.activity()):
        await world.send(599.0, sign)
        await world.send(800.5, sign)
        await until(3000.0)
    assert [(0.0, True), (1400.5, False)] == world.changes


async def test_connected_client_keeps_the_system_active_however_quiet(
    autojump_clock: MockClock,
) -> None:
    world = World()
    async with running(world.activity()):
        await world.send(10.0, ClientConnected(client=1))
        await until(36_000.0)
        assert [(0.0, True)] == world.changes
        await world.send(36_000.0, ClientLeft(client=1))
        await until(40_000.0)
    assert [(0.0, True), (36_600.0, False)] == world.changes


async def test_first_sign_activates_at_once(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.activity()):
        await world.send(5000.25, FeedRequested())
        assert [(0.0, True), (600.0, False), (5000.25, True)] == world.changes
        await until(9000.0)
    assert [(5600.25, False)] == world.changes[3:]


async def test_drop_and_return_of_a_client_does_not_flap(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.activity()):
        await world.send(1.0, ClientConnected(client=1))
        for number in range(1, 50):
            await world.send(number * 100.0, ClientLeft(client=number))
            await world.send(number * 100.0 + 50, ClientConnected(client=number + 1))
        await until(20_000.0)
    assert [(0.0, True)] == world.changes


# Races.


async def test_request_at_the_last_moment_keeps_the_system_active(
    autojump_clock: MockClock,
) -> None:
    """The sign and the end of the waiting come in the same instant, in either order."""
    world = World()
    async with running(world.activity()):
        await trio.sleep_until(600.0)
        await world.presences.send(FeedRequested())
        await until(600.0)
        states = [active for _, active in world.changes]
        assert states[-1], "somebody has just asked"
        await until(1199.0)
        assert [active for _, active in world.changes] == states
        await until(1200.0)
    assert (1200.0, False) == world.changes[-1]


async def test_client_that_comes_while_idling_is_announced_is_seen_after_it(
    autojump_clock: MockClock,
) -> None:
    world = World()

    def come_just_now(change: object) -> None:
        if isinstance(change, SystemIdled):
            world.presences.send_nowait(ClientConnected(client=1))

    world.control.on_send = come_just_now
    async with running(world.activity()):
        await until(2000.0)
    assert [(0.0, True), (600.0, False), (600.0, True)] == world.changes
    assert [
        SystemActivated,
        SystemIdled,
        SystemActivated,
    ] == [type(each) for each in world.other_control.messages]


# Watchers.


async def test_watchers_are_counted_each_interval(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.activity()):
        for client in (1, 2):
            await world.send(1.0, ClientConnected(client=client))
            await world.send(1.0, MintWatched(client=client, mint=mint(1)))
        await world.send(1.0, MintWatched(client=1, mint=mint(1)))  # twice is once
        await world.send(1.0, MintWatched(client=1, mint=mint(2)))
        await until(WATCHERS_SECONDS)
        assert [(300.0, mint(1), 2), (300.0, mint(2), 1)] == world.watcher_counts
        await world.send(301.0, MintUnwatched(client=1, mint=mint(2)))
        await until(600.0)
        assert [(600.0, mint(1), 2), (600.0, mint(2), 0)] == world.watcher_counts[2:]
        await world.send(601.0, ClientLeft(client=2))
        await until(900.0)
        assert [(900.0, mint(1), 1)] == world.watcher_counts[4:]


async def test_leaving_client_watches_nothing_any_more(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.activity()):
        await world.send(1.0, ClientConnected(client=1))
        await world.send(1.0, MintWatched(client=1, mint=mint(1)))
        await until(300.0)
        await world.send(301.0, ClientLeft(client=1))
        await until(2000.0)
    assert [(300.0, mint(1), 1), (600.0, mint(1), 0)] == world.watcher_counts


async def test_nobody_there_means_no_update(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.activity()):
        await until(10_000.0)
    assert [] == world.updates.messages


# Mailboxes without room.


async def test_a_full_mailbox_of_sync_keeps_no_presence_waiting(
    autojump_clock: MockClock,
) -> None:
    updates = Mailbox[Any]("sync", capacity=2)
    world = World(updates=updates)
    async with running(world.activity()):
        await world.send(1.0, ClientConnected(client=1))
        for number in (1, 2, 3):
            await world.send(1.0, MintWatched(client=1, mint=mint(number)))
        await until(WATCHERS_SECONDS)
        assert 2 == updates.statistics().depth
        await world.send(WATCHERS_SECONDS + 1, MintWatched(client=1, mint=mint(4)))
        await world.send(WATCHERS_SECONDS + 1, MintUnwatched(client=1, mint=mint(3)))
        assert 0 == world.presences.statistics().depth
        assert 0 == updates.statistics().senders_waiting
        sent = [*await updates.receive_batch(10)]
        await until(WATCHERS_SECONDS + 2)
        sent += await updates.receive_batch(10)
    counts = [(update.mint, update.values["watcher_count"]) for update in sent]
    # The last one tells the count as it is by now.
    assert [(mint(1), 1), (mint(2), 1), (mint(3), 0)] == counts


async def test_a_full_control_mailbox_is_told_the_state_as_it_is_when_there_is_room(
    autojump_clock: MockClock,
) -> None:
    """So after a crash of the reader, whose message in hand takes up the one place."""
    control = Mailbox[Any]("control", capacity=1)
    world = World(control=control)
    async with running(world.activity()):
        await until(700.0)
        assert [(0.0, SystemActivated()), (600.0, SystemIdled())] == world.other_control.entries
        assert [SystemActivated()] == await control.receive_batch(1)  # it had room for one
        await until(701.0)
        assert [SystemIdled()] == await control.receive_batch(1)
        await world.send(702.0, FeedRequested())
        await until(1400.0)
        assert [SystemActivated()] == await control.receive_batch(1)
        await until(1401.0)
        assert [SystemIdled()] == await control.receive_batch(1)
        await until(5000.0)
        assert (1, 1) == (control.statistics().depth, control.statistics().in_hand)


async def test_the_last_counts_wait_for_room(autojump_clock: MockClock) -> None:
    updates = Mailbox[Any]("sync", capacity=1)
    world = World(updates=updates)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.activity().run)
        await world.send(1.0, ClientConnected(client=1))
        for number in (1, 2, 3):
            await world.send(1.0, MintWatched(client=1, mint=mint(number)))
        world.presences.close()
        sent: list[Any] = []
        for _ in range(3):
            await until(trio.current_time() + 10)
            sent += await updates.receive_batch(10)
    assert [mint(1), mint(2), mint(3)] == [update.mint for update in sent]


async def test_deadlines_are_met_while_presences_never_stop(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.activity()):
        await world.send(1.0, ClientConnected(client=1))
        await world.send(1.0, MintWatched(client=1, mint=mint(1)))
        for tick in range(1, 1300):
            await world.send(1.0 + tick / 2, ClientSpoke(client=1))
        assert [(300.0, mint(1), 1), (600.0, mint(1), 1)] == world.watcher_counts
        assert [0.0, 300.0, 600.0] == world.census.times()


async def test_everything_is_one_task(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.activity()) as nursery:
        await until(1.0)
        [task] = nursery.child_tasks
        assert [] == task.child_nurseries


# Restarts and the end.


async def test_census_after_a_restart_counts_who_is_there(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.activity()):
        await world.send(1.0, ClientConnected(client=1))
        await world.send(1.0, MintWatched(client=1, mint=mint(1)))
        await until(300.0)
    async with running(world.activity()):
        await until(310.0)
        assert [0.0, 300.0, 300.0] == world.census.times(CensusWanted)  # once by each life at 300
        # The first client has left meanwhile; another watches something else.
        await world.send(310.0, CensusTaken(watched={7: frozenset({mint(2)})}))
        await until(5000.0)
    assert [(600.0, mint(1), 0), (600.0, mint(2), 1)] == world.watcher_counts[1:3]
    assert [(0.0, True), (300.0, True)] == world.changes  # client 7 keeps it active


async def test_what_a_flood_has_dropped_is_known_after_the_next_census(
    autojump_clock: MockClock,
) -> None:
    world = World()
    async with running(world.activity()):
        await world.send(1.0, ClientConnected(client=1))  # and its leaving was dropped
        await until(299.0)
        assert [CensusWanted()] == world.census.messages
        await until(300.0)
        assert [0.0, 300.0] == world.census.times()
        await world.send(300.0, CensusTaken(watched={2: frozenset({mint(2)})}))
        await until(600.0)
        assert [(600.0, mint(2), 1)] == world.watcher_counts
        await world.send(600.0, CensusTaken(watched={}))
        await until(5000.0)
    assert [(0.0, True), (1200.0, False)] == world.changes


async def test_census_of_nobody_is_no_sign_of_life(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.activity()):
        for tick in range(1, 10):
            await world.send(tick * WATCHERS_SECONDS, CensusTaken(watched={}))
        assert [(0.0, True), (600.0, False)] == world.changes
        await world.send(3000.0, CensusTaken(watched={1: frozenset()}))  # its coming was dropped
    assert (3000.0, True) == world.changes[-1]


async def test_restart_during_idling_activates(autojump_clock: MockClock) -> None:
    world = World()
    async with running(world.activity()):
        await until(700.0)
    async with running(world.activity()):
        await until(800.0)
    assert [(0.0, True), (600.0, False), (700.0, True)] == world.changes


async def test_last_counts_are_sent_before_the_end(autojump_clock: MockClock) -> None:
    world = World()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.activity().run)
        await world.send(1.0, ClientConnected(client=1))
        await world.send(1.0, MintWatched(client=1, mint=mint(1)))
        world.presences.close()
    assert [(1.0, mint(1), 1)] == world.watcher_counts
