"""The task tree: every task, where it waits, and bounds."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from supervision import task_tree as module
from supervision.task_tree import render_task_tree

LOOKED_FOR = ("parent", "another", "patient")


async def parent() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiter, name="patient")
        nursery.start_soon(waiter, name="another")


async def waiter() -> None:
    await trio.sleep_forever()


async def test_tree_shows_each_task_under_its_parent_with_its_stack() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(parent, name="parent")
        await wait_all_tasks_blocked()
        lines = render_task_tree(trio.lowlevel.current_root_task()).splitlines()
        nursery.cancel_scope.cancel()
    at = {name: lines.index(line) for line in lines if (name := line.strip()) in LOOKED_FOR}
    assert at["parent"] < at["another"] < at["patient"]
    indents = {name: len(lines[index]) - len(lines[index].lstrip()) for name, index in at.items()}
    assert indents["parent"] + 4 == indents["another"] == indents["patient"]
    below_patient = lines[at["patient"] + 1].strip()
    assert below_patient.startswith("at supervision/test_task_tree.py:")
    assert below_patient.endswith(" waiter")


async def test_tree_of_too_many_tasks_says_how_many_it_leaves_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_TASKS", 5)
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(waiter)
        await wait_all_tasks_blocked()
        tasks = trio.lowlevel.current_statistics().tasks_living
        text = render_task_tree(trio.lowlevel.current_root_task())
        nursery.cancel_scope.cancel()
    assert text.startswith(f"{tasks} tasks\n")
    assert text.endswith(f"... and {tasks - 5} more tasks\n")
