"""Queries of the feed over 100,000 tokens: every order, with filters and searches, worst first.

Each is answered as GET /api/warp-pipes/feed is, for its three lists, before the items are written.
The peer looks at one token after the other, in orders that are kept: so were queries answered
before there were columns, and both must find the same. Then, what a change of a token costs the
columns beside those nine orders, and what memory both take.
"""

import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from random import Random
from time import process_time
from urllib.parse import urlencode

import base58
from attrs import evolve, frozen

from benchmarks.results import Cell, Result
from domain.token import Status, Token
from domain.trading import COUNTED, WINDOW_SECONDS, TokenStatistics, WindowStatistics
from domain.values import WRAPPED_SOL, Mint, Sol, UnixSeconds, Usd
from feed.catalogue import Catalogue
from feed.orders import ORDERS
from feed.query import LISTS, find_matches, parse_query
from feed.ranking import Ranking
from feed.search_text import to_search_text
from feed.token_columns import TokenColumns
from tests.unit.feed.plain_scan import PlainScan
from tests.unit.feed.tokens import NOW

TOKENS, QUICK_TOKENS = 100_000, 10_000
REPEATS = 5
SHOWN_QUERIES = 15
CHANGES = 20_000
LAUNCHPADS = ("pumpfun", "pumpfun", "pumpfun", "launchlab", "meteora-dbc")
HOURS = 48  # as long as a new token is kept

BOUNDS = ("Age", "LiquidityUsd", "Volume24h", "MarketCap", "BondingProgress")
FILTERS: Mapping[str, Mapping[str, str]] = {
    "no filter": {},
    "active": {"status": "ACTIVE", "minMarketCap": "10000", "maxAge": "600"},
    "safe": {"requireSecurity": "true", "requireTwitter": "true", "minLiquidityUsd": "1000"},
    "five ranges": {f"min{one}": "0" for one in BOUNDS} | {f"max{one}": "1e12" for one in BOUNDS},
    "traded now": {"minVolume5m": "100", "minBuys1h": "3", "maxWashScore": "0.7"},
    "of pads": {
        "launchpad": "pumpfun,launchlab",
        "quote": "So11111111111111111111111111111111111111112",
        "maxDevBalance": "10",
    },
    "nothing passes": {"minMarketCap": "1e15"},
    "dead, 100": {"status": "DEAD", "limit": "100"},
}
SEARCHES: Mapping[str, str] = {
    "no search": "",
    "most": "e",
    "common": "dog",
    "two letters": "an",
    "rare": "quasar",
    "nobody": "moon dog of nobody",
    "no pair": "nane",
    "a mint": "7",
}
COMMON_WORDS = """
dog cat pepe inu elon moon baby trump ai agent sol doge shiba wif hat bonk frog king coin the of
and official meme pump rocket chad girl boy green red gold super mega tiny ultra based world peace
banana panda bear bull whale shark monkey ape chill guy just new hippo turtle dragon tiger lion
penguin cloud 2026 69 420 house car gang boss money bank trade rich luck cult zen void neon
"""
NAMES = ("columns", "nine orders")
Found = list[list[Mint]]  # a list of mints for each of the feed's
Keep = Callable[[Token | None, Token], None]


def run(is_quick: bool) -> Result:
    tokens = list(make_tokens(QUICK_TOKENS if is_quick else TOKENS))
    catalogue = Catalogue(len(tokens))
    for token in tokens:
        catalogue.put_token(token)
    scan = PlainScan(tokens)
    timings = sorted(_time_queries(catalogue, scan), key=lambda timing: -timing.ours)
    upkeep = _time_upkeep(tokens)
    memory = _weigh_upkeep(tokens)
    worst, scanned = timings[0].ours, max(timing.peer for timing in timings)
    return Result(
        name="feed-queries",
        title=f"CPU of a feed query over {len(tokens):,} tokens, the worst of {len(timings)}",
        headings=("order", "filter", "search", "found", "columns ms", "one by one ms", "ratio"),
        lines=[timing.shown() for timing in timings[:SHOWN_QUERIES]],
        conclusion=(
            f"The worst query takes {worst:.1f} ms, the worst one by one {scanned:.0f} ms; the "
            f"median {timings[len(timings) // 2].ours:.2f} ms. A change costs "
            + " and ".join(f"{upkeep[name]:.1f} us in {name}" for name in NAMES)
            + "; a token takes "
            + " and ".join(f"{memory[name]:.0f} bytes in {name}" for name in NAMES)
            + "."
        ),
        figures={"worst_ms": worst, "change_us": upkeep, "bytes_a_token": memory},
    )


@frozen
class Timing:
    """CPU of one query, in milliseconds."""

    order: str
    filters: str
    search: str
    found: int
    ours: float
    peer: float

    def shown(self) -> list[Cell]:
        names = [self.order, self.filters, self.search]
        return [*names, self.found, self.ours, self.peer, self.ours / self.peer]


def _time_queries(catalogue: Catalogue, scan: PlainScan) -> Iterator[Timing]:
    for order, filters, search in product(ORDERS, FILTERS, SEARCHES):
        parameters = {"sortBy": order, "searchQuery": SEARCHES[search], **FILTERS[filters]}
        text = urlencode(parameters)
        for status in LISTS.values():
            scan.list_in_order(order, status)  # kept, as it was

        def answer(text: str = text) -> Found:
            query = parse_query(text)
            lists = [find_matches(catalogue, query, status, NOW) for status in LISTS.values()]
            return [[token.mint for token in found] for found in lists]

        def answer_one_by_one(parameters: Mapping[str, str] = parameters) -> Found:
            return [scan.find_mints(parameters, status, NOW) for status in LISTS.values()]

        ours, found = _time(answer, REPEATS)
        peer, expected = _time(answer_one_by_one, 1)
        assert expected == found, text
        yield Timing(order, filters, search, sum(map(len, found)), ours, peer)


