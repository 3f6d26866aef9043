"""The feed over HTTP: what a client may ask for, and which tokens answer it.

    query string --parse_query--> FeedQuery --find_matches--> tokens of one shelf, in order

A filter on a value that is not known leaves the token out.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from heapq import nsmallest
from math import isfinite
from operator import attrgetter

from attrs import field, frozen

from domain.chunks import chunks
from domain.errors import QueryRefused
from domain.token import Status, Token
from domain.values import Mint, UnixSeconds
from feed.catalogue import SORT_RULES, Catalogue
from feed.parameters import parse_limit, read_parameter, read_parameters
from feed.ranking import Rank
from feed.search_text import to_search_text
from feed.statistics import shown_volume_24h

Test = Callable[[Token], bool]

LISTS: Mapping[str, Status] = {
    "bonded": Status.BONDED,
    "graduating": Status.GRADUATING,
    "new": Status.NEW,
}
LARGEST_LIMIT = 100
LONGEST_SEARCH = 100  # characters
EXAMINED_AT_ONCE = 250  # tokens between two pauses: about a millisecond

NUMBER_FIELDS = {  # parameter suffix -> field of Token
    "LiquidityUsd": "liquidity_usd",
    "Volume24h": "volume_24h",
    "MarketCap": "market_cap_usd",
    "BondingProgress": "bonding_curve_progress",
    "SolToGraduate": "sol_to_graduate",
    "Top10Holders": "top_holders_percent",
}
# Fields that are not shown as the token has them.
SHOWN_NUMBERS: Mapping[str, Callable[[Token], float | None]] = {"volume_24h": shown_volume_24h}
LINK_FIELDS = {
    "requireTwitter": "twitter",
    "requireTelegram": "telegram",
    "requireWebsite": "website",
}
OTHER_NAMES = {"minLiquidity": "minLiquidityUsd", "maxLiquidity": "maxLiquidityUsd"}
OTHER_ORDERS = {  # by the keys of an item
    "hotScore": "hot",
    "volume24h": "volume",
    "firstSeenAt": "new",
    "stateChangedAt": "bonded",
}


@frozen(kw_only=True)
class Bounds:
    """A range that includes both ends; None: open at that end."""

    least: float | None = None
    most: float | None = None

    def contains(self, value: float | None) -> bool:
        """True when the value is known and within the range."""
        return (
            value is not None
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
        )


@frozen
class Standing:
    """The tokens that one value of `status` asks for."""

    status: Status | None = None  # None: unbonded ones that are silent, and on no shelf
    is_scored: bool | None = None  # whether a trade has counted for the hot score; None: either


STANDINGS: Mapping[str, Standing] = {
    "NEW": Standing(Status.NEW),
    "GRADUATING": Standing(Status.GRADUATING),
    "BONDED": Standing(Status.BONDED),
    "DEAD": Standing(),
    # As "TokenDiscovery" uses the words of the Prisma model.
    "LAUNCHING": Standing(Status.NEW, is_scored=False),
    "ACTIVE": Standing(Status.NEW, is_scored=True),
    "ABOUT_TO_BOND": Standing(Status.GRADUATING),
}


@frozen(kw_only=True)
class FeedQuery:
    """One request for the feed, validated."""

    sort_by: str = "hot"
    limit: int = 50  # tokens a list
    search: str = ""  # as `to_search_text` leaves it
    search_mint: str = ""  # as given: base58 is case-sensitive
    standing: Standing | None = None  # None: every live token
    only_watched: bool = False
    must_be_secure: bool = False  # nobody can freeze it, or mint more of it
    must_be_paid: bool = False  # "dexPaid", of which no source tells: nothing answers
    age_minutes: Bounds | None = None
    numbers: Mapping[str, Bounds] = field(factory=dict)  # by field of Token
    links: tuple[str, ...] = ()  # fields of Token that must be there


def parse_query(text: str) -> FeedQuery:
    """Parse a URL's query string; `QueryRefused` says what is wrong with it."""
    given = _use_first_names(read_parameters(text, KNOWN_PARAMETERS))
    search = read_parameter(given, "searchQuery", _parse_search, "")
    age = _read_bounds(given, "Age")
    numbers = {name: _read_bounds(given, suffix) for suffix, name in NUMBER_FIELDS.items()}
    return FeedQuery(
        sort_by=read_parameter(given, "sortBy", _parse_sort_order, "hot"),
        limit=read_parameter(given, "limit", partial(parse_limit, most=LARGEST_LIMIT), 50),
        search=to_search_text(search),
        search_mint=search,
        standing=read_parameter(given, "status", _parse_standing, None),
        only_watched=read_parameter(given, "onlyWatched", _parse_truth, False),
        must_be_secure=read_parameter(given, "requireSecurity", _parse_truth, False),
        must_be_paid=read_parameter(given, "dexPaid", _parse_truth, False),
        age_minutes=age,
        numbers={name: bounds for name, bounds in numbers.items() if bounds is not None},
        links=tuple(
            f for name, f in LINK_FIELDS.items() if read_parameter(given, name, _parse_truth, False)
        ),
    )


