"""The tape: candles and single trades of the traded tokens, in Redis with a lifetime.

Adapters: `buffer.redis.tape.RedisTape` (real) and `buffer.memory_tape.MemoryTape` (twin); both pass
tests/contract/test_tape.py. Only actors.trading writes; the gateway is given the reading side.

Nothing here is ever in Postgres, and nothing here is what a token's row is made of: lost, it costs
the past of a chart.
"""

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from domain.trading import Candle, TradeRecord
from domain.values import Mint


@frozen(kw_only=True)
class TapeBounds:
    """How much is kept of a token."""

    trades: int  # the newest
    candle_days: int  # also the lifetime of all candles after the last trade
    trade_hours: int = 6  # lifetime of the single trades after the last one


@frozen(kw_only=True)
class TapeEntry:
    """What is new of one token."""

    mint: Mint
    candles: Sequence[Candle]  # of one minute; each takes the place of what is there of its minute
    trades: Sequence[TradeRecord]  # oldest first


class TradeTape(Protocol):
    """Candles and trades by token; every method raises `BufferUnavailable` while Redis is away."""

    async def append_entries(self, entries: Sequence[TapeEntry]) -> None:
        """Keep what is new, in one call; repeated, it changes nothing that is read."""

    async def read_candles(self, mint: Mint, interval: str, limit: int) -> Sequence[Candle]:
        """At most `limit` of the newest candles, oldest first; empty for a token without trades.

        `interval` is one of `trading.CANDLE_SECONDS`. All are in the currency of the newest.
        """

    async def read_trades(self, mint: Mint, limit: int) -> Sequence[TradeRecord]:
        """At most `limit` of the newest trades, newest first; empty for a token without trades."""

    async def close(self) -> None:
        """Disconnect; harmless when already closed."""
