"""What queries compare of every token, in columns: a row a token, a number in each column.

    Catalogue --replace_token--> TokenColumns --feed/selection.py--> mints

Room for all rows is reserved at once, and takes memory as rows are used: nothing grows by copying,
and nothing moves. The row of a token that has gone is given to the next one that comes.

Texts are numbers here, too, whose order is that of the texts: a mint is its first eight characters
read as one number, a name its first fifteen bytes and then its length. Of texts that are compared
for equality alone there are 64 bits of Python's keyed hash.
"""

from collections.abc import Iterable, Mapping
from operator import attrgetter

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from domain.lifecycle import is_live
from domain.token import Status, Token
from domain.trading import WHOLE_DAY, WINDOW_SECONDS
from domain.values import Mint
from feed.search_codes import make_search_code
from feed.search_text import to_search_text
from feed.statistics import COMPARED_FIGURES, SHORT_WINDOWS, list_shown_day, list_windows

Numbers = NDArray[np.float64]
Words = NDArray[np.uint64]

# What a token is, a bit each; the first bits are those of its status (`flag_of`).
LIVE, DEAD, SCORED, UNSCORED, SECURE, WATCHED, TWITTER, TELEGRAM, WEBSITE, TRADED, PAID = (
    1 << bit for bit in range(len(Status), len(Status) + 11)
)  # TRADED: its row of `LIVE_NUMBERS` is written; PAID: of no token, for no source tells of it


def window_column(figure: str, window: str) -> str:
    """The column of one of the `COMPARED_FIGURES`."""
    return f"{figure}_{window}"


def transactions_column(window: str) -> str:
    """What stands for the buys and sells of a window together."""
    return f"transactions_{window}"


# Columns of numbers: fields of Token.
FIELDS = (
    "hot_score",
    "market_cap_usd",
    "price_usd",
    "liquidity_usd",
    "bonding_curve_progress",
    "sol_to_graduate",
    "top_holders_percent",
    "watcher_count",
    "first_seen_at",
    "last_trade_at",
    "status_changed_at",
    "holder_count",
    "dev_balance_percent",
    "dev_mints",
    "dev_migrations",
    "initial_buy_sol",
)
# The last day as it is shown.
DAY = tuple(window_column(figure, WHOLE_DAY) for figure in COMPARED_FIGURES)
SHOWN_VOLUME = window_column("volume_usd", WHOLE_DAY)
# What is known of TRADED tokens alone.
WASH_SCORE = "wash_score"
LIVE_NUMBERS = (
    *(window_column(figure, window) for window in SHORT_WINDOWS for figure in COMPARED_FIGURES),
    WASH_SCORE,
)
# What is compared as the sum of two columns, and stands in none.
SUMS = {
    transactions_column(window): (window_column("buys", window), window_column("sells", window))
    for window in WINDOW_SECONDS
}
# Columns of 64 bits: keys of texts, and what tells which texts may match a search.
MINT_KEYS = "mint"
NAME_KEYS = (
    "name",
    "end of name",
    "mint of a whole name",  # 0 where other names may have the same two keys
)
SEARCH_LETTERS, SEARCH_PAIRS = "letters", "pairs of letters"
TEXTS = ("launchpad", "creator_wallet", "quote_mint")  # fields of Token, by `text_key`
WORDS = (MINT_KEYS, *NAME_KEYS, SEARCH_LETTERS, SEARCH_PAIRS, *TEXTS)
MINT_BYTES = 8
NAME_BYTES = 15
UNNAMED = "\U0010ffff"  # behind every name

LARGEST_WORD = (1 << 64) - 1

_fields_of = attrgetter(*FIELDS)
_texts_of = attrgetter(*TEXTS)


def flag_of(status: Status) -> int:
    """The bit of a status."""
    return 1 << status


def name_of(token: Token) -> str:
    """What a token stands by in an alphabet."""
    return (token.symbol or token.name or UNNAMED).casefold()


def mint_key(mint: str, filler: bytes = b"\0") -> int:
    """The number of a mint, or of the beginning of some, filled up to its bytes."""
    return int.from_bytes(_encode_text(mint)[:MINT_BYTES].ljust(MINT_BYTES, filler))


def name_keys(name: str) -> tuple[int, int, bool]:
    """The two numbers of a name, and whether no other name has the same."""
    encoded = _encode_text(name)
    length = min(len(encoded), NAME_BYTES + 1)
    key = encoded[:NAME_BYTES].ljust(NAME_BYTES, b"\0") + bytes([length])
    return int.from_bytes(key[:8]), int.from_bytes(key[8:]), length <= NAME_BYTES


