"""Tokens in order of a value, kept in order through every change in O(log n).

A rank is (value, mint): the smallest value first, equal values by mint, so that an order is the
same everywhere. What is to come greatest first is negated by its rule.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from math import inf, isfinite

from attrs import define, field
from sortedcontainers import SortedList  # type: ignore[import-untyped]

from domain.token import Token
from domain.values import Mint, UnixSeconds
from feed.wire import to_milliseconds

Rank = tuple[float | str, Mint]
RankRule = Callable[[Token], float | str | None]  # None: not in this ranking


def greatest_first(value: float | None) -> float:
    """The rank of a number; unknown ones (and what is no number) come last."""
    return -value if value is not None and isfinite(value) else inf


def newest_first(at: UnixSeconds | None) -> float:
    """The rank of a time, at the precision that clients see; unknown ones come last."""
    return greatest_first(to_milliseconds(at))


@define(eq=False)
class Ranking:
    """Every mint given to it, in the order of one rule."""

    rule: RankRule
    _ranks: SortedList = field(factory=SortedList, init=False)

    def __len__(self) -> int:
        return len(self._ranks)

    def replace_token(self, before: Token | None, after: Token | None) -> None:
        """Rank `after` in the place of `before`; None stands for a token that came or went."""
        old, new = self._rank_of(before), self._rank_of(after)
        if old == new:
            return
        if old is not None:
            self._ranks.remove(old)
        if new is not None:
            self._ranks.add(new)

    def top_mints(self, count: int) -> list[Mint]:
        """The first `count` mints."""
        return [mint for _, mint in islice(self._ranks, count)]

    def ranks_after(self, rank: Rank | None, count: int) -> list[Rank]:
        """Up to `count` ranks behind `rank`, which need not be in the ranking any more."""
        remaining: Iterable[Rank] = (
            self._ranks
            if rank is None
            else self._ranks.irange(minimum=rank, inclusive=(False, True))
        )
        return list(islice(remaining, count))

    def first_rank(self) -> Rank | None:
        """The first rank; None when empty."""
        return self._ranks[0] if self._ranks else None

    def _rank_of(self, token: Token | None) -> Rank | None:
        if token is None:
            return None
        value = self.rule(token)
        return None if value is None else (value, token.mint)
