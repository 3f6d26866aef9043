"""Boards that clients describe themselves, over all tracked tokens.

    ViewQuery --open_view--> View: a shortlist, and a board of its first tokens
    tokens that have changed --publish_changes--> deltas of views, as of every board

A view is evaluated once for all of its clients. A shortlist holds the first tokens that pass, some
more than are shown; a round matches only what has changed, and what time has brought to an age that
a filter names. Where too many have left it, it is filled anew from the columns: a few views a
round. (Source of that: Yi, Yu, Yang, Xia, Chen, "Efficient maintenance of materialized top-k
views", ICDE 2003.)

Without clients a view lives on for `LINGER_SECONDS`, so that they can resume.
"""

from collections.abc import Iterable, Mapping
from heapq import nsmallest
from math import inf

import numpy as np
import trio
from attrs import Factory, define, field

from domain.errors import FrameRefused
from domain.values import Mint, UnixSeconds
from feed import Clock
from feed.catalogue import Catalogue
from feed.ranked_board import Board, History
from feed.ranking import PickedRanking, Rank
from feed.selection import Excerpt, Selection
from feed.view_query import ViewQuery
from feed.wire import ItemCache

LINGER_SECONDS = 60.0
AGING_SECONDS = 1.0  # between two looks at what has come to an age
AGED_AT_ONCE = 8  # views a round for which that is done; at most 0.2 ms each
FILLED_AT_ONCE = 2  # views a round that are filled anew; 1 to 3 ms each
FILL_FROM = 200  # tokens that pass at once: to rank them one by one takes longer
SPARE_TOKENS = 50  # that a short view's shortlist has more than are shown

Mints = dict[Mint, None]  # each once, in an order that is the same everywhere


@define(eq=False)
class Shortlist:
    """The first tokens that pass a view's filters: all as far as `_horizon`, and none behind."""

    query: ViewQuery
    selection: Selection
    ranking: PickedRanking = field(
        init=False, default=Factory(lambda self: PickedRanking(self.query.order.rule), True)
    )
    _horizon: Rank | None = field(init=False, default=None)  # None: there are no others
    _horizon_key: float = field(init=False, default=inf)  # its first key, as columns have it

    @property
    def usual(self) -> int:
        """How many it holds once it has been filled."""
        return 2 * self.query.limit + SPARE_TOKENS

    @property
    def spare(self) -> int:
        """How many it holds beyond what is shown; negative where tokens are missing."""
        if self._horizon is None:
            return self.usual
        return len(self.ranking) - self.query.limit

    @property
    def is_short(self) -> bool:
        """True where it should be filled before tokens are missing."""
        return self.spare < SPARE_TOKENS // 2

    def fill(self, now: UnixSeconds) -> Mints:
        """Take the first tokens from the columns; those that came or went."""
        before = dict(self.ranking.held)
        query = self.query
        ranks = self.selection.find_ranks(query.filters, query.order, self.usual + 1, now)
        self.ranking.replace_ranks(ranks[: self.usual])
        self._look_until(ranks[self.usual - 1] if len(ranks) > self.usual else None)
        after = self.ranking.held
        gone = [mint for mint in before if mint not in after]
        return dict.fromkeys([*gone, *(m for m, rank in after.items() if before.get(m) != rank)])

    def match_anew(self, excerpt: Excerpt, mints: Mapping[Mint, None], now: UnixSeconds) -> Mints:
        """Take up or drop tokens; those that were, or are, on the list.

        The excerpt has those of the mints that are known.
        """
        until = None if self._horizon is None else (self.query.order, self._horizon_key)
        passing = self.selection.find_passing(excerpt, self.query.filters, until, now)
        if len(passing) > FILL_FROM:
            filled = self.fill(now)
            return dict.fromkeys([*sorted(self.ranking.held.keys() & mints), *filled])
        touched = dict.fromkeys(passing)
        leaving = sorted(mint for mint in self.ranking.held.keys() & mints if mint not in touched)
        for mint in leaving:
            self.ranking.drop_mint(mint)
        for mint in passing:
            self._rank_anew(mint)
        if len(self.ranking) > 2 * self.usual:
            self._look_until(self.ranking.rank_at(self.usual - 1))
            self.ranking.drop_behind(self.usual)
        return {**dict.fromkeys(leaving), **touched}

    def match_aged(self, before: UnixSeconds, now: UnixSeconds) -> Mints:
        """Take up or drop tokens for their age alone, for a filter by it, since `before`."""
        bounds = self.query.filters.age_minutes
        if bounds is None:
            return {}
        if now < before:  # the clock was set back
            return self.fill(now)
        excerpt = self.selection.take_aged(bounds, self.ranking.held, before, now)
        return self.match_anew(excerpt, dict.fromkeys(excerpt.list_mints()), now)

    def _rank_anew(self, mint: Mint) -> None:
        rank = self.ranking.rank_of(self.selection.tokens[mint])
        if rank is not None and (self._horizon is None or rank <= self._horizon):
            self.ranking.put_rank(rank)
        else:
            self.ranking.drop_mint(mint)

    def _look_until(self, horizon: Rank | None) -> None:
        self._horizon = horizon
        if horizon is not None:
            columns = self.selection.columns
            row = np.array([columns.rows[horizon[1]]])
            self._horizon_key = self.query.order.keys[0](columns, row)[0]


