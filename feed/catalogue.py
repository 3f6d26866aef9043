"""Every tracked token, and the orders in which clients ask for them.

A live token stands on one shelf, that of its status; a silent one (shown as DEAD) on none, but
it can still be looked up. Tokens past their retention are pruned, and past `limit` tokens the
one whose retention ends first goes.

A token's statistics come apart from it, and stay with it when it is published anew.
"""

from collections.abc import Mapping
from itertools import takewhile
from math import isfinite

from attrs import Factory, define, evolve, field

from domain.lifecycle import RETAIN_BONDED_SECONDS, RETAIN_NEW_SECONDS
from domain.token import Status, Token
from domain.trading import TokenStatistics
from domain.values import Mint, UnixSeconds
from feed.ranking import Ranking, RankRule, greatest_first, newest_first
from feed.search_text import to_search_text
from feed.statistics import StatisticsMemory, shown_volume_24h


def retained_until(token: Token) -> UnixSeconds:
    """The time at which `lifecycle.is_retained` turns false for the token."""
    if token.status is Status.BONDED:
        since = token.status_changed_at or token.first_seen_at
        return UnixSeconds(since + RETAIN_BONDED_SECONDS)
    return UnixSeconds(token.first_seen_at + RETAIN_NEW_SECONDS)


def _is_live(token: Token) -> bool:
    return token.status is Status.BONDED or not token.silent


def _heat_of(token: Token) -> float | None:
    score = token.hot_score
    return None if score is None or not isfinite(score) or not _is_live(token) else -score


def _search_text(token: Token) -> str:
    # Nothing that is searched for holds a line break, so that no match spans both.
    return f"{to_search_text(token.symbol or '')}\n{to_search_text(token.name or '')}"


SORT_RULES: Mapping[str, RankRule] = {
    "hot": lambda token: greatest_first(token.hot_score),
    "volume": lambda token: greatest_first(shown_volume_24h(token)),
    "marketcap": lambda token: greatest_first(token.market_cap_usd),
    "recent": lambda token: newest_first(token.last_trade_at),
    "graduating": lambda token: greatest_first(token.bonding_curve_progress),
    "bonded": lambda token: newest_first(token.status_changed_at),
    "new": lambda token: newest_first(token.first_seen_at),
    "watched": lambda token: greatest_first(token.watcher_count),
    "alphabetical": lambda token: (token.symbol or token.name or "\U0010ffff").casefold(),
}
ORDERS_BY_STATISTICS = ("volume",)

Shelf = Mapping[str, Ranking]  # by name of the order


def _empty_shelves() -> dict[Status, Shelf]:
    return {status: {name: Ranking(rule) for name, rule in SORT_RULES.items()} for status in Status}


@define(eq=False)
class Catalogue:
    """The tokens as they were last published."""

    limit: int
    statistics: StatisticsMemory = field(
        default=Factory(lambda self: StatisticsMemory(self.limit), takes_self=True)
    )
    tokens: dict[Mint, Token] = field(init=False, factory=dict)
    shelves: Mapping[Status, Shelf] = field(init=False, factory=_empty_shelves)
    hot: Ranking = field(init=False, default=Factory(lambda: Ranking(_heat_of)))
    search_texts: dict[Mint, str] = field(init=False, factory=dict)  # symbol, line break, name
    version: int = field(init=False, default=0)  # grows with every change
    _endings: Ranking = field(init=False, default=Factory(lambda: Ranking(retained_until)))

    def put_token(self, token: Token) -> None:
        """Add or replace a token; past `limit`, the one whose retention ends first is forgotten."""
        before = self.tokens.get(token.mint)
        if before is token:
            return
        token = self._with_statistics(before, token)
        self.tokens[token.mint] = token
        if before is None or (before.symbol, before.name) != (token.symbol, token.name):
            self.search_texts[token.mint] = _search_text(token)
        self._rank_again(before, token)
        ending = self._endings.first_rank()
        if ending is not None and len(self.tokens) > self.limit:
            self._forget_token(ending[1])

    def put_statistics(self, mint: Mint, statistics: TokenStatistics) -> None:
        """Show how a token is traded; kept for a while where the token is not known yet."""
        before = self.tokens.get(mint)
        if before is None:
            self.statistics.keep_waiting(mint, statistics)
            return
        self.statistics.keep_attached(mint, statistics)
        self.tokens[mint] = after = evolve(before, statistics=statistics)
        self.version += 1
        if _is_live(after):
            for order in ORDERS_BY_STATISTICS:
                self.shelves[after.status][order].replace_token(before, after)

    def prune_expired(self, now: UnixSeconds, most: int) -> int:
        """Forget at most `most` tokens past their retention; return how many were forgotten."""
        endings = self._endings.ranks_after(None, most)
        mints = [mint for _, mint in takewhile(lambda ending: float(ending[0]) <= now, endings)]
        for mint in mints:
            self._forget_token(mint)
        return len(mints)

    def _with_statistics(self, before: Token | None, token: Token) -> Token:
        known = self.statistics.recall(token.mint) if before is None else before.statistics
        return token if known is None else evolve(token, statistics=known)

    def _forget_token(self, mint: Mint) -> None:
        del self.search_texts[mint]
        self.statistics.forget(mint)
        self._rank_again(self.tokens.pop(mint), None)

    def _rank_again(self, before: Token | None, after: Token | None) -> None:
        self.version += 1
        self._endings.replace_token(before, after)
        self.hot.replace_token(before, after)
        here = before.status if before is not None and _is_live(before) else None
        there = after.status if after is not None and _is_live(after) else None
        if here is there and here is not None:
            for ranking in self.shelves[here].values():
                ranking.replace_token(before, after)
            return
        if here is not None:
            for ranking in self.shelves[here].values():
                ranking.replace_token(before, None)
        if there is not None:
            for ranking in self.shelves[there].values():
                ranking.replace_token(None, after)
