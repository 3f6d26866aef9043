"""How updates of one token combine: the newest observation of a field wins, status only grows.

One rule, three places: mailboxes conflate with it, the buffer merges by it (append.lua repeats it
on the server, and the contract suite holds the two together), sync folds with it.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from attrs import Factory, define

from domain.messages import TokenUpdated
from domain.token import GREATEST_WINS
from domain.values import NO_VERSION, UnixSeconds, Value, Version

NO_TIME = UnixSeconds(0.0)
NO_TIMES: Mapping[str, UnixSeconds] = MappingProxyType({})


@define
class Observations:
    """Values of some fields of one token, and when each was observed: usually all at once."""

    values: dict[str, Value] = Factory(dict)
    observed_at: UnixSeconds = NO_TIME  # what `times` does not name
    times: Mapping[str, UnixSeconds] = NO_TIMES
    newest: Version = NO_VERSION  # once they are in the buffer: none of theirs is higher

    def time_of(self, name: str) -> UnixSeconds:
        return self.times.get(name, self.observed_at)

    def reduced_to(self, names: Iterable[str]) -> "Observations":
        values = {name: self.values[name] for name in names}
        return Observations(values, self.observed_at, self.times, self.newest)

    def take_newer(self, newer: "Observations") -> None:
        """Let another's fields take the place of ours."""
        if self.times or newer.times or self.observed_at != newer.observed_at:
            times = {name: self.time_of(name) for name in self.values}
            self.times = times | {name: newer.time_of(name) for name in newer.values}
        self.values.update(newer.values)
        self.newest = max(self.newest, newer.newest)


def supersedes(name: str, new: Value, new_at: float, old: Value, old_at: float) -> bool:
    """True when an observation of field `name` replaces an older one."""
    if name in GREATEST_WINS:
        return float(new) > float(old)
    return new_at >= old_at


def fold_update(into: Observations, update: TokenUpdated) -> None:
    """Merge an update that arrived later; each field keeps the time of its own observation."""
    if _replaces_all(into, update):
        into.values.update(update.values)
        into.observed_at = update.observed_at
    else:
        fold_observations(into, Observations(dict(update.values), update.observed_at))


def _replaces_all(older: Observations, update: TokenUpdated) -> bool:
    """True for the usual update, which observes anew all that was observed before, at one time."""
    new = update.values
    return (
        not older.times
        and older.observed_at <= update.observed_at
        and older.values.keys() <= new.keys()
        and GREATEST_WINS.isdisjoint(new)
    )


def fold_observations(into: Observations, newer: Observations) -> None:
    """Merge observations that arrived later, field by field; `newest` becomes the greater one."""
    if not into.values:
        into.values, into.observed_at = dict(newer.values), newer.observed_at
        into.times = newer.times
        into.newest = max(into.newest, newer.newest)
        return
    taken = [
        name
        for name, value in newer.values.items()
        if name not in into.values
        or supersedes(name, value, newer.time_of(name), into.values[name], into.time_of(name))
    ]
    into.take_newer(newer.reduced_to(taken))


def merge_updates(older: TokenUpdated, newer: TokenUpdated) -> TokenUpdated:
    """Both updates of one token as one; the later `observed_at` wins field by field.

    The whole gets the later time. That is exact for updates of one origin, which observes in
    order; those of different origins must not be combined: one's earlier value would come to
    look later than it is, and beat a value that is on its way.
    """
    if newer.observed_at < older.observed_at:
        older, newer = newer, older
    return TokenUpdated(
        mint=newer.mint,
        observed_at=newer.observed_at,
        origin=newer.origin,
        values=_merge_values(older.values, newer.values),
    )


def _merge_values(older: Mapping[str, Value], newer: Mapping[str, Value]) -> dict[str, Value]:
    values = {**older, **newer}
    for name in GREATEST_WINS:
        if name in older and name in newer:
            values[name] = max(older[name], newer[name])
    return values