def _time(work: Callable[[], Found], repeats: int) -> tuple[float, Found]:
    """CPU of the quickest run in milliseconds, and what it has found."""
    times = []
    for _ in range(repeats):
        started = process_time()
        found = work()
        times.append(1000 * (process_time() - started))
    return min(times), found


def _time_upkeep(tokens: list[Token]) -> dict[str, float]:
    """Microseconds that a change of a token's price and score costs, on an average."""
    dice = Random(3)
    changes = []
    for token in dice.choices(tokens, k=CHANGES):
        cap = Usd((token.market_cap_usd or 5000.0) * dice.uniform(0.9, 1.1))
        changes.append((token, evolve(token, market_cap_usd=cap, last_trade_at=NOW, hot_score=cap)))
    microseconds = {}
    for name, keep in _make_keepers(len(tokens)).items():
        for token in tokens:
            keep(None, token)

        def keep_changes(keep: Keep = keep) -> Found:
            for before, after in changes:
                keep(before, after)
                keep(after, before)
            return []

        microseconds[name] = _time(keep_changes, 1)[0] * 1000 / (2 * CHANGES)
    return microseconds


def _weigh_upkeep(tokens: list[Token]) -> dict[str, float]:
    """Bytes for each token, beside the token."""
    weights = {}
    for name in NAMES:
        tracemalloc.start()
        keep = _make_keepers(len(tokens))[name]
        for token in tokens:
            keep(None, token)
        weights[name] = tracemalloc.get_traced_memory()[0] / len(tokens)
        tracemalloc.stop()
    return weights


def _make_keepers(limit: int) -> dict[str, Keep]:
    """What keeps a change: the columns, and the orders and texts that there were before."""
    orders = [Ranking(order.rule) for order in ORDERS.values()]
    texts: dict[Mint, str] = {}

    def keep_orders(before: Token | None, after: Token) -> None:
        for order in orders:
            order.replace_token(before, after)
        if before is None:
            forms = (to_search_text(text or "") for text in (after.symbol, after.name))
            texts[after.mint] = "\n".join(forms)

    return dict(zip(NAMES, (TokenColumns(limit).replace_token, keep_orders), strict=True))


# Tokens.


def make_tokens(count: int) -> Iterator[Token]:
    """Tokens as two days bring them: most are dead, few are traded, and names repeat."""
    dice = Random(7)
    return (_make_token(dice, NOW - HOURS * 3600 * number / count) for number in range(count))


def _make_statistics(dice: Random) -> TokenStatistics:
    buys = dice.randrange(50)
    window = WindowStatistics(
        volume_usd=Usd(round(1e4 * dice.random() ** 4, 2)),
        buys=buys,
        sells=dice.randrange(50),
        unique_traders=buys // 2,
        price_change=dice.uniform(-50, 100),
    )
    return TokenStatistics(
        observed_at=NOW,
        windows=dict.fromkeys(WINDOW_SECONDS, window),
        sources=dict.fromkeys(WINDOW_SECONDS, COUNTED),
        wash_score=dice.random(),
    )


def _make_token(dice: Random, born_at: float) -> Token:
    words = dice.choices(COMMON_WORDS.split(), k=dice.choice((1, 2, 2, 3, 4)))
    if dice.random() < 0.2:  # what nobody else is called
        words.append(f"{dice.getrandbits(30):x}")
    if dice.random() < 0.05:
        words.append(dice.choice(("猫", "🚀", "é")))
    is_traded = dice.random() < 0.4
    fate = dice.random()
    status = Status.BONDED if fate < 0.02 else Status.GRADUATING if fate < 0.03 else Status.NEW
    cap = Usd(round(dice.lognormvariate(9.5, 1.5), 2)) if is_traded else None
    has_links = dice.random() < 0.5
    return Token(
        mint=Mint(base58.b58encode(dice.randbytes(32)).decode()),
        first_seen_at=UnixSeconds(round(born_at, 3)),
        symbol="".join(words)[:10].upper(),
        name=" ".join(words).title()[:32],
        status=status,
        status_changed_at=UnixSeconds(born_at + 300) if status else None,
        silent=status is not Status.BONDED and dice.random() < 0.8,
        bonding_curve_progress=round(100 * dice.random() ** 4, 2),
        sol_to_graduate=None if status else Sol(round(85 * dice.random(), 3)),
        hot_score=25_000 + 1000 * dice.random() if is_traded else None,
        market_cap_usd=cap,
        liquidity_usd=None if cap is None else Usd(cap / 5),
        volume_24h=Usd(round(1e5 * dice.random() ** 4, 2)) if is_traded else None,
        last_trade_at=UnixSeconds(born_at + 3600 * dice.random() ** 4) if is_traded else None,
        top_holders_percent=dice.uniform(5, 90) if is_traded else None,
        watcher_count=int(dice.random() < 0.01),
        holder_count=dice.randrange(1, 2000) if is_traded else None,
        dev_balance_percent=dice.uniform(0, 30) if is_traded else None,
        launchpad=dice.choice(LAUNCHPADS),
        quote_mint=WRAPPED_SOL,
        statistics=_make_statistics(dice) if is_traded and dice.random() < 0.5 else None,
        freeze_revoked=True if dice.random() < 0.7 else None,
        mint_renounced=True if dice.random() < 0.7 else None,
        twitter="https://x.com/coin" if has_links else None,
        website="https://example.com" if has_links and dice.random() < 0.5 else None,
    )
