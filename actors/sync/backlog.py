"""What waits for Postgres, and since when: by group of fields and by token.

    values that the buffer accepted  ->  Backlog  ->  which tokens a flush takes, ages

Times are seconds of one clock that never goes back, so that a group's tokens stand in the order
in which they began to wait.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from heapq import merge
from itertools import chain, islice, takewhile

from attrs import Factory, define

from domain.token import FIELDS, UPDATE_FIELDS, Group
from domain.values import Mint

GROUP_OF = {name: FIELDS[name].group for name in UPDATE_FIELDS}
WAITING_GROUPS = tuple(group for group in Group if group in set(GROUP_OF.values()))


@lru_cache(maxsize=1024)  # the same few fields change together, again and again
def _groups_of(names: tuple[str, ...]) -> tuple[Group, ...]:
    return tuple(dict.fromkeys(GROUP_OF[name] for name in names))


def _no_tokens() -> dict[Group, dict[Mint, float]]:
    return {group: {} for group in WAITING_GROUPS}


@define
class Backlog:
    """One entry a token and group; as many tokens as have unflushed values."""

    since: dict[Group, dict[Mint, float]] = Factory(_no_tokens)  # oldest first

    # Taking.

    def note_fields(self, mint: Mint, names: Iterable[str], now: float) -> None:
        """These fields of the token wait; those that waited already keep their place."""
        for group in _groups_of(tuple(names)):
            self.since[group].setdefault(mint, now)

    def restore_entries(self, waiting: Iterable[tuple[Mint, Iterable[str], float]]) -> None:
        """Take over what an earlier life left, whatever its order."""
        for mint, names, since in sorted(waiting, key=lambda entry: entry[2]):
            self.note_fields(mint, names, since)

    def settle_token(self, mint: Mint, left: Iterable[str], now: float) -> None:
        """The token was flushed; `left` are fields that changed meanwhile, and wait anew."""
        self.drop_tokens((mint,))
        self.note_fields(mint, left, now)

    def drop_tokens(self, mints: Iterable[Mint]) -> None:
        """The tokens have left, or are parked: they wait for something else than a flush."""
        for tokens in filter(None, self.since.values()):
            for mint in mints:
                tokens.pop(mint, None)

    def drop_before(self, moment: float) -> None:
        """After a flush of everything nothing older is left, whatever was noted."""
        for tokens in self.since.values():
            newest_first = takewhile(lambda entry: entry[1] >= moment, reversed(tokens.items()))
            later = list(newest_first)  # than that: usually few
            tokens.clear()
            tokens.update(reversed(later))

    def restart_ages(self, now: float) -> None:
        """While nobody looked nothing was due: what waits is as old as this moment."""
        for tokens in self.since.values():
            for mint in tokens:
                tokens[mint] = now

    # Looking.

    def __len__(self) -> int:
        return len(set(chain.from_iterable(self.since.values())))

    def measure_ages(self, now: float) -> dict[Group, float]:
        """Seconds that the oldest value of each group has waited; groups without any left out."""
        oldest = {group: next(iter(tokens.values()), None) for group, tokens in self.since.items()}
        return {group: now - since for group, since in oldest.items() if since is not None}

    def find_due(self, before: float, bounds_seconds: Mapping[Group, float]) -> set[Mint]:
        """The tokens of which a value exceeds its group's bound before that time."""
        return {
            mint
            for group, tokens in self.since.items()
            for mint in _waiting_before(tokens, before - bounds_seconds[group])
        }

    def pick_tokens(self, rows: int, due: set[Mint]) -> set[Mint]:
        """The tokens that a flush of so many rows takes: due ones, lifecycle, then the oldest."""
        others = (
            ((since, mint) for mint, since in tokens.items())
            for group, tokens in self.since.items()
            if group is not Group.LIFECYCLE
        )
        by_age = (mint for _, mint in merge(*others))
        ordered = dict.fromkeys(due)
        for mint in chain(self.since[Group.LIFECYCLE], by_age):
            if len(ordered) >= rows:
                break
            ordered[mint] = None
        return set(islice(ordered, rows))


def _waiting_before(tokens: Mapping[Mint, float], moment: float) -> Iterator[Mint]:
    """The tokens that waited before `moment`."""
    for mint, since in tokens.items():
        if since >= moment:
            return
        yield mint
