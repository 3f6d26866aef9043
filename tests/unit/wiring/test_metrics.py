"""Metrics: what is counted anyway, in Prometheus' format."""

import re
from collections.abc import Callable

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.sync.allowance import Budget, CommitCost, GovernorPlan
from actors.sync.governor import Governor
from domain.token import Group
from domain.values import UnixSeconds
from store import WriteReceipt
from store.checkpoints import CheckpointWatch
from store.ledger import Ledger
from store.memory_database import UNTROUBLED
from supervision.dump import Moment, dump_children
from supervision.heartbeat import Heartbeat
from supervision.readiness import Readiness
from tests.unit.actors.service_world import ServiceWorld
from tests.unit.actors.world import Log
from wiring.metrics import MetricSources, build_exposition, take_health_snapshot

NOW = UnixSeconds(1_760_000_000.0)
MOMENT = Moment(taken_at=NOW, now=0.0, uptime_seconds=0.0)


def clock() -> UnixSeconds:
    return NOW


def governed() -> Governor:
    budget = Budget(wal_bytes_per_second=4000.0, rows_per_hour=60_000.0)
    bounds = {Group.LIFECYCLE: 300.0, Group.MARKET: 900.0}
    plan = GovernorPlan(interval_seconds=300.0, budget=budget, staleness_seconds=bounds)
    return Governor(plan)


def new_readiness(at: Callable[[], UnixSeconds] = clock) -> Readiness:
    return Readiness(["sync"], on_first_ready=lambda: None, clock=at, log=Log().logger)


def samples(text: str) -> dict[str, float]:
    """Every sample by its name with labels."""
    return {name: float(value) for name, value in re.findall(r"^(\S+) (\S+)$", text, re.MULTILINE)}


async def metrics(
    governor: Governor | None = None,
    ledger: Ledger | None = None,
    watch: CheckpointWatch | None = None,
    readiness: Readiness | None = None,
) -> dict[str, float]:
    ledger, watch = ledger or Ledger(clock=clock), watch or CheckpointWatch(clock)
    governor, health = governor or governed(), readiness or new_readiness()
    sources = MetricSources(
        dump=lambda: dump_children((), MOMENT, Heartbeat().describe_loop(), is_draining=False),
        ledger=ledger.snapshot,
        governor=lambda: governor.snapshot(0.0),
        checkpoints=watch.snapshot,
        health=lambda: take_health_snapshot(health),
    )
    return samples(build_exposition(sources)().decode())


async def test_governor_tells_its_allowance_and_what_is_stale() -> None:
    governor = governed()
    governor.note_written(CommitCost(rows=10, wal_bytes=3000, seconds=0.1), 0.0)
    governor.note_server(wal_bytes_per_second=900.0, requested=2, seconds=30.0, now=0.0)
    governor.note_ages({Group.LIFECYCLE: 400.0})
    governor.grant_rows(waiting=40_000, due=30_000, now=0.0)
    told = await metrics(governor)
    expected = {
        "governor_share": 0.5,
        "governor_budget_wal_bytes_per_second": 4000.0,
        "governor_budget_rows_per_hour": 60_000.0,
        "governor_allowed_wal_bytes_per_second": 2000.0,
        "governor_allowed_rows_per_hour": 30_000.0,
        "governor_own_wal_bytes_per_second": 10.0,
        "governor_others_wal_bytes_per_second": 800.0,
        "governor_row_wal_bytes": 300.0,
        "governor_rows_waiting": 40_000.0,
        "governor_rows_held_back": 10_000.0,
        "governor_rows_overriding": 30_000.0 - 2000.0,  # 2000 B/s for 300 s at 300 B a row
        "governor_reasons": 4.0,
        'governor_events_total{event="pressure_requested"}': 1.0,
        'governor_events_total{event="rows"}': 10.0,
        'staleness_seconds{group="lifecycle"}': 400.0,
        'staleness_bound_seconds{group="lifecycle"}': 300.0,
        'staleness_broken{group="lifecycle"}': 1.0,
        'staleness_seconds{group="market"}': 0.0,
        'staleness_broken{group="market"}': 0.0,
    }
    assert expected == {name: told[f"token_discovery_{name}"] for name in expected}


