"""A thread beside the event loop: it answers for the loop when that is blocked, and tells of it.

    SIGUSR1  ->  dump of every actor and mailbox: one JSON document, log and file
    SIGUSR2  ->  every Trio task with its stack: text, log and file
    token-discovery dump  ->  the same dump, where HTTP brought no answer
    Heartbeat  ->  StallWatch

Python runs its own signal handlers in the main thread, between two bytecodes: a main thread that
is stuck in a call runs none. Python's handler in C runs at once: it writes the number of every
signal to the wake-up descriptor (`signal.set_wakeup_fd`), which is the event loop's, and this
thread's while it serves. It passes on what is not its own. No signal is blocked for that, so that
no child process inherits a mask. A handler of faulthandler's would wake it, too, but returns at
once while another one is at work: of two signals in one moment the second would be lost.

The event loop is asked first, because it knows most. A call that holds the interpreter (a search
by a regular expression, say) stops this thread, too; SIGABRT then writes all stacks to stderr and
ends the process (`service.serve`).
"""

import os
import selectors
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

import orjson
import trio
from attrs import define, field, frozen
from outcome import Outcome, capture

from supervision.aside import Aside
from supervision.heartbeat import Heartbeat
from supervision.local_socket import ANSWER_SECONDS, listen_locally, read_peer
from supervision.stall_watch import LOOK_SECONDS, StallWatch

LOOP_SECONDS = 0.5  # the event loop has to answer for itself
DISK_SECONDS = 1.0  # a file has to be written; the log has its content anyway
LOG_SECONDS = 0.5  # a reader of stderr that sleeps may be what blocks the event loop
LEAVE_SECONDS = 0.25  # the thread has to end
EXIT_CODE_BLOCKED = 70
PIPE_BYTES = 65_536  # what a pipe holds on Linux: all signals that came meanwhile
NO_DESCRIPTOR = -1


@frozen(kw_only=True)
class Question:
    """What a signal asks for."""

    event: str  # the log line that answers it ...
    name: str  # ... and what it holds it as
    file_name: str
    take: Callable[[], object]  # text or JSON values, in the event loop or beside it

    def encode(self, document: object) -> bytes:
        """The document as its file has it."""
        if isinstance(document, str):
            return document.encode()
        return orjson.dumps(document, default=str)


