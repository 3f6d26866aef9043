"""Which program wrote which line of a Solana transaction's log. No I/O.

    log lines -> walk_lines -> (program at the top of the invoke stack, line)

A log is text that any program may write, so a line counts for a program only directly under that
program's own `invoke`. Source of the forms: the runtime's stable log (solana-program-runtime,
`stable_log.rs`): `Program X invoke [depth]`, `Program X success`, `Program X failed: ...`,
`Program data: <base64>`, `Log truncated`.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from sources.fields import read_array

# Base58 only: "Program log: invoke [1]" is a line that a program wrote, not an invocation.
PROGRAM = r"Program ([1-9A-HJ-NP-Za-km-z]{32,44})"
INVOKED = re.compile(PROGRAM + r" invoke \[(\d{1,2})\]")
RETURNED = re.compile(PROGRAM + r" (?:success|failed: .*)", re.DOTALL)
WRITTEN_PREFIXES = ("Program log: ", "Program data: ", "Program return: ")

LONGEST_REMEMBERED = 64  # characters: every invocation, and every success
LINES_REMEMBERED = 4096  # 1 MB; a few programs are all that most transactions run
RETURN_DEPTH, NO_DEPTH = 0, -1


def walk_lines(logs: object) -> Iterator[tuple[str, str]]:
    """Each line with the program that wrote it; lines of the runtime, and junk, are left out.

    A log that was cut off ends early; what stands before the cut still counts.
    """
    stack: list[str] = []
    for line in read_array(logs):
        if not isinstance(line, str):
            continue
        if line.startswith(WRITTEN_PREFIXES):
            if stack:
                yield stack[-1], line
            continue
        if line.endswith(" compute units") and " failed: " not in line:
            continue  # the runtime tells them of each program, and never the same number
        read = _recall_line if len(line) <= LONGEST_REMEMBERED else _read_line
        depth, program = read(line)
        if depth > RETURN_DEPTH:
            stack = [*stack[: depth - 1], program]
        elif stack and depth == RETURN_DEPTH:
            stack.pop()


def _read_line(line: str) -> tuple[int, str]:
    """The depth and program of an invocation, `RETURN_DEPTH` of its end; else `NO_DEPTH`."""
    if invoked := INVOKED.fullmatch(line):
        return max(int(invoked[2]), 1), invoked[1]
    return RETURN_DEPTH if RETURNED.fullmatch(line) else NO_DEPTH, ""


_recall_line = lru_cache(LINES_REMEMBERED)(_read_line)
