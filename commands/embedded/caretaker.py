"""The caretaker: a process that outlives its parent by a moment, to leave nothing behind.

Its standard input is a pipe from the process that started it, one order a line:

    guard PID SIGNAL    end this process when the parent is gone, with SIGNAL first
    release PID         it has ended
    remove PATH         remove this directory when the parent is gone
    keep PATH           it has been removed

End of input means that the parent is gone, by whatever death, kill -9 included. The kernel's
own means (PR_SET_PDEATHSIG) would not do: it fires when the *thread* that started the child
ends, and Trio's worker threads end after ten idle seconds; and it cannot remove a directory.

The file runs by itself (`python -I caretaker.py`), so it imports nothing of the project.
"""

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

GRACE_SECONDS = 5.0  # for the first signal; then SIGKILL
POLL_SECONDS = 0.02
CLEAN_LOOKS = 2


def attend() -> tuple[dict[int, int], list[str]]:
    """Take orders until the parent is gone; what is then left to end and to remove."""
    guarded: dict[int, int] = {}
    directories: list[str] = []
    for line in sys.stdin:
        order, _, argument = line.rstrip("\n").partition(" ")
        if order == "guard":
            process, _, first_signal = argument.partition(" ")
            guarded[int(process)] = int(first_signal)
        elif order == "release":
            guarded.pop(int(argument), None)
        elif order == "remove":
            directories.append(argument)
        elif order == "keep" and argument in directories:
            directories.remove(argument)
    return guarded, directories


def is_alive(process: int) -> bool:
    """Whether a process still does anything: one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return not Path("/proc/self").exists() and _answers_signals(process)


def _answers_signals(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def signal_group(process: int, number: int) -> None:
    """Signal the process group that `process` leads; every guarded process leads one."""
    with suppress(ProcessLookupError):
        os.killpg(process, number)


def end(guarded: dict[int, int]) -> None:
    """The newest first: the service ends before the servers that it writes to."""
    for process, first_signal in reversed(guarded.items()):
        signal_group(process, first_signal)
        deadline = time.monotonic() + GRACE_SECONDS
        while is_alive(process) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        signal_group(process, signal.SIGKILL)


def inhabitants(directory: str) -> list[int]:
    """Processes that work inside: those that the parent had no time to tell us of."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):  # ended meanwhile, or somebody else's
            place = Path(str(link.readlink()).removesuffix(" (deleted)"))
            if place.is_relative_to(directory):
                found.append(int(link.parent.name))
    return found


def remove(directory: str) -> None:
    """Remove it with whoever works inside; one who starts meanwhile may make files again.

    So it is gone once two looks, one after the other, have found nobody and nothing.
    """
    deadline = time.monotonic() + GRACE_SECONDS
    clean_looks = 0
    while clean_looks < CLEAN_LOOKS and time.monotonic() < deadline:
        found = inhabitants(directory)
        clean_looks = 0 if found or Path(directory).exists() else clean_looks + 1
        for process in found:
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(directory, ignore_errors=True)
        time.sleep(POLL_SECONDS)


def main() -> None:
    guarded, directories = attend()
    end(guarded)
    for directory in directories:
        remove(directory)


if __name__ == "__main__":
    main()
