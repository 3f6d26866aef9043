"""What the settings mean for the actors."""

from typing import Any

import pytest

from actors.sync.allowance import Budget
from config.loading import load_settings
from config.settings import Settings
from domain.token import Group
from tests.unit.actors.service_world import ServiceWorld, operations
from wiring.children import governor_plan

ADDRESSES = {"DATABASE_URL": "postgresql://nowhere/test", "REDIS_URL": "redis://nowhere"}


def settings(**chosen: object) -> Settings:
    """The defaults, but for these: `sync__interval_seconds=7`."""
    names = {f"TOKEN_DISCOVERY__{name.upper()}": str(value) for name, value in chosen.items()}
    return load_settings(None, ADDRESSES | names)


def test_governor_follows_the_settings_of_sync_and_staleness() -> None:
    bounds = {group: 11.0 * number for number, group in enumerate(Group, start=1)}
    names = {f"staleness__{group.value}_seconds": bound for group, bound in bounds.items()}
    known = {name for name in names if hasattr(settings().staleness, name.split("__")[1])}
    plan = governor_plan(
        settings(
            sync__interval_seconds=7,
            sync__wal_budget_bytes_per_second=1234,
            sync__rows_budget_per_hour=5678,
            **{name: names[name] for name in known},
        )
    )
    assert 7.0 == plan.interval_seconds
    assert Budget(wal_bytes_per_second=1234.0, rows_per_hour=5678.0) == plan.budget
    assert plan.staleness_seconds == {
        group: bound
        for group, bound in bounds.items()
        if f"staleness__{group.value}_seconds" in known
    }
    assert len(plan.staleness_seconds) == 6


def test_default_bounds_are_those_of_the_decision() -> None:
    """docs/decisions/0008-governor.md"""
    plan = governor_plan(settings())
    assert plan.staleness_seconds == {
        Group.LIFECYCLE: 300.0,
        Group.MARKET: 900.0,
        Group.SCORE: 900.0,
        Group.HOLDERS: 1800.0,
        Group.WATCHERS: 1800.0,
        Group.PROFILE: 1800.0,
    }
    assert (300.0, 300.0) == (plan.interval_seconds, plan.tick_seconds)


@pytest.fixture
def actors() -> dict[str, Any]:
    """Every actor, built with settings that are all different."""
    chosen = settings(
        tracking__tokens=77, hot_score__half_life_seconds=99, hot_score__interval_seconds=101
    )
    composition = ServiceWorld(settings=chosen).composition()
    return {spec.name: spec.build_actor() for spec in composition.child_specs(operations())}


def test_every_actor_has_the_settings_of_its_section(actors: dict[str, Any]) -> None:
    chosen = settings(
        tracking__tokens=77, hot_score__half_life_seconds=99, hot_score__interval_seconds=101
    )
    assert chosen.ingest == actors["ingest"].settings
    assert chosen.sync == actors["sync"].settings
    assert chosen.activity == actors["activity"].settings
    for job in ("hot-score", "holder-count", "market-data", "metadata"):
        assert chosen == actors[job].context.settings


def test_tracked_tokens_bound_every_picture_of_them(actors: dict[str, Any]) -> None:
    assert 77 == actors["sync"].tracked_tokens
    assert 77 == actors["hot-score"].limit
    for job in ("market-data", "holder-count"):
        assert (77, 99.0) == (actors[job].roster.limit, actors[job].roster.half_life_seconds)