@define(eq=False)
class View:
    """One view that lives."""

    query: ViewQuery
    shortlist: Shortlist
    board: Board
    aged_at: UnixSeconds  # when it was last looked for tokens that have come to an age
    left_at: UnixSeconds | None = field(init=False, default=None)  # since then without clients
    clients: int = field(init=False, default=0)

    @property
    def is_left(self) -> bool:
        """True where its last client has left, and it is not known since when."""
        return not self.clients and self.left_at is None

    def is_abandoned(self, now: UnixSeconds) -> bool:
        """True where nobody is to come back to it."""
        return self.left_at is not None and abs(now - self.left_at) >= LINGER_SECONDS

    def is_aging(self, now: UnixSeconds) -> bool:
        """True where time has passed that its filters go by."""
        goes_by_age = self.query.filters.age_minutes is not None
        return goes_by_age and abs(now - self.aged_at) >= AGING_SECONDS

    def match_aged(self, now: UnixSeconds) -> Mints:
        """Take up or drop tokens for their age alone; those that were, or are, on the list."""
        before, self.aged_at = self.aged_at, now
        return self.shortlist.match_aged(before, now)


@define(eq=False, kw_only=True)
class Views:
    """All views that live, by their names."""

    catalogue: Catalogue
    clock: Clock
    most: int
    refused: int = field(init=False, default=0)  # for there were too many
    living: dict[str, View] = field(init=False, factory=dict)
    _one_lives: trio.Event = field(init=False, factory=trio.Event)

    async def wait_until_one_lives(self) -> None:
        """Wait for the first view; at once where there is one."""
        while not self.living:
            self._one_lives = trio.Event()
            await self._one_lives.wait()

    def is_living(self, query: ViewQuery) -> bool:
        """True where the view lives; `FrameRefused` where another one has its name."""
        view = self.living.get(query.name)
        if view is not None and view.query.document != query.document:
            message = "another view has the name of this one at present: change its limit"
            raise FrameRefused(query.name, reason="bad_view", message=message)
        return view is not None

    def list_first(self, query: ViewQuery) -> list[Mint]:
        """What a view would show now."""
        selection, now = self.catalogue.selection, self.clock()
        ranks = selection.find_ranks(query.filters, query.order, query.limit, now)
        return [mint for _, mint in ranks]

    def open_view(self, query: ViewQuery, history: History, items: ItemCache) -> None:
        """Let a view live that does not; `FrameRefused` where too many do."""
        now = self.clock()
        self._make_room()
        shortlist = Shortlist(query, self.catalogue.selection)
        board = Board(shortlist.ranking, query.limit, history)
        board.publish_changes(shortlist.fill(now), self.catalogue.tokens, items)
        self.living[query.name] = View(query, shortlist, board, aged_at=now)
        self._one_lives.set()

    def hold_view(self, name: str) -> None:
        """Count one more client of a view that lives."""
        view = self.living[name]
        view.clients += 1
        view.left_at = None

    def release_view(self, name: str) -> None:
        """Count one client less; the next round finds that the last one has left."""
        self.living[name].clients -= 1

    def are_due(self) -> bool:
        """True where there is something to do although no token has changed."""
        now = self.clock()
        return any(
            view.is_left or view.is_abandoned(now) or view.is_aging(now) or view.shortlist.is_short
            for view in self.living.values()
        )

    def publish_changes(
        self, changed: Mapping[Mint, None], items: ItemCache
    ) -> dict[str, list[bytes]]:
        """By view, the changes since the last call."""
        now = self.clock()
        self._forget_abandoned(now)
        if not self.living:
            return {}
        excerpt = self.catalogue.selection.take_excerpt(changed)
        touched = {
            name: view.shortlist.match_anew(excerpt, changed, now)
            for name, view in self.living.items()
        }
        for view in self._list_aging(now):
            touched[view.query.name].update(view.match_aged(now))
        for view in self._list_short():
            touched[view.query.name].update(view.shortlist.fill(now))
        return {name: self._publish(name, mints, items) for name, mints in touched.items() if mints}

    def _forget_abandoned(self, now: UnixSeconds) -> None:
        for name, view in list(self.living.items()):
            if view.is_left:
                view.left_at = now
            elif view.is_abandoned(now):
                del self.living[name]

    def _publish(self, name: str, mints: Mints, items: ItemCache) -> list[bytes]:
        return self.living[name].board.publish_changes(mints, self.catalogue.tokens, items)

    def _list_aging(self, now: UnixSeconds) -> Iterable[View]:
        """The views of which time has passed, longest ago first; as many as one round takes."""
        aging = [view for view in self.living.values() if view.is_aging(now)]
        return nsmallest(AGED_AT_ONCE, aging, key=lambda view: view.aged_at)

    def _list_short(self) -> Iterable[View]:
        """The views that want to be filled, those that lack most first; likewise."""
        short = [view for view in self.living.values() if view.shortlist.is_short]
        return nsmallest(FILLED_AT_ONCE, short, key=lambda view: view.shortlist.spare)

    def _make_room(self) -> None:
        """Forget the view that was left longest ago, where there are as many as there may be."""
        if len(self.living) < self.most:
            return
        left = [view for view in self.living.values() if not view.clients]
        if not left:
            self.refused += 1
            message = f"{self.most} views live, as many as may: try again later"
            raise FrameRefused(self.most, reason="too_many_views", message=message)
        del self.living[min(left, key=lambda view: view.left_at or inf).query.name]
