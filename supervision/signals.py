"""What the process does on signals.

    SIGTERM, SIGINT  ->  drain; a second one leaves at once with 128 + its number (143, 130)
    SIGUSR1          ->  dump of every actor and mailbox: one JSON document, log and file
    SIGUSR2          ->  every Trio task with its stack: text, log and file
    SIGHUP           ->  reload

A file is replaced whole or not at all: at most two files a process, one a kind.
"""

import os
import signal
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import orjson
import trio
from attrs import define, field

from domain.snapshots import Snapshot
from supervision.task_tree import render_task_tree

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
ALL_SIGNALS = (*STOP_SIGNALS, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)


class Supervised(Protocol):
    """What signals ask of the supervisor."""

    def begin_drain(self) -> None: ...

    def take_dump(self) -> Snapshot: ...


@define(kw_only=True, eq=False)
class Signals:
    """Serves the process's signals until it is cancelled."""

    supervisor: Supervised
    render: Callable[[Snapshot], Mapping[str, object]]  # a dump as JSON values
    reload: Callable[[], object]
    dump_directory: Path
    log: Any
    leave_at_once: Callable[[int], object] = os._exit
    _answering: set[int] = field(init=False, factory=set)

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Act on signals; one is ignored while its like is still being answered."""
        with trio.open_signal_receiver(*ALL_SIGNALS) as received:
            async with trio.open_nursery() as answers:
                task_status.started()
                async for number in received:
                    self.log.info("signal", name=signal.Signals(number).name)
                    if number in STOP_SIGNALS:
                        self._arm_second_stop()
                        self.supervisor.begin_drain()
                    elif number not in self._answering:
                        # A task of its own: a disk that hangs must not delay a stop.
                        self._answering.add(number)
                        answers.start_soon(self._answer_signal, number)

    async def _answer_signal(self, number: int) -> None:
        try:
            match number:
                case signal.SIGUSR1:
                    await self._log_dump()
                case signal.SIGUSR2:
                    await self._log_tasks()
                case signal.SIGHUP:
                    self.reload()
        except Exception as error:  # a failed look or reload is no reason to end the service
            failure = f"{type(error).__name__}: {error}"
            self.log.error("signal failed", name=signal.Signals(number).name, error=failure)
        finally:
            self._answering.discard(number)

    def _arm_second_stop(self) -> None:
        # Python's own handler and not trio's: it acts although the event loop may be stuck.
        # Leaving the signal receiver puts the process's former handlers back.
        def leave_now(number: int, _frame: FrameType | None) -> None:
            self.leave_at_once(128 + number)

        for number in STOP_SIGNALS:
            signal.signal(number, leave_now)

    async def _log_dump(self) -> None:
        document = self.render(self.supervisor.take_dump())
        path = await self._write_file("dump.json", orjson.dumps(document, default=str))
        self.log.info("dump", path=path, document=document)

    async def _log_tasks(self) -> None:
        text = render_task_tree()
        path = await self._write_file("tasks.txt", text.encode())
        self.log.info("tasks", path=path, tasks=text)

    async def _write_file(self, kind: str, content: bytes) -> str | None:
        """The path written to; None if that failed, which is logged. The log has it all anyway."""
        path = self.dump_directory / f"token-discovery-{os.getpid()}.{kind}"
        try:
            # Abandoned when cancelled: a disk that hangs must not hold up the exit.
            await trio.to_thread.run_sync(write_whole, path, content, abandon_on_cancel=True)
        except OSError as error:
            self.log.error("cannot write", path=str(path), error=str(error))
            return None
        return str(path)


def write_whole(path: Path, content: bytes) -> None:
    """Replace the file at `path`, readable by its owner alone; other readers never see a part."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
