"""Sync under its governor: partial flushes, staleness bounds, the server's pulse, an operator."""

import attrs
import pytest
from attrs import define, field
from trio.testing import MockClock

from actors.sync.upkeep import PULSE_EVERY_SECONDS
from config.loading import load_settings
from config.settings import StalenessSettings
from domain.messages import GovernorSet
from domain.token import Group
from domain.values import Value
from store import ServerPulse
from store.checkpoints import ObservedCheckpoints
from store.memory_database import UNTROUBLED
from tests.unit.actors.sync.sync_world import SyncWorld
from tests.unit.actors.world import (
    HOUR,
    SETTINGS,
    Servers,
    TimedStore,
    at,
    mint,
    running,
    token,
    until,
)

LOOSE = StalenessSettings(
    lifecycle_seconds=600.0,
    market_seconds=900.0,
    holders_seconds=3600.0,
    score_seconds=3600.0,
    watchers_seconds=3600.0,
    profile_seconds=3600.0,
)


def governed_world(rows_an_hour: float, staleness: StalenessSettings = LOOSE) -> SyncWorld:
    settings = attrs.evolve(SETTINGS.sync, rows_budget_per_hour=rows_an_hour)
    return SyncWorld(settings=settings, staleness=staleness)


async def admit_tokens(world: SyncWorld, count: int) -> None:
    await until(1.0)
    await world.admit(*(token(number) for number in range(1, count + 1)))


def rows_by_flush(world: SyncWorld) -> list[tuple[float, int]]:
    return [(second, len(values)) for second, values in world.rows_written]


def broken(world: SyncWorld) -> set[Group]:
    return set(world.memory.governor.broken_groups)


# How much.


async def test_flush_is_partial_oldest_first_and_lifecycle_before_all(
    autojump_clock: MockClock,
) -> None:
    world = governed_world(rows_an_hour=120)  # 10 an interval
    async with running(world.sync()):
        await admit_tokens(world, 25)
        for number in range(1, 21):
            await until(float(number + 1))
            await world.update(number + 1.0, number=number, holder_count=number)
        await world.update(50.0, number=25, status=1)
        await until(301.0)
        assert set(world.rows_written[0][1]) == {mint(25), *(mint(n) for n in range(1, 10))}
        await until(601.0)
        assert set(world.rows_written[1][1]) == {mint(n) for n in range(10, 20)}
        assert world.memory.governor.list_reasons(601.0) == ["1 of 11 rows wait for the allowance"]
        await until(901.0)
    assert rows_by_flush(world) == [(300.0, 10), (600.0, 10), (900.0, 1)]
    said = world.log.entries("flush complete")
    assert [(10, 11), (10, 1), (1, 0)] == [(each["rows"], each["held_back"]) for each in said]
    assert len(world.servers.buffer.data.dirty_since) == 0


async def test_row_held_back_is_written_once_with_its_last_value(
    autojump_clock: MockClock,
) -> None:
    world = governed_world(rows_an_hour=12)  # 1 an interval
    async with running(world.sync()):
        await admit_tokens(world, 2)
        await world.update(1.0, number=1, holder_count=1)
        for second in (10.0, 310.0, 590.0):
            await until(second)
            await world.update(second, number=2, holder_count=int(second))
        await until(601.0)
    assert world.rows_written == [
        (300.0, {mint(1): {"holder_count": 1}}),
        (600.0, {mint(2): {"holder_count": 590}}),
    ]


async def test_staleness_bound_goes_before_the_budget_and_says_so(
    autojump_clock: MockClock,
) -> None:
    world = governed_world(rows_an_hour=12)
    async with running(world.sync()):
        await admit_tokens(world, 50)
        for number in range(1, 51):
            await world.update(1.0, number=number, price_usd=float(number))
        # One row an interval is allowed; the flush at 1200 s would come after the bound.
        await until(1199.0)
        assert rows_by_flush(world) == [(300.0, 1), (600.0, 1), (900.0, 48)]
        [override, *_] = world.memory.governor.list_reasons(1199.0)
        assert override == "staleness overrides the budget: 47 rows cannot wait"
        assert broken(world) == set()


