"""How the real market behaves, as numbers and as draws from distributions.

Source: recordings of 2024-2026 (PumpPortal, pump.fun, DexScreener). Each draw names what it
reproduces; tests/unit/commands/test_market_model.py holds them to it.
"""

from bisect import bisect
from math import exp, log
from random import Random

from attrs import frozen

DAY_SECONDS = 86_400.0

# Quantiles of sizes, in SOL; between them we interpolate.
DEV_BUY_SOL = (
    (0.10, 0.0), (0.25, 0.01), (0.50, 0.2), (0.75, 1.47), (0.90, 4.94), (0.95, 5.0), (0.99, 9.9),
)  # fmt: skip
TRADE_SOL = ((0.10, 0.003), (0.25, 0.011), (0.50, 0.22), (0.75, 0.96), (0.90, 1.24), (1.0, 4.0))

# Gaps between creates: a burst, or a more regular wait. Coefficient of variation 1.26 and
# median 0.42 of the mean, as recorded (0.9-1.3 and 1.1 s of 2.7 s).
BURST_SHARE = 0.45
BURST_OF_MEAN = 0.15
WAIT_OF_MEAN = (1 - BURST_SHARE * BURST_OF_MEAN) / (1 - BURST_SHARE)
WAIT_SHAPE = 1.6

# Trades a token: by rank n^-0.9, so with a tail u^-0.9; 85 on average.
TRADES_TAIL = 0.9
TRADES_SCALE = 16.6
TRADES_LIMIT = 5_000

GRADUATING_SHARE = 0.02  # recorded: 0.006-0.035 of creates
GRADUATION_MEDIAN_SECONDS = 264.0  # 4.4 minutes
GRADUATION_SIGMA = 1.1
INSTANT_SHARE = 0.04  # of graduations: the creator buys the whole curve
INSTANT_SECONDS = 0.08
STALLING_SHARE = 0.02  # comes close to the end of the curve, and no further
LEAST_TRADES_TO_GRADUATE = 150
WASHED_TRADES = 400
WASHED_SECONDS = 3600.0
CIRCLE_WALLETS = 3
CIRCLE_SHARE = 0.9  # of a washed coin's trades that its circle makes
CIRCLE_SOL = (0.8, 3.0)  # size of its buys
ROUND_TRIP_SHARE = 0.1  # of them that are sold again in the same transaction
BUNDLED_SHARE = 0.01  # of buys that share their transaction with another wallet's
FIRST_DAY_SHARE = 0.69  # of coins that see their last trade on their first day


@frozen(kw_only=True)
class Calibration:
    """The market's rates; the defaults are the recorded ones."""

    creates_per_minute: float = 28.0  # recorded: 22-38
    trade_share: float = 1.0  # of the trades; less makes long simulations affordable
    pool_trades_per_second_each: float = 0.5
    pool_trades_per_second: float = 244.0  # of all pools together, at most
    raydium_pools_per_minute: float = 1.0
    copied_name_share: float = 0.29  # gives 54 % that share their name within nine minutes
    bonk_share: float = 0.04
    mayhem_share: float = 0.03
    dollar_share: float = 0.10  # of pump.fun coins, paired with USDC
    dollar_bonk_share: float = 0.30  # of LaunchLab coins, paired with USD1
    washed_share: float = 0.015  # traded in circles by a few wallets
    swap_pools_per_minute: float = 0.3  # opened by users on PumpSwap
    plain_mint_share: float = 0.10  # without the launch pad's suffix; recorded: 6-18 %
    tokens_kept: int = 20_000  # the oldest are forgotten beyond


@frozen(kw_only=True)
class Fate:
    """What will become of a token; drawn at birth, kept to by its trades."""

    dev_buy_sol: float
    peak_sol: float  # raised by the curve at most; the whole curve if it graduates
    peak_after_seconds: float
    lifetime_seconds: float  # on the curve: until the last trade or the migration
    trades: int
    shape: float  # trades fall at lifetime * (k / trades) ** shape: above 1 they come early
    graduates: bool = False

    def target_sol(self, age_seconds: float) -> float:
        """Where the curve should be at this age: up to the peak, then half-way down."""
        if age_seconds <= self.peak_after_seconds:
            return self.peak_sol * age_seconds / self.peak_after_seconds
        falling = self.lifetime_seconds - self.peak_after_seconds
        passed = (age_seconds - self.peak_after_seconds) / max(falling, 1.0)
        return self.peak_sol * max(1.0 - 0.6 * passed, 0.4)

    def trade_at(self, number: int, jitter: float) -> float:
        """Age in seconds at the trade of this number, counted from 0."""
        passed = min((number + jitter) / self.trades, 1.0)
        return self.lifetime_seconds * float(passed**self.shape)


