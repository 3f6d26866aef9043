"""How late events came into view, from what a client saw. Pure.

An event is in view when its own value or a newer one of the same coin is shown; its latency
counts from when its frame was due. Of coins that are on no board nothing can be told.
"""

from collections.abc import Iterable, Iterator, Mapping
from statistics import quantiles

from attrs import frozen


@frozen
class Sighting:
    """A coin's newest event as shown: of a coin that was on its board before, or not."""

    coin: int
    round: int
    at: float
    is_new_to_board: bool


@frozen
class Schedule:
    """When the frames of an order were due: number `first` at `first_due`, and so on."""

    first: int
    count: int
    first_due: float
    rate: float

    def find_due(self, number: int) -> float | None:
        """None of a frame of another order."""
        place = number - self.first
        return self.first_due + place / self.rate if 0 <= place < self.count else None


def trade_latencies(
    sightings: Iterable[Sighting], coins: int, schedule: Schedule
) -> Iterator[float]:
    """Seconds from due to view of every trade of the order whose coin was on a board."""
    in_view: dict[int, int] = {}
    for sighting in sightings:
        last = in_view.get(sighting.coin)
        in_view[sighting.coin] = max(sighting.round, -1 if last is None else last)
        if last is None or sighting.is_new_to_board:
            continue
        for number in range(last + 1, sighting.round + 1):
            due = schedule.find_due(number * coins + sighting.coin)
            if due is not None:
                yield sighting.at - due


def birth_latencies(sightings: Iterable[Sighting], schedule: Schedule) -> Iterator[float]:
    """Seconds until a birth, or a newer one, was shown."""
    newest = schedule.first - 1
    for sighting in sightings:
        for number in range(newest + 1, sighting.coin + 1):
            due = schedule.find_due(number)
            if due is not None:
                yield sighting.at - due
        newest = max(newest, sighting.coin)


def find_unshown(shown: Mapping[int, int], coins: int, schedule: Schedule) -> list[int]:
    """The coins on a board whose last trade of the order is not in view."""
    last = schedule.first + schedule.count - 1
    return [coin for coin, seen in shown.items() if seen < (last - coin) // coins]


def middle_and_high(seconds: Iterable[float]) -> tuple[float, float] | None:
    """Median and 99th percentile in milliseconds; None of fewer than two."""
    milliseconds = [each * 1000 for each in seconds]
    if len(milliseconds) < 2:
        return None
    parts = quantiles(milliseconds, n=100)
    return parts[49], parts[98]