@pytest.mark.parametrize(
    ("setting", "values", "others"),
    [
        ("LIFECYCLE", {"pool_type": "pump"}, {"price_usd": 2.0}),
        ("MARKET", {"price_usd": 2.0}, {"holder_count": 9}),
        ("HOLDERS", {"holder_count": 9}, {"price_usd": 2.0}),
        ("SCORE", {"hot_score": 7.0}, {"price_usd": 2.0}),
        ("WATCHERS", {"watcher_count": 3}, {"price_usd": 2.0}),
        ("PROFILE", {"image_url": "https://example.org/a.png"}, {"price_usd": 2.0}),
    ],
)
async def test_bound_of_the_settings_makes_a_flush_in_time(
    autojump_clock: MockClock, setting: str, values: dict[str, Value], others: dict[str, Value]
) -> None:
    """Of its own group: what else waits is left to the regular flush."""
    chosen = load_settings(
        None,
        {
            "DATABASE_URL": "postgresql://nowhere/test",
            "REDIS_URL": "redis://nowhere",
            f"TOKEN_DISCOVERY__STALENESS__{setting}_SECONDS": "60",
        },
    )
    world = SyncWorld(settings=chosen.sync, staleness=chosen.staleness)
    async with running(world.sync()):
        await admit_tokens(world, 2)
        await until(10.0)
        await world.update(10.0, number=1, **values)  # type: ignore[arg-type]
        await world.update(10.0, number=2, **others)  # type: ignore[arg-type]
        await until(299.0)
    [(second, written)] = world.rows_written
    assert 10.0 < second <= 70.0
    assert {mint(1): values} == written


async def test_staleness_holds_under_any_pressure_while_postgres_answers(
    autojump_clock: MockClock,
) -> None:
    world = governed_world(rows_an_hour=60)
    oldest: dict[Group, float] = {}
    sync = world.sync()
    async with running(sync):
        await admit_tokens(world, 40)
        for second in range(2, 4000, 7):
            await until(float(second))
            await world.update(float(second), number=second % 40 + 1, buys_24h=second)
            if second % 5 == 0:
                await world.update(float(second), number=second % 40 + 1, pool_type=f"{second}")
            for group, age in sync.backlog.measure_ages(float(second)).items():
                oldest[group] = max(oldest.get(group, 0.0), age)
            if second % 300 < 7:
                world.servers.database.pulse = busier(world.servers.database.pulse)
    assert oldest[Group.LIFECYCLE] <= LOOSE.lifecycle_seconds
    assert oldest[Group.MARKET] <= LOOSE.market_seconds
    assert world.memory.governor.counts["pressure_requested"] > 5


async def test_staleness_that_cannot_hold_is_reported_broken_until_it_does(
    autojump_clock: MockClock,
) -> None:
    world = governed_world(rows_an_hour=1000)
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await world.update(1.0, status=1)
        await until(2.0)
        world.store.go_down()
        await until(590.0)
        assert broken(world) == set()
        await until(700.0)
        assert broken(world) == {Group.LIFECYCLE}
        [reason, *_] = world.memory.governor.list_reasons(700.0)
        assert reason.startswith("staleness broken: lifecycle is ")
        world.store.come_up()
        await until(1300.0)
        assert broken(world) == set()
    assert world.stored().status == 1


async def test_parked_update_takes_no_row_from_the_others(autojump_clock: MockClock) -> None:
    world = governed_world(rows_an_hour=24)  # 2 an interval
    async with running(world.sync()):
        await admit_tokens(world, 3)
        await world.update(1.0, number=99, holder_count=1)  # a token that Postgres does not know
        for number in (1, 2, 3):
            await until(1.0 + number)
            await world.update(1.0 + number, number=number, holder_count=1)
        await until(901.0)
    assert [world.stored(number).holder_count for number in (1, 2, 3)] == [1, 1, 1]


async def test_drain_flushes_everything_whatever_the_budget(autojump_clock: MockClock) -> None:
    world = governed_world(rows_an_hour=1)
    sync = world.sync()
    async with running(sync) as nursery:
        await admit_tokens(world, 30)
        for number in range(1, 31):
            await world.update(1.0, number=number, holder_count=1)
        await until(10.0)
        world.messages.close()
        await until(11.0)
        nursery.cancel_scope.cancel()
    assert rows_by_flush(world) == [(10.0, 30)]


