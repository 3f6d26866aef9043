"""How updates of one token combine: the newest observation of a field wins, status only grows.

One rule, three places: mailboxes conflate with it, the buffer merges by it (append.lua repeats it
on the server, and the contract suite holds the two together), sync folds with it.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from attrs import Factory, define

from domain.messages import TokenUpdated
from domain.token import GREATEST_WINS
from domain.values import NO_VERSION, UnixSeconds, Value, Version

NO_TIME = UnixSeconds(0.0)
NO_ORIGIN = ""  # of values that an earlier life of the process has left in the buffer
Sighting = tuple[UnixSeconds, str]  # when, and who: see `TokenUpdated.origin`
NO_SIGHTINGS: Mapping[str, Sighting] = MappingProxyType({})


@define
class Observations:
    """Values of some fields of one token; when each was observed and by whom: usually all at once.

    Only what is mixed takes a sighting for each field.
    """

    values: dict[str, Value] = Factory(dict)
    observed_at: UnixSeconds = NO_TIME  # what `sightings` does not name; so is `origin`
    origin: str = NO_ORIGIN
    sightings: Mapping[str, Sighting] = NO_SIGHTINGS
    newest: Version = NO_VERSION  # once they are in the buffer: none of theirs is higher

    def time_of(self, name: str) -> UnixSeconds:
        return self.sighting_of(name)[0]

    def newest_time(self) -> UnixSeconds:
        """When the last one of its values was observed."""
        return max(map(self.time_of, self.values))

    def sighting_of(self, name: str) -> Sighting:
        return self.sightings.get(name) or (self.observed_at, self.origin)

    def reduced_to(self, names: Iterable[str]) -> "Observations":
        values = {name: self.values[name] for name in names}
        return Observations(values, self.observed_at, self.origin, self.sightings, self.newest)

    def take_newer(self, newer: "Observations") -> None:
        """Let another's fields take the place of ours; its usual sighting becomes that of both."""
        if newer.values and self._is_mixed_with(newer):
            theirs, kept = newer.values, newer.sightings
            sightings = {n: self.sighting_of(n) for n in self.values if n not in theirs}
            if kept:
                sightings |= {name: kept[name] for name in theirs if name in kept}
            self.sightings = sightings or NO_SIGHTINGS
            self.observed_at, self.origin = newer.observed_at, newer.origin
        self.values.update(newer.values)
        self.newest = max(self.newest, newer.newest)

    def _is_mixed_with(self, newer: "Observations") -> bool:
        return (
            bool(self.sightings or newer.sightings)
            or self.observed_at != newer.observed_at
            or self.origin != newer.origin
        )


@lru_cache(maxsize=64)
def find_source(origin: str) -> str:
    """The source of an update's origin: the second word, or else the actor itself."""
    actor, _, source = origin.partition(" ")
    return source or actor


def supersedes(name: str, new: Value, new_at: float, old: Value, old_at: float) -> bool:
    """True when an observation of field `name` replaces an older one."""
    if name in GREATEST_WINS:
        return float(new) > float(old)
    return new_at >= old_at


def fold_update(into: Observations, update: TokenUpdated) -> None:
    """Merge an update that arrived later; each field keeps the time of its own observation."""
    if _replaces_all(into, update):
        into.values.update(update.values)
        into.observed_at, into.origin = update.observed_at, update.origin
        into.sightings = NO_SIGHTINGS
    else:
        newer = Observations(dict(update.values), update.observed_at, update.origin)
        fold_observations(into, newer)


def _replaces_all(older: Observations, update: TokenUpdated) -> bool:
    """True for the usual update, which observes anew all that was observed before, at one time."""
    known, new = older.values, update.values
    return not known or (
        not older.sightings
        and older.observed_at <= update.observed_at
        and known.keys() <= new.keys()
        and all(known[name] == new[name] for name in GREATEST_WINS if name in known)
    )


def fold_observations(into: Observations, newer: Observations) -> None:
    """Merge observations that arrived later, field by field; `newest` becomes the greater one."""
    if not into.values:
        into.values, into.observed_at = dict(newer.values), newer.observed_at
        into.origin, into.sightings = newer.origin, newer.sightings
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
