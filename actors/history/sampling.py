"""Two looks and what lay between them, as a point and as events. Pure.

Look, Look  ->  measure_point  ->  HistoryPoint
Look, Look  ->  list_events    ->  (kind, words)
"""

from collections.abc import Iterator, Mapping

from actors.history.memory import Change
from domain.operations import SERIES, HistoryPoint, Look, Problem

DIGITS = 4  # that are worth keeping of a figure


def measure_point(before: Look, now: Look, gauges: Mapping[str, float]) -> HistoryPoint:
    """The figures of the time between two looks; `gauges` are its own, over those of the look."""
    seconds = now.at - before.at
    values = {**now.gauges, **gauges}
    for name, parts in now.counters.items():
        first = before.counters.get(name, ())
        if len(first) != len(parts):
            continue  # nobody knows how much of it came meanwhile
        grown = sum(map(_count_since, first, parts))
        if SERIES[name].kind == "count":
            values[name] = grown
        elif seconds > 0:
            values[name] = grown / seconds
    return HistoryPoint(at=now.at, values={name: _shorten(v) for name, v in values.items()})


def _count_since(before: float, now: float) -> float:
    """How far a counter has come; one that is lower than before began anew."""
    return now - before if now >= before else now


def _shorten(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def list_events(before: Look | None, now: Look, change: Change) -> Iterator[tuple[str, str]]:
    """What has happened from one look to the next, in words, each with its kind."""
    for problem in filter(_is_told, change.ended):
        yield "solved", f"Over{_duration_of(problem, now)}: {problem.what}"
    for problem in filter(_is_told, change.begun):
        yield "problem", problem.what
    if before is None:
        return
    for name, mark in now.marks.items():
        known = before.marks.get(name)
        if known is not None and known.value != mark.value and mark.words:
            yield mark.kind, mark.words


def _is_told(problem: Problem) -> bool:
    """Notices come and go, and would push out of the list what somebody looks for there."""
    return problem.severity != "notice"


def _duration_of(problem: Problem, now: Look) -> str:
    if problem.since is None:
        return ""
    return f" after {describe_seconds(now.at - problem.since)}"


def describe_seconds(seconds: float) -> str:
    """A duration in words, in one unit."""
    seconds = max(0.0, seconds)
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"
