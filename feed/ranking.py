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
        old = None if before is None else self.rule(before)
        new = None if after is None else self.rule(after)
        if old == new and before is not None and after is not None:
            return
        if before is not None and old is not None:
            self._ranks.remove((old, before.mint))
        if after is not None and new is not None:
            self._ranks.add((new, after.mint))

    def ranks_after(self, rank: Rank | None, count: int) -> list[Rank]:
        """Up to `count` ranks behind `rank`, which need not be in the ranking any more."""
        remaining: Iterable[Rank] = (
            self._ranks
            if rank is None
            else self._ranks.irange(minimum=rank, inclusive=(False, True))
        )
        return list(islice(remaining, count))

    def rank_at(self, place: int) -> Rank | None:
        """The rank at a place, counted from 0; None where fewer are ranked."""
        return self._ranks[place] if place < len(self._ranks) else None

    def ranks_between(self, after: Rank, until: Rank | None) -> Iterable[Rank]:
        """The ranks behind `after`, up to and with `until`; None: to the end."""
        ranks: Iterable[Rank] = self._ranks.irange(after, until, inclusive=(False, True))
        return ranks

    def stands_until(self, token: Token, last: Rank | None) -> bool:
        """True where the token stands no later than the rank `last`; None: wherever it stands."""
        rank = self.rank_of(token)
        return rank is not None and (last is None or rank <= last) and rank in self._ranks

    def sort_tokens(self, tokens: Iterable[Token]) -> list[Token]:
        """Tokens by their ranks; each has one."""
        return sorted(tokens, key=self.rank_of)  # type: ignore[arg-type]  # none is None

    def first_rank(self) -> Rank | None:
        """The first rank; None when empty."""
        return self._ranks[0] if self._ranks else None

    def rank_of(self, token: Token) -> Rank | None:
        """Where the token stands; None: in no place."""
        value = self.rule(token)
        return None if value is None else (value, token.mint)


@define(eq=False)
class PickedRanking(Ranking):
    """Those mints alone that were put into it, in the order of a rule."""

    held: dict[Mint, Rank] = field(factory=dict, init=False)

    def stands_until(self, token: Token, last: Rank | None) -> bool:
        """As of any ranking, by the rank that was put."""
        rank = self.held.get(token.mint)
        return rank is not None and (last is None or rank <= last)

    def put_rank(self, rank: Rank) -> None:
        """Rank a mint, or rank it anew."""
        before = self.held.get(rank[1])
        if before != rank:
            if before is not None:
                self._ranks.remove(before)
            self.held[rank[1]] = rank
            self._ranks.add(rank)

    def drop_mint(self, mint: Mint) -> None:
        """Rank a mint no more, if it was."""
        rank = self.held.pop(mint, None)
        if rank is not None:
            self._ranks.remove(rank)

    def replace_ranks(self, ranks: Iterable[Rank]) -> None:
        """Rank these alone."""
        self._ranks = SortedList(ranks)
        self.held.clear()
        self.held.update((rank[1], rank) for rank in self._ranks)

    def drop_behind(self, count: int) -> None:
        """Keep the first `count` alone."""
        for _, mint in self._ranks[count:]:
            del self.held[mint]
        del self._ranks[count:]
