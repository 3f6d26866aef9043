"""What operators see of the whole: JSON values of the problems, the graph, events and history.

LookTaker, HistoryMemory, child specs  ->  make_overview  ->  /api/ops/problems, graph, ...
"""

from collections.abc import Callable, Sequence
from functools import partial

from actors.history.actor import POINT_SECONDS
from actors.history.memory import COARSE_SECONDS, HistoryMemory
from domain.operations import SERIES, HistoryPoint, Look, Problem
from domain.values import UnixSeconds
from feed import Overview
from feed.operations import DECIMALS
from feed.runbook import RUNBOOK_PATH
from feed.wire import to_iso_time

SECONDS_AN_HOUR = 3600.0
FINE_HOURS = 6  # beyond, a point is five minutes


def make_overview(
    memory: HistoryMemory, take_look: Callable[[], Look], graph: Callable[[], object]
) -> Overview:
    """The overview; each part is answered at once, from memory."""
    return Overview(
        problems=partial(_report_problems, memory, take_look),
        graph=graph,
        events=partial(_report_events, memory),
        history=partial(_report_history, memory),
    )


def _report_problems(memory: HistoryMemory, take_look: Callable[[], Look]) -> dict[str, object]:
    look = take_look()
    well_since = None if look.problems else memory.well_since or look.at
    return {
        "at": to_iso_time(look.at),
        "wellSince": None if well_since is None else to_iso_time(well_since),
        "problems": [_render_problem(p, look.at) for p in memory.date_problems(look)],
    }


def _render_problem(problem: Problem, now: UnixSeconds) -> dict[str, object]:
    return {
        "severity": problem.severity,
        "subject": problem.subject,
        "kind": problem.kind,
        "what": problem.what,
        "since": to_iso_time(problem.since or now),
        "advice": problem.advice,
        "runbook": f"{RUNBOOK_PATH}#{problem.section}",
    }


def _report_events(memory: HistoryMemory) -> dict[str, object]:
    """The events, newest first."""
    return {
        "isComplete": memory.is_loaded,
        "events": [
            {"at": to_iso_time(event.at), "kind": event.kind, "words": event.words}
            for event in reversed(memory.events)
        ],
    }


def _report_history(memory: HistoryMemory, now: UnixSeconds, hours: int) -> dict[str, object]:
    """The points of the newest hours as columns, which repeat no name; null where unknown."""
    is_fine = hours <= FINE_HOURS
    points = memory.list_points(UnixSeconds(now - hours * SECONDS_AN_HOUR), is_fine=is_fine)
    return {
        "hours": hours,
        "secondsPerPoint": POINT_SECONDS if is_fine else COARSE_SECONDS,
        "isComplete": memory.is_loaded,
        "at": [round(point.at, 3) for point in points],
        "series": {
            name: {"kind": each.kind, "meaning": each.meaning, "values": _column(points, name)}
            for name, each in SERIES.items()
        },
    }


def _column(points: Sequence[HistoryPoint], name: str) -> list[float | None]:
    values = (point.values.get(name) for point in points)
    return [None if value is None else round(value, DECIMALS) for value in values]
