"""Signals, sent for real to this very process; the clock is the real one."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import define, field

from supervision.signals import ALL_SIGNALS, Signals
from tests.unit.supervision.harness import Log


@define
class Recorder:
    """Stands where supervisor, settings and the operating system would."""

    told: list[object] = field(factory=list)

    def begin_drain(self) -> None:
        self.told.append("drain")

    def reload(self) -> None:
        self.told.append("reload")

    def leave(self, exit_code: int) -> None:
        self.told.append(exit_code)


@asynccontextmanager
async def serving(recorder: Recorder, log: Log, **more: Any) -> AsyncIterator[None]:
    signals = Signals(
        begin_drain=recorder.begin_drain,
        log=log.logger,
        leave_at_once=recorder.leave,
        **{"reload": recorder.reload, **more},
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(signals.serve)
        yield
        nursery.cancel_scope.cancel()


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_stop_signal_begins_a_drain(number: signal.Signals) -> None:
    recorder, log = Recorder(), Log()
    async with serving(recorder, log):
        send(number)
        assert [number.name] == [entry["name"] for entry in await log.wait("signal")]
    assert ["drain"] == recorder.told


@pytest.mark.parametrize(
    ("first", "second", "exit_code"),
    [
        (signal.SIGTERM, signal.SIGTERM, 143),
        (signal.SIGINT, signal.SIGTERM, 143),
        (signal.SIGTERM, signal.SIGINT, 130),
    ],
)
async def test_second_stop_signal_leaves_at_once(
    first: signal.Signals, second: signal.Signals, exit_code: int
) -> None:
    recorder, log = Recorder(), Log()
    async with serving(recorder, log):
        send(first)
        await log.wait("signal")
        # No await until the assertion: it must work although the event loop is stuck.
        send(second)
        assert ["drain", exit_code] == recorder.told


async def test_handlers_of_before_are_back_when_serving_ends() -> None:
    before = [signal.getsignal(number) for number in ALL_SIGNALS]
    recorder, log = Recorder(), Log()
    async with serving(recorder, log):
        send(signal.SIGTERM)
        await log.wait("signal")
    assert before == [signal.getsignal(number) for number in ALL_SIGNALS]


async def test_hangup_reloads() -> None:
    recorder, log = Recorder(), Log()
    async with serving(recorder, log):
        send(signal.SIGHUP)
        await log.wait("signal")
        await trio.testing.wait_all_tasks_blocked()
    assert ["reload"] == recorder.told


async def test_failing_reload_is_logged_and_later_signals_are_obeyed() -> None:
    def refuse() -> None:
        raise ValueError("bad file")

    recorder, log = Recorder(), Log()
    async with serving(recorder, log, reload=refuse):
        send(signal.SIGHUP)
        [entry] = await log.wait("signal failed")
        send(signal.SIGTERM)
        await log.wait("signal", 2)
    assert "ValueError: bad file" == entry["error"]
    assert ["drain"] == recorder.told
