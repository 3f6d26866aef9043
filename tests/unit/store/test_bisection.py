"""Around refused rows: everything else is written, at a bounded number of calls."""

from collections.abc import Sequence
from math import ceil, log2

import pytest
import trio
from attrs import Factory, define
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import RowsRefused, StoreUnavailable
from store.bisection import write_around_refusals


@define
class Table:
    """Takes whole batches without a poisoned row."""

    poison: frozenset[int]
    rows: list[int] = Factory(list)
    calls: int = 0

    async def write(self, rows: Sequence[int]) -> int:
        self.calls += 1
        for row in rows:
            if row in self.poison:
                raise RowsRefused(f"row {row}")
        self.rows += rows
        return len(rows)


def bisected(table: Table, rows: Sequence[int]) -> tuple[list[int], list[tuple[int, str]]]:
    return trio.run(write_around_refusals, table.write, rows)


@given(st.integers(0, 60), st.sets(st.integers(0, 59)))
def test_exactly_the_poisoned_rows_are_left_out(size: int, poison: set[int]) -> None:
    table = Table(frozenset(poison))
    results, refused = bisected(table, range(size))
    assert [row for row in range(size) if row not in poison] == table.rows
    assert [(row, f"row {row}") for row in range(size) if row in poison] == refused
    assert len(table.rows) == sum(results)
    assert table.calls <= max(2 * size - 1, 0)


@given(st.integers(1, 2000), st.data())
def test_one_poisoned_row_costs_a_logarithm(size: int, data: st.DataObject) -> None:
    table = Table(frozenset({data.draw(st.integers(0, size - 1))}))
    bisected(table, range(size))
    assert table.calls <= 2 * ceil(log2(size)) + 1


def test_a_clean_batch_is_one_call() -> None:
    table = Table(frozenset())
    assert bisected(table, range(1000)) == ([1000], [])
    assert table.calls == 1


def test_no_rows_are_no_call() -> None:
    table = Table(frozenset())
    assert bisected(table, []) == ([], [])
    assert table.calls == 0


async def test_any_other_error_escapes() -> None:
    async def unavailable(rows: Sequence[int]) -> None:
        raise StoreUnavailable

    with pytest.raises(StoreUnavailable):
        await write_around_refusals(unavailable, [1, 2])
