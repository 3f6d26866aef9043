"""Which tokens pass some filters, and which of them come first in an order.

    Filters, order, limit --Selection--> mints, at most `limit`

Every token of an excerpt is compared, a column at a time: some dozens of microseconds a filter for
100,000 of them, whatever they hold. Of those that pass, the first are found without sorting the
others. Only texts are looked at one by one, and only those that may hold what is searched for.
"""

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Any, TypeVar

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from domain.token import Token
from domain.values import Mint, UnixSeconds
from feed.orders import Order, Rows
from feed.ranking import Rank
from feed.search_codes import make_search_code
from feed.token_columns import (
    MINT_KEYS,
    SEARCH_LETTERS,
    SEARCH_PAIRS,
    SUMS,
    Numbers,
    TokenColumns,
    Words,
    mint_key,
    text_key,
)

Mask = NDArray[np.bool_]
Column = TypeVar("Column", bound=NDArray[Any])

# Of a search, these are looked at first: where many tokens match, that is enough.
PROBED_ROWS = 512
AGE_SECONDS = 0.001  # by which `take_aged` looks at more: far beyond what rounding moves


@frozen(kw_only=True)
class Bounds:
    """A range that includes both ends; None: open at that end."""

    least: float | None = None
    most: float | None = None


@frozen(kw_only=True)
class Filters:
    """What a token must be; a number that is not known is within no bounds."""

    flags: int = 0  # of `TokenColumns`: all of them
    any_flags: int = 0  # and one of these, if there are any
    numbers: Mapping[str, Bounds] = field(factory=dict)  # by column of `TokenColumns`
    texts: Mapping[str, frozenset[str]] = field(factory=dict)  # by column: one of them
    age_minutes: Bounds | None = None
    search: str = ""  # in the symbol or the name, as `to_search_text` leaves it
    mint_prefix: str = ""  # or so begins the mint, where there is a search


@define(eq=False)
class Excerpt:
    """Some rows of the columns, each column of which is read once, however often it is compared."""

    columns: TokenColumns
    rows: Rows
    _read: dict[object, NDArray[Any]] = field(init=False, factory=dict)

    def read(self, column: Column) -> Column:
        """A column of the columns, as far as the rows go."""
        values = self._read.get(id(column))
        if values is None:
            values = self._read[id(column)] = column[self.rows]
        return values  # type: ignore[return-value]  # indexed as it is, it stays of its type

    def read_number(self, name: str) -> Numbers:
        """A column of numbers, or the sum of two: unknown where one of them is."""
        numbers = self.columns.numbers
        if name not in SUMS:
            return self.read(numbers[name])
        one, other = SUMS[name]
        return self.read(numbers[one]) + self.read(numbers[other])

    def list_mints(self) -> list[Mint]:
        """The mints of the rows; rows that are free have an empty one."""
        return [self.columns.mints[row] for row in self.rows.tolist()]

    def read_key(self, order: Order) -> Numbers | Words:
        """The first key of an order."""
        read_key = order.keys[0]
        keys = self._read.get(read_key)
        if keys is None:
            keys = self._read[read_key] = read_key(self.columns, self.rows)
        return keys


