"""Settings of Python's cyclic garbage collector (docs/decisions/0009)."""

import gc

# The collector runs when this many more container objects have been allocated than freed since
# its last run. Python's own default, 700, would have it run for every few messages.
COLLECTION_THRESHOLD_OBJECTS = 10_000


def freeze_startup_objects() -> None:
    """Exclude the objects alive now from cyclic garbage collection, and collect less often.

    Call it once, when the service is ready. Modules and restored tokens are hundreds of thousands
    of objects that stay until the process ends; a full collection that visits them stops every
    thread for about 50 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTION_THRESHOLD_OBJECTS)
