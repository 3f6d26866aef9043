"""The orders in which clients ask for tokens: exactly for one, by columns for many.

A rule ranks one token among all, with its mint behind it (feed/ranking.py). The keys of an order
are numbers that compare as these ranks do, one behind the other, as far as they go: rows that tie
in every key are ranked by the rule.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from domain.token import Token
from feed.ranking import Rank, RankRule, greatest_first, newest_first
from feed.statistics import shown_volume_24h
from feed.token_columns import (
    MINT_KEYS,
    NAME_KEYS,
    SHOWN_VOLUME,
    Numbers,
    TokenColumns,
    Words,
    mint_key,
    name_keys,
    name_of,
)
from feed.wire import AFTER_LAST_TIME

Rows = NDArray[np.intp]
Key = Callable[[TokenColumns, Rows], Numbers | Words]

LAST_MILLISECOND = AFTER_LAST_TIME * 1000 - 1


@frozen
class Order:
    """One order over tokens."""

    rule: RankRule
    keys: tuple[Key, ...]  # smallest first
    is_of_text: bool = False  # its ranks are texts, and else numbers

    def rank_token(self, token: Token) -> Rank:
        """Where a token stands."""
        value = self.rule(token)
        if value is None:
            raise ValueError("an order of queries leaves no token out")
        return value, token.mint

    def list_keys(self, rank: Rank) -> tuple[float, ...]:
        """The first of the keys that a token of this rank has."""
        value, mint = rank
        return name_keys(value)[:2] if isinstance(value, str) else (value, mint_key(mint))


def _read_words(column: str, columns: TokenColumns, rows: Rows) -> Words:
    return columns.words[column][rows]


def _rank_numbers(column: str, columns: TokenColumns, rows: Rows) -> Numbers:
    """As `greatest_first`."""
    keys = -columns.numbers[column][rows]
    np.putmask(keys, ~np.isfinite(keys), np.inf)
    return keys


def _rank_times(column: str, columns: TokenColumns, rows: Rows) -> Numbers:
    """As `newest_first`."""
    times = columns.numbers[column][rows]
    np.putmask(times, ~((times >= 0) & (times < AFTER_LAST_TIME)), np.nan)
    keys = -np.minimum(np.rint(times * 1000), LAST_MILLISECOND)
    np.putmask(keys, np.isnan(keys), np.inf)
    return keys


_BY_MINT = partial(_read_words, MINT_KEYS)
_BY_NAME = tuple(partial(_read_words, column) for column in NAME_KEYS)


def _greatest(column: str, value_of: Callable[[Token], float | None]) -> Order:
    return Order(
        lambda token: greatest_first(value_of(token)), (partial(_rank_numbers, column), _BY_MINT)
    )


def _newest(column: str) -> Order:
    return Order(
        lambda token: newest_first(getattr(token, column)),
        (partial(_rank_times, column), _BY_MINT),
    )


ORDERS: Mapping[str, Order] = {
    "hot": _greatest("hot_score", lambda token: token.hot_score),
    "volume": _greatest(SHOWN_VOLUME, shown_volume_24h),
    "marketcap": _greatest("market_cap_usd", lambda token: token.market_cap_usd),
    "recent": _newest("last_trade_at"),
    "graduating": _greatest("bonding_curve_progress", lambda t: t.bonding_curve_progress),
    "bonded": _newest("status_changed_at"),
    "new": _newest("first_seen_at"),
    "watched": _greatest("watcher_count", lambda token: token.watcher_count),
    "alphabetical": Order(name_of, _BY_NAME, is_of_text=True),
}
