"""Candles of one minute while they form; larger ones are made of them when they are read.

A candle is written to the tape again and again until its minute is over, each time as a whole.
Minutes stay open for `LATE_MINUTES` more, for trades that come late; a later trade still counts in
the windows, and is counted as late.
"""

from attrs import define, field

from actors.trading.windows import CountedTrade
from domain.trading import CANDLE_SECONDS, Candle, Currency
from domain.values import UnixSeconds

MINUTE_SECONDS = CANDLE_SECONDS["1m"]
LATE_MINUTES = 2


@define(kw_only=True)
class FormingCandle:
    """One minute of one token."""

    minute: int  # since 1970
    currency: Currency
    open: float
    high: float
    low: float
    close: float
    first_at: float
    last_at: float
    volume_usd: float = 0.0
    volume_sol: float = 0.0
    buys: int = 0
    sells: int = 0
    is_written: bool = False  # as it is now

    def add_trade(self, trade: CountedTrade) -> None:
        """Count a trade of this minute; they may come in any order."""
        self.is_written = False
        self.buys += trade.is_buy
        self.sells += not trade.is_buy
        self.volume_usd += trade.usd or 0.0
        self.volume_sol += trade.sol or 0.0
        price = trade.price
        if price is None or price.currency != self.currency:
            return
        self.high, self.low = max(self.high, price.amount), min(self.low, price.amount)
        if trade.at < self.first_at:
            self.open, self.first_at = price.amount, trade.at
        if trade.at >= self.last_at:
            self.close, self.last_at = price.amount, trade.at

    def to_candle(self) -> Candle:
        return Candle(
            opened_at=UnixSeconds(float(self.minute * MINUTE_SECONDS)),
            currency=self.currency,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume_usd=self.volume_usd,
            volume_sol=self.volume_sol,
            buys=self.buys,
            sells=self.sells,
        )


@define
class FormingCandles:
    """The open minutes of one token, oldest first."""

    candles: list[FormingCandle] = field(factory=list)

    def add_trade(self, trade: CountedTrade) -> bool:
        """Count a trade; False where its minute is closed, or nothing has been priced in it."""
        minute = int(trade.at // MINUTE_SECONDS)
        for candle in reversed(self.candles):
            if candle.minute == minute:
                candle.add_trade(trade)
                return True
        if self.candles and minute < self.candles[-1].minute - LATE_MINUTES:
            return False
        if trade.price is None:
            return False
        amount = trade.price.amount
        candle = FormingCandle(
            minute=minute,
            currency=trade.price.currency,
            open=amount,
            high=amount,
            low=amount,
            close=amount,
            first_at=trade.at,
            last_at=trade.at,
        )
        candle.add_trade(trade)
        self.candles.append(candle)
        self.candles.sort(key=lambda each: each.minute)
        return True

    def drop_closed(self, now: float) -> None:
        """Forget minutes that are over and written."""
        oldest = int(now // MINUTE_SECONDS) - LATE_MINUTES
        self.candles = [c for c in self.candles if c.minute >= oldest or not c.is_written]