async def test_ledger_tells_page_images_where_the_server_does() -> None:
    ledger = Ledger(clock=clock)
    ledger.book("sync", WriteReceipt(rows=3, statements=2, wal_bytes=100, seconds=0.1))
    ledger.note_pulse(UNTROUBLED)
    ledger.note_pulse(attrs.evolve(UNTROUBLED, full_page_images=9, wal_bytes=900))
    told = await metrics(ledger=ledger)
    expected = {
        'commits_total{component="sync"}': 1.0,
        'statements_total{component="sync"}': 2.0,
        'rows_total{component="sync"}': 3.0,
        'wal_bytes_total{component="sync"}': 100.0,
        'commit_seconds_total{component="sync"}': 0.1,
        "server_wal_bytes_total": 900.0,
        "server_full_page_images_total": 9.0,
    }
    assert expected == {name: told[f"token_discovery_postgres_{name}"] for name in expected}
    assert 'token_discovery_postgres_full_page_images_total{component="sync"}' not in told


async def test_server_that_was_not_watched_has_told_of_no_wal() -> None:
    assert (await metrics())["token_discovery_postgres_server_wal_bytes_total"] == 0.0


async def test_checkpoints_are_told_once_they_are_watched() -> None:
    watch = CheckpointWatch(clock)
    name = "token_discovery_postgres_checkpoints_requested_total"
    assert name not in await metrics(watch=watch)
    watch.observe(attrs.evolve(UNTROUBLED, checkpoints_requested=3, checkpoint_buffers=6), 0.0)
    told = await metrics(watch=watch)
    assert told[name] == 3.0
    assert told["token_discovery_postgres_buffers_per_checkpoint"] == 2.0
    assert "token_discovery_postgres_wal_bytes_per_second" not in told  # one pulse is no rate


# Stores and sources.


@pytest.mark.parametrize(("reason", "ready"), [(None, 1.0), ("the table is not restored", 0.0)])
async def test_readiness_is_told(reason: str | None, ready: float) -> None:
    readiness = new_readiness()
    readiness.set("sync", reason)
    assert (await metrics(readiness=readiness))["token_discovery_ready"] == ready


async def test_store_that_is_away_is_told_by_name_with_the_length_of_its_outage(
    autojump_clock: MockClock,
) -> None:
    readiness = new_readiness(at=lambda: UnixSeconds(NOW + trio.current_time()))
    readiness.report_outage("postgres", "sync", None)
    await trio.sleep(3.0)
    readiness.report_outage("redis", "sync", "no answer")
    readiness.report_outage("redis", "ingest", "no answer")
    await trio.sleep(12.5)
    readiness.report_outage("redis", "sync", None)  # ingest still finds it away
    away = _of_dependencies(await metrics(readiness=readiness))
    readiness.report_outage("redis", "ingest", None)
    back = _of_dependencies(await metrics(readiness=readiness))
    assert {
        'dependency_up{dependency="postgres"}': 1.0,
        'dependency_up{dependency="redis"}': 0.0,
        'dependency_outage_seconds{dependency="postgres"}': 0.0,
        'dependency_outage_seconds{dependency="redis"}': 12.5,
    } == away
    assert {
        'dependency_up{dependency="postgres"}': 1.0,
        'dependency_up{dependency="redis"}': 1.0,
        'dependency_outage_seconds{dependency="postgres"}': 0.0,
        'dependency_outage_seconds{dependency="redis"}': 0.0,
    } == back


async def test_what_nobody_has_used_yet_is_not_told() -> None:
    assert {} == _of_dependencies(await metrics())


def _of_dependencies(told: dict[str, float]) -> dict[str, float]:
    prefix = "token_discovery_"
    return {
        name.removeprefix(prefix): value
        for name, value in told.items()
        if name.startswith(f"{prefix}dependency_")
    }


# All together.


async def test_every_actor_of_the_service_tells_its_counters_and_gauges(
    autojump_clock: MockClock,
) -> None:
    async with ServiceWorld().serving() as supervisor:
        await trio.sleep(30)
        watch, governor = CheckpointWatch(clock), governed()
        sources = MetricSources(
            dump=supervisor.take_dump,
            ledger=Ledger(clock=clock).snapshot,
            governor=lambda: governor.snapshot(0.0),
            checkpoints=watch.snapshot,
            health=lambda: take_health_snapshot(new_readiness()),
        )
        told = samples(build_exposition(sources)().decode())
    for name in (
        'stream_sent_total{stream="scripted"}',
        "ingest_admitted_total",
        "market_data_tracked",
        "hot_score_updated_total",
        "holder_count_refused_total",
        "activity_active",
        "sync_tokens",
        'mailbox_messages_sent_total{mailbox="sync"}',
        'actor_restarts_total{actor="sync"}',
    ):
        assert f"token_discovery_{name}" in told
    assert not [name for name in told if name.startswith("token_discovery_actor_state")]