async def test_restarted_sync_knows_the_age_of_what_it_finds(autojump_clock: MockClock) -> None:
    world = governed_world(rows_an_hour=1000)
    async with running(world.sync()):
        await admit_tokens(world, 1)
        await until(50.0)
        await world.update(50.0, price_usd=1.0)
        await until(60.0)
    world.store.delay_seconds = (
        4.0  # opened at 64, loaded at 68, compared at 72: the flush is under way at 73
    )
    sync = world.sync()
    async with running(sync):
        await until(73.0)
        assert {Group.MARKET: pytest.approx(23.0, abs=0.01)} == sync.backlog.measure_ages(73.0)


# The server's pulse.


def busier(pulse: ServerPulse) -> ServerPulse:
    """One more checkpoint before its time."""
    return attrs.evolve(pulse, checkpoints_requested=pulse.checkpoints_requested + 1)


@define(kw_only=True, eq=False)
class WatchedStore(TimedStore):
    """A twin that counts the pulses taken."""

    pulses: int = field(default=0, init=False)

    async def read_pulse(self) -> ServerPulse:
        self.pulses += 1
        return await super().read_pulse()


async def test_pulse_is_taken_at_a_low_rate_and_not_while_idle(autojump_clock: MockClock) -> None:
    servers = Servers()
    store = WatchedStore(database=servers.database)
    world = SyncWorld(servers=servers, store=store)
    async with running(world.sync()):
        await until(299.0)
        assert store.pulses == 300 / PULSE_EVERY_SECONDS
        await world.go_idle()
        await until(330.0)
        while_active = store.pulses
        await until(HOUR)
        assert store.pulses == while_active
        await world.activate()
        await until(HOUR + 1)
        assert store.pulses == while_active + 1


async def test_requested_checkpoint_reaches_the_governor_and_the_watch(
    autojump_clock: MockClock,
) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await until(10.0)
        world.servers.database.pulse = busier(UNTROUBLED)
        await until(21.0)
    assert world.memory.governor.share == 0.5
    snapshot = world.memory.watch.snapshot()
    assert isinstance(snapshot, ObservedCheckpoints)
    assert (snapshot.requested, snapshot.history[-1].requested) == (1, 1)
    assert snapshot.at == at(20.0)


async def test_missed_pulse_changes_nothing_else(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    sync = world.sync()
    async with running(sync):
        await until(10.0)
        world.store.go_down()
        await until(45.0)
        world.store.come_up()
        await until(51.0)
    assert sync.snapshot().pulses_missed == 3  # at 20, 30 and 40
    assert world.memory.watch.snapshot().history[-1].seconds == 40.0


# An operator.


async def test_governor_is_set_by_a_message_and_says_so(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    sync = world.sync()
    async with running(sync):
        await until(1.0)
        await world.messages.send(GovernorSet(rows_per_hour=24.0))
        await admit_tokens(world, 5)
        for number in range(1, 6):
            await world.update(1.0, number=number, holder_count=1)
        await until(301.0)
        assert rows_by_flush(world) == [(300.0, 2)]
        await world.messages.send(GovernorSet(reset=True))
        await until(601.0)
        assert rows_by_flush(world)[1:] == [(600.0, 3)]
    governor = sync.snapshot().governor
    assert governor.budget == governor.configured
    first, second = world.log.entries("governor set")
    names = ("wal_bytes_per_second", "rows_per_hour", "reset")
    configured = SETTINGS.sync.wal_budget_bytes_per_second, SETTINGS.sync.rows_budget_per_hour
    assert (configured[0], 24.0, False) == tuple(first[name] for name in names)
    assert (*configured, True) == tuple(second[name] for name in names)


async def test_new_tokens_are_counted_as_exempt(autojump_clock: MockClock) -> None:
    world = SyncWorld()
    async with running(world.sync()):
        await admit_tokens(world, 7)
        await until(2.0)
    assert world.memory.governor.counts["exempt_rows"] == 7


def test_every_change_is_of_a_group_that_has_a_bound() -> None:
    names = {
        f"{group.value}_seconds" for group in SyncWorld().memory.governor.plan.staleness_seconds
    }
    assert names == set(attrs.asdict(SETTINGS.staleness))