@define(kw_only=True, eq=False)
class LoopMonitor:
    """Answers and watches, from `running` on."""

    heartbeat: Heartbeat
    questions: Mapping[signal.Signals, Question]  # that of SIGUSR1 is the dump
    dump_directory: Path
    log: Any
    port: int = 0  # of the service, by which it is found; 0: by signals alone
    limit_seconds: float = 0.0  # a longer stall ends the process; 0: none does
    leave_at_once: Callable[[int], object] = os._exit
    _token: trio.lowlevel.TrioToken = field(init=False)
    _selector: selectors.BaseSelector = field(init=False)
    _watch: StallWatch = field(init=False)
    _disk: Aside = field(init=False, factory=Aside)
    _logging: Aside = field(init=False, factory=Aside)
    _leaving: Event = field(init=False, factory=Event)
    _loop_wakeup: int = field(init=False, default=NO_DESCRIPTOR)  # the event loop's own

    def __attrs_post_init__(self) -> None:
        self._watch = StallWatch(
            heartbeat=self.heartbeat,
            tell=self._tell,
            limit_seconds=self.limit_seconds,
            give_up=self._give_up,
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Answer and watch; entered and left in the event loop."""
        self._token = trio.lowlevel.current_trio_token()
        with ExitStack() as afterwards:
            self._selector = afterwards.enter_context(selectors.DefaultSelector())
            wake = self._open_pipe(afterwards, lambda _: None)
            self._receive_signals(afterwards)
            self._open_listener(afterwards)
            thread = Thread(target=self._serve, name="loop monitor", daemon=True)
            thread.start()
            try:
                yield
            finally:
                self._leaving.set()
                os.write(wake, b"\n")
                thread.join(LEAVE_SECONDS)
                if thread.is_alive():
                    afterwards.pop_all()  # in the middle of an answer: it still needs them

    def _receive_signals(self, afterwards: ExitStack) -> None:
        pipe = self._open_pipe(afterwards, self._take_signals)
        self._loop_wakeup = signal.set_wakeup_fd(pipe, warn_on_full_buffer=False)
        afterwards.callback(signal.set_wakeup_fd, self._loop_wakeup, warn_on_full_buffer=False)
        for number in self.questions:
            # Python's handler in C is there for signals that have one in Python.
            before = signal.signal(number, lambda _number, _frame: None)
            afterwards.callback(signal.signal, number, before)

    def _open_pipe(self, afterwards: ExitStack, act: Callable[[bytes], None]) -> int:
        """The end to write to of a pipe; the thread acts on what comes out of the other one."""
        reader, writer = os.pipe()
        afterwards.callback(os.close, reader)
        afterwards.callback(os.close, writer)
        os.set_blocking(writer, False)  # a handler of signals must not wait for the thread

        def empty_and_act() -> None:
            act(os.read(reader, PIPE_BYTES))

        self._selector.register(reader, selectors.EVENT_READ, empty_and_act)
        return writer

    def _open_listener(self, afterwards: ExitStack) -> None:
        if not self.port:
            return
        try:
            listener = listen_locally(self.port)
        except OSError as error:  # another one with this port, or a sandbox
            self.log.warning("dump by HTTP and signal alone", port=self.port, error=str(error))
            return
        if listener is not None:
            afterwards.enter_context(listener)
            self._selector.register(
                listener, selectors.EVENT_READ, partial(self._answer_client, listener)
            )

    # The thread.

    def _serve(self) -> None:
        while not self._leaving.is_set():
            began_at = time.monotonic()
            ready = self._selector.select(LOOK_SECONDS)
            self._watch.look(time.monotonic() - began_at - LOOK_SECONDS)
            for key, _ in ready:
                self._act_safely(key.data)

    def _act_safely(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # one failed answer must not be the last one
            self._tell("error", "cannot answer", error=f"{type(error).__name__}: {error}")

    def _take_signals(self, numbers: bytes) -> None:
        """Answer each that asks something, once; pass the others on to the event loop."""
        others = bytes(number for number in numbers if number not in self.questions)
        if others and self._loop_wakeup != NO_DESCRIPTOR and not self._leaving.is_set():
            with suppress(BlockingIOError):  # it is full: the event loop wakes anyway
                os.write(self._loop_wakeup, others)
        for number, question in self.questions.items():
            if number in numbers:
                self._act_safely(partial(self._answer_signal, question))

    def _answer_signal(self, question: Question) -> None:
        document = self._take(question)
        path = self._write_file(question, document)
        self._tell("info", question.event, path=path, **{question.name: document})

    def _answer_client(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            if read_peer(connection).is_trusted:
                question = self.questions[signal.SIGUSR1]
                connection.settimeout(ANSWER_SECONDS)
                connection.sendall(question.encode(self._take(question)))

    def _take(self, question: Question) -> object:
        """Ask the event loop; where it does not answer, look from here."""
        answers = SimpleQueue[Outcome[object]]()
        too_late = Event()

        def answer() -> None:
            if not too_late.is_set():
                answers.put(capture(question.take))

        try:
            self._token.run_sync_soon(answer)
            return answers.get(timeout=LOOP_SECONDS).unwrap()
        except (Empty, trio.RunFinishedError):
            too_late.set()
            return question.take()

    def _give_up(self, seconds: float) -> None:
        """End the process: its process supervisor starts another one."""
        self._act_safely(partial(self._answer_signal, self.questions[signal.SIGUSR1]))
        self._tell(
            "critical",
            "event loop blocked for too long: leaving",
            seconds=round(seconds, 3),
            exit_code=EXIT_CODE_BLOCKED,
        )
        self.leave_at_once(EXIT_CODE_BLOCKED)

    # What may hang.

    def _tell(self, level: str, event: str, **fields: object) -> None:
        self._logging.call(partial(getattr(self.log, level), event, **fields), LOG_SECONDS)

    def _write_file(self, question: Question, document: object) -> str | None:
        """The path written to; None if that failed, which is logged. The log has it all anyway."""
        path = self.dump_directory / f"token-discovery-{os.getpid()}.{question.file_name}"
        problems: list[str] = []

        def write() -> None:
            try:
                write_whole(path, question.encode(document))
            except OSError as error:
                problems.append(str(error))

        if not self._disk.call(write, DISK_SECONDS):
            problems.append("the disk does not answer")
        if not problems:
            return str(path)
        self._tell("error", "cannot write", path=str(path), error=problems[0])
        return None


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
