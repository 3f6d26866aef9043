"""Orders to the caretaker of this process, which is started with the first of them."""

import atexit
import subprocess
import sys
from pathlib import Path
from threading import Lock

from attrs import define, field

SCRIPT = Path(__file__).with_name("caretaker.py")
CLOSE_SECONDS = 20.0  # what the caretaker may take to end what is left


@define
class Caretaker:
    """The sending side of caretaker.py; safe to use from several threads."""

    process: "subprocess.Popen[str] | None" = None
    lock: Lock = field(factory=Lock, repr=False)

    def guard(self, process: int, first_signal: int) -> None:
        """End the process group of `process` when this process is gone."""
        self._order(f"guard {process} {first_signal}")

    def release(self, process: int) -> None:
        self._order(f"release {process}")

    def remove(self, directory: Path) -> None:
        """Remove `directory` when this process is gone."""
        self._order(f"remove {directory}")

    def keep(self, directory: Path) -> None:
        self._order(f"keep {directory}")

    def _order(self, line: str) -> None:
        with self.lock:
            if self.process is None:
                self.process = self._started()
            if self.process.stdin is not None:  # always a pipe, see below
                self.process.stdin.write(line + "\n")
                self.process.stdin.flush()

    def _started(self) -> "subprocess.Popen[str]":
        atexit.register(self.close)
        return subprocess.Popen(  # noqa: S603  our own script and interpreter
            [sys.executable, "-I", "-S", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd="/",
            start_new_session=True,  # Ctrl-C in the terminal is for us, not for it
        )

    def close(self) -> None:
        """Let the caretaker do what is left and wait for it; an orderly end of this process."""
        with self.lock:
            process, self.process = self.process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            process.wait(CLOSE_SECONDS)


caretaker = Caretaker()