@define(eq=False)
class Selection:
    """Answers from the tokens as they are now."""

    columns: TokenColumns
    tokens: Mapping[Mint, Token]  # those of the columns

    def find_ranks(
        self,
        filters: Filters,
        order: Order,
        limit: int,
        now: UnixSeconds,
        after: Rank | None = None,
    ) -> list[Rank]:
        """The first `limit` mints that pass, behind a rank, in order, each with its rank."""
        every_row: Any = slice(len(self.columns.mints))  # takes a column as it is: no copy
        everything = Excerpt(self.columns, every_row)
        rows = np.flatnonzero(_compare_columns(everything, filters, now))
        if after is not None:
            rows = self._find_behind(rows, order, after)
        if filters.search:
            rows = self._find_matches(rows, filters, order, limit)
        mints, tokens, rule = self.columns.mints, self.tokens, order.rule
        first = [mints[row] for row in self._find_first(rows, order, limit).tolist()]
        return sorted((rule(tokens[mint]), mint) for mint in first)[:limit]  # type: ignore[return-value]  # an order ranks all

    # Some rows.

    def take_excerpt(self, mints: Iterable[Mint]) -> Excerpt:
        """The rows of those mints that are known."""
        return Excerpt(self.columns, self._rows_of(mints))

    def take_aged(
        self, bounds: Bounds, held: Iterable[Mint], before: UnixSeconds, now: UnixSeconds
    ) -> Excerpt:
        """The rows that have come to an age (in minutes) since `before`, and few more.

        All that have come to the least one; of those held, who have come to the greatest.
        """
        born_at = self.columns.numbers["first_seen_at"][: len(self.columns.mints)]
        aged = [np.empty(0, dtype=np.intp)]
        if bounds.least is not None:
            aged.append(np.flatnonzero(_have_come_to(bounds.least, born_at, before, now)))
        if bounds.most is not None:
            rows = self._rows_of(held)
            aged.append(rows[_have_come_to(bounds.most, born_at[rows], before, now)])
        return Excerpt(self.columns, np.unique(np.concatenate(aged)))

    def find_passing(
        self,
        excerpt: Excerpt,
        filters: Filters,
        until: tuple[Order, float] | None,
        now: UnixSeconds,
    ) -> list[Mint]:
        """The mints of an excerpt that pass, in no order.

        With `until`, an order and a first key of it, those behind that key are left out.
        """
        passing = _compare_columns(excerpt, filters, now)
        if until is not None:
            passing &= excerpt.read_key(until[0]) <= until[1]
        rows = excerpt.rows[passing]
        if filters.search:
            rows = self._match_texts(rows, filters)
        mints = self.columns.mints
        return [mints[row] for row in rows.tolist()]

    def _rows_of(self, mints: Iterable[Mint]) -> Rows:
        row_of = self.columns.rows
        return np.array([row_of[mint] for mint in mints if mint in row_of], dtype=np.intp)

    # Order.

    def _find_first(self, rows: Rows, order: Order, count: int) -> Rows:
        """The first `count` rows by the order's keys, and all that tie with the last of them."""
        found: list[Rows] = []
        for read_key in order.keys:
            if len(rows) <= count:
                break
            keys = read_key(self.columns, rows)
            last = np.partition(keys, count - 1)[count - 1]
            found.append(rows[keys < last])
            count -= len(found[-1])
            rows = rows[keys == last]
        return np.concatenate([*found, rows])

    def _find_behind(self, rows: Rows, order: Order, rank: Rank) -> Rows:
        """The rows that come behind a rank."""
        behind: list[Rows] = []
        for read_key, key in zip(order.keys, order.list_keys(rank), strict=False):
            keys = read_key(self.columns, rows)
            behind.append(rows[keys > key])
            rows = rows[keys == key]
        mints, tokens = self.columns.mints, self.tokens
        tied = [row for row in rows.tolist() if order.rank_token(tokens[mints[row]]) > rank]
        return np.concatenate([*behind, np.array(tied, dtype=np.intp)])

    # Search.

    def _find_matches(self, rows: Rows, filters: Filters, order: Order, limit: int) -> Rows:
        """The rows that match the search, or enough of them that the first `limit` are among."""
        if len(rows) > PROBED_ROWS:
            probed = self._match_texts(self._find_first(rows, order, PROBED_ROWS), filters)
            if len(probed) >= limit:
                return probed
        return self._match_texts(rows, filters)

    def _match_texts(self, rows: Rows, filters: Filters) -> Rows:
        texts, mints = self.columns.search_texts, self.columns.mints
        wanted, prefix = filters.search, filters.mint_prefix
        matching = [
            row for row in rows.tolist() if wanted in texts[row] or mints[row].startswith(prefix)
        ]
        return np.array(matching, dtype=np.intp)


def _compare_columns(excerpt: Excerpt, filters: Filters, now: UnixSeconds) -> Mask:
    columns, read = excerpt.columns, excerpt.read
    flags = read(columns.flags)
    passing: Mask = (flags & filters.flags) == filters.flags
    if filters.any_flags:
        passing &= (flags & filters.any_flags) != 0
    for name, texts in filters.texts.items():
        words = read(columns.words[name])
        passing &= reduce(or_, (words == np.uint64(text_key(text)) for text in texts))
    for name, bounds in filters.numbers.items():
        _narrow(passing, excerpt.read_number(name), bounds)
    if filters.age_minutes is not None:
        ages = (now - read(columns.numbers["first_seen_at"])) / 60
        _narrow(passing, ages, filters.age_minutes)
    if filters.search:
        passing &= _may_match(excerpt, filters)
    return passing


def _have_come_to(minutes: float, born_at: Numbers, before: UnixSeconds, now: UnixSeconds) -> Mask:
    earliest, latest = (at - 60 * minutes for at in (before - AGE_SECONDS, now + AGE_SECONDS))
    aged: Mask = (born_at >= earliest) & (born_at <= latest)
    return aged


def _may_match(excerpt: Excerpt, filters: Filters) -> Mask:
    """True where the text may hold what is searched for, or the mint may begin so."""
    letters, pairs = map(np.uint64, make_search_code(filters.search))
    first, last = (mint_key(filters.mint_prefix, filler) for filler in (b"\0", b"\xff"))
    words = excerpt.columns.words
    by_text: Mask = (excerpt.read(words[SEARCH_LETTERS]) & letters) == letters
    by_text &= (excerpt.read(words[SEARCH_PAIRS]) & pairs) == pairs
    mints = excerpt.read(words[MINT_KEYS])
    by_mint: Mask = (mints >= first) & (mints <= last)
    by_mint |= by_text
    return by_mint


def _narrow(passing: Mask, values: Numbers, bounds: Bounds) -> None:
    """Leave in `passing` what is within the bounds as well."""
    if bounds.least is not None:
        passing &= values >= bounds.least
    if bounds.most is not None:
        passing &= values <= bounds.most
