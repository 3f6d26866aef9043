"""Around a refused row: everything else of its batch is still written.

    rows, write  ->  write_around_refusals  ->  results of what was written, refused rows

Postgres refuses a batch as a whole and rarely says which row it was, so the batch is halved
until the refused row stands alone. Used by both adapters, for new tokens and for changes.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from domain.errors import RowsRefused

Row = TypeVar("Row")
Result = TypeVar("Result")


async def write_around_refusals(
    write: Callable[[Sequence[Row]], Awaitable[Result]], rows: Sequence[Row]
) -> tuple[list[Result], list[tuple[Row, str]]]:
    """Write the rows in order, halving what is refused.

    Returns what each successful `write` returned, in the order of the rows, and each refused
    row with the reason. One refused row among n costs at most 2 * log2(n) + 1 calls, and no
    batch ever more than 2 * n - 1. Any other error of `write` escapes; parts may then be
    written, which is harmless because every write can be repeated.
    """
    results: list[Result] = []
    refused: list[tuple[Row, str]] = []
    waiting: list[Sequence[Row]] = [rows] if rows else []
    while waiting:
        part = waiting.pop()
        try:
            results.append(await write(part))
        except RowsRefused as refusal:
            if len(part) == 1:
                refused.append((part[0], str(refusal)))
            else:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]  # the earlier half is taken first
    return results, refused
