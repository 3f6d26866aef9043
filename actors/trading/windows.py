"""Sliding windows: what was traded within the last 5 minutes, hour, 6 hours and day.

A window is `STEPS` buckets of equal length; it slides by one bucket. So it tells of between 14/15
and all of its length, and a token that rests costs nothing once its last bucket has gone.

The steps of the longer windows are whole numbers of the shortest one. So the newest trades are
counted once, in an open bucket of the shortest step, which joins all windows when it is over.
"""

from collections.abc import Sequence

from attrs import Factory, define, field

from actors.trading.sketch import DistinctSketch, count_together
from domain.records import record
from domain.trading import WINDOW_SECONDS, Currency, WindowStatistics
from domain.values import Sol, UnixSeconds, Usd

STEPS = 15
SHORTEST_STEP_SECONDS = min(WINDOW_SECONDS.values()) // STEPS


@record
class Price:
    """What one token was worth."""

    amount: float
    currency: Currency


@record(kw_only=True)
class CountedTrade:
    """One trade as the windows and candles take it."""

    at: UnixSeconds
    is_buy: bool
    sol: Sol | None
    usd: Usd | None
    price: Price | None
    trader: int | None  # a hash


@define
class WindowBucket:
    """What was traded within one step of a window."""

    number: int  # steps since 1970
    volume_sol: float = 0.0
    volume_usd: float = 0.0
    buys: int = 0
    sells: int = 0
    opened: Price | None = None
    closed: Price | None = None
    first_at: float = 0.0
    last_at: float = 0.0
    lacks_sol: bool = False  # a trade's size is not known in SOL
    lacks_usd: bool = False
    traders: DistinctSketch = Factory(DistinctSketch)

    def add_trade(self, trade: CountedTrade) -> None:
        """Count a trade; those of one bucket may come in any order."""
        self.buys += trade.is_buy
        self.sells += not trade.is_buy
        self.volume_sol += trade.sol or 0.0
        self.volume_usd += trade.usd or 0.0
        self.lacks_sol |= trade.sol is None
        self.lacks_usd |= trade.usd is None
        if trade.trader is not None:
            self.traders.add_hash(trade.trader)
        if trade.price is not None:
            if self.opened is None or trade.at < self.first_at:
                self.opened, self.first_at = trade.price, trade.at
            if self.closed is None or trade.at >= self.last_at:
                self.closed, self.last_at = trade.price, trade.at

    def join_bucket(self, other: "WindowBucket") -> None:
        """Count all that the other has counted."""
        self.buys += other.buys
        self.sells += other.sells
        self.volume_sol += other.volume_sol
        self.volume_usd += other.volume_usd
        self.lacks_sol |= other.lacks_sol
        self.lacks_usd |= other.lacks_usd
        self.traders.merge_sketch(other.traders)
        if other.opened is not None and (self.opened is None or other.first_at < self.first_at):
            self.opened, self.first_at = other.opened, other.first_at
        if other.closed is not None and (self.closed is None or other.last_at >= self.last_at):
            self.closed, self.last_at = other.closed, other.last_at


@define
class TradingWindow:
    """The buckets of one window that hold a trade, oldest first."""

    seconds: int
    buckets: list[WindowBucket] = field(factory=list)  # an empty deque takes ten times the memory
    price_before: Price | None = None  # the last one before the oldest bucket

    @property
    def step_seconds(self) -> float:
        return self.seconds / STEPS

    def add_trade(self, trade: CountedTrade, now: float) -> None:
        """Count a trade; one that is older than the window is none of it."""
        step_seconds = self.seconds / STEPS
        newest = int(now // step_seconds)
        number = min(int(trade.at // step_seconds), newest)  # a clock may be ahead of ours
        if number > newest - STEPS:
            self._take_bucket(number).add_trade(trade)

    def join_bucket(self, bucket: WindowBucket) -> None:
        """Take in a bucket of the shortest step."""
        number = bucket.number * SHORTEST_STEP_SECONDS // (self.seconds // STEPS)
        self._take_bucket(number).join_bucket(bucket)

    def _take_bucket(self, number: int) -> WindowBucket:
        """The bucket of that number, which may be a new one."""
        buckets = self.buckets
        place = len(buckets)
        while place and buckets[place - 1].number > number:
            place -= 1
        if not place or buckets[place - 1].number != number:
            buckets.insert(place, WindowBucket(number))
            place += 1
        return buckets[place - 1]

    def drop_expired(self, now: float) -> bool:
        """Forget buckets that the window has left behind; True if there were any."""
        oldest = int(now // self.step_seconds) - STEPS + 1
        dropped = False
        while self.buckets and self.buckets[0].number < oldest:
            gone = self.buckets.pop(0)
            self.price_before = gone.closed or self.price_before
            dropped = True
        return dropped

    def next_expiry(self) -> float | None:
        """When the oldest bucket is left behind; None while there is none."""
        return (self.buckets[0].number + STEPS) * self.step_seconds if self.buckets else None

    def take_statistics(
        self, last: Price | None, opened: WindowBucket | None = None
    ) -> WindowStatistics:
        """What the window tells now; `last` is the token's last price.

        `opened` is the bucket that is still to join it, and not older than any of its own.
        """
        buckets = self.buckets if opened is None else [*self.buckets, opened]
        usd = sol = 0.0
        buys = sells = 0
        is_in_usd = is_in_sol = not buckets
        for bucket in buckets:
            usd += bucket.volume_usd
            sol += bucket.volume_sol
            buys += bucket.buys
            sells += bucket.sells
            is_in_usd |= not bucket.lacks_usd
            is_in_sol |= not bucket.lacks_sol
        return WindowStatistics(
            volume_usd=Usd(_round_volume(usd)) if is_in_usd else None,
            volume_sol=Sol(_round_volume(sol)) if is_in_sol else None,
            buys=buys,
            sells=sells,
            unique_traders=count_together([bucket.traders for bucket in buckets]),
            price_change=self._compare_price(buckets, last),
        )

    def _compare_price(self, buckets: Sequence[WindowBucket], last: Price | None) -> float | None:
        """Per cent from the window's begin to now; 0 where nothing was traded within it."""
        if not buckets:
            return None if last is None else 0.0
        first = self.price_before or buckets[0].opened
        if first is None or last is None or first.currency != last.currency or not first.amount:
            return None
        return round((last.amount / first.amount - 1) * 100, 2)


def _round_volume(volume: float) -> float:
    """The six digits that are kept of every number."""
    return float(f"{volume:.6g}")


def new_windows() -> tuple[TradingWindow, ...]:
    """One window for each name, in the order of `WINDOW_SECONDS`."""
    return tuple(TradingWindow(seconds) for seconds in WINDOW_SECONDS.values())
