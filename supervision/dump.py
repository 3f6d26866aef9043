"""The dump: what every actor and mailbox is doing at one moment, bounded and without secrets.

SIGUSR1, GET /api/ops/actors  ->  Supervisor.take_dump  ->  Dump  ->  feed.operations  ->  JSON
GET /metrics                  ->  Supervisor.take_dump  ->  Dump  ->  supervision.metrics

The event loop takes it, or the thread of `loop_monitor` while the loop is blocked. Then nobody
knows Trio's tasks, and a part that changes while it is read is named with the reason.
"""

import os
import platform
import resource
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import trio
from attrs import frozen

from domain.snapshots import Snapshot, counter, detail, gauge, read_fields, snapshot_class
from domain.values import UnixSeconds
from supervision.child import Child
from supervision.description import describe_value, shorten_text
from supervision.failures import Failure
from supervision.heartbeat import EventLoopDump
from supervision.mailbox import Mailbox
from supervision.mailbox_statistics import MailboxStatistics

Part = TypeVar("Part", bound=Snapshot)

SAMPLE_MESSAGES = 5  # shown of a mailbox: the oldest that wait, the newest in quarantine
STATM = Path("/proc/self/statm")
BYTES_A_KIBIBYTE = 1024  # the unit of ru_maxrss on Linux (getrusage(2))


@snapshot_class
class ActorDump(Snapshot):
    """One child, and what its actor tells of itself."""

    name: str = detail("Name of the actor.")
    state: str = detail("What the supervisor does with it.")
    uptime_seconds: float = gauge("Seconds since the last start; 0 while it does not run.")
    restarts: int = counter("Restarts after a failure.")
    last_error: Failure | None = detail("What ended its last life.")
    inboxes: tuple[str, ...] = detail("Names of the mailboxes that it reads.")
    summary: Snapshot | None = detail("What the actor tells; nothing before its first start.")


@snapshot_class
class BrokenSnapshot(Snapshot):
    """In the place of a snapshot that could not be taken."""

    error: str = detail("Why it could not be taken.")


@snapshot_class
class MailboxDump(MailboxStatistics):
    """A mailbox's books, and some of its messages as JSON values without secrets."""

    sample: tuple[object, ...] = detail("The oldest messages.")
    quarantine: tuple[object, ...] = detail("The newest messages in quarantine.")


@snapshot_class
class ProcessDump(Snapshot):
    """The process as the operating system and Trio know it."""

    taken_at: UnixSeconds = detail("When the dump was taken, in seconds since 1970.")
    uptime_seconds: float = gauge("Seconds since the supervisor started.")
    is_draining: bool = gauge("1 from the begin of a drain.", metric="draining")
    pid: int = detail("Process id.")
    python: str = detail("Version of Python.")
    trio: str = detail("Version of Trio.")
    tasks: int | None = gauge("Trio tasks that live; nobody knows while the loop is blocked.")
    tasks_runnable: int | None = gauge("Trio tasks that wait for nothing but their turn.")
    threads: int = gauge("Python threads that live.")
    cpu_seconds: float = counter("CPU time of the process, user and system.")
    peak_memory_bytes: int = gauge("The most memory that was resident at once.")
    memory_bytes: int | None = gauge("Memory that is resident now; only Linux tells.")


@snapshot_class
class Dump(Snapshot):
    """Everything that the supervisor knows, in flow order."""

    actors: tuple[ActorDump, ...] = detail("Every actor.")
    mailboxes: tuple[MailboxDump, ...] = detail("Every mailbox.")
    process: ProcessDump = detail("The process.")
    event_loop: EventLoopDump = detail("The event loop; while it is blocked, all threads.")
    unreadable: tuple[str, ...] = detail("What could not be read, and why.")


@frozen(kw_only=True)
class Moment:
    """When a dump is taken."""

    taken_at: UnixSeconds
    now: float  # on trio's clock
    uptime_seconds: float


