"""Which program wrote which line of a Solana transaction's log. No I/O.

    log lines -> walk_lines -> (program at the top of the invoke stack, line)

A log is text that any program may write, so a line counts for a program only directly under that
program's own `invoke`. Source of the forms: the runtime's stable log (solana-program-runtime,
`stable_log.rs`): `Program X invoke [depth]`, `Program X success`, `Program X failed: ...`,
`Program data: <base64>`, `Log truncated`.
"""

import re
from collections.abc import Iterator

from sources.fields import read_array

# Base58 only: "Program log: invoke [1]" is a line that a program wrote, not an invocation.
PROGRAM = r"Program ([1-9A-HJ-NP-Za-km-z]{32,44})"
INVOKED = re.compile(PROGRAM + r" invoke \[(\d{1,2})\]")
RETURNED = re.compile(PROGRAM + r" (?:success|failed: .*)", re.DOTALL)
WRITTEN_PREFIXES = ("Program log: ", "Program data: ", "Program return: ")


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
        elif invoked := INVOKED.fullmatch(line):
            depth = int(invoked[2])
            stack = [*stack[: max(depth - 1, 0)], invoked[1]]
        elif stack and RETURNED.fullmatch(line):
            stack.pop()
