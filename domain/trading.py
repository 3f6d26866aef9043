"""A token's trading: windows of the last minutes and hours, candles, single trades.

TradeSeen -> actors/trading -> TokenStatistics -> the token's item
                            -> Candle, TradeRecord -> the tape in Redis -> GET /api/tokens/...

None is "not known", and never a zero.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from attrs import field

from domain.records import record
from domain.values import Sol, UnixSeconds, Usd, Value

WINDOW_SECONDS: Mapping[str, int] = MappingProxyType(
    {"5m": 300, "1h": 3600, "6h": 21_600, "24h": 86_400}
)
CANDLE_SECONDS: Mapping[str, int] = MappingProxyType({"1m": 60, "5m": 300, "1h": 3600})
WHOLE_DAY = "24h"
COUNTED = "trades"  # the source of a window of which every trade was counted

# The fields of a token that tell of its last day, by the window's figure that each of them is.
FIELDS_OF_DAY: Mapping[str, str] = MappingProxyType(
    {
        "volume_24h": "volume_usd",
        "volume_24h_sol": "volume_sol",
        "buys_24h": "buys",
        "sells_24h": "sells",
        "unique_traders_24h": "unique_traders",
        "price_change_24h": "price_change",
    }
)
TRADES_OF_DAY = "tx_count_24h"  # buys and sells together

Currency = Literal["usd", "sol"]


@record(kw_only=True)
class WindowStatistics:
    """Trading within one window that ends now."""

    volume_usd: Usd | None = None
    volume_sol: Sol | None = None
    buys: int | None = None
    sells: int | None = None
    unique_traders: int | None = None  # an estimate beyond some dozens
    price_change: float | None = None  # per cent, from the window's begin to now


@record(kw_only=True)
class TokenStatistics:
    """What is known of a token's trading now."""

    observed_at: UnixSeconds
    windows: Mapping[str, WindowStatistics] = field(factory=dict)  # by `WINDOW_SECONDS`
    sources: Mapping[str, str] = field(factory=dict)  # of each window: `COUNTED`, or a provider
    wash_score: float | None = None  # 0 (nothing suspicious) .. 1
    covered_since: UnixSeconds | None = None  # every trade since then was counted; None: none is

    @property
    def is_day_counted(self) -> bool:
        """True where every trade of the last 24 hours was counted."""
        return self.sources.get(WHOLE_DAY) == COUNTED

    def list_counted_day(self) -> dict[str, Value]:
        """The last 24 hours as fields of a token; empty where not every trade was counted."""
        if not self.is_day_counted:
            return {}
        day = self.windows[WHOLE_DAY]
        figures = {name: getattr(day, figure) for name, figure in FIELDS_OF_DAY.items()}
        figures[TRADES_OF_DAY] = (day.buys or 0) + (day.sells or 0)
        return {name: figure for name, figure in figures.items() if figure is not None}


@record(kw_only=True)
class Candle:
    """Trading within one interval."""

    opened_at: UnixSeconds  # a multiple of the interval
    currency: Currency = "usd"  # of the prices; SOL where its worth is not known
    open: float
    high: float
    low: float
    close: float
    volume_usd: float
    volume_sol: float
    buys: int
    sells: int


@record(kw_only=True)
class TradeRecord:
    """One trade as it is kept for `GET /api/tokens/{mint}/trades`."""

    at: UnixSeconds
    side: Literal["buy", "sell"]
    signature: str
    trader: str | None
    tokens: float | None
    sol: Sol | None
    usd: Usd | None
    price_usd: Usd | None
