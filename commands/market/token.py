"""A token of the simulated market: its reserves, its owners, and its trades by the minute."""

from collections import deque
from random import Random
from typing import Literal

from attrs import Factory, define

from commands.market.calibration import Fate
from commands.market.curve import Reserves
from commands.market.pairs import SOL, QuoteToken
from domain.values import Mint

Venue = Literal["pump", "bonk", "raydium", "pump-amm"]  # the last two: a pool without a curve
MINUTES_KEPT = 24 * 60
WALLETS = 200_000
WALLET_SKEW = 4.0  # a thousandth of the wallets makes a sixth of the trades
DUST_TOKENS = 1e-6


@define
class Minute:
    """What was traded in one minute."""

    number: int
    opening_price_sol: float
    opening_holders: int
    buys: int = 0
    sells: int = 0
    volume_sol: float = 0.0


@define(kw_only=True, eq=False)
class MarketToken:
    """One coin; `reserves` are the curve's until it migrates, then the pool's."""

    mint: Mint
    number: int
    name: str
    symbol: str
    uri: str  # of its metadata
    venue: Venue
    mayhem: bool
    born_at: float
    creator: int
    fate: Fate
    pair: QuoteToken = SOL
    circle: tuple[int, ...] = ()  # wallets that trade it among themselves
    reserves: Reserves = Factory(Reserves)
    traded: int = 0
    completed_at: float | None = None
    pool_opened_at: float | None = None
    activity: float = 0.0  # weight among pools
    owners: list[int] = Factory(list)
    balances: dict[int, float] = Factory(dict)
    minutes: deque[Minute] = Factory(lambda: deque(maxlen=MINUTES_KEPT))
    traders: set[int] = Factory(set)
    last_trade_at: float | None = None

    @property
    def in_pool(self) -> bool:
        return self.pool_opened_at is not None

    @property
    def supply(self) -> float:
        return 2e9 if self.mayhem else 1e9

    @property
    def image_url(self) -> str:
        """Beside its metadata, on the same server."""
        return self.uri.replace("/metadata/", "/images/").removesuffix(".json")

    @property
    def is_token_2022(self) -> bool:
        """`create_v2` makes Token-2022 mints; one in ten pump.fun coins still comes without it."""
        return self.venue == "pump" and self.number % 10 != 0

    @property
    def has_free_authorities(self) -> bool:
        """Whether its creator can still mint and freeze: never so on a launch pad."""
        return self.venue in ("raydium", "pump-amm") and self.number % 5 < 2

    def note(self, at: float, side: Literal["buy", "sell"], sol: float, wallet: int) -> None:
        """Count a trade."""
        minute = int(at // 60)
        if not self.minutes or self.minutes[-1].number != minute:
            self.minutes.append(Minute(minute, self.reserves.price_sol, len(self.owners)))
        current = self.minutes[-1]
        current.volume_sol += sol
        if side == "buy":
            current.buys += 1
        else:
            current.sells += 1
        self.traders.add(wallet)
        self.last_trade_at = at
        self.traded += 1

    def buyer(self, random: Random) -> int:
        """Mostly somebody new to it; some wallets trade far more than others."""
        if self.owners and random.random() < 0.25:
            return random.choice(self.owners)
        return int(WALLETS * random.random() ** WALLET_SKEW)

    def credit(self, wallet: int, tokens: float) -> float:
        """Give tokens to a wallet; what it then has."""
        if wallet not in self.balances:
            self.owners.append(wallet)
            self.balances[wallet] = 0.0
        self.balances[wallet] += tokens
        return self.balances[wallet]

    def debit(self, position: int, tokens: float) -> float:
        """Take tokens from the owner at `position`; what is left."""
        wallet = self.owners[position]
        left = self.balances[wallet] - tokens
        if left > DUST_TOKENS:
            self.balances[wallet] = left
            return left
        del self.balances[wallet]
        self.owners[position] = self.owners[-1]
        self.owners.pop()
        return 0.0

    def forget_trades(self) -> None:
        """Give the memory back; the market may still hold the token itself for a while."""
        self.owners.clear()
        self.balances.clear()
        self.minutes.clear()
        self.traders.clear()
