"""A service whose event loop is really blocked: by a reader of its log that no longer reads."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from attrs import define

from tests.acceptance.service import Service, running_service, settings
from tests.acceptance.test_process import ended
from tests.patience import PATIENCE_SECONDS

WATCHDOG_SECONDS = 0.4
NON_BLOCKING = os.O_WRONLY | os.O_NONBLOCK


@define
class LogPipe:
    """The service's stderr, which a test reads or does not read."""

    reader: int
    writer: int

    def fill(self) -> None:
        """Leave no room: the next line of the log waits until somebody reads."""
        # Opened anew, so that it does not wait while the service's own end of it still does.
        own_end = os.open(f"/proc/self/fd/{self.writer}", NON_BLOCKING)
        with suppress(BlockingIOError):
            while True:
                os.write(own_end, b"\n" * 4096)
        with suppress(BlockingIOError):
            while True:
                os.write(own_end, b"\n")
        os.close(own_end)

    def read_until(self, event: str) -> str:
        """Read on until the log has this line; all that was read."""
        text = b""
        while f'"event": "{event}"'.encode() not in text:
            text += os.read(self.reader, 65_536)
        return text.decode()


@pytest.fixture
def pipe() -> Iterator[LogPipe]:
    reader, writer = os.pipe()
    yield LogPipe(reader, writer)
    os.close(reader)
    os.close(writer)


@define
class Systemd:
    """Its end of NOTIFY_SOCKET."""

    address: str
    datagrams: socket.socket

    @property
    def environment(self) -> dict[str, str]:
        microseconds = str(int(WATCHDOG_SECONDS * 1_000_000))
        return {"NOTIFY_SOCKET": self.address, "WATCHDOG_USEC": microseconds}

    def receive_until(self, text: str) -> list[str]:
        """What is told until this is told."""
        self.datagrams.settimeout(PATIENCE_SECONDS)
        told = [""]
        while told[-1] != text:
            told.append(self.datagrams.recv(1000).decode())
        return told[1:]

    def receive_for_its_time(self) -> list[str]:
        """What is told from now on, within the watchdog's time."""
        self.datagrams.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self.datagrams.recv(1000)
        until, told = time.monotonic() + WATCHDOG_SECONDS, list[str]()
        with suppress(TimeoutError):
            while (left := until - time.monotonic()) > 0:
                self.datagrams.settimeout(left)
                told.append(self.datagrams.recv(1000).decode())
        return told


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(str(tmp_path / "notify"))
        yield Systemd(str(tmp_path / "notify"), datagrams)


def block(service: Service, pipe: LogPipe) -> None:
    """Have the event loop write a line of the log that nobody reads."""
    pipe.fill()
    service.process.send_signal(signal.SIGHUP)  # which is logged


def asked(service: Service) -> tuple[Any, str]:
    """What `token-discovery dump` prints, and what it says beside it."""
    process = ended({"PORT": str(service.port)}, "dump")
    assert 0 == process.returncode, process.stderr
    return orjson.loads(process.stdout), process.stderr


async def until_stopped(pid: int) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        while " T " not in await trio.Path(f"/proc/{pid}/stat").read_text():
            await trio.sleep(0.01)


async def until_file(path: Path) -> Any:
    with trio.fail_after(PATIENCE_SECONDS):
        while not await trio.Path(path).exists():
            await trio.sleep(0.02)
    return orjson.loads(await trio.Path(path).read_bytes())


def assert_tells_of_the_stall(dump: Any) -> None:
    assert dump["event_loop"]["state"].startswith("blocked for ")
    [main] = [each for each in dump["event_loop"]["threads"] if each["name"] == "MainThread"]
    assert "supervision/signals.py" in "\n".join(main["frames"])  # the line that it is in
    actors = {actor["name"] for actor in dump["actors"]}
    assert actors >= {"ingest", "market-data", "hot-score", "holder-count", "activity", "sync"}
    assert {"ingest", "sync"} <= {mailbox["name"] for mailbox in dump["mailboxes"]}
    assert [] == dump["unreadable"]
    assert [] == [actor for actor in dump["actors"] if "error" in actor["summary"]]


async def test_blocked_service_answers_dump_and_sigusr1_and_leaves_its_watchdog_hungry(
    tmp_path: Path, postgres_url: str, redis_url: str, pipe: LogPipe, systemd: Systemd
) -> None:
    environment = settings(postgres_url, redis_url, LOGGING__DUMP_DIRECTORY=str(tmp_path))
    environment |= systemd.environment
    async with running_service(tmp_path, environment, stderr=pipe.writer) as service:
        in_thread = trio.to_thread.run_sync
        assert "READY=1" in await in_thread(systemd.receive_until, "READY=1")
        await in_thread(systemd.receive_until, "WATCHDOG=1")

        block(service, pipe)
        dump, beside = await in_thread(asked, service)
        assert_tells_of_the_stall(dump)
        assert "does not answer" in beside
        service.process.send_signal(signal.SIGUSR1)
        path = tmp_path / f"token-discovery-{service.process.pid}.dump.json"
        assert_tells_of_the_stall(await until_file(path))
        assert [] == await in_thread(systemd.receive_for_its_time)

        log = await in_thread(pipe.read_until, "event loop runs again")
        assert '"event": "event loop stalled"' in log
        assert '"event": "dump"' in log
        await in_thread(systemd.receive_until, "WATCHDOG=1")
        loop = (await service.get("/api/ops/actors")).json()["event_loop"]
        assert ("running", []) == (loop["state"], loop["threads"])
        assert loop["stalls"] >= 1
        assert "token_discovery_event_loop_stalls_total" in (await service.get("/metrics")).text

        service.process.send_signal(signal.SIGSTOP)
        await until_stopped(service.process.pid)
        assert [] == await in_thread(systemd.receive_for_its_time)
        silent = await in_thread(ended, {"PORT": str(service.port)}, "dump")
        assert 69 == silent.returncode
        assert f"process {service.process.pid} is there and tells nothing" in silent.stderr
        service.process.send_signal(signal.SIGCONT)
        await in_thread(systemd.receive_until, "WATCHDOG=1")
        assert 0 == await service.stop()
        told = await in_thread(systemd.receive_until, "STOPPING=1\nSTATUS=draining")
        assert {"WATCHDOG=1"} >= set(told[:-1])


async def test_service_that_stays_blocked_ends_itself_with_70_and_a_dump(
    tmp_path: Path, postgres_url: str, redis_url: str, pipe: LogPipe
) -> None:
    more = {
        "LOGGING__DUMP_DIRECTORY": str(tmp_path),
        "SUPERVISION__STALL_LIMIT_SECONDS": "1",
        "GATEWAY__CONTROL_TOKEN": "hush5hush",
    }
    environment = settings(postgres_url, redis_url, **more)
    async with running_service(tmp_path, environment, stderr=pipe.writer) as service:
        block(service, pipe)
        with trio.fail_after(PATIENCE_SECONDS):
            assert 70 == await service.process.wait()
        path = tmp_path / f"token-discovery-{service.process.pid}.dump.json"
        assert_tells_of_the_stall(await until_file(path))
    assert "hush" not in path.read_text()


async def test_fatal_signal_leaves_every_stack_on_stderr(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    """What systemd's watchdog sends, and the last thing that a person can."""
    async with running_service(tmp_path, settings(postgres_url, redis_url)) as service:
        assert -signal.SIGABRT == await service.stop(signal.SIGABRT)
        log = service.log()
    assert "Fatal Python error: Aborted" in log
    assert "most recent call first" in log
