"""What clients see of a token's trading: its windows, and the figures of its last day. Pure.

    TokenStatistics -> keys of the item, and what rankings and filters go by

The last day is shown from the counted trades where a stream covers it, figure by figure, and as
the providers tell it otherwise.
"""

from collections import OrderedDict
from collections.abc import Sequence
from operator import attrgetter

from attrs import define, field

from domain.token import Token
from domain.trading import (
    FIELDS_OF_DAY,
    WHOLE_DAY,
    WINDOW_SECONDS,
    TokenStatistics,
    WindowStatistics,
)
from domain.values import Mint, Usd

SHORT_WINDOWS = tuple(name for name in WINDOW_SECONDS if name != WHOLE_DAY)
WAITING_STATISTICS = 1000  # of mints that are not known yet; the oldest go first

_figures_of = attrgetter(
    "volume_usd", "volume_sol", "buys", "sells", "unique_traders", "price_change"
)
_NOTHING = WindowStatistics()

# The figures of a window that queries compare.
COMPARED_FIGURES = ("volume_usd", "buys", "sells", "unique_traders", "price_change")
_compared_of = attrgetter(*COMPARED_FIGURES)
_field_of_day = {figure: name for name, figure in FIELDS_OF_DAY.items()}
_told_day_of = attrgetter(*(_field_of_day[figure] for figure in COMPARED_FIGURES))


def _window_keys(window: str) -> tuple[str, ...]:
    """The JSON names of a window's figures, in the order of `_figures_of`."""
    return (
        f"volume{window}",
        f"volume{window}Sol",
        f"buys{window}",
        f"sells{window}",
        f"uniqueTraders{window}",
        f"priceChange{window}",
    )


WINDOW_KEYS = {window: _window_keys(window) for window in WINDOW_SECONDS}
_SHORT_KEYS = [(window, WINDOW_KEYS[window]) for window in SHORT_WINDOWS]
NO_STATISTICS: dict[str, object] = dict.fromkeys(
    [*(key for _, keys in _SHORT_KEYS for key in keys), "washScore"], None
)


def render_statistics(statistics: TokenStatistics | None) -> dict[str, object]:
    """The keys of the short windows and of wash trading; null where nothing is known."""
    if statistics is None:
        return NO_STATISTICS
    windows = statistics.windows
    shown: dict[str, object] = {}
    for window, keys in _SHORT_KEYS:
        shown.update(zip(keys, _figures_of(windows.get(window, _NOTHING)), strict=True))
    shown["washScore"] = statistics.wash_score
    return shown


def render_counted_day(statistics: TokenStatistics) -> dict[str, object]:
    """What lies over the token's own figures of the last day; empty where no stream covers it."""
    day = find_counted_day(statistics)
    if day is None:
        return {}
    figures = zip(WINDOW_KEYS[WHOLE_DAY], _figures_of(day), strict=True)
    shown: dict[str, object] = {key: figure for key, figure in figures if figure is not None}
    if day.buys is not None and day.sells is not None:
        shown["txCount24h"] = day.buys + day.sells
    return shown


def find_counted_day(statistics: TokenStatistics | None) -> WindowStatistics | None:
    """The last 24 hours, if every trade of them was counted."""
    if statistics is None or not statistics.is_day_counted:
        return None
    return statistics.windows.get(WHOLE_DAY)


def shown_volume_24h(token: Token) -> Usd | None:
    """The volume of the last day as clients see it, in US dollars."""
    day = find_counted_day(token.statistics)
    return token.volume_24h if day is None or day.volume_usd is None else day.volume_usd


def list_shown_day(token: Token) -> Sequence[float | None]:
    """The `COMPARED_FIGURES` of the last day as clients see them."""
    told: tuple[float | None, ...] = _told_day_of(token)
    day = find_counted_day(token.statistics)
    if day is None:
        return told
    pairs = zip(_compared_of(day), told, strict=True)
    return [other if counted is None else counted for counted, other in pairs]


def list_windows(statistics: TokenStatistics) -> Sequence[float | None]:
    """The `COMPARED_FIGURES` of each of the `SHORT_WINDOWS`."""
    windows = statistics.windows
    return [
        figure for window in SHORT_WINDOWS for figure in _compared_of(windows.get(window, _NOTHING))
    ]


@define
class StatisticsMemory:
    """The newest statistics by mint; outlives the catalogue, which begins empty at a restart."""

    limit: int  # tokens
    dropped: int = field(init=False, default=0)  # statistics of mints that never came
    _attached: dict[Mint, TokenStatistics] = field(init=False, factory=dict)  # of known tokens
    _waiting: OrderedDict[Mint, TokenStatistics] = field(init=False, factory=OrderedDict)

    def count_waiting(self) -> int:
        """How many mints have statistics, and are not known yet."""
        return len(self._waiting)

    def keep_waiting(self, mint: Mint, statistics: TokenStatistics) -> None:
        """Keep statistics of a mint that is not known yet; past the bound the oldest go."""
        if mint in self._attached:  # known before a restart, and soon again
            self._attached[mint] = statistics
            return
        self._waiting[mint] = statistics
        self._waiting.move_to_end(mint)
        if len(self._waiting) > WAITING_STATISTICS:
            self._waiting.popitem(last=False)
            self.dropped += 1

    def keep_attached(self, mint: Mint, statistics: TokenStatistics) -> None:
        """Keep what is shown of a known token."""
        self._attached[mint] = statistics
        if len(self._attached) > self.limit:  # some were never told of again after a restart
            del self._attached[next(iter(self._attached))]

    def recall(self, mint: Mint) -> TokenStatistics | None:
        """What is known of a token that comes now."""
        waiting = self._waiting.pop(mint, None)
        if waiting is not None:
            self.keep_attached(mint, waiting)
            return waiting
        return self._attached.get(mint)

    def forget(self, mint: Mint) -> None:
        """The token has gone."""
        self._attached.pop(mint, None)
