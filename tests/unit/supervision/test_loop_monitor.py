"""The thread beside the event loop: signals sent for real, and a loop that is really blocked."""

import ctypes
import os
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from attrs import define, evolve, field, frozen

from commands.embedded import free_port
from domain.values import UnixSeconds
from feed.operations import render_dump
from supervision import local_socket
from supervision import loop_monitor as module
from supervision.local_socket import Peer, connect_locally, read_answer, read_peer
from supervision.loop_monitor import LoopMonitor, Question, write_whole
from supervision.mailbox import Mailbox
from supervision.supervisor import Supervisor
from supervision.task_tree import render_task_tree
from tests.patience import PATIENCE_SECONDS
from tests.unit.supervision.harness import SETTINGS, SHUTDOWN, Log, child, environment

MESSAGES = 100_000
PAIRS = 200
DUMP_FILE = f"token-discovery-{os.getpid()}.dump.json"


@define(eq=False)
class Lines:
    """A log for any thread, whose lines a blocked event loop can wait for."""

    lines: list[tuple[str, dict[str, Any]]] = field(factory=list)
    _changed: threading.Condition = field(factory=threading.Condition)

    def note(self, event: str, **fields: Any) -> None:
        with self._changed:
            self.lines.append((event, fields))
            self._changed.notify_all()

    info = warning = error = critical = note

    def of(self, event: str) -> list[dict[str, Any]]:
        return [fields for each, fields in self.lines if each == event]

    def block_until(self, event: str, times: int = 1) -> dict[str, Any]:
        """Block this thread until the line is there so often; the last one's fields."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(event)) >= times, PATIENCE_SECONDS)
        return self.of(event)[-1]

    async def wait_until(self, event: str, times: int = 1) -> dict[str, Any]:
        """The same, while the event loop runs."""
        return await trio.to_thread.run_sync(self.block_until, event, times)


@define(kw_only=True, eq=False)
class World:
    """A supervised service that does nothing, its monitor and what that has told."""

    directory: Path
    supervised: Supervisor
    log: Lines = field(factory=Lines)
    dumps_taken: int = 0
    left_with: list[int] = field(factory=list)

    def take_dump(self) -> object:
        self.dumps_taken += 1
        return render_dump(self.supervised.take_dump())

    def new_monitor(self, **more: Any) -> LoopMonitor:
        root = trio.lowlevel.current_root_task()
        dump = Question(event="dump", name="document", file_name="dump.json", take=self.take_dump)
        tasks = Question(
            event="tasks", name="tasks", file_name="tasks.txt", take=lambda: render_task_tree(root)
        )
        chosen = {
            "heartbeat": self.supervised.heartbeat,
            "questions": {signal.SIGUSR1: dump, signal.SIGUSR2: tasks},
            "dump_directory": self.directory,
            "log": self.log,
            "leave_at_once": self.left_with.append,
        }
        return LoopMonitor(**{**chosen, **more})

    @asynccontextmanager
    async def monitored(self, **more: Any) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.supervised.run)
            nursery.start_soon(self.supervised.heartbeat.keep_beating)
            await trio.testing.wait_all_tasks_blocked()
            with self.new_monitor(**more).running():
                yield
            nursery.cancel_scope.cancel()

    def read_dump(self) -> Any:
        return orjson.loads((self.directory / DUMP_FILE).read_bytes())


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("password=s3cret")


@frozen
class Hostile:
    """A message as nobody should send it."""

    password: str = "s3cret"
    text: str = "x" * 10_000_000 + " password=s3cret"
    address: str = "redis://me:s3cret@host"
    number: int = 10**5000
    not_a_number: float = float("nan")
    raw: bytes = b"\xff" * 10_000_000
    half_a_pair: str = "\ud83d"
    itself: list[object] = field(factory=list)
    unprintable: object = field(factory=Unprintable)

    def __attrs_post_init__(self) -> None:
        self.itself.extend([self.itself] * 1000)


class ChangingMailbox(Mailbox[str]):
    """A mailbox that the event loop, not blocked after all, changes while it is read."""

    def sample_messages(self, limit: int) -> list[object]:
        raise RuntimeError("deque mutated during iteration")


def now() -> UnixSeconds:
    return UnixSeconds(time.time())


def world_of(directory: Path, *mailboxes: Mailbox[Any]) -> World:
    reader = child("reader", trio.sleep_forever, inboxes=mailboxes)
    # As in the service: not those of the harness, which other threads cannot read.
    loop_clock = trio.lowlevel.current_clock().current_time
    around = evolve(environment(Log()), clock=now, loop_clock=loop_clock)
    return World(directory=directory, supervised=Supervisor([reader], SETTINGS, SHUTDOWN, around))


@pytest.fixture
async def world(tmp_path: Path) -> World:
    return world_of(tmp_path)


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for an event loop that runs, however slow the machine is."""
    monkeypatch.setattr(module, "LOOP_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop of the test is blocked: waiting for it is a waste of time."""
    monkeypatch.setattr(module, "LOOP_SECONDS", 0.01)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def read_signal_settings() -> list[object]:
    """The handlers of what is asked by signals, and where every signal's number is written."""
    descriptor = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
    return [*map(signal.getsignal, (signal.SIGUSR1, signal.SIGUSR2)), descriptor]


# While the event loop runs.


@pytest.mark.usefixtures("_patient")
async def test_dump_goes_to_the_log_and_to_a_file_that_the_log_names(world: World) -> None:
    async with world.monitored():
        send(signal.SIGUSR1)
        line = await world.log.wait_until("dump")
    assert str(world.directory / DUMP_FILE) == line["path"]
    assert world.read_dump() == orjson.loads(orjson.dumps(line["document"]))
    assert ["reader"] == [actor["name"] for actor in world.read_dump()["actors"]]
    assert ("running", []) == (
        line["document"]["event_loop"]["state"],
        line["document"]["event_loop"]["threads"],
    )


@pytest.mark.usefixtures("_patient")
async def test_dumps_of_one_process_replace_one_another(world: World) -> None:
    async with world.monitored():
        for times in (1, 2, 3):
            send(signal.SIGUSR1)
            await world.log.wait_until("dump", times)
    assert [DUMP_FILE] == os.listdir(world.directory)


@pytest.mark.usefixtures("_patient")
async def test_task_tree_goes_to_the_log_and_to_a_file(world: World) -> None:
    async with world.monitored():
        send(signal.SIGUSR2)
        line = await world.log.wait_until("tasks")
    assert "Supervisor.run" in line["tasks"]
    assert line["tasks"] == await trio.Path(line["path"]).read_text()


@pytest.mark.usefixtures("_patient")
async def test_failed_answer_is_told_and_the_next_one_given(world: World) -> None:
    def refuse() -> object:
        raise ValueError("not today")

    question = Question(event="dump", name="document", file_name="dump.json", take=refuse)
    tasks = Question(event="tasks", name="tasks", file_name="tasks.txt", take=lambda: "tree")
    questions = {signal.SIGUSR1: question, signal.SIGUSR2: tasks}
    async with world.monitored(questions=questions):
        send(signal.SIGUSR1)
        assert {"error": "ValueError: not today"} == await world.log.wait_until("cannot answer")
        send(signal.SIGUSR2)
        assert "tree" == (await world.log.wait_until("tasks"))["tasks"]


async def test_two_signals_of_one_moment_are_both_answered(world: World) -> None:
    def ask_both_each_time() -> None:
        for times in range(1, PAIRS + 1):
            send(signal.SIGUSR1)
            sum(range(times % 10 * 500))  # a moment; the first one's handler may still be at work
            send(signal.SIGUSR2)
            world.log.block_until("dump", times)
            world.log.block_until("tasks", times)

    dump = Question(event="dump", name="document", file_name="dump.json", take=lambda: {})
    tasks = Question(event="tasks", name="tasks", file_name="tasks.txt", take=lambda: "tree")
    async with world.monitored(questions={signal.SIGUSR1: dump, signal.SIGUSR2: tasks}):
        await trio.to_thread.run_sync(ask_both_each_time)


async def test_other_signals_wake_the_event_loop_as_before(world: World) -> None:
    with trio.open_signal_receiver(signal.SIGHUP) as received:
        async with world.monitored():
            send(signal.SIGHUP)
            with trio.fail_after(PATIENCE_SECONDS):
                async for number in received:
                    assert signal.SIGHUP == number
                    break


async def test_signals_are_the_systems_again_afterwards(world: World) -> None:
    before = read_signal_settings()
    async with world.monitored():
        assert before != read_signal_settings()
    assert before == read_signal_settings()


async def test_child_processes_are_given_no_mask_and_no_handler(world: World) -> None:
    ask = "import signal as s; print(s.pthread_sigmask(s.SIG_BLOCK, []), s.getsignal(s.SIGUSR1))"
    async with world.monitored():
        told = await trio.run_process([sys.executable, "-c", ask], capture_stdout=True)
    assert f"set() {signal.SIG_DFL!s}\n" == told.stdout.decode()


# While it is blocked.


@pytest.mark.usefixtures("_impatient")
async def test_blocked_event_loop_is_told_with_every_stack_and_100_000_messages(
    tmp_path: Path,
) -> None:
    notes = Mailbox[str]("notes", capacity=MESSAGES)
    for number in range(MESSAGES):
        notes.send_nowait(f"number {number}")
    world = world_of(tmp_path, notes)
    async with world.monitored():
        send(signal.SIGUSR1)
        line = world.log.block_until("dump")
        document = world.read_dump()
    assert str(tmp_path / DUMP_FILE) == line["path"]
    assert document["event_loop"]["state"].startswith("blocked for ")
    main, *others = document["event_loop"]["threads"]
    assert "MainThread" == main["name"]
    assert "block_until" in "\n".join(main["frames"])
    assert "loop monitor" in [thread["name"] for thread in others]
    [mailbox] = document["mailboxes"]
    assert (MESSAGES, 5) == (mailbox["depth"], len(mailbox["sample"]))
    assert ("reader", "running") == tuple(document["actors"][0][key] for key in ("name", "state"))
    assert (None, []) == (document["process"]["tasks"], document["unreadable"])


@pytest.mark.usefixtures("_impatient")
async def test_late_event_loop_does_not_answer_again(world: World) -> None:
    async with world.monitored():
        send(signal.SIGUSR1)
        world.log.block_until("dump")
        await trio.testing.wait_all_tasks_blocked()
    assert (1, 1) == (world.dumps_taken, len(world.log.of("dump")))


@pytest.mark.usefixtures("_impatient")
async def test_blocked_event_loop_has_a_task_tree(world: World) -> None:
    async with world.monitored():
        send(signal.SIGUSR2)
        assert "Supervisor.run" in world.log.block_until("tasks")["tasks"]


@pytest.mark.usefixtures("_impatient")
async def test_hostile_messages_make_no_large_dump_and_show_no_secret(tmp_path: Path) -> None:
    notes = Mailbox[Hostile]("notes", capacity=100)
    message = Hostile()
    for _ in range(100):
        notes.send_nowait(message)
    world = world_of(tmp_path, notes)
    async with world.monitored():
        send(signal.SIGUSR1)
        world.log.block_until("dump")
    text = (tmp_path / DUMP_FILE).read_text()
    assert "s3cret" not in text
    assert len(text) < 200_000
    assert 5 == len(world.read_dump()["mailboxes"][0]["sample"])


@pytest.mark.usefixtures("_impatient")
async def test_part_that_cannot_be_read_is_named_and_the_others_told(tmp_path: Path) -> None:
    good, changing = Mailbox[str]("good", capacity=1), ChangingMailbox("changing", capacity=1)
    world = world_of(tmp_path, good, changing)
    async with world.monitored():
        send(signal.SIGUSR1)
        world.log.block_until("dump")
    document = world.read_dump()
    assert ["good"] == [mailbox["name"] for mailbox in document["mailboxes"]]
    assert ["changing: RuntimeError: deque mutated during iteration"] == document["unreadable"]


async def test_stall_is_logged_with_the_stack_that_caused_it_and_its_end(world: World) -> None:
    async with world.monitored():
        line = world.log.block_until("event loop stalled")
        await world.log.wait_until("event loop runs again")
    assert "block_until" in "\n".join(line["stack"])
    assert world.supervised.heartbeat.stalls


def hold_the_interpreter() -> None:
    """Block every thread of Python's for more than a second, as a slow call of C does."""
    ctypes.PyDLL(None).usleep(1_300_000)


async def test_call_that_holds_the_interpreter_is_told_of_when_it_returns(world: World) -> None:
    async with world.monitored():
        hold_the_interpreter()
        line = await world.log.wait_until("event loop stalled")
    assert "hold_the_interpreter" in "\n".join(line["stack"])
    assert line["every_thread_stood_still"]


@pytest.mark.usefixtures("_impatient")
async def test_stall_beyond_the_limit_ends_the_process_with_70_after_a_dump(world: World) -> None:
    async with world.monitored(limit_seconds=0.1):
        line = world.log.block_until("event loop blocked for too long: leaving")
    assert 70 == line["exit_code"]
    assert {70} == set(world.left_with)
    assert world.read_dump()["event_loop"]["state"].startswith("blocked for ")


# Over the local socket.


def ask_blocking(port: int) -> bytes:
    """Ask from the event loop's own thread, which that blocks."""
    connection = connect_locally(port)
    assert connection is not None
    with connection:
        assert os.getpid() == read_peer(connection).pid
        return read_answer(connection)


@pytest.mark.usefixtures("_impatient")
async def test_blocked_event_loop_is_told_over_the_local_socket(world: World) -> None:
    port = free_port()
    async with world.monitored(port=port):
        document = orjson.loads(ask_blocking(port))
    assert document["event_loop"]["state"].startswith("blocked for ")
    assert connect_locally(port) is None


@pytest.mark.usefixtures("_impatient")
async def test_local_socket_tells_other_users_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "read_peer", lambda _: Peer(pid=1, uid=os.geteuid() + 1))
    port = free_port()
    async with world.monitored(port=port):
        assert b"" == ask_blocking(port)
    assert 0 == world.dumps_taken