def dump_children(
    children: Sequence[Child], moment: Moment, event_loop: EventLoopDump, *, is_draining: bool
) -> Dump:
    """The dump of these children, which stand in flow order."""
    unreadable: list[str] = []
    boxes = [box for child in children for box in child.spec.inboxes]
    actors = [(child.spec.name, partial(_dump_actor, child, moment.now)) for child in children]
    mailboxes = [(box.name, partial(_dump_mailbox, box, moment.now)) for box in boxes]
    return Dump(
        actors=tuple(_read_parts(actors, unreadable)),
        mailboxes=tuple(_read_parts(mailboxes, unreadable)),
        process=_dump_process(moment, is_draining=is_draining),
        event_loop=event_loop,
        unreadable=tuple(unreadable),
    )


def _read_parts(
    parts: Iterable[tuple[str, Callable[[], Part]]], unreadable: list[str]
) -> Iterator[Part]:
    """Each part that can be read; the others are named, with the reason."""
    for name, read in parts:
        try:
            yield read()
        except Exception as error:  # one broken part must not cost the whole dump
            unreadable.append(shorten_text(f"{name}: {type(error).__name__}: {error}"))


def _dump_actor(child: Child, now: float) -> ActorDump:
    return ActorDump(
        name=child.spec.name,
        state=child.state.value,
        uptime_seconds=now - child.started_at if child.is_alive else 0.0,
        restarts=child.restarts,
        last_error=child.last_failure,
        inboxes=tuple(mailbox.name for mailbox in child.spec.inboxes),
        summary=_take_snapshot(child),
    )


def _take_snapshot(child: Child) -> Snapshot | None:
    if child.actor is None:
        return None
    try:
        return _redact_snapshot(child.actor.snapshot())
    except Exception as error:  # one broken snapshot must not cost the whole dump
        return BrokenSnapshot(error=shorten_text(f"{type(error).__name__}: {error}"))


def _redact_snapshot(snapshot: Snapshot) -> Snapshot:
    """The snapshot without the secrets that error texts of the world may hold, however deep."""
    return type(snapshot)(**_redact_texts(read_fields(snapshot)))


def _redact_texts(value: Any) -> Any:
    if isinstance(value, str):
        return shorten_text(value)
    if isinstance(value, Snapshot):
        return _redact_snapshot(value)
    if isinstance(value, Mapping):
        return {key: _redact_texts(item) for key, item in value.items()}
    return tuple(map(_redact_texts, value)) if isinstance(value, tuple) else value


def _dump_mailbox(mailbox: Mailbox[object], now: float) -> MailboxDump:
    newest_quarantined = list(mailbox.quarantine)[-SAMPLE_MESSAGES:]
    return MailboxDump(
        **read_fields(mailbox.statistics(now)),
        sample=tuple(mailbox.sample_messages(SAMPLE_MESSAGES)),
        quarantine=tuple(describe_value(message) for message in newest_quarantined),
    )


def _dump_process(moment: Moment, *, is_draining: bool) -> ProcessDump:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    runtime = trio.lowlevel.current_statistics() if trio.lowlevel.in_trio_run() else None
    return ProcessDump(
        taken_at=moment.taken_at,
        uptime_seconds=moment.uptime_seconds,
        is_draining=is_draining,
        pid=os.getpid(),
        python=platform.python_version(),
        trio=trio.__version__,
        tasks=runtime.tasks_living if runtime else None,
        tasks_runnable=runtime.tasks_runnable if runtime else None,
        threads=threading.active_count(),
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_memory_bytes=usage.ru_maxrss * BYTES_A_KIBIBYTE,
        memory_bytes=_read_resident_bytes(),
    )


def _read_resident_bytes() -> int | None:
    """The second number of statm, in pages (proc(5)); None on another system."""
    try:
        pages = int(STATM.read_text().split()[1])
    except OSError:
        return None
    return pages * resource.getpagesize()
