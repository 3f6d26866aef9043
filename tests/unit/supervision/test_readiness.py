"""Readiness: every condition at once, told once, never again after a drain began."""

import pytest
import trio
from trio.testing import MockClock

from supervision.readiness import Outage, Readiness
from tests.unit.actors.world import Log, at, until


class Told:
    """Counts how often it was told that the service is ready."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def made(names: list[str], told: Told | None = None, log: Log | None = None) -> Readiness:
    return Readiness(
        names,
        on_first_ready=told or Told(),
        clock=lambda: at(trio.current_time()),
        log=(log or Log()).logger,
    )


def test_nothing_is_ready_at_the_start() -> None:
    readiness = made(["store", "gateway"])
    assert not readiness.is_ready
    assert ["store: not yet", "gateway: not yet"] == readiness.reasons()


def test_ready_when_every_condition_holds() -> None:
    readiness = made(["store", "gateway"])
    readiness.set("store", None)
    assert ["gateway: not yet"] == readiness.reasons()
    readiness.set("gateway", None)
    assert readiness.is_ready


def test_failed_condition_says_why() -> None:
    readiness = made(["store"])
    readiness.set("store", None)
    readiness.set("store", "connection refused")
    assert ["store: connection refused"] == readiness.reasons()


def test_only_the_first_time_ready_is_told() -> None:
    told = Told()
    readiness = made(["store"], told)
    assert 0 == told.times
    for reason in (None, "gone", None):
        readiness.set("store", reason)
    assert 1 == told.times


def test_draining_is_never_ready_and_never_told_as_such() -> None:
    told = Told()
    readiness = made(["store"], told)
    readiness.drain()
    readiness.set("store", None)
    assert ["draining"] == readiness.reasons()
    assert 0 == told.times


def test_unknown_condition_is_refused() -> None:
    with pytest.raises(KeyError):
        made(["store"]).set("stor", None)


# Outages.


async def test_outage_is_told_once_at_its_beginning_and_once_at_its_end(
    autojump_clock: MockClock,
) -> None:
    log = Log()
    readiness = made([], log=log)
    assert ([], {}) == (readiness.outages(), readiness.dependencies)
    for second in range(1, 6):
        await until(float(second))
        readiness.report_outage("redis", "sync", f"refused at {second}")
    away = Outage(name="redis", reason="refused at 5", since=at(1.0))
    assert ([away], {"redis": False}) == (readiness.outages(), readiness.dependencies)
    assert readiness.is_ready  # it serves what it has
    await until(7.5)
    readiness.report_outage("redis", "sync", None)
    readiness.report_outage("redis", "sync", None)
    assert ([], {"redis": True}) == (readiness.outages(), readiness.dependencies)
    [begun], [ended] = log.entries("dependency away"), log.entries("dependency back")
    assert ("redis", "refused at 1") == (begun["name"], begun["problem"])
    assert ("redis", 6.5) == (ended["name"], ended["outage_seconds"])


async def test_outage_lasts_until_everybody_is_answered(autojump_clock: MockClock) -> None:
    readiness = made([])
    readiness.report_outage("postgres", "ingest", "gone")
    readiness.report_outage("postgres", "sync", "gone, too")
    readiness.report_outage("postgres", "ingest", None)
    assert ["gone, too"] == [outage.reason for outage in readiness.outages()]
    readiness.report_outage("postgres", "sync", None)
    assert [] == readiness.outages()