def text_key(text: str | None) -> int:
    """64 bits that two texts have in common once in 10^19; 0 for none."""
    return hash(text) & LARGEST_WORD if text else 0


@define(eq=False)
class TokenColumns:
    """At most `limit` tokens; an unknown number is NaN, and a free row has no flags."""

    limit: int
    rows: dict[Mint, int] = field(init=False, factory=dict)
    # By row; the columns are longer: what is behind these has not been used yet.
    mints: list[Mint] = field(init=False, factory=list)
    search_texts: list[str] = field(init=False, factory=list)  # symbol, line break, name
    flags: NDArray[np.uint16] = field(init=False)
    numbers: Mapping[str, Numbers] = field(init=False)
    words: Mapping[str, Words] = field(init=False)
    _values: NDArray[np.float64] = field(init=False)  # `FIELDS` and `DAY`, in two dimensions
    _live: NDArray[np.float64] = field(init=False)  # `LIVE_NUMBERS` likewise
    _free: list[int] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        # Zeros take no memory before they are written over.
        self.flags = np.zeros(self.limit, np.uint16)
        # A token's numbers are written together, which is quicker than one column at a time.
        self._values = np.zeros((len(FIELDS) + len(DAY), self.limit))
        self._live = np.zeros((len(LIVE_NUMBERS), self.limit))
        columns = [*self._values, *self._live]
        self.numbers = dict(zip((*FIELDS, *DAY, *LIVE_NUMBERS), columns, strict=True))
        self.words = {name: np.zeros(self.limit, np.uint64) for name in WORDS}

    def replace_token(self, before: Token | None, after: Token | None) -> None:
        """Keep `after` in the place of `before`; None stands for a token that came or went.

        `IndexError` for more than `limit` tokens.
        """
        if after is not None:
            row = self._take_row(after.mint) if before is None else self.rows[after.mint]
            self._write_values(row, after)
            if before is None or before.statistics is not after.statistics:
                self._write_live(row, after)
            if before is None or (before.symbol, before.name) != (after.symbol, after.name):
                self._write_names(row, after)
            if before is None or _texts_of(before) != _texts_of(after):
                self._write_words(row, zip(TEXTS, map(text_key, _texts_of(after)), strict=True))
        elif before is not None:
            self._free_row(before.mint)

    def _take_row(self, mint: Mint) -> int:
        if self._free:
            row = self._free.pop()
        else:
            row = len(self.mints)
            self.mints.append(mint)
            self.search_texts.append("")
        self.rows[mint] = row
        self.mints[row] = mint
        self.words[MINT_KEYS][row] = mint_key(mint)
        return row

    def _free_row(self, mint: Mint) -> None:
        row = self.rows.pop(mint)
        self.flags[row] = 0
        self.mints[row] = Mint("")
        self.search_texts[row] = ""
        self._free.append(row)

    def _write_values(self, row: int, token: Token) -> None:
        self._values[:, row] = (*_fields_of(token), *list_shown_day(token))  # None becomes NaN
        self.flags[row] = _flags_of(token)

    def _write_live(self, row: int, token: Token) -> None:
        statistics = token.statistics
        if statistics is not None:
            self._live[:, row] = (*list_windows(statistics), statistics.wash_score)

    def _write_names(self, row: int, token: Token) -> None:
        start, end, is_whole = name_keys(name_of(token))
        mint = self.words[MINT_KEYS][row] if is_whole else 0
        text = self.search_texts[row] = _search_text(token)
        letters, pairs = make_search_code(text)
        columns = (*NAME_KEYS, SEARCH_LETTERS, SEARCH_PAIRS)
        self._write_words(row, zip(columns, (start, end, mint, letters, pairs), strict=True))

    def _write_words(self, row: int, words: Iterable[tuple[str, int]]) -> None:
        for name, word in words:
            self.words[name][row] = word


def _flags_of(token: Token) -> int:
    flags = 1 << token.status
    flags |= LIVE if is_live(token) else DEAD
    flags |= UNSCORED if token.hot_score is None else SCORED
    flags |= 0 if token.statistics is None else TRADED
    if token.freeze_revoked is True and token.mint_renounced is True:
        flags |= SECURE
    if token.watcher_count > 0:
        flags |= WATCHED
    if token.twitter:
        flags |= TWITTER
    if token.telegram:
        flags |= TELEGRAM
    if token.website:
        flags |= WEBSITE
    return flags


def _search_text(token: Token) -> str:
    # Nothing that is searched for holds a line break, so that no match spans both.
    return f"{to_search_text(token.symbol or '')}\n{to_search_text(token.name or '')}"


def _encode_text(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # UTF-8 keeps the order of code points
