"""One token's trading, and all of them: what a trade changes, and what there is to write and show.

TradeSeen -> TradingBook.count_trade -> windows, candles, traders, the last trades
"""

from attrs import Factory, define, field

from actors.trading.candles import FormingCandles
from actors.trading.sketch import hash_trader
from actors.trading.wash import TraderBook
from actors.trading.windows import (
    SHORTEST_STEP_SECONDS,
    STEPS,
    CountedTrade,
    Price,
    TradingWindow,
    WindowBucket,
    new_windows,
)
from domain.messages import TradeSeen, WindowsQuoted
from domain.records import record
from domain.trading import COUNTED, WINDOW_SECONDS, TokenStatistics, TradeRecord, WindowStatistics
from domain.values import UnixSeconds, Usd

STATED_SUPPLY = 1e9  # of a trade's market cap, see TradeSeen
SMALLEST_TRADE_SOL = 0.001  # what a trade of unknown size counts for its trader


@define
class TradingBook:
    """What is kept of one token that is being traded."""

    windows: tuple[TradingWindow, ...] = Factory(new_windows)  # the shortest first
    opened: WindowBucket | None = None  # of the newest step, still to join the windows
    candles: FormingCandles = Factory(FormingCandles)
    traders: TraderBook = Factory(TraderBook)
    unwritten: list[TradeRecord] = field(factory=list)  # oldest first
    last_price: Price | None = None
    last_at: float = 0.0
    trades_told: int = 0  # since the 24 h figures were last sent
    expires_at: float = 0.0  # when its windows slide next, as was noted; 0: that is to be noted

    @property
    def has_unwritten(self) -> bool:
        """True when the tape lacks a trade or a candle of it."""
        return bool(self.unwritten) or any(not each.is_written for each in self.candles.candles)

    @property
    def is_resting(self) -> bool:
        """True when nothing of it is left to be shown or written."""
        return not (
            self.unwritten
            or self.candles.candles
            or self.opened is not None
            or any(window.buckets for window in self.windows)
        )

    def count_trade(self, trade: TradeSeen, now: UnixSeconds, wash_share: float) -> float:
        """Count a trade; the SOL that it counts for the token's score."""
        at = UnixSeconds(min(trade.at or trade.seen_at, now))
        trader = None if trade.trader is None else hash_trader(trade.trader)
        price = read_price(trade)
        counted = CountedTrade(
            at=at,
            is_buy=trade.side == "buy",
            sol=trade.sol,
            usd=trade.usd,
            price=price,
            trader=trader,
        )
        self._count_in_windows(counted, now)
        self.candles.add_trade(counted)
        self.unwritten.append(record_trade(trade, at, price))
        self.trades_told += 1
        if price is not None and at >= self.last_at:
            self.last_price, self.last_at = price, at
        sol = SMALLEST_TRADE_SOL if trade.sol is None else trade.sol
        if trader is None:
            return sol
        is_repeated = self.traders.is_repeated(trader, wash_share)
        self.traders.add_trade(trader, sol, now, is_buy=counted.is_buy)
        return 0.0 if is_repeated else sol

    def _count_in_windows(self, trade: CountedTrade, now: UnixSeconds) -> None:
        """Count a trade in the open bucket; a late one of an earlier step in each window."""
        number = int(trade.at // SHORTEST_STEP_SECONDS)
        expires_at = _find_expiry(number)
        if self.opened is None or number > self.opened.number:
            self._open_bucket(number, now)
        if self.opened is not None and number == self.opened.number and expires_at > now:
            self.opened.add_trade(trade)
        else:
            for window in self.windows:
                window.add_trade(trade, now)
        if self.expires_at > expires_at:  # a window that was empty slides earlier
            self.expires_at = 0.0

    def _open_bucket(self, number: int, now: UnixSeconds) -> None:
        """Begin a bucket, unless the step is over or was begun before."""
        self._close_bucket()
        known = self.windows[0].buckets
        is_newest = not known or number > known[-1].number
        if is_newest and _find_expiry(number) > now:
            self.opened = WindowBucket(number)

    def _close_bucket(self) -> None:
        """The open bucket joins the windows."""
        if self.opened is not None:
            for window in self.windows:
                window.join_bucket(self.opened)
            self.opened = None

    def drop_expired(self, now: UnixSeconds) -> bool:
        """Let the windows slide; True if that changes what they tell."""
        self.candles.drop_closed(now)
        self.traders.turn_generation(now)
        if self.opened is not None and self.opened.number < int(now // SHORTEST_STEP_SECONDS):
            self._close_bucket()
        dropped = [window.drop_expired(now) for window in self.windows]  # each of them
        return any(dropped)

    def next_expiry(self) -> float | None:
        """When a window next leaves a bucket behind."""
        expiries = [e for window in self.windows if (e := window.next_expiry()) is not None]
        if self.opened is not None:
            expiries.append(_find_expiry(self.opened.number))
        return min(expiries, default=None)


def _find_expiry(number: int) -> float:
    """When the shortest window leaves a bucket of that number behind; the others do so later."""
    return float((number + STEPS) * SHORTEST_STEP_SECONDS)


RESTING = TradingBook()  # of a token that is not being traded; nothing is counted in it


@record(kw_only=True)
class StatisticsRequest:
    """What a token's statistics are made of."""

    book: TradingBook | None  # None: it is not being traded
    quoted: WindowsQuoted | None
    covered_since: UnixSeconds | None
    holders: int | None
    born_at: UnixSeconds | None
    now: UnixSeconds

    def is_covered(self, seconds: int) -> bool:
        """True when every trade in a window was counted: since it began, or since the birth."""
        since = self.covered_since
        if since is None:
            return False
        is_born_later = self.born_at is not None and self.born_at >= since
        return is_born_later or since <= self.now - seconds


def take_statistics(asked: StatisticsRequest) -> TokenStatistics:
    """What is known of a token's trading: counted windows where they are covered, else quoted."""
    book, quoted = asked.book or RESTING, asked.quoted
    windows: dict[str, WindowStatistics] = {}
    sources: dict[str, str] = {}
    for name, window in zip(WINDOW_SECONDS, book.windows, strict=True):
        if asked.is_covered(window.seconds):
            windows[name] = window.take_statistics(book.last_price, book.opened)
            sources[name] = COUNTED
        elif quoted is not None and name in quoted.windows:
            windows[name], sources[name] = quoted.windows[name], quoted.source
    return TokenStatistics(
        observed_at=asked.now,
        windows=windows,
        sources=sources,
        wash_score=None if asked.book is None else asked.book.traders.score_wash(asked.holders),
        covered_since=asked.covered_since,
    )


def read_price(trade: TradeSeen) -> Price | None:
    """A token's price in dollars, else in SOL: from the cap after the trade, else from its size."""
    if trade.market_cap_usd:
        return Price(trade.market_cap_usd / STATED_SUPPLY, "usd")
    sol_price = None
    if trade.market_cap_sol:
        sol_price = trade.market_cap_sol / STATED_SUPPLY
    elif trade.sol and trade.tokens:
        sol_price = trade.sol / trade.tokens
    if sol_price is None:
        return Price(trade.usd / trade.tokens, "usd") if trade.usd and trade.tokens else None
    if trade.usd and trade.sol:  # which imply the worth of SOL
        return Price(sol_price * trade.usd / trade.sol, "usd")
    return Price(sol_price, "sol")


def record_trade(trade: TradeSeen, at: UnixSeconds, price: Price | None) -> TradeRecord:
    in_dollars = price is not None and price.currency == "usd"
    return TradeRecord(
        at=at,
        side=trade.side,
        signature=trade.signature,
        trader=trade.trader,
        tokens=trade.tokens,
        sol=trade.sol,
        usd=trade.usd,
        price_usd=Usd(price.amount) if price is not None and in_dollars else None,
    )
