"""The tape in Redis: one hash of candles a token (a field an hour), one list of trades.

    append_entries -> tape.lua;  read_candles -> HGETALL td:candles:<mint>
                                 read_trades -> LRANGE td:trades:<mint>

Values are packed binary (`buffer.tape_codec`): a minute of trading takes 30 bytes, a trade about
160, nearly all of it signature and wallet as text.
"""

from collections.abc import Sequence
from typing import Any

import redis
from attrs import define, field

from buffer.redis import RedisOffload
from buffer.redis.connection import RedisConnections
from buffer.redis.scripts import run_script
from buffer.tape import TapeBounds, TapeEntry
from buffer.tape_codec import (
    CANDLE,
    find_hour,
    fold_candles,
    pack_candle,
    pack_trade,
    unpack_candles,
    unpack_trades,
)
from domain.trading import Candle, TradeRecord
from domain.values import Mint

HOUR_SECONDS, DAY_HOURS = 3600, 24


@define(kw_only=True)
class RedisTape:
    """The `TradeTape` in a Redis server."""

    url: str = field(repr=False)
    timeout_seconds: float  # to connect, and for one call
    offload: RedisOffload
    bounds: TapeBounds
    _connections: RedisConnections = field(init=False)

    @_connections.default
    def _new_connections(self) -> RedisConnections:
        return RedisConnections(self.url, self.timeout_seconds)

    async def append_entries(self, entries: Sequence[TapeEntry]) -> None:
        if entries:
            await self.offload(self._append, entries)

    async def read_candles(self, mint: Mint, interval: str, limit: int) -> Sequence[Candle]:
        return await self.offload(self._read_candles, mint, interval, limit)

    async def read_trades(self, mint: Mint, limit: int) -> Sequence[TradeRecord]:
        return await self.offload(self._read_trades, mint, limit)

    async def close(self) -> None:
        self._connections.close()

    # Blocking from here on, in a worker thread.

    def _append(self, entries: Sequence[TapeEntry]) -> None:
        hours = self.bounds.candle_days * DAY_HOURS
        given: list[str | int | bytes] = [
            CANDLE.size,
            hours * HOUR_SECONDS,
            hours,
            self.bounds.trade_hours * HOUR_SECONDS,
            self.bounds.trades,
        ]
        keys: list[str] = []
        for entry in entries:
            keys += [_candles_key(entry.mint), _trades_key(entry.mint)]
            given.append(len(entry.candles))
            for candle in entry.candles:
                given += [find_hour(candle), pack_candle(candle)]
            given += [len(entry.trades), *map(pack_trade, entry.trades)]

        def run(client: redis.Redis) -> None:
            run_script(client, "tape", keys, given)

        self._connections.call(run)

    def _read_candles(self, mint: Mint, interval: str, limit: int) -> list[Candle]:
        def read(client: redis.Redis) -> Any:
            return client.hgetall(_candles_key(mint))

        hours: dict[bytes, bytes] = self._connections.call(read)
        known = {int(hour): record for hour, record in hours.items() if hour.isdigit()}
        return fold_candles(unpack_candles(known), interval, limit)

    def _read_trades(self, mint: Mint, limit: int) -> list[TradeRecord]:
        def read(client: redis.Redis) -> Any:
            return client.lrange(_trades_key(mint), 0, -1)

        records: list[bytes] = self._connections.call(read)
        return unpack_trades(records, limit)


def _candles_key(mint: Mint) -> str:
    return f"td:candles:{mint}"


def _trades_key(mint: Mint) -> str:
    return f"td:trades:{mint}"
