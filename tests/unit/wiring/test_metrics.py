"""Metrics: what is counted anyway, in Prometheus' format."""

import re
from typing import Any

import attrs

from actors.sync.allowance import Budget, GovernorPlan
from actors.sync.governor import Governor
from domain.token import Group
from domain.values import UnixSeconds
from store import WriteReceipt
from store.checkpoints import CheckpointWatch
from store.ledger import Ledger
from store.memory import UNTROUBLED
from wiring.metrics import exposition


def clock() -> UnixSeconds:
    return UnixSeconds(1_760_000_000.0)


def governed() -> Governor:
    budget = Budget(wal_bytes_per_second=4000.0, rows_per_hour=60_000.0)
    bounds = {Group.LIFECYCLE: 300.0, Group.MARKET: 900.0}
    plan = GovernorPlan(interval_seconds=300.0, budget=budget, staleness_seconds=bounds)
    return Governor(plan)


def metrics(governor: Governor, ledger: Ledger, watch: CheckpointWatch) -> dict[str, float]:
    """Every sample by its name with labels."""

    def inspect() -> dict[str, Any]:
        return {"mailboxes": [], "actors": []}

    def writes() -> dict[str, Any]:
        return {**ledger.snapshot(), "governor": governor.as_json(0.0)}

    text = exposition(inspect, writes, watch.snapshot)().decode()
    samples = re.findall(r"^(\S+) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in samples}


def test_governor_tells_its_allowance_and_what_is_stale() -> None:
    governor = governed()
    governor.note_server(wal_bytes_per_second=None, requested=2, seconds=30.0, now=0.0)
    governor.note_ages({Group.LIFECYCLE: 400.0})
    told = metrics(governor, Ledger(clock=clock), CheckpointWatch(clock))
    assert told["token_discovery_governor_share"] == 0.5
    assert told["token_discovery_governor_allowed_wal_bytes_per_second"] == 2000.0
    assert told['token_discovery_staleness_broken{group="lifecycle"}'] == 1.0
    assert told['token_discovery_staleness_broken{group="market"}'] == 0.0
    assert told['token_discovery_governor_events_total{event="pressure_requested"}'] == 1.0


def test_ledger_tells_page_images_where_the_server_does() -> None:
    ledger = Ledger(clock=clock)
    ledger.book("sync", WriteReceipt(rows=1, statements=1, wal_bytes=100, seconds=0.1))
    ledger.note_pulse(UNTROUBLED)
    ledger.note_pulse(attrs.evolve(UNTROUBLED, full_page_images=9, wal_bytes=900))
    told = metrics(governed(), ledger, CheckpointWatch(clock))
    assert told['token_discovery_postgres_wal_bytes_total{component="sync"}'] == 100.0
    assert told["token_discovery_postgres_server_full_page_images_total"] == 9.0
    assert 'token_discovery_postgres_full_page_images_total{component="sync"}' not in told


def test_checkpoints_are_told_once_they_are_watched() -> None:
    watch = CheckpointWatch(clock)
    name = "token_discovery_postgres_checkpoints_requested_total"
    assert name not in metrics(governed(), Ledger(clock=clock), watch)
    watch.observe(attrs.evolve(UNTROUBLED, checkpoints_requested=3), 0.0)
    assert metrics(governed(), Ledger(clock=clock), watch)[name] == 3.0
