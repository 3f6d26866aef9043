"""Tells of the event loop's stalls, with the stack that caused each; part of LoopMonitor's thread.

Heartbeat  ->  StallWatch.look, four times a second  ->  log; or the end of the process
"""

import time
from collections.abc import Callable
from typing import Protocol

from attrs import define, field

from supervision.heartbeat import STALL_SECONDS, Heartbeat
from supervision.thread_stacks import read_main_stack

LOOK_SECONDS = 0.25
# From here on the stack is kept, so that a stall has one although it ends before the next look.
SUSPECT_SECONDS = STALL_SECONDS - LOOK_SECONDS


class Tell(Protocol):
    """Log a line without waiting long for it."""

    def __call__(self, level: str, event: str, **fields: object) -> None: ...


@define(kw_only=True, eq=False)
class StallWatch:
    """What is known of the present stall, if there is one."""

    heartbeat: Heartbeat
    tell: Tell
    limit_seconds: float  # a longer stall is given up; 0: none is
    give_up: Callable[[float], object]
    _stack: tuple[str, ...] = field(init=False, default=())  # as it was seen first; none: not seen
    _stalls_before: int = field(init=False, default=0)  # counted by the heartbeat
    _suspected_at: float = field(init=False, default=0.0)
    _is_told: bool = field(init=False, default=False)

    def look(self, late_seconds: float) -> None:
        """Tell of a stall that begins or ends; the look itself comes so much later than planned.

        A late look means that no thread ran: a call holds the interpreter, or the operating system
        has stopped the process, and whoever stopped it must not come back to find it ended.
        """
        silent_seconds = self.heartbeat.silent_seconds
        if silent_seconds >= SUSPECT_SECONDS:
            self._note_suspicion(stood_still=late_seconds >= SUSPECT_SECONDS)
        is_over = self.heartbeat.stalls > self._stalls_before
        if not self._is_told and (is_over or silent_seconds >= STALL_SECONDS):
            self._is_told = True
            self.tell(
                "warning",
                "event loop stalled",
                seconds=round(self.heartbeat.last_stall_seconds if is_over else silent_seconds, 3),
                every_thread_stood_still=late_seconds >= SUSPECT_SECONDS,
                stack=self._stack,
            )
        if silent_seconds < SUSPECT_SECONDS:
            self._note_end()
        elif 0 < self.limit_seconds <= time.monotonic() - self._suspected_at:
            self.give_up(silent_seconds)

    def _note_suspicion(self, *, stood_still: bool) -> None:
        if not self._stack:
            self._stack = read_main_stack()
            self._suspected_at = time.monotonic()
        elif stood_still:
            self._suspected_at = time.monotonic()

    def _note_end(self) -> None:
        if self._is_told:
            seconds = round(self.heartbeat.last_stall_seconds, 3)
            self.tell("info", "event loop runs again", stalled_seconds=seconds)
        self._stack, self._is_told = (), False
        self._stalls_before = self.heartbeat.stalls
