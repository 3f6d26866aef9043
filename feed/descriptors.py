"""File descriptors: as many as the clients need, and a few spare ones for when there are none left.

A connection that cannot be accepted for want of a descriptor waits in the kernel, and a health
check with it. So a few descriptors are kept open for nothing. One that is lent is closed, the next
connection gets its number, and it is taken back as soon as there is another one free.
"""

import os
import resource

from attrs import define, field

SPARE_DESCRIPTORS = 16
# Beside one a client: stores, streams, providers, pictures, the log, and the spare ones.
OTHER_DESCRIPTORS = 256


@define(eq=False)
class SpareDescriptors:
    """Descriptors that lead to nothing."""

    _held: list[int] = field(init=False, factory=list)

    def take_back(self) -> bool:
        """Hold as many as there should be; False where the system has no more to give."""
        while len(self._held) < SPARE_DESCRIPTORS:
            try:
                self._held.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                return False
        return True

    def lend_one(self) -> bool:
        """Make room for one descriptor; False where none is held."""
        if not self._held:
            return False
        os.close(self._held.pop())
        return True

    def close(self) -> None:
        """Hold none any more."""
        while self.lend_one():
            pass


def allow_descriptors(wanted: int) -> int:
    """Raise this process's own limit of open files to those wanted, as far as it may; the limit.

    The limit that processes begin with is often 1024, for the sake of programs that call `select`;
    nothing here does.
    """
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return wanted
    raised = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    if raised > limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, most))
    return max(limit, raised)
