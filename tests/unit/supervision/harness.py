"""What the supervision tests share: a captured log, time without jitter, and scripted actors."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import structlog
import trio
from attrs import define, field
from structlog.testing import LogCapture
from structlog.typing import EventDict

from config.settings import ShutdownSettings, SupervisionSettings
from domain.snapshots import Snapshot, snapshot_class
from domain.values import UnixSeconds
from supervision.children import ChildSpec
from supervision.environment import Environment
from supervision.readiness import Readiness
from supervision.supervisor import Supervisor
from tests.patience import PATIENCE_SECONDS

WALL_CLOCK_AT_ZERO = 1_750_000_000.0  # what the wall clock says at second 0 of a test

SETTINGS = SupervisionSettings(
    restarts=5,
    restart_window_seconds=60.0,
    backoff_seconds=0.1,
    backoff_longest_seconds=10.0,
    crashes_before_quarantine=3,
    stall_limit_seconds=0.0,
)
SHUTDOWN = ShutdownSettings(deadline_seconds=8.0)


class NoJitter(Random):
    """Always the upper end, so that tests can state exact times."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Log:
    """A structlog logger and what it was told."""

    def __init__(self) -> None:
        self._capture = LogCapture()
        self._readers = trio.lowlevel.ParkingLot()
        self.logger: Any = structlog.wrap_logger(None, processors=[self._wake, self._capture])

    def entries(self, event: str) -> list[EventDict]:
        return [entry for entry in self._capture.entries if entry["event"] == event]

    async def wait(self, event: str, times: int = 1) -> list[EventDict]:
        """The entries of `event`, once there are so many; on the real clock."""
        with trio.fail_after(PATIENCE_SECONDS):
            while len(self.entries(event)) < times:
                await self._readers.park()
        return self.entries(event)

    def _wake(self, _logger: Any, _method: str, entry: EventDict) -> EventDict:
        if self._readers:
            self._readers.unpark_all()
        return entry


def environment(log: Log, random: Random | None = None) -> Environment:
    def clock() -> UnixSeconds:
        return UnixSeconds(WALL_CLOCK_AT_ZERO + trio.current_time())

    return Environment(
        clock=clock,
        random=random or NoJitter(),
        log=log.logger,
        readiness=Readiness([], on_first_ready=lambda: None, clock=clock, log=log.logger),
    )


@snapshot_class
class Nothing(Snapshot):
    """An actor that has nothing to tell."""


@define
class ScriptedActor:
    """An actor whose life is one function."""

    life: Callable[[], Awaitable[None]]
    state: Snapshot = field(factory=Nothing)

    async def run(self) -> None:
        await self.life()

    def snapshot(self) -> Snapshot:
        return self.state


def child(name: str, life: Callable[[], Awaitable[None]], **more: Any) -> ChildSpec:
    return ChildSpec(name=name, build=lambda _memory: ScriptedActor(life), **more)


async def leaked_cancellation() -> trio.Cancelled:
    """A cancellation out of the scope it belongs to, as trio-websocket can leak one."""
    leaked: list[trio.Cancelled] = []
    with trio.CancelScope() as foreign:
        foreign.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as cancelled:
            leaked.append(cancelled)
            raise
    return leaked[0]


def supervisor(
    *specs: ChildSpec, log: Log | None = None, settings: SupervisionSettings = SETTINGS
) -> Supervisor:
    return Supervisor(specs, settings, SHUTDOWN, environment(log or Log()))


async def run_for(seconds: float, supervised: Supervisor) -> None:
    """Run, and drain after so long; returns when the drain is finished."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervised.run)
        await trio.sleep(seconds)
        supervised.begin_drain()
