"""What the embedded servers have in common: a child process, its log, and bounded waits."""

import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from commands.embedded.care import caretaker
from commands.embedded.caretaker import is_alive
from domain.errors import ExitingError

START_SECONDS = 30.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.01
LOG_TAIL_LINES = 12
PORT_ATTEMPTS = 3


class EmbeddedServerFailed(ExitingError):
    """An embedded server could not be started or stopped."""

    exit_code = 69


def free_port() -> int:
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Poll until `done`, for at most `seconds`; whether it was."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


class ServerProcess(ABC):
    """One server as a direct child of this process, on a loopback port of its own.

    It leads a session of its own: Ctrl-C in a terminal must not reach the servers before the
    service has drained into them. The port stays the same over restarts.
    """

    name: str
    first_signal: int  # what the caretaker tells it when this process is gone

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.log = self.directory / f"{self.name}.log"
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Whatever must be there before the first start."""

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the running server takes clients."""

    def user(self) -> dict[str, object]:
        """Arguments for Popen that choose the user to run as."""
        return {}

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        if self.process is None:
            raise EmbeddedServerFailed(f"{self.name} is not running")
        return self.process.pid

    def start(self) -> None:
        """Start and wait until it takes clients; `EmbeddedServerFailed` with the log's tail."""
        if self.running:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        self.prepare()
        # Another process may take a free port before we do; once chosen, it is part of the URL.
        attempts = 1 if self.port else PORT_ATTEMPTS
        for attempt in range(attempts):
            self.port = self.port or free_port()
            if self._launched():
                return
            if attempt + 1 == attempts or "in use" not in self.log_tail():
                raise EmbeddedServerFailed(f"{self.name} did not start:\n{self.log_tail()}")
            self.port = 0

    def _launched(self) -> bool:
        with self.log.open("ab") as log:
            self.process = self.spawn(self.command(), stdout=log)
        caretaker.guard(self.process.pid, self.first_signal)
        wait_until(lambda: not self.running or self.is_ready(), START_SECONDS)
        if self.running and self.is_ready():
            return True
        self.kill()
        return False

    def spawn(self, command: list[str], **more: object) -> "subprocess.Popen[bytes]":
        """A child in a clean environment: PGPORT and the like are meant for others."""
        arguments: dict[str, object] = {
            "stdin": subprocess.DEVNULL,
            "stderr": subprocess.STDOUT,
            "cwd": self.directory,
            "env": {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"},
            "start_new_session": True,
            **self.user(),
            **more,
        }
        return subprocess.Popen(command, **arguments)  # type: ignore[call-overload,no-any-return]  # noqa: S603

    def restart(self) -> None:
        """Stop if it runs, and start on the same port and data."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """Stop in order; harmless when it does not run."""
        self.end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the server and all its processes; returns when they are gone."""
        if self.process is None:
            return
        with_children = [self.pid, *descendants(self.pid)]
        for process in with_children:
            _signal(process, signal.SIGKILL)
        self.process.wait(STOP_SECONDS)
        if not wait_until(lambda: not any(map(is_alive, with_children)), STOP_SECONDS):
            raise EmbeddedServerFailed(f"{self.name} survived SIGKILL")
        self._ended()

    def end(self, number: int) -> None:
        """Signal, wait, and kill what does not listen."""
        if self.process is None:
            return
        _signal(self.pid, number)
        if wait_until(lambda: not self.running, STOP_SECONDS):
            self._ended()
        else:
            self.kill()

    def _ended(self) -> None:
        caretaker.release(self.pid)
        self.process = None

    def log_tail(self) -> str:
        """The last lines of the server's log."""
        if not self.log.exists():
            return "(no log)"
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:]) or "(empty log)"


def _signal(process: int, number: int) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return  # already gone, which is what every caller wants in the end


def descendants(process: int) -> list[int]:
    """Children and their children, from /proc; none where there is no /proc."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may hold anything; the parent is the second field after.
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended while we looked
        children.setdefault(int(fields[1]), []).append(int(status.parent.name))
    found: list[int] = []
    waiting = [process]
    while waiting:
        of_one = children.get(waiting.pop(), [])
        found += of_one
        waiting += of_one
    return found
