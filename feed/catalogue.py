"""Every tracked token, and what queries and boards find them by.

A live token can be on the boards; a silent one (shown as DEAD) is on none, but it can still be
looked up and asked for. Tokens past their retention are pruned, and past `limit` tokens the one
whose retention ends first goes.

A token's statistics come apart from it, and stay with it when it is published anew.
"""

from collections.abc import Callable, Mapping
from itertools import takewhile
from math import isfinite
from operator import attrgetter

from attrs import Factory, define, field

from domain.lifecycle import RETAIN_BONDED_SECONDS, RETAIN_NEW_SECONDS, is_live
from domain.token import Status, Token, with_statistics
from domain.trading import TokenStatistics
from domain.values import Mint, UnixSeconds
from feed.ranking import Ranking, RankRule, greatest_first, newest_first
from feed.selection import Selection
from feed.statistics import StatisticsMemory
from feed.token_columns import TokenColumns


def retained_until(token: Token) -> UnixSeconds:
    """The time at which `lifecycle.is_retained` turns false for the token."""
    if token.status is Status.BONDED:
        since = token.status_changed_at or token.first_seen_at
        return UnixSeconds(since + RETAIN_BONDED_SECONDS)
    return UnixSeconds(token.first_seen_at + RETAIN_NEW_SECONDS)


def _heat_of(token: Token) -> float | None:
    score = token.hot_score
    return None if score is None or not isfinite(score) or not is_live(token) else -score


def _of_status(status: Status, value_of: Callable[[Token], float]) -> RankRule:
    """A rule for the live tokens of one status."""
    return lambda token: value_of(token) if token.status is status and is_live(token) else None


BOARD_RULES: Mapping[str, RankRule] = {
    "new": _of_status(Status.NEW, lambda token: newest_first(token.first_seen_at)),
    "graduating": _of_status(
        Status.GRADUATING, lambda token: greatest_first(token.bonding_curve_progress)
    ),
    "bonded": _of_status(Status.BONDED, lambda token: newest_first(token.status_changed_at)),
    "hot": _heat_of,
}


_list_ranked_by = attrgetter("status", "silent", "first_seen_at", "status_changed_at", "hot_score")


def ranks_alike(before: Token, after: Token) -> bool:
    """True where no rule ranks a token otherwise than before: so it is at most trades."""
    return _list_ranked_by(before) == _list_ranked_by(after) and (
        after.status is not Status.GRADUATING
        or before.bonding_curve_progress == after.bonding_curve_progress
    )


def _make_rankings() -> dict[str, Ranking]:
    return {board: Ranking(rule) for board, rule in BOARD_RULES.items()}


@define(eq=False)
class Catalogue:
    """The tokens as they were last published."""

    limit: int
    statistics: StatisticsMemory = field(
        default=Factory(lambda self: StatisticsMemory(self.limit), takes_self=True)
    )
    tokens: dict[Mint, Token] = field(init=False, factory=dict)
    rankings: Mapping[str, Ranking] = field(init=False, factory=_make_rankings)  # by board
    selection: Selection = field(init=False)
    version: int = field(init=False, default=0)  # grows with every change
    # Tokens that came, went or changed since the boards were published.
    changed: dict[Mint, None] = field(init=False, factory=dict)
    moved: set[Mint] = field(init=False, factory=set)  # those of them that may stand elsewhere
    _columns: TokenColumns = field(init=False)
    _endings: Ranking = field(init=False, default=Factory(lambda: Ranking(retained_until)))

    def __attrs_post_init__(self) -> None:
        self._columns = TokenColumns(self.limit + 1)  # one comes before another goes
        self.selection = Selection(self._columns, self.tokens)

    def put_token(self, token: Token) -> None:
        """Add or replace a token; past `limit`, the one whose retention ends first is forgotten."""
        before = self.tokens.get(token.mint)
        if before is token:
            return
        token = self._with_statistics(before, token)
        self.tokens[token.mint] = token
        self.changed[token.mint] = None
        self._rank_again(before, token)
        if len(self.tokens) > self.limit and (ending := self._endings.first_rank()) is not None:
            self._forget_token(ending[1])

    def put_statistics(self, mint: Mint, statistics: TokenStatistics) -> None:
        """Show how a token is traded; kept for a while where the token is not known yet."""
        before = self.tokens.get(mint)
        if before is None:
            self.statistics.keep_waiting(mint, statistics)
            return
        self.statistics.keep_attached(mint, statistics)
        self.tokens[mint] = after = with_statistics(before, statistics)
        self.changed[mint] = None
        self.version += 1
        self._columns.replace_token(before, after)  # no board goes by them

    def prune_expired(self, now: UnixSeconds, most: int) -> int:
        """Forget at most `most` tokens past their retention; return how many were forgotten."""
        endings = self._endings.ranks_after(None, most)
        mints = [mint for _, mint in takewhile(lambda ending: float(ending[0]) <= now, endings)]
        for mint in mints:
            self._forget_token(mint)
        return len(mints)

    def _with_statistics(self, before: Token | None, token: Token) -> Token:
        known = self.statistics.recall(token.mint) if before is None else before.statistics
        return token if known is None else with_statistics(token, known)

    def _forget_token(self, mint: Mint) -> None:
        self.statistics.forget(mint)
        self.changed[mint] = None
        self._rank_again(self.tokens.pop(mint), None)

    def _rank_again(self, before: Token | None, after: Token | None) -> None:
        self.version += 1
        self._columns.replace_token(before, after)
        if before is not None and after is not None and ranks_alike(before, after):
            return
        self.moved.update(token.mint for token in (before, after) if token is not None)
        self._endings.replace_token(before, after)
        for ranking in self.rankings.values():
            ranking.replace_token(before, after)
