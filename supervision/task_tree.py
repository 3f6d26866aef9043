"""Every Trio task with its stack, as text: what the process waits for.

SIGUSR2  ->  LoopMonitor  ->  render_task_tree
"""

from collections.abc import Iterator

import trio

from supervision.frames import describe_frame

MOST_TASKS = 2000  # rendered; the text says how many are left out
MOST_FRAMES = 30  # innermost ones rendered of a task


def render_task_tree(root: trio.lowlevel.Task | None) -> str:
    """The root task of a run and all below it, each under the task whose nursery it lives in."""
    lines: list[str] = []
    tasks = 0
    for depth, task in _walk_tasks(root) if root is not None else ():
        tasks += 1
        if tasks <= MOST_TASKS:
            lines += _render_task(task, "    " * depth)
    if tasks > MOST_TASKS:
        lines.append(f"... and {tasks - MOST_TASKS} more tasks")
    return "\n".join([f"{tasks} tasks", *lines, ""])


def _walk_tasks(root: trio.lowlevel.Task) -> Iterator[tuple[int, trio.lowlevel.Task]]:
    """Depth first, and without recursion: supervision may nest deeper than Python's stack."""
    stack = [(0, root)]
    while stack:
        depth, task = stack.pop()
        yield depth, task
        children = [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        children.sort(key=lambda child: child.name, reverse=True)
        stack += [(depth + 1, child) for child in children]


def _render_task(task: trio.lowlevel.Task, indent: str) -> list[str]:
    return [f"{indent}{task.name}", *(f"{indent}  at {line}" for line in _describe_frames(task))]


def _describe_frames(task: trio.lowlevel.Task) -> list[str]:
    lines: list[str] = []
    try:
        for frame, line_number in task.iter_await_frames():
            lines.append(describe_frame(frame, line_number))
    except (AttributeError, TypeError) as error:  # an awaitable that trio cannot look into
        lines.append(f"? {error}")
    return lines[-MOST_FRAMES:]
