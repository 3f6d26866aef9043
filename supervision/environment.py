"""What every actor is given of the process around it."""

from collections.abc import Callable, Collection
from random import Random
from typing import Any, Protocol

import trio
from attrs import evolve, frozen

from domain.values import UnixSeconds
from supervision import WallClock


class Conditions(Protocol):
    """Where an actor says whether its part of the service is ready, and what it finds away."""

    def set(self, name: str, reason: str | None) -> None:
        """`name` is ready (None), or is not, for a reason."""

    def report_outage(self, name: str, reporter: str, problem: str | None) -> None:
        """`reporter` finds store or source `name` away for a `problem`, or answering (None)."""

    def list_away(self) -> Collection[str]:
        """The names of the stores and sources that somebody finds away now."""


@frozen(kw_only=True)
class Environment:
    """Time, chance, the log and the readiness; tests replace them all."""

    clock: WallClock
    # Told of the newest time that an earlier life has observed: the clock goes on from there.
    raise_clock: Callable[[UnixSeconds], object] = lambda moment: None
    # Trio's clock. That of the service may be read by any thread: snapshots ask this one.
    loop_clock: Callable[[], float] = trio.current_time
    random: Random
    log: Any  # a structlog logger
    readiness: Conditions

    def for_actor(self, name: str) -> "Environment":
        """The same, with a log that names the actor."""
        return evolve(self, log=self.log.bind(actor=name))
