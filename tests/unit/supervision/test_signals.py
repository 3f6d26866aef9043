"""Signals, sent for real to this very process; the clock is the real one."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from attrs import define, field

from domain.snapshots import Snapshot, gauge, read_fields, snapshot_class
from supervision.signals import ALL_SIGNALS, Signals, write_whole
from tests.unit.supervision.harness import Log

RENDERED = {"rendered": {"pid": os.getpid()}}


@snapshot_class
class Inspected(Snapshot):
    pid: int = gauge("Process id.")


@define
class Recorder:
    """Stands where supervisor, settings and the operating system would."""

    told: list[object] = field(factory=list)

    def begin_drain(self) -> None:
        self.told.append("drain")

    def take_dump(self) -> Inspected:
        return Inspected(pid=os.getpid())

    def reload(self) -> None:
        self.told.append("reload")

    def leave(self, exit_code: int) -> None:
        self.told.append(exit_code)


@asynccontextmanager
async def serving(
    recorder: Recorder, log: Log, directory: Path, **more: Any
) -> AsyncIterator[None]:
    signals = Signals(
        supervisor=recorder,
        render=lambda dump: {"rendered": read_fields(dump)},
        dump_directory=directory,
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
async def test_stop_signal_begins_a_drain(number: signal.Signals, tmp_path: Path) -> None:
    recorder, log = Recorder(), Log()
    async with serving(recorder, log, tmp_path):
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
    first: signal.Signals, second: signal.Signals, exit_code: int, tmp_path: Path
) -> None:
    recorder, log = Recorder(), Log()
    async with serving(recorder, log, tmp_path):
        send(first)
        await log.wait("signal")
        # No await until the assertion: it must work although the event loop is stuck.
        send(second)
        assert ["drain", exit_code] == recorder.told


async def test_handlers_of_before_are_back_when_serving_ends(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in ALL_SIGNALS]
    recorder, log = Recorder(), Log()
    async with serving(recorder, log, tmp_path):
        send(signal.SIGTERM)
        await log.wait("signal")
    assert before == [signal.getsignal(number) for number in ALL_SIGNALS]


async def test_dump_goes_to_the_log_and_to_a_file_that_the_log_names(tmp_path: Path) -> None:
    recorder, log = Recorder(), Log()
    async with serving(recorder, log, tmp_path):
        send(signal.SIGUSR1)
        [entry] = await log.wait("dump")
    assert RENDERED == entry["document"]
    assert RENDERED == orjson.loads(await trio.Path(entry["path"]).read_bytes())
    assert [f"token-discovery-{os.getpid()}.dump.json"] == os.listdir(tmp_path)


async def test_dumps_of_one_process_replace_one_another(tmp_path: Path) -> None:
    recorder, log = Recorder(), Log()
    async with serving(recorder, log, tmp_path):
        for times in (1, 2, 3):
            send(signal.SIGUSR1)
            await log.wait("dump", times)
    assert 1 == len(os.listdir(tmp_path))


async def test_task_tree_goes_to_the_log_and_to_a_file(tmp_path: Path) -> None:
    recorder, log = Recorder(), Log()
    async with serving(recorder, log, tmp_path):
        send(signal.SIGUSR2)
        [entry] = await log.wait("tasks")
    assert "Signals.serve" in entry["tasks"]
    assert entry["tasks"] == await trio.Path(entry["path"]).read_text()


async def test_hangup_reloads(tmp_path: Path) -> None:
    recorder, log = Recorder(), Log()
    async with serving(recorder, log, tmp_path):
        send(signal.SIGHUP)
        await log.wait("signal")
        await trio.testing.wait_all_tasks_blocked()
    assert ["reload"] == recorder.told


async def test_failing_reload_is_logged_and_later_signals_are_obeyed(tmp_path: Path) -> None:
    def refuse() -> None:
        raise ValueError("bad file")

    recorder, log = Recorder(), Log()
    async with serving(recorder, log, tmp_path, reload=refuse):
        send(signal.SIGHUP)
        [entry] = await log.wait("signal failed")
        send(signal.SIGTERM)
        await log.wait("signal", 2)
    assert "ValueError: bad file" == entry["error"]
    assert ["drain"] == recorder.told


async def test_dump_that_cannot_be_written_is_still_in_the_log(tmp_path: Path) -> None:
    recorder, log = Recorder(), Log()
    async with serving(recorder, log, tmp_path / "missing"):
        send(signal.SIGUSR1)
        [entry] = await log.wait("dump")
    assert (None, RENDERED) == (entry["path"], entry["document"])
    assert 1 == len(log.entries("cannot write"))


def test_file_is_for_its_owner_alone_and_a_failed_write_leaves_none(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    write_whole(path, b"content")
    assert 0o600 == path.stat().st_mode & 0o777
    directory_in_the_way = tmp_path / "directory"
    (directory_in_the_way / "inner").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_whole(directory_in_the_way, b"content")
    assert ["directory", "dump"] == sorted(os.listdir(tmp_path))
