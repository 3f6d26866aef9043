"""What a person sees of a long-running command: steps with their times, then a status line.

On a terminal the status line is redrawn in place; elsewhere it is printed now and then.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from attrs import define, field

TERMINAL_STATUS_SECONDS = 1.0
PLAIN_STATUS_SECONDS = 15.0
CLEAR_LINE = "\r\x1b[K"


@define
class Screen:
    """Writes to one stream, mostly standard error."""

    stream: TextIO
    is_terminal: bool = field(init=False)
    status_shown: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.is_terminal = self.stream.isatty()

    @property
    def status_seconds(self) -> float:
        """How often a status line is worth its place."""
        return TERMINAL_STATUS_SECONDS if self.is_terminal else PLAIN_STATUS_SECONDS

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show that something goes on, and in the end how long it took."""
        started = time.monotonic()
        if self.is_terminal:
            self._write(f"  ... {name}")
            self.status_shown = True
        yield
        self.line(f"  {time.monotonic() - started:5.1f} s  {name}")

    def line(self, text: str) -> None:
        """One line that stays."""
        self._write(f"{CLEAR_LINE if self.status_shown else ''}{text}\n")
        self.status_shown = False

    def status(self, text: str) -> None:
        """The present state; on a terminal it replaces the one before."""
        if not self.is_terminal:
            self.line(text)
            return
        self._write(f"{CLEAR_LINE}{text}")
        self.status_shown = True

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except (BrokenPipeError, OSError):
            self.is_terminal = False  # whoever read it is gone; the work goes on
