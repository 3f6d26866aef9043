"""What a stream is given in tests: a mailbox that keeps everything, a clock that stands, a log."""

from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import trio
from attrs import define, field

from domain.messages import SourceEvent
from domain.values import UnixSeconds
from tests.patience import PATIENCE_SECONDS

NOW = UnixSeconds(1_783_089_923.0)


@define
class KeepingOutbox:
    """Takes every event, and lets a test wait for as many as it expects."""

    events: list[SourceEvent] = field(factory=list, init=False)
    arrived: trio.Condition = field(factory=trio.Condition, init=False)

    async def send(self, message: SourceEvent) -> None:
        async with self.arrived:
            self.events.append(message)
            self.arrived.notify_all()

    async def send_all(self, messages: Iterable[SourceEvent]) -> None:
        await trio.lowlevel.checkpoint()
        for message in messages:
            await self.send(message)

    async def until(self, number: int) -> list[SourceEvent]:
        """The events, once there are `number` of them; `trio.TooSlowError` if never."""
        with trio.fail_after(PATIENCE_SECONDS):
            async with self.arrived:
                while len(self.events) < number:
                    await self.arrived.wait()
        return self.events


@define
class KeepingLog:
    """Keeps what is logged as (level, event)."""

    lines: list[tuple[str, str]] = field(factory=list, init=False)
    texts: list[str] = field(factory=list, init=False)

    def _keep(self, level: str, event: str, fields: dict[str, Any]) -> None:
        self.lines.append((level, event))
        self.texts.append(f"{level} {event} {fields}")

    def debug(self, event: str, **fields: Any) -> None:
        self._keep("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._keep("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._keep("warning", event, fields)


def standing_clock() -> UnixSeconds:
    return NOW


class LongestWaits(Random):
    """Takes nothing off a back-off's waits, so that a test knows them."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


@define
class KeepingReports:
    """Keeps every outage that is reported, as (source, reporter, problem)."""

    outages: list[tuple[str, str, str | None]] = field(factory=list, init=False)

    def report_outage(self, name: str, reporter: str, problem: str | None) -> None:
        self.outages.append((name, reporter, problem))


@define
class Surroundings:
    """A `SourceEnvironment`."""

    clock: Callable[[], UnixSeconds] = standing_clock
    random: Random = field(factory=lambda: Random(7))
    log: KeepingLog = field(factory=KeepingLog)
    readiness: KeepingReports = field(factory=KeepingReports)
