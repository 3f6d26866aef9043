"""Where the blocking clients of Postgres and Redis run: in threads, a few for each client.

A client has a limit of its own, so that none waits because another one's threads are all busy.
Tests under a mock clock inject a function that runs the call in the event loop instead.
"""

from functools import partial
from typing import Any

import trio


def offload_to_threads(threads: int) -> Any:
    """An `offload(function, *arguments)` that awaits the call in one of at most `threads` threads.

    A cancelled call is awaited all the same: it ends by its own time-out, or when another task
    breaks its connection.
    """
    return partial(trio.to_thread.run_sync, limiter=trio.CapacityLimiter(threads))
