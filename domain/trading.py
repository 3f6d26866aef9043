"""A token's trading: windows of the last minutes and hours, candles, single trades.

TradeSeen -> actors/trading -> TokenStatistics -> the token's item
                            -> Candle, TradeRecord -> the tape in Redis -> GET /api/tokens/...

None is "not known", and never a zero.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from attrs import field, frozen

from domain.values import Sol, UnixSeconds, Usd

WINDOW_SECONDS: Mapping[str, int] = MappingProxyType(
    {"5m": 300, "1h": 3600, "6h": 21_600, "24h": 86_400}
)
CANDLE_SECONDS: Mapping[str, int] = MappingProxyType({"1m": 60, "5m": 300, "1h": 3600})


@frozen(kw_only=True)
class WindowStatistics:
    """Trading within one window that ends now."""

    volume_usd: Usd | None = None
    volume_sol: Sol | None = None
    buys: int | None = None
    sells: int | None = None
    unique_traders: int | None = None  # an estimate beyond some dozens
    price_change: float | None = None  # per cent, from the window's begin to now


@frozen(kw_only=True)
class TokenStatistics:
    """What is known of a token's trading now."""

    observed_at: UnixSeconds
    windows: Mapping[str, WindowStatistics] = field(factory=dict)  # by `WINDOW_SECONDS`
    sources: Mapping[str, str] = field(factory=dict)  # of each window: "trades", or a provider
    wash_score: float | None = None  # 0 (nothing suspicious) .. 1
    covered_since: UnixSeconds | None = None  # every trade since then was counted; None: none is


@frozen(kw_only=True)
class Candle:
    """Trading within one interval."""

    opened_at: UnixSeconds  # a multiple of the interval
    currency: Literal["usd", "sol"] = "usd"  # of the prices; SOL where its worth is not known
    open: float
    high: float
    low: float
    close: float
    volume_usd: float
    volume_sol: float
    buys: int
    sells: int


@frozen(kw_only=True)
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
