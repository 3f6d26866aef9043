"""The in-memory twin of the tape: the same records under the same bounds, without lifetimes."""

from collections.abc import Sequence

from attrs import define, field

from buffer.tape import TapeBounds, TapeEntry
from buffer.tape_codec import (
    find_hour,
    fold_candles,
    pack_candle,
    pack_trade,
    unpack_candles,
    unpack_trades,
)
from domain.errors import BufferUnavailable
from domain.trading import Candle, TradeRecord
from domain.values import Mint


@define
class MemoryTape:
    """A `TradeTape` that ends with the process."""

    bounds: TapeBounds
    is_away: bool = False  # then every call fails
    # By token and hour, then by time.
    candles: dict[Mint, dict[int, dict[float, bytes]]] = field(factory=dict, init=False)
    trades: dict[Mint, list[bytes]] = field(factory=dict, init=False)

    async def append_entries(self, entries: Sequence[TapeEntry]) -> None:
        self._require_presence()
        for entry in entries:
            hours = self.candles.setdefault(entry.mint, {})
            for each in entry.candles:
                hours.setdefault(find_hour(each), {})[each.opened_at] = pack_candle(each)
            kept = [*self.trades.get(entry.mint, []), *map(pack_trade, entry.trades)]
            self.trades[entry.mint] = kept[-self.bounds.trades :]

    async def read_candles(self, mint: Mint, interval: str, limit: int) -> Sequence[Candle]:
        self._require_presence()
        hours = self.candles.get(mint, {}).items()
        minutes = unpack_candles({hour: b"".join(each.values()) for hour, each in hours})
        return fold_candles(minutes, interval, limit)

    async def read_trades(self, mint: Mint, limit: int) -> Sequence[TradeRecord]:
        self._require_presence()
        return unpack_trades(self.trades.get(mint, []), limit)

    async def close(self) -> None:
        """There is nothing to disconnect."""

    def _require_presence(self) -> None:
        if self.is_away:
            raise BufferUnavailable("the tape is away")
