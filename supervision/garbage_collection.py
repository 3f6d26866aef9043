"""Settings of Python's cyclic garbage collector (docs/decisions/0009, 0021)."""

import gc

# The collector runs when this many more container objects have been allocated than freed since
# its last run. Python's own default, 700, would have it run for every few messages.
COLLECTION_THRESHOLD_OBJECTS = 10_000


def suspend_collection() -> None:
    """Collect no cyclic garbage until `freeze_startup_objects`.

    A start allocates millions of objects that stay, and next to no cycles. The collector would
    visit all of them again and again: half of the CPU time of a start with 100,000 tokens. Bounded
    by `start.deadline_seconds`, within which a service is ready or ends.
    """
    gc.disable()


def freeze_startup_objects() -> None:
    """Exclude the objects alive now from cyclic garbage collection, and collect seldom from now on.

    Call it once, when the service is ready. Modules and restored tokens are millions of objects
    that stay until the process ends; a full collection that visits them stops every thread for a
    second. Nor are they visited here: the few cycles among them stay.
    """
    gc.freeze()
    gc.set_threshold(COLLECTION_THRESHOLD_OBJECTS)
    gc.enable()
