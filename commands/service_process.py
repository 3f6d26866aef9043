"""The service as a child process, as it runs in production: supervisor.py."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import httpx
import trio
from attrs import define, field

from commands.embedded.care import caretaker
from domain.errors import ExitingError

# By its path: wherever a checkout or an installation stands, Python finds the rooms beside it.
ENTRY = Path(__file__).parents[1] / "supervisor.py"
READY_SECONDS = 60.0
READY_POLL_SECONDS = 0.05
DRAIN_SECONDS = 12.0  # the service's own deadline is 8 s
LOG_TAIL_LINES = 15
# What the service would take from its surroundings, and is not meant to here.
UNWANTED_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "HOST", "PORT")


class ServiceFailed(ExitingError):
    """The service did not become ready, or ended by itself."""

    exit_code: ClassVar[int] = 70


@define
class ServiceProcess:
    """One service on loopback; its log goes to a file in `directory`."""

    directory: Path
    port: int
    settings: Mapping[str, str]  # environment variables
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.directory / "service.log"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it; `wait_until_ready` tells when it serves."""
        environment = {k: v for k, v in os.environ.items() if k not in UNWANTED_VARIABLES}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  our own script and interpreter
                [sys.executable, str(ENTRY)],
                env={**environment, **self.settings},
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us; we end it in order
            )
        caretaker.guard(self.process.pid, signal.SIGTERM)

    async def wait_until_ready(self) -> None:
        """Return when /readyz says 200; `ServiceFailed` if it ends or takes too long."""
        with trio.move_on_after(READY_SECONDS):
            async with httpx.AsyncClient(base_url=self.url, trust_env=False) as client:
                while not await self._is_ready(client):
                    self.require_running()
                    await trio.sleep(READY_POLL_SECONDS)
                return
        raise ServiceFailed(f"not ready within {READY_SECONDS:.0f} s:\n{self.log_tail()}")

    async def _is_ready(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get("/readyz")).status_code == 200
        except httpx.HTTPError:
            return False

    def require_running(self) -> None:
        """`ServiceFailed`, with the log's tail, if it has ended by itself."""
        if not self.running:
            code = None if self.process is None else self.process.returncode
            raise ServiceFailed(f"the service ended (exit code {code}):\n{self.log_tail()}")

    async def drain(self) -> int:
        """SIGTERM, and wait; SIGKILL past the deadline. The exit code, 0 if all is well."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = await trio.to_thread.run_sync(self.process.wait, DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        caretaker.release(self.process.pid)
        self.process = None
        return code

    def log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-LOG_TAIL_LINES:]) or "(nothing logged)"
