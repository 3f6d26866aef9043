"""What a query of the feed answers, found by looking at one token after the other.

The model of what finds it by columns, and its peer in benchmarks: before there were columns,
queries walked in this way through orders that were kept.
"""

from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter

from attrs import define, field

from domain.token import Status, Token
from domain.trading import WINDOW_SECONDS
from domain.values import Mint, UnixSeconds
from feed.orders import ORDERS
from feed.search_text import to_search_text
from feed.wire import make_item


def is_dead(token: Token) -> bool:
    return token.silent and token.status is not Status.BONDED


def shown_figure(key: str, token: Token) -> float | None:
    """A figure of a window, as clients are shown it."""
    figure = make_item(token)[key]
    assert figure is None or isinstance(figure, int | float)
    return figure


def shown_transactions(window: str, token: Token) -> float | None:
    """Buys and sells of a window together."""
    buys, sells = (shown_figure(f"{key}{window}", token) for key in ("buys", "sells"))
    return None if buys is None or sells is None else buys + sells


Test = Callable[[Token], bool]
KEYS_OF_WINDOWS = {  # suffix of a parameter -> key of an item
    "Volume": "volume",
    "Buys": "buys",
    "Sells": "sells",
    "Traders": "uniqueTraders",
    "PriceChange": "priceChange",
}
Parameters = Mapping[str, str]  # of a query string, under their first names

NUMBERS: Mapping[str, Callable[[Token], float | None]] = {
    "LiquidityUsd": attrgetter("liquidity_usd"),
    "MarketCap": attrgetter("market_cap_usd"),
    "PriceUsd": attrgetter("price_usd"),
    "BondingProgress": attrgetter("bonding_curve_progress"),
    "SolToGraduate": attrgetter("sol_to_graduate"),
    "Top10Holders": attrgetter("top_holders_percent"),
    "Holders": attrgetter("holder_count"),
    "DevBalance": attrgetter("dev_balance_percent"),
    "DevMints": attrgetter("dev_mints"),
    "DevMigrations": attrgetter("dev_migrations"),
    "InitialBuySol": attrgetter("initial_buy_sol"),
    "WashScore": lambda token: shown_figure("washScore", token),
    **{
        f"{suffix}{window}": partial(shown_figure, f"{key}{window}")
        for suffix, key in KEYS_OF_WINDOWS.items()
        for window in WINDOW_SECONDS
    },
    **{f"Transactions{window}": partial(shown_transactions, window) for window in WINDOW_SECONDS},
}
TEXTS: Mapping[str, Callable[[Token], str | None]] = {
    "launchpad": attrgetter("launchpad"),
    "creator": attrgetter("creator_wallet"),
    "quote": attrgetter("quote_mint"),
}
REQUIRED: Mapping[str, Test] = {
    "dexPaid": lambda token: False,
    "onlyWatched": lambda token: token.watcher_count > 0,
    "requireSecurity": lambda t: t.freeze_revoked is True and t.mint_renounced is True,
    "requireTwitter": lambda token: bool(token.twitter),
    "requireTelegram": lambda token: bool(token.telegram),
    "requireWebsite": lambda token: bool(token.website),
}
STANDING: Mapping[str, Test] = {
    "": lambda token: not is_dead(token),
    "NEW": lambda token: token.status is Status.NEW and not is_dead(token),
    "LAUNCHING": lambda t: STANDING["NEW"](t) and t.hot_score is None,
    "ACTIVE": lambda t: STANDING["NEW"](t) and t.hot_score is not None,
    "GRADUATING": lambda token: token.status is Status.GRADUATING and not is_dead(token),
    "BONDED": lambda token: token.status is Status.BONDED,
    "DEAD": is_dead,
}


@define
class PlainScan:
    """Queries over tokens that do not change meanwhile."""

    tokens: list[Token]
    _texts: dict[Mint, str] = field(init=False)
    _orders: dict[tuple[str, Status], list[Token]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        form = to_search_text
        self._texts = {t.mint: f"{form(t.symbol or '')}\n{form(t.name or '')}" for t in self.tokens}

    def find_mints(self, parameters: Parameters, status: Status, now: UnixSeconds) -> list[Mint]:
        """The mints of one list, in order."""
        tests = self._make_tests(parameters, now)
        limit = int(parameters.get("limit", "50"))
        found: list[Mint] = []
        for token in self.list_in_order(parameters.get("sortBy", "hot"), status):
            if _passes_all(tests, token):
                found.append(token.mint)
                if len(found) == limit:
                    break
        return found

    def list_in_order(self, sort_by: str, status: Status) -> list[Token]:
        """The tokens of a status; they are sorted once."""
        key = sort_by, status
        if key not in self._orders:
            rule = ORDERS[sort_by].rule
            self._orders[key] = sorted(
                (token for token in self.tokens if token.status is status),
                key=lambda token: (rule(token), token.mint),
            )
        return self._orders[key]

    def _make_tests(self, parameters: Parameters, now: UnixSeconds) -> list[Test]:
        tests = [STANDING[parameters.get("status", "")]]
        tests += [test for name, test in REQUIRED.items() if parameters.get(name) == "true"]
        values = {**NUMBERS, "Age": lambda token: (now - token.first_seen_at) / 60}
        for suffix, value_of in values.items():
            if least := parameters.get(f"min{suffix}"):
                tests.append(_at_least(value_of, float(least)))
            if most := parameters.get(f"max{suffix}"):
                tests.append(_at_most(value_of, float(most)))
        for name, text_of in TEXTS.items():
            if wanted := parameters.get(name):
                tests.append(_is_one_of(text_of, wanted.split(",")))
        if search := to_search_text(prefix := parameters.get("searchQuery", "").strip()):
            texts = self._texts
            tests.append(lambda t: search in texts[t.mint] or t.mint.startswith(prefix))
        return tests


def _at_least(value_of: Callable[[Token], float | None], least: float) -> Test:
    return lambda token: (value := value_of(token)) is not None and value >= least


def _at_most(value_of: Callable[[Token], float | None], most: float) -> Test:
    return lambda token: (value := value_of(token)) is not None and value <= most


def _is_one_of(text_of: Callable[[Token], str | None], wanted: list[str]) -> Test:
    return lambda token: text_of(token) in wanted


def _passes_all(tests: list[Test], token: Token) -> bool:
    for test in tests:  # noqa: SIM110  # all() over a generator takes twice as long
        if not test(token):
            return False
    return True
