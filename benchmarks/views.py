"""Views over 100,000 tokens while 750 of them change a second: a round of all beside one board's.

The peer is the board "new" of the same catalogue in the same rounds. Views are of every kind: with
few and many filters, of all orders, large and small, and half of them by age. A round is what
75 changes make, and the clock goes 0.1 s on with each.
"""

import gc
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from time import process_time

from attrs import define, evolve, field

from benchmarks.feed_queries import make_tokens
from benchmarks.results import Cell, Figure, Result
from domain.token import Token
from domain.trading import TokenStatistics
from domain.values import Mint, UnixSeconds, Usd
from feed.board import Boards
from feed.catalogue import Catalogue
from feed.orders import ORDERS
from feed.ranked_board import Board
from feed.view_query import ViewQuery, parse_view
from feed.views import Views
from tests.unit.feed.tokens import NOW

TOKENS, QUICK_TOKENS = 100_000, 10_000
ROUNDS, QUICK_ROUNDS = 600, 60
VIEWS = 64
CHANGES = 75  # a round: 750 a second, ten rounds a second
ACTIVE = 5_000  # tokens, the youngest, that most changes are of
ROUND_SECONDS = 0.1
BOARD = "new"
FILTERS: tuple[dict[str, object], ...] = (
    {},
    {"minVolume5m": 100, "minBuys1h": 3},
    {"maxWashScore": 0.7, "minLiquidityUsd": 1000, "requireTwitter": True},
    {"launchpad": "pumpfun", "maxDevBalance": 10, "minHolders": 50, "maxTop10Holders": 60},
    {"minMarketCap": 5000, "maxMarketCap": 100_000, "minBondingProgress": 20},
    {"searchQuery": "dog"},
    {"requireSecurity": True, "minTraders1h": 5, "minPriceChange5m": 0, "minBuys5m": 1},
    {"onlyWatched": True},
)
AGES: tuple[dict[str, object], ...] = ({}, {"maxAge": 60}, {}, {"minAge": 5, "maxAge": 1440})
LIMITS = (100, 50, 500, 100)
Kind = dict[str, float]


def run(is_quick: bool) -> Result:
    market = Market(QUICK_TOKENS if is_quick else TOKENS)
    opened = [market.time(partial(market.open_view, query)) for query in list_views()]
    gc.collect()
    gc.freeze()  # as the service does
    rounds = [market.run_round() for _ in range(QUICK_ROUNDS if is_quick else ROUNDS)]
    totals = {name: sorted(each[name] for each in rounds) for name in rounds[0]}
    lines: list[list[Cell]] = [
        [name, times[len(times) // 2], times[int(len(times) * 0.99)], times[-1]]
        for name, times in totals.items()
    ]
    views, board = (sum(totals[name]) / len(rounds) for name in ("64 views", "board new"))
    return Result(
        name="views",
        title=f"CPU of a round of {CHANGES} changes over {market.count:,} tokens, in ms",
        headings=("what", "median", "p99", "most"),
        lines=lines,
        conclusion=(
            f"{VIEWS} views take {views:.2f} ms a round, {views / VIEWS:.3f} ms each: "
            f"{views / VIEWS / board:.2f} of what the board takes. A new view takes "
            f"{sum(opened) / len(opened):.1f} ms, at most {max(opened):.1f} ms."
        ),
        figures={
            "round_ms": Figure(value=views, unit="ms"),
            "view_to_board": views / VIEWS / board,
            "open_ms": max(opened),
        },
    )


def list_views() -> Iterator[ViewQuery]:
    """As many views as may live by default, no two alike."""
    orders = sorted(ORDERS)
    for number in range(VIEWS):
        filters = FILTERS[number % len(FILTERS)] | AGES[number // len(FILTERS) % len(AGES)]
        sort, limit = orders[number % len(orders)], LIMITS[number % len(LIMITS)] - number // 16
        yield parse_view({"filters": filters, "sort": sort, "limit": limit})


@define(eq=False)
class Market:
    """A catalogue whose tokens are traded, and all boards over it."""

    count: int
    now: UnixSeconds = NOW
    dice: Random = field(init=False, factory=lambda: Random(5))
    boards: Boards = field(init=False)
    _active: list[Mint] = field(init=False)

    def __attrs_post_init__(self) -> None:
        tokens = list(make_tokens(self.count))
        catalogue = Catalogue(self.count)
        for token in tokens:
            catalogue.put_token(token)
        self._active = [token.mint for token in tokens[:ACTIVE]]
        views = Views(catalogue=catalogue, clock=lambda: self.now, most=VIEWS)
        self.boards = Boards(
            catalogue=catalogue, views=views, board_tokens=100, history_limit=1000, epoch="e"
        )
        self.boards.publish_changes()

    def open_view(self, query: ViewQuery) -> None:
        self.boards.open_view(query)
        self.boards.views.hold_view(query.name)

    def time(self, work: Callable[[], object]) -> float:
        """CPU in milliseconds."""
        started = process_time()
        work()
        return 1000 * (process_time() - started)

    def run_round(self) -> Kind:
        """One round; what each part of it takes."""
        self.now = UnixSeconds(self.now + ROUND_SECONDS)
        catalogue, items = self.boards.catalogue, self.boards.items
        self._trade_tokens()
        changed, catalogue.changed = catalogue.changed, {}
        board: Board = self.boards._boards[BOARD]
        # The board first: it makes the items that views show as well.
        return {
            "board new": self.time(lambda: board.publish_changes(changed, catalogue.tokens, items)),
            "64 views": self.time(lambda: self.boards.views.publish_changes(changed, items)),
        }

    def _trade_tokens(self) -> None:
        for mint in self.dice.choices(self._active, k=CHANGES):
            token = self.boards.catalogue.tokens[mint]
            self.boards.catalogue.put_token(self._trade(token))
            if token.statistics is not None and self.dice.random() < 0.5:
                self.boards.catalogue.put_statistics(mint, self._slide(token.statistics))

    def _trade(self, token: Token) -> Token:
        cap = Usd((token.market_cap_usd or 5000.0) * self.dice.uniform(0.9, 1.1))
        score = (token.hot_score or 25_000.0) + self.dice.random()
        return evolve(token, market_cap_usd=cap, last_trade_at=self.now, hot_score=score)

    def _slide(self, statistics: TokenStatistics) -> TokenStatistics:
        windows = {
            name: evolve(window, buys=(window.buys or 0) + 1)
            for name, window in statistics.windows.items()
        }
        return evolve(statistics, observed_at=self.now, windows=windows)