def quantile_draw(quantiles: tuple[tuple[float, float], ...], random: Random) -> float:
    """A value whose distribution has these quantiles; the last one is the greatest value."""
    position = random.random()
    places = [share for share, _ in quantiles]
    index = bisect(places, position)
    if index == 0:
        return quantiles[0][1]
    if index == len(quantiles):
        return quantiles[-1][1]
    (low, smaller), (high, greater) = quantiles[index - 1], quantiles[index]
    return smaller + (greater - smaller) * (position - low) / (high - low)


def create_gap_seconds(creates_per_minute: float, random: Random) -> float:
    """From one create to the next: bursty, with the given mean rate."""
    mean = 60.0 / creates_per_minute
    if random.random() < BURST_SHARE:
        return random.expovariate(1 / (mean * BURST_OF_MEAN))
    return random.gammavariate(WAIT_SHAPE, mean * WAIT_OF_MEAN / WAIT_SHAPE)


def trades_of_token(random: Random) -> int:
    """Zipf by rank with exponent 0.9; the limit keeps one token from being the market."""
    drawn = TRADES_SCALE * (1.0 - random.random()) ** -TRADES_TAIL
    return min(int(drawn), TRADES_LIMIT)


def fate(whole_curve_sol: float, calibration: Calibration, random: Random) -> Fate:
    """Draw what will become of a new token."""
    kind = random.random()
    trades = max(1, round(trades_of_token(random) * calibration.trade_share))
    dev_buy = quantile_draw(DEV_BUY_SOL, random)
    if kind < GRADUATING_SHARE:
        return _graduating(whole_curve_sol, max(trades, _enough(calibration)), dev_buy, random)
    if kind < GRADUATING_SHARE + STALLING_SHARE:
        return _stalling(max(trades, _enough(calibration)), dev_buy, random)
    lifetime = lifetime_seconds(random)
    return Fate(
        dev_buy_sol=dev_buy,
        peak_sol=max(min(random.lognormvariate(log(1.5), 1.2), 40.0), dev_buy),
        peak_after_seconds=lifetime * random.uniform(0.01, 0.3) + 1.0,
        lifetime_seconds=lifetime,
        trades=trades,
        shape=3.0,
    )


def _enough(calibration: Calibration) -> int:
    return max(12, round(LEAST_TRADES_TO_GRADUATE * calibration.trade_share))


def _graduating(whole_curve_sol: float, trades: int, dev_buy_sol: float, random: Random) -> Fate:
    instant = random.random() < INSTANT_SHARE
    seconds = max(random.lognormvariate(log(GRADUATION_MEDIAN_SECONDS), GRADUATION_SIGMA), 2.0)
    return Fate(
        dev_buy_sol=whole_curve_sol if instant else dev_buy_sol,
        peak_sol=whole_curve_sol,
        peak_after_seconds=INSTANT_SECONDS if instant else seconds,
        lifetime_seconds=INSTANT_SECONDS if instant else seconds,
        trades=1 if instant else trades,
        shape=1.0,
        graduates=True,
    )


def _stalling(trades: int, dev_buy_sol: float, random: Random) -> Fate:
    rise = random.lognormvariate(log(GRADUATION_MEDIAN_SECONDS), GRADUATION_SIGMA) + 10.0
    return Fate(
        dev_buy_sol=dev_buy_sol,
        peak_sol=random.uniform(46.0, 78.0),  # 82 to 97 % of the tokens
        peak_after_seconds=rise,
        lifetime_seconds=rise * random.uniform(4.0, 12.0),
        trades=trades,
        shape=1.5,
    )


def washed_fate(calibration: Calibration, random: Random) -> Fate:
    """Many trades in a small range, for about an hour."""
    return Fate(
        dev_buy_sol=quantile_draw(DEV_BUY_SOL, random),
        peak_sol=random.uniform(3.0, 12.0),
        peak_after_seconds=60.0,
        lifetime_seconds=WASHED_SECONDS * random.uniform(0.5, 1.5),
        trades=max(12, round(WASHED_TRADES * calibration.trade_share)),
        shape=1.2,
    )


def lifetime_seconds(random: Random) -> float:
    """Until the last trade: most coins die within minutes, 31 % live on for days."""
    if random.random() < FIRST_DAY_SHARE:
        return min(random.lognormvariate(log(600.0), 1.8) + 5.0, DAY_SECONDS * 0.99)
    return DAY_SECONDS * exp(random.uniform(0.01, log(14.0)))
