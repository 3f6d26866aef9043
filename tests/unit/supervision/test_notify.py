"""Notifications, received from a real datagram socket and a real pipe."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from supervision.notify import Notifier
from tests.unit.supervision.harness import Log


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.setblocking(False)
        yield datagrams


def received(datagrams: socket.socket) -> list[str]:
    texts = []
    while True:
        try:
            texts.append(datagrams.recv(1000).decode())
        except BlockingIOError:
            return texts


def test_ready_and_stopping_reach_systemd(receiver: socket.socket, tmp_path: Path) -> None:
    receiver.bind(str(tmp_path / "notify"))
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": str(tmp_path / "notify")}, Log().logger)
    notifier.say_ready()
    notifier.say_stopping()
    assert ["READY=1", "STOPPING=1\nSTATUS=draining"] == received(receiver)


def test_abstract_socket_is_reached(receiver: socket.socket) -> None:
    name = f"token-discovery-test-{os.getpid()}"
    receiver.bind("\0" + name)
    Notifier.from_environment({"NOTIFY_SOCKET": "@" + name}, Log().logger).say_ready()
    assert ["READY=1"] == received(receiver)


async def test_status_is_told_when_it_changes_and_in_one_line(
    receiver: socket.socket, tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver.bind(str(tmp_path / "notify"))
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": str(tmp_path / "notify")}, Log().logger)
    with trio.move_on_after(10):
        await notifier.keep_status(lambda: "two\nlines" if trio.current_time() < 5 else "idle")
    assert ["STATUS=two lines", "STATUS=idle"] == received(receiver)


async def test_watchdog_is_fed_at_half_its_time_while_the_process_is_sound(
    receiver: socket.socket, tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver.bind(str(tmp_path / "notify"))
    environment = {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    notifier = Notifier.from_environment(environment, Log().logger)
    with trio.move_on_after(100):
        await notifier.keep_watchdog(lambda: trio.current_time() < 40)
    assert ["WATCHDOG=1"] * 3 == received(receiver)  # at 0, 15 and 30 seconds


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": "/nowhere"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"},
    ],
)
async def test_watchdog_that_nobody_keeps_for_this_process_is_not_fed(
    environment: dict[str, str],
) -> None:
    log = Log()
    await Notifier.from_environment(environment, log.logger).keep_watchdog(lambda: True)
    assert [] == log.entries("cannot notify")


def test_readiness_descriptor_gets_a_line_and_is_closed() -> None:
    reader, writer = os.pipe()
    notifier = Notifier.from_environment({"READINESS_FD": str(writer)}, Log().logger)
    notifier.say_ready()
    notifier.say_ready()  # the descriptor may by now be somebody else's
    assert b"\n" == os.read(reader, 10)
    assert b"" == os.read(reader, 10)
    os.close(reader)


def test_supervisor_that_cannot_be_told_is_logged_and_no_error(tmp_path: Path) -> None:
    log = Log()
    environment = {"NOTIFY_SOCKET": str(tmp_path / "missing"), "READINESS_FD": "999999"}
    Notifier.from_environment(environment, log.logger).say_ready()
    assert 2 == len(log.entries("cannot notify"))


@pytest.mark.parametrize("value", ["two", "-1", "1", "٣"])
def test_readiness_descriptor_that_is_none_is_ignored_with_a_warning(value: str) -> None:
    log = Log()
    notifier = Notifier.from_environment({"READINESS_FD": value}, log.logger)
    assert notifier.readiness_descriptor is None
    assert 1 == len(log.entries("READINESS_FD is not a whole number from 3"))


def test_address_that_is_no_unix_socket_is_ignored_with_a_warning() -> None:
    log = Log()
    Notifier.from_environment({"NOTIFY_SOCKET": "vsock:2:1234"}, log.logger).say_ready()
    assert 1 == len(log.entries("NOTIFY_SOCKET is neither a path nor an abstract name"))
    assert [] == log.entries("cannot notify")
