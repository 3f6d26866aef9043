"""The feed over HTTP: what a client may ask for, and which tokens answer it.

    query string --parse_query--> FeedQuery --find_matches--> tokens of one list, in order
    the same parameters --read_filters--> Filters of a view (feed/view_query.py)

A filter on a value that is not known leaves the token out.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite

from attrs import evolve, field, frozen

from domain.errors import MintRefused, QueryRefused
from domain.launchpads import LAUNCHPADS
from domain.token import Status, Token
from domain.trading import WINDOW_SECONDS
from domain.values import USD1, USDC, USDT, WRAPPED_SOL, UnixSeconds, parse_address
from feed.catalogue import Catalogue
from feed.client_items import parse_item_keys
from feed.orders import ORDERS
from feed.page_cursor import Places, read_page_cursor
from feed.parameters import parse_limit, read_parameter, read_parameters
from feed.ranking import Rank
from feed.search_text import to_search_text
from feed.selection import Bounds, Filters
from feed.token_columns import (
    DEAD,
    LIVE,
    LIVE_NUMBERS,
    PAID,
    SCORED,
    SECURE,
    SUMS,
    TELEGRAM,
    TRADED,
    TWITTER,
    UNSCORED,
    WASH_SCORE,
    WATCHED,
    WEBSITE,
    flag_of,
    transactions_column,
    window_column,
)

LISTS: Mapping[str, Status] = {
    "bonded": Status.BONDED,
    "graduating": Status.GRADUATING,
    "new": Status.NEW,
}
LARGEST_LIMIT = 100
LONGEST_SEARCH = 100  # characters
MOST_TEXTS = 10  # of one parameter

FIGURES = {  # parameter suffix -> figure, in each of the windows
    "Volume": "volume_usd",
    "Buys": "buys",
    "Sells": "sells",
    "Traders": "unique_traders",
    "PriceChange": "price_change",
}
LEAST, MOST = "min", "max"  # before a suffix: the bounds of a figure
NUMBER_COLUMNS = {  # parameter suffix -> column
    "LiquidityUsd": "liquidity_usd",
    "MarketCap": "market_cap_usd",
    "PriceUsd": "price_usd",
    "BondingProgress": "bonding_curve_progress",
    "SolToGraduate": "sol_to_graduate",
    "Top10Holders": "top_holders_percent",
    "Holders": "holder_count",
    "DevBalance": "dev_balance_percent",
    "DevMints": "dev_mints",
    "DevMigrations": "dev_migrations",
    "InitialBuySol": "initial_buy_sol",
    "WashScore": WASH_SCORE,
    **{
        f"{suffix}{window}": window_column(figure, window)
        for suffix, figure in FIGURES.items()
        for window in WINDOW_SECONDS
    },
    **{f"Transactions{window}": transactions_column(window) for window in WINDOW_SECONDS},
}
REQUIRED_FLAGS = {  # parameter -> what a token must be
    "onlyWatched": WATCHED,
    "requireSecurity": SECURE,  # nobody can freeze it, or mint more of it
    "requireTwitter": TWITTER,
    "requireTelegram": TELEGRAM,
    "requireWebsite": WEBSITE,
    "dexPaid": PAID,
}
TEXT_COLUMNS = {"launchpad": "launchpad", "creator": "creator_wallet", "quote": "quote_mint"}
QUOTES = {"sol": WRAPPED_SOL, "usdc": USDC, "usdt": USDT, "usd1": USD1}
OTHER_NAMES = {"minLiquidity": "minLiquidityUsd", "maxLiquidity": "maxLiquidityUsd"}
OTHER_ORDERS = {  # by the keys of an item
    "hotScore": "hot",
    "volume24h": "volume",
    "firstSeenAt": "new",
    "stateChangedAt": "bonded",
}


STANDINGS: Mapping[str, int] = {  # value of `status` -> what a token must be
    "NEW": LIVE | flag_of(Status.NEW),
    "GRADUATING": LIVE | flag_of(Status.GRADUATING),
    "BONDED": LIVE | flag_of(Status.BONDED),
    "DEAD": DEAD,
    # As "TokenDiscovery" uses the words of the Prisma model.
    "LAUNCHING": LIVE | UNSCORED | flag_of(Status.NEW),
    "ACTIVE": LIVE | SCORED | flag_of(Status.NEW),
    "ABOUT_TO_BOND": LIVE | flag_of(Status.GRADUATING),
}


@frozen(kw_only=True)
class FeedQuery:
    """One request for the feed, validated."""

    sort_by: str = "hot"
    limit: int = 50  # tokens a list
    filters: Filters = field(factory=partial(Filters, flags=LIVE))
    after: Places | None = None  # where the page before has ended; None: this is the first
    keys: frozenset[str] | None = None  # of the items; None: all


def parse_query(text: str) -> FeedQuery:
    """Parse a URL's query string; `QueryRefused` says what is wrong with it."""
    given = use_first_names(read_parameters(text, KNOWN_PARAMETERS))
    sort_by = read_parameter(given, "sortBy", _parse_sort_order, "hot")
    return FeedQuery(
        sort_by=sort_by,
        limit=read_parameter(given, "limit", partial(parse_limit, most=LARGEST_LIMIT), 50),
        filters=read_filters(given),
        after=read_parameter(
            given, "after", partial(read_page_cursor, order=sort_by, lists=LISTS), None
        ),
        keys=read_parameter(given, "fields", parse_item_keys, None),
    )


