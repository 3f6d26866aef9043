"""Readiness: every condition at once, told once, never again after a drain began."""

import pytest

from supervision.readiness import Readiness


class Told:
    """Counts how often it was told that the service is ready."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def test_nothing_is_ready_at_the_start() -> None:
    readiness = Readiness(["store", "gateway"], on_first_ready=Told())
    assert not readiness.is_ready
    assert ["store: not yet", "gateway: not yet"] == readiness.reasons()


def test_ready_when_every_condition_holds() -> None:
    readiness = Readiness(["store", "gateway"], on_first_ready=Told())
    readiness.set("store", None)
    assert ["gateway: not yet"] == readiness.reasons()
    readiness.set("gateway", None)
    assert readiness.is_ready


def test_failed_condition_says_why() -> None:
    readiness = Readiness(["store"], on_first_ready=Told())
    readiness.set("store", None)
    readiness.set("store", "connection refused")
    assert ["store: connection refused"] == readiness.reasons()


def test_only_the_first_time_ready_is_told() -> None:
    told = Told()
    readiness = Readiness(["store"], on_first_ready=told)
    assert 0 == told.times
    for reason in (None, "gone", None):
        readiness.set("store", reason)
    assert 1 == told.times


def test_draining_is_never_ready_and_never_told_as_such() -> None:
    told = Told()
    readiness = Readiness(["store"], on_first_ready=told)
    readiness.drain()
    readiness.set("store", None)
    assert ["draining"] == readiness.reasons()
    assert 0 == told.times


def test_unknown_condition_is_refused() -> None:
    with pytest.raises(KeyError):
        Readiness(["store"], on_first_ready=Told()).set("stor", None)
