"""The dump: what every actor and mailbox is doing, as one bounded document of JSON values.

SIGUSR1, GET /api/ops/actors  ->  Supervisor.take_dump  ->  dump_document
"""

import os
import platform
import resource
import threading
from collections.abc import Sequence

import trio
from attrs import asdict

from domain.values import UnixSeconds
from supervision.child import Child
from supervision.description import describe_value
from supervision.mailbox import Mailbox

SAMPLE_MESSAGES = 5  # shown of a mailbox: the oldest that wait, the newest in quarantine


def dump_document(
    children: Sequence[Child],
    *,
    taken_at: UnixSeconds,
    uptime_seconds: float,
    is_draining: bool,
) -> dict[str, object]:
    """`{"actors": [...], "mailboxes": [...], "process": {...}}`, in flow order."""
    return {
        "actors": [_actor(child) for child in children],
        "mailboxes": [_mailbox(box) for child in children for box in child.spec.inboxes],
        "process": {
            "taken_at": taken_at,
            "uptime_seconds": round(uptime_seconds, 3),
            "is_draining": is_draining,
            **_process(),
        },
    }


def _actor(child: Child) -> dict[str, object]:
    uptime_seconds = trio.current_time() - child.started_at if child.is_alive else 0.0
    return {
        "name": child.spec.name,
        "state": child.state.value,
        "uptime_seconds": round(uptime_seconds, 3),
        "restarts": child.restarts,
        "last_error": describe_value(asdict(child.last_failure)) if child.last_failure else None,
        "inboxes": [mailbox.name for mailbox in child.spec.inboxes],
        "summary": _summary(child),
    }


def _summary(child: Child) -> object:
    if child.actor is None:
        return None
    try:
        return describe_value(child.actor.summary())
    except Exception as error:  # one broken summary must not cost the whole dump
        return describe_value({"error": f"{type(error).__name__}: {error}"})


def _mailbox(mailbox: Mailbox[object]) -> dict[str, object]:
    newest_quarantined = list(mailbox.quarantine)[-SAMPLE_MESSAGES:]
    return {
        **asdict(mailbox.statistics()),
        "sample": mailbox.sample_messages(SAMPLE_MESSAGES),
        "quarantine": [describe_value(message) for message in newest_quarantined],
    }


def _process() -> dict[str, object]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    runtime = trio.lowlevel.current_statistics()
    return {
        "pid": os.getpid(),
        "python": platform.python_version(),
        "trio": trio.__version__,
        "tasks": runtime.tasks_living,
        "tasks_runnable": runtime.tasks_runnable,
        "threads": threading.active_count(),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_memory_bytes": usage.ru_maxrss * 1024,  # Linux says kibibytes
    }
