"""Calls that may hang, made beside a thread that must go on."""

from collections.abc import Callable
from threading import Thread

from attrs import define, field

MOST_HANGING = 4  # calls left behind at once; more are not made


@define(eq=False)
class Aside:
    """Makes each call in a thread of its own, which the end of the process does not wait for."""

    _hanging: list[Thread] = field(init=False, factory=list)

    def call(self, function: Callable[[], object], seconds: float) -> bool:
        """Call it and wait for so long; False if it has not ended by then, or was not called."""
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        if len(self._hanging) >= MOST_HANGING:
            return False
        thread = Thread(target=function, name="aside", daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            self._hanging.append(thread)
            return False
        return True