def find_matches(
    catalogue: Catalogue,
    query: FeedQuery,
    status: Status,
    now: UnixSeconds,
    after: Rank | None = None,
) -> list[Token]:
    """At most `limit` tokens of one list, behind a rank, in order."""
    filters = evolve(query.filters, flags=query.filters.flags | flag_of(status))
    order = ORDERS[query.sort_by]
    ranks = catalogue.selection.find_ranks(filters, order, query.limit, now, after)
    return [catalogue.tokens[mint] for _, mint in ranks]


def read_filters(given: Mapping[str, str]) -> Filters:
    """The filters among the parameters; `QueryRefused` for a bad value."""
    flags = read_parameter(given, "status", _parse_standing, LIVE)
    for name, flag in REQUIRED_FLAGS.items():
        if read_parameter(given, name, _parse_truth, False):
            flags |= flag
    search = read_parameter(given, "searchQuery", _parse_search, "")
    bounded = {name[len(LEAST) :] for name in given if name.startswith((LEAST, MOST))}
    bounds = {
        name: _read_bounds(given, suffix)
        for suffix, name in NUMBER_COLUMNS.items()
        if suffix in bounded
    }
    numbers = {name: within for name, within in bounds.items() if within is not None}
    if any(part in LIVE_NUMBERS for name in numbers for part in SUMS.get(name, (name,))):
        flags |= TRADED
    texts = {column: _read_texts(given, name) for name, column in TEXT_COLUMNS.items()}
    return Filters(
        flags=flags,
        numbers=numbers,
        texts={column: wanted for column, wanted in texts.items() if wanted},
        age_minutes=_read_bounds(given, "Age"),
        search=to_search_text(search),
        mint_prefix=search,  # as given: base58 is case-sensitive
    )


def use_first_names(given: dict[str, str]) -> dict[str, str]:
    """The parameters under their first names; `QueryRefused` where both names have a value."""
    for other, name in OTHER_NAMES.items():
        value = given.pop(other, "").strip()
        if value and given.get(name, "").strip():
            raise QueryRefused(other, reason=f"{other} and {name} are the same: give one of them")
        if value:
            given[name] = value
    return given


def _read_bounds(given: Mapping[str, str], suffix: str) -> Bounds | None:
    least = read_parameter(given, LEAST + suffix, _parse_number, None)
    most = read_parameter(given, MOST + suffix, _parse_number, None)
    return None if least is None and most is None else Bounds(least=least, most=most)


def _read_texts(given: Mapping[str, str], name: str) -> frozenset[str]:
    return read_parameter(given, name, partial(_parse_texts, TEXT_PARSERS[name]), frozenset())


def _parse_number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        raise ValueError("a number") from None
    if not isfinite(number):
        raise ValueError("a finite number")
    return number


def _parse_truth(value: str) -> bool:
    truths = {"true": True, "1": True, "false": False, "0": False}
    if value.lower() not in truths:
        raise ValueError("true or false")
    return truths[value.lower()]


def _parse_standing(value: str) -> int:
    if value.upper() not in STANDINGS:
        raise ValueError(f"one of {', '.join(STANDINGS)}")
    return STANDINGS[value.upper()]


def _parse_sort_order(value: str) -> str:
    value = OTHER_ORDERS.get(value, value)
    if value not in ORDERS:
        raise ValueError(f"one of {', '.join(ORDERS)}")
    return value


def _parse_search(value: str) -> str:
    if len(value) > LONGEST_SEARCH:
        raise ValueError(f"at most {LONGEST_SEARCH} characters")
    return value


def _parse_texts(parse: Callable[[str], str], value: str) -> frozenset[str]:
    """Texts that are separated by commas."""
    texts = [stripped for text in value.split(",") if (stripped := text.strip())]
    if len(texts) > MOST_TEXTS:
        raise ValueError(f"at most {MOST_TEXTS}, separated by commas")
    return frozenset(map(parse, texts))


def _parse_launchpad(text: str) -> str:
    if text.lower() not in LAUNCHPADS:
        raise ValueError(f"some of {', '.join(LAUNCHPADS)}, separated by commas")
    return text.lower()


def _parse_address(text: str) -> str:
    try:
        return parse_address(text)
    except MintRefused:
        raise ValueError("an address, base58 of 32 bytes") from None


def _parse_quote(text: str) -> str:
    if text.lower() in QUOTES:
        return QUOTES[text.lower()]
    try:
        return _parse_address(text)
    except ValueError as error:
        raise ValueError(f"{', '.join(QUOTES)}, or {error}") from None


TEXT_PARSERS: Mapping[str, Callable[[str], str]] = {
    "launchpad": _parse_launchpad,
    "creator": _parse_address,
    "quote": _parse_quote,
}
NUMBER_PARAMETERS = frozenset(
    f"{end}{suffix}" for end in ("min", "max") for suffix in ("Age", *NUMBER_COLUMNS)
)
KNOWN_PARAMETERS = frozenset(
    {"searchQuery", "sortBy", "status", "limit", "after", "fields"}
    | NUMBER_PARAMETERS
    | {*REQUIRED_FLAGS, *OTHER_NAMES, *TEXT_COLUMNS}
)
