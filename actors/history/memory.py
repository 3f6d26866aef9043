"""What the history is in the process: points, events, and since when each problem stands.

    Look  ->  HistoryMemory  ->  what to save, what operators are shown

It outlives its actor, and Redis keeps it for the next process. Everything in it is bounded by
count; while Redis is away, what is unsaved waits under the same bounds, and its oldest go.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from attrs import define, evolve, field, frozen

from buffer.history import COARSE_POINTS, EVENTS_KEPT, RECENT_POINTS, HistoryBatch
from domain.operations import SERIES, HistoryPoint, Look, OperationsEvent, Problem
from domain.values import UnixSeconds

Kept = TypeVar("Kept")

COARSE_SECONDS = 300.0
PROBLEMS_KEPT = 200  # of those that stand; a problem beyond them is told without its beginning


@frozen(kw_only=True)
class Change:
    """What has become of the problems since the last look."""

    begun: Sequence[Problem]
    ended: Sequence[Problem]


@define(kw_only=True)
class HistoryMemory:
    """One for all lives of the actor; held by its child spec."""

    points: deque[HistoryPoint] = field(factory=lambda: deque(maxlen=RECENT_POINTS), init=False)
    coarse: deque[HistoryPoint] = field(factory=lambda: deque(maxlen=COARSE_POINTS), init=False)
    events: deque[OperationsEvent] = field(factory=lambda: deque(maxlen=EVENTS_KEPT), init=False)
    standing: dict[tuple[str, str], Problem] = field(factory=dict, init=False)  # with since
    well_since: UnixSeconds | None = field(default=None, init=False)  # None: nobody has looked
    has_begun: bool = field(default=False, init=False)  # there was a look
    is_loaded: bool = field(default=False, init=False)  # what earlier processes left is here
    # Not in Redis yet.
    unsaved_points: deque[HistoryPoint] = field(
        factory=lambda: deque(maxlen=RECENT_POINTS), init=False
    )
    unsaved_coarse: deque[HistoryPoint] = field(
        factory=lambda: deque(maxlen=COARSE_POINTS), init=False
    )
    unsaved_events: deque[OperationsEvent] = field(
        factory=lambda: deque(maxlen=EVENTS_KEPT), init=False
    )

    # Taking.

    def note_event(self, at: UnixSeconds, kind: str, words: str) -> None:
        """Something has happened."""
        event = OperationsEvent(at=at, kind=kind, words=words)
        self.events.append(event)
        self.unsaved_events.append(event)

    def add_point(self, point: HistoryPoint) -> None:
        """Take a point; one that begins other five minutes makes a coarse one of those before."""
        last = self.points[-1] if self.points else None
        if last is not None and _bucket_of(last) != _bucket_of(point):
            self._add_coarse([each for each in self.points if _bucket_of(each) == _bucket_of(last)])
        self.points.append(point)
        self.unsaved_points.append(point)

    def _add_coarse(self, points: Sequence[HistoryPoint]) -> None:
        known = self.coarse[-1] if self.coarse else None
        if known is None or _bucket_of(known) < _bucket_of(points[-1]):
            folded = fold_points(points)
            self.coarse.append(folded)
            self.unsaved_coarse.append(folded)

    def note_problems(self, problems: Sequence[Problem], now: UnixSeconds) -> Change:
        """Note what is wrong now; what of it is new, and what is over."""
        before = self.standing
        self.standing = {each.name: each for each in self._date(problems[:PROBLEMS_KEPT], now)}
        if problems:
            self.well_since = None
        elif self.well_since is None:
            self.well_since = now
        return Change(
            begun=[each for name, each in self.standing.items() if name not in before],
            ended=[each for name, each in before.items() if name not in self.standing],
        )

    def date_problems(self, look: Look) -> list[Problem]:
        """The problems of a look, each with the moment since when it stands; changes nothing."""
        return list(self._date(look.problems, look.at))

    def _date(self, problems: Sequence[Problem], now: UnixSeconds) -> Iterator[Problem]:
        for problem in problems:
            known = self.standing.get(problem.name)
            yield evolve(problem, since=problem.since or (known.since if known else now))

    # Redis.

    def take_stored(self, stored: HistoryBatch) -> None:
        """Take what earlier processes have left: it stands before what is here."""
        self.is_loaded = True
        self.points.extendleft(reversed(_list_older(stored.points, self.points)))
        self.coarse.extendleft(reversed(_list_older(stored.coarse, self.coarse)))
        here = set(self.events)
        older = [event for event in stored.events if event not in here]
        events = sorted([*older, *self.events], key=lambda event: event.at)
        self.events = deque(events, maxlen=EVENTS_KEPT)

    def list_unsaved(self) -> HistoryBatch:
        """What Redis does not have."""
        return HistoryBatch(
            points=tuple(self.unsaved_points),
            coarse=tuple(self.unsaved_coarse),
            events=tuple(self.unsaved_events),
        )

    def note_saved(self, saved: HistoryBatch) -> None:
        """Redis has these."""
        _forget(self.unsaved_points, saved.points)
        _forget(self.unsaved_coarse, saved.coarse)
        _forget(self.unsaved_events, saved.events)

    # Looking.

    def list_points(self, since: UnixSeconds, *, is_fine: bool) -> Sequence[HistoryPoint]:
        """The points after a moment, oldest first: of 15 s, or of five minutes.

        Where those of five minutes end, the five minutes that go on are added as one.
        """
        points = list(self.points if is_fine else self.coarse)
        if not is_fine and self.points:
            newest = _bucket_of(self.points[-1])
            points.append(fold_points([p for p in self.points if _bucket_of(p) == newest]))
        return [point for point in points if point.at > since]


def fold_points(points: Sequence[HistoryPoint]) -> HistoryPoint:
    """Several points as one, each series by its fold; of each series those that know it."""
    values: dict[str, float] = {}
    for name, series in SERIES.items():
        known = [point.values[name] for point in points if name in point.values]
        if not known:
            continue
        match series.fold:
            case "mean":
                values[name] = sum(known) / len(known)
            case "max":
                values[name] = max(known)
            case "sum":
                values[name] = sum(known)
    return HistoryPoint(at=points[-1].at, values=values)


def _bucket_of(point: HistoryPoint) -> int:
    return int(point.at // COARSE_SECONDS)


def _list_older(stored: Sequence[HistoryPoint], here: deque[HistoryPoint]) -> list[HistoryPoint]:
    """The newest of the stored points before those that are here, as many as there is room for."""
    room = (here.maxlen or 0) - len(here)
    older = [point for point in stored if not here or point.at < here[0].at]
    return older[-room:] if room else []


def _forget(unsaved: deque[Kept], saved: Iterable[Kept]) -> None:
    """Take away from the front what was saved; more may have gone from there meanwhile."""
    known = set(map(id, saved))
    while unsaved and id(unsaved[0]) in known:
        unsaved.popleft()
