"""What operators read: the keys and values of each JSON document."""

import attrs
import orjson
import pytest
import trio
from trio.testing import MockClock

from actors.sync.allowance import Budget, CommitCost, GovernorPlan
from actors.sync.governor import Governor
from actors.sync.snapshots import GovernorSnapshot, StalenessSnapshot, SyncSnapshot
from domain.snapshots import Snapshot, detail, gauge, snapshot_class
from domain.token import Group
from domain.values import UnixSeconds
from feed.operations import render_dump, render_snapshot, render_writes
from store import BackendWal, WriteReceipt
from store.checkpoints import CheckpointWatch
from store.ledger import Ledger
from store.memory_database import UNTROUBLED
from tests.unit.actors.service_world import ServiceWorld

NOW = UnixSeconds(1_760_000_000.0)
BUDGET = Budget(wal_bytes_per_second=4000.0, rows_per_hour=60_000.0)
BUDGET_JSON = {"walBytesPerSecond": 4000.0, "rowsPerHour": 60_000.0}


def clock() -> UnixSeconds:
    return NOW


@snapshot_class
class Measured(Snapshot):
    age_seconds: float = gauge("An age.")
    notes: tuple[str, ...] = detail("Notes.")


def governor() -> GovernorSnapshot:
    bounds = {Group.LIFECYCLE: 300.0}
    governed = Governor(
        GovernorPlan(interval_seconds=300.0, budget=BUDGET, staleness_seconds=bounds)
    )
    governed.note_written(CommitCost(rows=10, wal_bytes=3000, seconds=0.1), 0.0)
    governed.note_ages({Group.LIFECYCLE: 400.0})
    return governed.snapshot(0.0)


def test_floats_are_rounded_to_a_millionth() -> None:
    measured = Measured(age_seconds=1.23456789, notes=("a",))
    assert {"ageSeconds": 1.234568, "notes": ["a"]} == render_snapshot(measured)


def test_governor_reads_in_camel_case_and_its_counts_as_they_are_counted() -> None:
    assert {
        "share": 1.0,
        "budget": BUDGET_JSON,
        "configured": BUDGET_JSON,
        "allowed": BUDGET_JSON,
        "ownWalBytesPerSecond": 10.0,
        "othersWalBytesPerSecond": 0.0,
        "bytesPerRow": 300.0,
        "waiting": 0,
        "heldBack": 0,
        "overriding": 0,
        "staleness": {"lifecycle": {"seconds": 400.0, "boundSeconds": 300.0, "isBroken": True}},
        "counts": {"rows": 10, "wal_bytes": 3000},
        "reasons": ["staleness broken: lifecycle is 400 s old, over 300 s"],
    } == render_snapshot(governor())


def test_writes_are_the_ledger_and_the_governor() -> None:
    ledger = Ledger(clock=clock)
    ledger.book("sync", WriteReceipt(rows=3, statements=2, wal_bytes=100, seconds=0.1))
    for wal_bytes in (0, 900):
        ledger.note_pulse(attrs.evolve(UNTROUBLED, wal_bytes=wal_bytes))
    account = {
        "commits": 1,
        "statements": 2,
        "rows": 3,
        "walBytes": 100,
        "seconds": 0.1,
        "ownWalBytes": None,
        "fullPageImages": None,
    }
    server = {"walBytes": 900, "fullPageImages": 0, "isUpperBound": True}
    hour = {"hour": "2025-10-09T08:00:00Z", "components": {"sync": account}, "server": server}
    assert {
        "totals": {"sync": account},
        "server": server,
        "hours": [hour],
        "governor": render_snapshot(governor()),
    } == render_writes(ledger.snapshot(), governor())


def test_checkpoints_that_nobody_watched_are_told_as_not_observed() -> None:
    snapshot = CheckpointWatch(clock).snapshot()
    assert {"observed": False, "history": []} == render_snapshot(snapshot)


def test_checkpoints_are_the_newest_pulse_and_the_history() -> None:
    watch = CheckpointWatch(clock)
    backend = BackendWal(component="sync", backend=7, wal_bytes=5, full_page_images=1)
    first = attrs.evolve(UNTROUBLED, wal_position=0, wal_since_checkpoint_bytes=0)
    watch.observe(first, 0.0)
    last = attrs.evolve(
        first,
        wal_position=600,
        wal_since_checkpoint_bytes=600,
        checkpoints_timed=2,
        checkpoints_requested=1,
        checkpoint_buffers=10,
        full_page_images=4,
        own=(backend,),
    )
    watch.observe(last, 30.0)
    assert {
        "observed": True,
        "at": NOW,
        "timed": 2,
        "requested": 1,
        "checkpointSeconds": 0.0,
        "buffersPerCheckpoint": 3.333333,
        "walBytesPerSecond": 20.0,
        "walSinceCheckpointBytes": 600,
        "walBeforeRequestedBytes": last.wal_before_requested_bytes,
        "maxWalSizeBytes": last.max_wal_size_bytes,
        "walToMaxSizeBytes": last.max_wal_size_bytes - 600,
        "checkpointTimeoutSeconds": last.checkpoint_timeout_seconds,
        "fullPageImages": 4,
        "own": [{"component": "sync", "backend": 7, "wal_bytes": 5, "full_page_images": 1}],
        "history": [
            {
                "at": NOW,
                "seconds": 30.0,
                "timed": 2,
                "requested": 1,
                "buffersWritten": 10,
                "checkpointSeconds": 0.0,
                "walBytesPerSecond": 20.0,
                "fullPageImages": 4,
                "walSinceCheckpointBytes": 600,
            }
        ],
    } == render_snapshot(watch.snapshot())


async def test_dump_keeps_the_names_of_fields_but_for_the_governor(
    autojump_clock: MockClock,
) -> None:
    async with ServiceWorld().serving() as supervisor:
        await trio.sleep(10)
        document = render_dump(supervisor.take_dump())
    read = orjson.loads(orjson.dumps(document))
    assert ["actors", "mailboxes", "process", "event_loop", "unreadable"] == list(read)
    [sync] = [actor for actor in read["actors"] if actor["name"] == "sync"]
    assert ["sync"] == sync["inboxes"]
    assert (10.0, 0, None) == (sync["uptime_seconds"], sync["restarts"], sync["last_error"])
    assert 0 == sync["summary"]["pulses_missed"]
    assert "walBytesPerSecond" in sync["summary"]["governor"]["budget"]
    [box] = [box for box in read["mailboxes"] if box["name"] == "sync"]
    assert (0.0, []) == (box["oldest_age_seconds"], box["sample"])
    assert 10.0 == read["process"]["uptime_seconds"]


@pytest.mark.parametrize(
    "snapshot",
    [
        SyncSnapshot(
            tokens=1,
            unflushed=2,
            unappended=3,
            appended=4,
            failed_appends=5,
            put_back=6,
            lost_births=18,
            lost_values=19,
            unregained=20,
            failed_flushes=7,
            lost=8,
            quarantined=9,
            parked=1,
            oldest_parked=(),
            refused=10,
            pulses_missed=11,
            failed_retentions=12,
            taken_from_others=13,
            owed_to_others=14,
            watched_by_others=15,
            governor=governor(),
        ),
        StalenessSnapshot(seconds=1.0, bound_seconds=2.0, is_broken=False),
        Ledger(clock=clock).snapshot(),
        CheckpointWatch(clock).snapshot(),
    ],
)
def test_rendered_snapshot_is_json(snapshot: Snapshot) -> None:
    for rendered in (render_snapshot(snapshot), render_dump(snapshot)):
        assert rendered == orjson.loads(orjson.dumps(rendered))