def test_own_user_and_root_are_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    trusted = {uid: Peer(pid=1, uid=uid).is_trusted for uid in (0, 1000, 1001, 65534)}
    assert {0: True, 1000: True, 1001: False, 65534: False} == trusted


def test_answer_without_an_end_is_not_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_socket, "MOST_BYTES", 10)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"x" * 11)
        with pytest.raises(OSError, match="no end"):
            read_answer(ours)


@pytest.mark.usefixtures("_patient")
async def test_taken_name_of_the_local_socket_leaves_the_signals(world: World) -> None:
    port = free_port()
    first = world_of(world.directory)
    async with first.monitored(port=port, questions={}), world.monitored(port=port):
        assert port == (await world.log.wait_until("dump by HTTP and signal alone"))["port"]
        send(signal.SIGUSR1)
        await world.log.wait_until("dump")


# Disks and logs that fail.


@pytest.mark.usefixtures("_patient")
async def test_dump_that_cannot_be_written_is_still_in_the_log(tmp_path: Path) -> None:
    world = world_of(tmp_path / "missing")
    async with world.monitored():
        send(signal.SIGUSR1)
        line = await world.log.wait_until("dump")
    assert line["path"] is None
    assert ["reader"] == [actor["name"] for actor in line["document"]["actors"]]
    assert 1 == len(world.log.of("cannot write"))


