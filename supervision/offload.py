"""Where blocking clients run: threads of a door's own, so that no door waits for another's.

Tests under a mock clock give their doors a function that runs the call inline instead.
"""

from functools import partial
from typing import Any

import trio


def offload_to_threads(threads: int) -> Any:
    """An `offload(function, *arguments)` that awaits the call in one of at most `threads` threads.

    It never abandons a thread: a cancelled call ends by its own time-out, or by its watcher.
    """
    return partial(trio.to_thread.run_sync, limiter=trio.CapacityLimiter(threads))
