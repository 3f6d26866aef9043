"""Which rules fire: what tokens were, and what they are.

    tokens, statistics  ->  Judge  ->  Firing

A rule fires for a token when what it asks for begins to be true, not while it stays so. A crossing
is judged by the token's rows before and after a change, with the filters of the feed, so that
nothing is remembered of it. Of a token that was not known before, or whose figure was not, nothing
fires. An arrival is a token on a board or a view that was not there before.

Before `end_filling` tokens are taken up and nothing is judged: what is true at the start has begun
earlier. Where counted trades decide, arrivals are not told for a while after it, since what is
counted begins anew with the process.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from attrs import Factory, define, field, frozen

from domain.token import Token
from domain.trading import TokenStatistics
from domain.values import Mint, UnixSeconds
from feed.alert_rules import AlertRule, Arrival, Crossing
from feed.catalogue import Catalogue
from feed.selection import Excerpt
from feed.statistics import StatisticsMemory
from feed.views import AGING_SECONDS, Shortlist


class Firing(NamedTuple):
    """A rule has begun to be true of a token."""

    rule: AlertRule
    token: Token


@frozen(kw_only=True)
class JudgePlan:
    """What a judge goes by."""

    tokens: int  # most that are known
    board_tokens: int  # that stand on a board
    settle_seconds: float  # until what is counted of trades is known again
    clock: Callable[[], UnixSeconds]


@define(eq=False)
class Standing:
    """The tokens that stand on a board or a view of one rule."""

    rule: AlertRule
    asks: Arrival
    catalogue: Catalogue
    most: int
    shortlist: Shortlist | None = field(init=False, default=None)  # of a view
    mints: frozenset[Mint] = field(init=False, default=frozenset())
    aged_at: UnixSeconds = field(init=False, default=UnixSeconds(0.0))

    def __attrs_post_init__(self) -> None:
        if self.asks.view is not None:
            self.shortlist = Shortlist(self.asks.view, self.catalogue.selection)
            self.most = self.asks.view.limit

    def fill(self, now: UnixSeconds) -> None:
        """Take what stands there now as known."""
        self.aged_at = now
        if self.shortlist is not None:
            self.shortlist.fill(now)
        self.mints = frozenset(self._list_first())

    def find_arrivals(
        self, changed: Mapping[Mint, None], excerpt: Excerpt, now: UnixSeconds
    ) -> list[Mint]:
        """Look at what has changed; what stands there and did not before, in order."""
        if self.shortlist is not None:
            self.shortlist.match_anew(excerpt, changed, now)
            if abs(now - self.aged_at) >= AGING_SECONDS:
                before, self.aged_at = self.aged_at, now
                self.shortlist.match_aged(before, now)
            if self.shortlist.is_short:
                self.shortlist.fill(now)
        before_round, first = self.mints, self._list_first()
        self.mints = frozenset(first)
        return [mint for mint in first if mint not in before_round]

    def _list_first(self) -> list[Mint]:
        if self.shortlist is not None:
            ranking = self.shortlist.ranking
            return [mint for _, mint in ranking.ranks_after(None, self.most)]
        ranks = self.catalogue.rankings[self.asks.board or ""].ranks_after(None, self.most)
        return [mint for _, mint in ranks]


def _new_catalogue(judge: "Judge") -> Catalogue:
    return Catalogue(judge.plan.tokens, judge.statistics)


@define(kw_only=True, eq=False)
class Judge:
    """Knows every tracked token, as the gateway does, and the rules."""

    plan: JudgePlan
    statistics: StatisticsMemory
    catalogue: Catalogue = field(init=False, default=Factory(_new_catalogue, takes_self=True))
    rules: dict[str, AlertRule] = field(init=False, factory=dict)
    filled_at: UnixSeconds | None = field(init=False, default=None)  # None: not yet
    _crossings: list[tuple[AlertRule, Crossing]] = field(init=False, factory=list)
    _standings: dict[str, Standing] = field(init=False, factory=dict)

    def set_rules(self, rules: Iterable[AlertRule]) -> None:
        """Judge by these rules; of a new one, what is true already does not fire."""
        self.rules = {rule.id: rule for rule in rules}
        self._crossings = [
            (rule, rule.asks) for rule in self.rules.values() if isinstance(rule.asks, Crossing)
        ]
        before, self._standings = self._standings, {}
        for rule in self.rules.values():
            if isinstance(rule.asks, Arrival):
                known = before.get(rule.id)
                is_same = known is not None and known.rule == rule
                self._standings[rule.id] = known if is_same and known else self._stand(rule)

    def _stand(self, rule: AlertRule) -> Standing:
        assert isinstance(rule.asks, Arrival)  # noqa: S101  # as its caller has seen
        standing = Standing(rule, rule.asks, self.catalogue, self.plan.board_tokens)
        if self.filled_at is not None:
            standing.fill(self.plan.clock())
        return standing

    def end_filling(self) -> None:
        """Every token is known: judge from now on."""
        self.filled_at = now = self.plan.clock()
        self.catalogue.changed.clear()
        for standing in self._standings.values():
            standing.fill(now)

    # A round: parts of what has changed, and its end.

    def take_tokens(self, tokens: Sequence[Token]) -> list[Firing]:
        """Take up some tokens as they now are."""

        def put() -> None:
            for token in tokens:
                self.catalogue.put_token(token)

        return self._judge_change([token.mint for token in tokens], put)

    def take_statistics(self, told: Sequence[tuple[Mint, TokenStatistics]]) -> list[Firing]:
        """Take up the trading of some tokens."""

        def put() -> None:
            for mint, statistics in told:
                self.catalogue.put_statistics(mint, statistics)

        return self._judge_change([mint for mint, _ in told], put)

    def end_round(self) -> Iterator[list[Firing]]:
        """Look at boards and views, of which several tokens decide, one after another."""
        now, changed = self.plan.clock(), dict(self.catalogue.changed)
        if self.filled_at is None:
            return
        self.catalogue.changed.clear()
        excerpt = self.catalogue.selection.take_excerpt(changed)
        for standing in self._standings.values():
            arrived = standing.find_arrivals(changed, excerpt, now)
            if not self._is_settling(standing.asks, now):
                tokens = self.catalogue.tokens
                yield [Firing(standing.rule, tokens[mint]) for mint in arrived]

    def prune_expired(self, most: int) -> int:
        """Forget some tokens past their retention; how many."""
        return self.catalogue.prune_expired(self.plan.clock(), most)

    def _is_settling(self, asks: Arrival, now: UnixSeconds) -> bool:
        since = self.filled_at or now
        return asks.goes_by_trading and now - since < self.plan.settle_seconds

    def _judge_change(self, mints: Sequence[Mint], put: Callable[[], None]) -> list[Firing]:
        """Apply a change, and find what begins to be true by it."""
        if self.filled_at is None or not self._crossings:
            put()
            return []
        now, selection = self.plan.clock(), self.catalogue.selection
        before = selection.take_excerpt(mints)
        unmet = [self._find_unmet(asks, before, now) for _, asks in self._crossings]
        put()
        after = selection.take_excerpt(mints)
        fired: list[Firing] = []
        for (rule, asks), waiting in zip(self._crossings, unmet, strict=True):
            if waiting:
                met = waiting & self._find_met(asks, after, now)
                tokens = self.catalogue.tokens
                fired += [Firing(rule, tokens[mint]) for mint in mints if mint in met]
        return fired

    def _find_unmet(self, asks: Crossing, excerpt: Excerpt, now: UnixSeconds) -> set[Mint]:
        """Those of which the condition can be told, and is not met."""
        selection = self.catalogue.selection
        known = set(selection.find_passing(excerpt, asks.known, None, now))
        if asks.mints is not None:
            known &= asks.mints
        if known:
            known.difference_update(selection.find_passing(excerpt, asks.condition, None, now))
        return known

    def _find_met(self, asks: Crossing, excerpt: Excerpt, now: UnixSeconds) -> set[Mint]:
        """Those that meet the condition, and are within the rule's scope now."""
        selection = self.catalogue.selection
        met = set(selection.find_passing(excerpt, asks.condition, None, now))
        if met and asks.within is not None:
            met.intersection_update(selection.find_passing(excerpt, asks.within, None, now))
        return met