@pytest.mark.usefixtures("_patient")
async def test_disk_that_hangs_does_not_hold_up_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_answers = threading.Event()
    monkeypatch.setattr(module, "DISK_SECONDS", 0.01)
    monkeypatch.setattr(module, "write_whole", lambda *_: disk_answers.wait(PATIENCE_SECONDS))
    async with world.monitored():
        for times in range(1, 8):  # more than may hang at once
            send(signal.SIGUSR1)
            assert (await world.log.wait_until("dump", times))["path"] is None
    assert {"the disk does not answer"} == {line["error"] for line in world.log.of("cannot write")}
    disk_answers.set()


@pytest.mark.usefixtures("_impatient")
async def test_log_that_hangs_does_not_hold_up_the_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader of stderr that sleeps: it may be what blocks the event loop."""
    log_goes_on = threading.Event()
    monkeypatch.setattr(module, "LOG_SECONDS", 0.01)
    monkeypatch.setattr(Lines, "info", lambda *_, **__: log_goes_on.wait(PATIENCE_SECONDS))
    port = free_port()
    async with world.monitored(port=port):
        send(signal.SIGUSR1)
        while not world.dumps_taken:
            ask_blocking(port)
        ask_blocking(port)
        assert orjson.loads(ask_blocking(port))["actors"]
    assert world.read_dump()["actors"]
    log_goes_on.set()


def test_file_is_for_its_owner_alone_and_a_failed_write_leaves_none(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    write_whole(path, b"content")
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    directory_in_the_way = tmp_path / "directory"
    (directory_in_the_way / "inner").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_whole(directory_in_the_way, b"content")
    assert ["directory", "dump"] == sorted(os.listdir(tmp_path))
