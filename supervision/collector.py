"""Python's cyclic garbage collector, told what will stay (docs/decisions/0009)."""

import gc

YOUNG_OBJECTS = 10_000  # more allocations than releases before the young are looked through


def freeze_startup_objects() -> None:
    """Exclude the objects alive now from cyclic garbage collection, and collect less often.

    Call it when a start is over: modules and restored tokens stay, hundreds of thousands of
    objects, and looking through them all stops every thread for a twentieth of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
