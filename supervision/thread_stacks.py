"""The stacks of all threads, read by one of them: what each is doing at this moment.

LoopMonitor -> read_main_stack -> log;  EventLoopDump -> read_thread_stacks -> dump
"""

import sys
import threading
from collections.abc import Iterator
from itertools import islice
from types import FrameType

from domain.snapshots import Snapshot, detail, snapshot_class
from supervision.description import shorten_text
from supervision.frames import describe_frame

MOST_THREADS = 100  # shown, the oldest first; the two stores use a few each
MOST_FRAMES = 30  # innermost ones shown of a thread


@snapshot_class
class ThreadDump(Snapshot):
    """A thread of Python's."""

    name: str = detail("Its name.")
    frames: tuple[str, ...] = detail("Where it is, innermost last.")


def read_thread_stacks() -> tuple[ThreadDump, ...]:
    """Every thread with its stack, the main thread first."""
    frames = sys._current_frames()
    threads = [thread for thread in threading.enumerate() if thread.ident in frames]
    threads.sort(key=lambda thread: thread is not threading.main_thread())
    return tuple(
        ThreadDump(name=shorten_text(thread.name), frames=_describe_stack(frames[thread.ident]))
        for thread in threads[:MOST_THREADS]
        if thread.ident is not None
    )


def read_main_stack() -> tuple[str, ...]:
    """Where the main thread is, which runs the event loop; innermost last."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    return () if frame is None else _describe_stack(frame)


def _describe_stack(innermost: FrameType) -> tuple[str, ...]:
    frames = list(islice(_walk_outwards(innermost), MOST_FRAMES))
    return tuple(describe_frame(frame, frame.f_lineno) for frame in reversed(frames))


def _walk_outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
