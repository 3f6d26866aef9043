"""What the process does on signals that are for the event loop.

    SIGTERM, SIGINT  ->  drain; a second one leaves at once with 128 + its number (143, 130)
    SIGHUP           ->  reload

SIGUSR1 and SIGUSR2 are answered by a thread, also while the loop is blocked: `loop_monitor`.
"""

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

import trio
from attrs import define

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
ALL_SIGNALS = (*STOP_SIGNALS, signal.SIGHUP)


@define(kw_only=True, eq=False)
class Signals:
    """Serves the process's signals until it is cancelled."""

    begin_drain: Callable[[], object]
    reload: Callable[[], object]
    log: Any
    leave_at_once: Callable[[int], object] = os._exit

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Act on signals."""
        with trio.open_signal_receiver(*ALL_SIGNALS) as received:
            task_status.started()
            async for number in received:
                self.log.info("signal", name=signal.Signals(number).name)
                if number in STOP_SIGNALS:
                    self._arm_second_stop()
                    self.begin_drain()
                else:
                    self._reload()

    def _reload(self) -> None:
        try:
            self.reload()
        except Exception as error:  # a failed reload is no reason to end the service
            failure = f"{type(error).__name__}: {error}"
            self.log.error("signal failed", name=signal.SIGHUP.name, error=failure)

    def _arm_second_stop(self) -> None:
        # Python's own handler and not trio's: it acts although the event loop may be stuck.
        # Leaving the signal receiver puts the process's former handlers back.
        def leave_now(number: int, _frame: FrameType | None) -> None:
            self.leave_at_once(128 + number)

        for number in STOP_SIGNALS:
            signal.signal(number, leave_now)
