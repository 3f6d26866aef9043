"""A token's candles and single trades, as the routes read them: the port, and their JSON.

    the tape of trades (Redis) -> TradeHistory -> GET /api/tokens/{mint}/candles, .../trades

Times are Unix seconds, as charting libraries take them: whole ones for candles, with milliseconds
for trades. What is not known is null.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from attrs import asdict

from domain.trading import Candle, TradeRecord
from domain.values import Mint
from feed.wire import encode_json


class TradeHistory(Protocol):
    """Where the candles and the trades of tokens are kept; `BufferUnavailable` while it is away."""

    async def read_candles(self, mint: Mint, interval: str, limit: int) -> Sequence[Candle]:
        """At most `limit` of the newest candles, oldest first; empty for a token without trades.

        `interval` is one of `trading.CANDLE_SECONDS`.
        """

    async def read_trades(self, mint: Mint, limit: int) -> Sequence[TradeRecord]:
        """At most `limit` of the newest trades, newest first; empty for a token without trades."""


def encode_candles(mint: Mint, interval: str, candles: Sequence[Candle]) -> bytes:
    """`{"mint", "interval", "currency", "candles": [{"time", "open", "high", "low", ...}]}`.

    Prices are in `currency`, "usd" or "sol", which is null where there is no candle. `volume`
    is in US dollars, `volumeSol` in SOL, `time` the second at which the candle opens.
    """
    currency = candles[-1].currency if candles else None
    head = encode_json({"mint": mint, "interval": interval, "currency": currency})
    return _append_list(head, b"candles", [render_candle(candle) for candle in candles])


def encode_trades(mint: Mint, trades: Sequence[TradeRecord]) -> bytes:
    """`{"mint", "trades": [{"time", "side", "signature", "trader", "tokens", "sol", ...}]}`."""
    head = encode_json({"mint": mint})
    return _append_list(head, b"trades", [render_trade(trade) for trade in trades])


def _append_list(head: bytes, name: bytes, values: Sequence[Mapping[str, object]]) -> bytes:
    return b'%b,"%b":[%b]}' % (head[:-1], name, b",".join(map(encode_json, values)))


def render_candle(candle: Candle) -> dict[str, object]:
    """A candle under its JSON names."""
    return {
        "time": int(candle.opened_at),
        "open": candle.open,
        "high": candle.high,
        "low": candle.low,
        "close": candle.close,
        "volume": candle.volume_usd,
        "volumeSol": candle.volume_sol,
        "buys": candle.buys,
        "sells": candle.sells,
    }


def render_trade(trade: TradeRecord) -> dict[str, object]:
    """A trade under its JSON names."""
    values = asdict(trade)
    at, price_usd = values.pop("at"), values.pop("price_usd")
    return {"time": round(at, 3), **values, "priceUsd": price_usd}