def find_matches(
    catalogue: Catalogue, query: FeedQuery, status: Status, now: UnixSeconds
) -> Iterator[Token | None]:
    """At most `limit` tokens of one list, in order; None between them asks for a checkpoint.

    During a pause the catalogue may change: the search goes on from where it stood.
    """
    standing = query.standing
    if query.must_be_paid:
        return
    tests = _make_tests(query, now, catalogue.search_texts)
    if standing is None or standing.status is status:
        yield from _find_live(catalogue, query, status, tests)
    elif standing.status is None and status is not Status.BONDED:
        yield from _find_silent(catalogue, query, status, tests)


def _find_live(
    catalogue: Catalogue, query: FeedQuery, status: Status, tests: list[Test]
) -> Iterator[Token | None]:
    ranking = catalogue.shelves[status][query.sort_by]
    found = 0
    rank: Rank | None = None
    while page := ranking.ranks_after(rank, EXAMINED_AT_ONCE):
        for _, mint in page:
            token = catalogue.tokens[mint]
            if _passes_all(tests, token):
                yield token
                found += 1
                if found == query.limit:
                    return
        rank = page[-1]
        yield None


def _find_silent(
    catalogue: Catalogue, query: FeedQuery, status: Status, tests: list[Test]
) -> Iterator[Token | None]:
    """Silent tokens stand on no shelf: all tokens are looked through, and the best kept."""
    rule = SORT_RULES[query.sort_by]
    best: list[tuple[Rank, Token]] = []
    for mints in chunks(tuple(catalogue.tokens), EXAMINED_AT_ONCE):
        for mint in mints:
            token = catalogue.tokens.get(mint)
            if token is None or not token.silent or token.status is not status:
                continue
            value = rule(token)
            if value is not None and _passes_all(tests, token):
                best.append(((value, mint), token))
        best = nsmallest(query.limit, best, key=lambda ranked: ranked[0])
        yield None
    yield from (token for _, token in best)


def _passes_all(tests: list[Test], token: Token) -> bool:
    for test in tests:  # noqa: SIM110  # all() over a generator takes twice as long
        if not test(token):
            return False
    return True


def _make_tests(query: FeedQuery, now: UnixSeconds, search_texts: Mapping[Mint, str]) -> list[Test]:
    tests: list[Test] = []
    if query.standing is not None and query.standing.is_scored is not None:
        is_scored = query.standing.is_scored
        tests.append(lambda token: (token.hot_score is not None) is is_scored)
    if query.must_be_secure:
        tests.append(lambda token: token.freeze_revoked is True and token.mint_renounced is True)
    if query.only_watched:
        tests.append(lambda token: token.watcher_count > 0)
    for name in query.links:
        tests.append(lambda token, name=name: bool(getattr(token, name)))  # type: ignore[misc]
    for name, bounds in query.numbers.items():
        tests.append(_make_number_test(name, bounds))
    if (age := query.age_minutes) is not None:
        tests.append(lambda token: age.contains((now - token.first_seen_at) / 60))
    if query.search:
        tests.append(_make_search_test(query, search_texts))
    return tests


def _make_number_test(name: str, bounds: Bounds) -> Test:
    value_of = SHOWN_NUMBERS.get(name) or attrgetter(name)
    return lambda token: bounds.contains(value_of(token))


def _make_search_test(query: FeedQuery, search_texts: Mapping[Mint, str]) -> Test:
    wanted, mint_prefix = query.search, query.search_mint
    return lambda token: wanted in search_texts[token.mint] or token.mint.startswith(mint_prefix)


def _use_first_names(given: dict[str, str]) -> dict[str, str]:
    """The parameters under their first names; `QueryRefused` where both names have a value."""
    for other, name in OTHER_NAMES.items():
        value = given.pop(other, "").strip()
        if value and given.get(name, "").strip():
            raise QueryRefused(other, reason=f"{other} and {name} are the same: give one of them")
        if value:
            given[name] = value
    return given


def _read_bounds(given: Mapping[str, str], suffix: str) -> Bounds | None:
    least = read_parameter(given, f"min{suffix}", _parse_number, None)
    most = read_parameter(given, f"max{suffix}", _parse_number, None)
    return None if least is None and most is None else Bounds(least=least, most=most)


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


def _parse_standing(value: str) -> Standing:
    if value.upper() not in STANDINGS:
        raise ValueError(f"one of {', '.join(STANDINGS)}")
    return STANDINGS[value.upper()]


def _parse_sort_order(value: str) -> str:
    value = OTHER_ORDERS.get(value, value)
    if value not in SORT_RULES:
        raise ValueError(f"one of {', '.join(SORT_RULES)}")
    return value


def _parse_search(value: str) -> str:
    if len(value) > LONGEST_SEARCH:
        raise ValueError(f"at most {LONGEST_SEARCH} characters")
    return value


KNOWN_PARAMETERS = frozenset(
    {"searchQuery", "sortBy", "status", "onlyWatched", "requireSecurity", "dexPaid", "limit"}
    | {*LINK_FIELDS, *OTHER_NAMES}
    | {f"{end}{suffix}" for end in ("min", "max") for suffix in ("Age", *NUMBER_FIELDS)}
)
