"""The market itself, pure: the same seed and calibration give the same events.

    Market(seed, calibration).advance(seconds) -> Created, Traded, Migrated, PoolOpened

Time is the market's own, in seconds from 0; whoever drives it decides how fast that passes.
A token's fate is drawn at birth, and its trades keep to it on a true constant-product curve,
so that graduations come out as calibrated while every frame adds up.
"""

import heapq
from bisect import bisect
from collections import deque
from itertools import accumulate, count
from random import Random
from typing import Literal

from attrs import Factory, define, field, frozen

from commands.market import calibration as draws
from commands.market.calibration import Calibration
from commands.market.curve import (
    POOL_SOL_AT_MIGRATION,
    POOL_TOKENS_AT_MIGRATION,
    Reserves,
    sol_to_completion,
)
from commands.market.keys import mint_ending_in
from commands.market.names import coin_name, symbol_of
from commands.market.token import MarketToken, Venue
from domain.values import Mint

Side = Literal["buy", "sell"]
NAME_MEMORY_SECONDS = 300.0
CREATORS = 5_000
POOLS_TRADED = 500  # the newest; older ones rest
MIGRATION_SECONDS = 0.08  # from the complete curve to the pool
CLOSED_SHARE = 0.6  # of sales: everything the owner has


@frozen(kw_only=True)
class Created:
    token: MarketToken
    at: float
    buy_sol: float
    buy_tokens: float
    tokens: float  # reserves after the creator's own buy
    sol: float


@frozen(kw_only=True)
class Traded:
    token: MarketToken
    at: float
    side: Side
    trader: int
    trade_sol: float
    trade_tokens: float
    balance: float  # the trader's tokens afterwards
    tokens: float  # reserves afterwards
    sol: float
    in_pool: bool


@frozen(kw_only=True)
class Migrated:
    token: MarketToken
    at: float


@frozen(kw_only=True)
class PoolOpened:
    """A user opened a pool on Raydium for a token that no launch pad announced."""

    token: MarketToken
    at: float


Event = Created | Traded | Migrated | PoolOpened


@define
class Market:
    """All tokens, and what happens next."""

    seed: int = 1
    calibration: Calibration = Factory(Calibration)
    now: float = 0.0
    tokens: dict[Mint, MarketToken] = field(factory=dict, repr=False)
    random: Random = field(init=False, repr=False)
    # What happens next: (time, sequence number, token or None for what is the market's own).
    agenda: list[tuple[float, int, str, MarketToken | None]] = field(factory=list, repr=False)
    sequence: "count[int]" = field(factory=count, repr=False)
    recent_names: deque[tuple[float, str, str]] = field(factory=deque, repr=False)
    pools: list[MarketToken] = field(factory=list, repr=False)
    pool_weights: list[float] = field(factory=list, repr=False)

    def __attrs_post_init__(self) -> None:
        self.random = Random(self.seed)
        self._plan(0.5, "create", None)
        self._plan(1.0, "pool_trade", None)
        if self.calibration.raydium_pools_per_minute > 0:
            self._plan(self._raydium_gap(), "raydium", None)

    def advance(self, until: float) -> list[Event]:
        """Everything that happens up to then, in order."""
        events: list[Event] = []
        while self.agenda and self.agenda[0][0] <= until:
            self.now, _, kind, token = heapq.heappop(self.agenda)
            if kind == "create":
                self._create(events)
            elif kind == "pool_trade":
                self._pool_trade(events)
            elif kind == "raydium":
                self._open_raydium_pool(events)
            elif token is not None and kind == "trade":
                self._curve_trade(token, events)
            elif token is not None and kind == "migrate":
                self._migrate(token, events)
        self.now = max(self.now, until)
        return events

    # Births.

    def _create(self, events: list[Event]) -> None:
        gap = draws.create_gap_seconds(self.calibration.creates_per_minute, self.random)
        self._plan(gap, "create", None)
        token = self._new_token(self._launch_pad())
        curve = token.reserves
        sol = min(token.fate.dev_buy_sol, sol_to_completion(curve))
        bought = curve.buy(sol)
        if sol > 0:
            token.credit(token.creator, bought)
            token.note(self.now, "buy", sol, token.creator)
        created = Created(
            token=token,
            at=self.now,
            buy_sol=sol,
            buy_tokens=bought,
            tokens=curve.tokens,
            sol=curve.sol,
        )
        events.append(created)
        self._after_curve_trade(token)

    def _launch_pad(self) -> Venue:
        return "bonk" if self.random.random() < self.calibration.bonk_share else "pump"

    def _new_token(self, venue: Venue) -> MarketToken:
        random = self.random
        name, symbol = self._name()
        plain = random.random() < self.calibration.plain_mint_share or venue == "raydium"
        token = MarketToken(
            mint=mint_ending_in("" if plain else venue, random),
            number=next(self.sequence),
            name=name,
            symbol=symbol,
            venue=venue,
            mayhem=venue == "pump" and random.random() < self.calibration.mayhem_share,
            born_at=self.now,
            creator=int(CREATORS * random.random() ** 2),  # some create far more than others
            fate=draws.fate(sol_to_completion(Reserves()), self.calibration, random),
        )
        self.tokens[token.mint] = token
        if len(self.tokens) > self.calibration.tokens_kept:
            self.tokens.pop(next(iter(self.tokens))).forget_trades()
        return token

    def _name(self) -> tuple[str, str]:
        while self.recent_names and self.recent_names[0][0] < self.now - NAME_MEMORY_SECONDS:
            self.recent_names.popleft()
        if self.recent_names and self.random.random() < self.calibration.copied_name_share:
            _, name, symbol = self.random.choice(self.recent_names)
        else:
            name = coin_name(self.random)
            symbol = symbol_of(name, self.random)
        self.recent_names.append((self.now, name, symbol))
        return name, symbol

    # Trades on the curve.

    def _curve_trade(self, token: MarketToken, events: list[Event]) -> None:
        if token.completed_at is not None or token.mint not in self.tokens:
            return
        gap = token.fate.target_sol(self.now - token.born_at) - (token.reserves.sol - 30.0)
        size = draws.quantile_draw(draws.TRADE_SOL, self.random)
        last = token.fate.graduates and token.traded >= token.fate.trades
        if last:
            self._buy(token, sol_to_completion(token.reserves), events)
        elif gap > 0:
            # Behind its fate: buys lead, and larger ones the further it is behind.
            if token.owners and self.random.random() < 0.3:
                self._sell(token, min(size, gap), events)
            else:
                self._buy(token, max(size, gap * self.random.uniform(0.1, 0.6)), events)
        elif token.owners and self.random.random() < 0.65:
            self._sell(token, size, events)
        else:
            self._buy(token, size, events)
        self._after_curve_trade(token)

    def _after_curve_trade(self, token: MarketToken) -> None:
        """Plan what comes next: the migration, another trade, or nothing."""
        fate, age = token.fate, self.now - token.born_at
        if sol_to_completion(token.reserves) < 1e-6:
            token.completed_at = self.now
            self._plan(MIGRATION_SECONDS, "migrate", token)
        elif token.traded < fate.trades or fate.graduates:
            at = fate.trade_at(token.traded, self.random.random())
            self._plan(max(at - age, 0.01), "trade", token)

    def _migrate(self, token: MarketToken, events: list[Event]) -> None:
        token.reserves = Reserves(POOL_TOKENS_AT_MIGRATION, POOL_SOL_AT_MIGRATION)
        self._list_pool(token)
        events.append(Migrated(token=token, at=self.now))

    # Pools.

    def _open_raydium_pool(self, events: list[Event]) -> None:
        self._plan(self._raydium_gap(), "raydium", None)
        token = self._new_token("raydium")
        token.reserves = Reserves(
            self.random.uniform(0.5, 1.0) * 1e9, self.random.uniform(5.0, 120.0)
        )
        self._list_pool(token)
        events.append(PoolOpened(token=token, at=self.now))

    def _raydium_gap(self) -> float:
        return self.random.expovariate(self.calibration.raydium_pools_per_minute / 60.0)

    def _list_pool(self, token: MarketToken) -> None:
        token.pool_opened_at = self.now
        token.activity = min((1.0 - self.random.random()) ** -draws.TRADES_TAIL, 50.0)
        self.pools = [*self.pools, token][-POOLS_TRADED:]
        self.pool_weights = list(accumulate(pool.activity for pool in self.pools))

    def _pool_trade(self, events: list[Event]) -> None:
        """One trade in one of the pools, the busy ones more often (Zipf)."""
        rates = self.calibration
        rate = min(
            rates.pool_trades_per_second_each * len(self.pools), rates.pool_trades_per_second
        )
        self._plan(self.random.expovariate(max(rate * rates.trade_share, 0.1)), "pool_trade", None)
        if not self.pools:
            return
        pick = bisect(self.pool_weights, self.random.random() * self.pool_weights[-1])
        token = self.pools[min(pick, len(self.pools) - 1)]
        size = draws.quantile_draw(draws.TRADE_SOL, self.random)
        if token.owners and self.random.random() < 0.5:
            self._sell(token, size, events)
        else:
            self._buy(token, size, events)

    # What any trade does.

    def _buy(self, token: MarketToken, sol: float, events: list[Event]) -> None:
        if not token.in_pool:
            whole = sol_to_completion(token.reserves)
            # Only a graduating token may complete its curve.
            sol = min(sol, whole if token.fate.graduates else whole * 0.5)
        wallet = token.buyer(self.random)
        tokens = token.reserves.buy(sol)
        balance = token.credit(wallet, tokens)
        self._traded(token, "buy", (wallet, sol, tokens, balance), events)

    def _sell(self, token: MarketToken, sol: float, events: list[Event]) -> None:
        position = self.random.randrange(len(token.owners))
        wallet = token.owners[position]
        wanted = token.reserves.tokens_for(sol)
        owned = token.balances[wallet]
        closes = self.random.random() < CLOSED_SHARE and owned < wanted * 3
        tokens = owned if closes else min(owned, wanted)
        got = token.reserves.sell(tokens)
        balance = token.debit(position, tokens)
        self._traded(token, "sell", (wallet, got, tokens, balance), events)

    def _traded(
        self,
        token: MarketToken,
        side: Side,
        trade: tuple[int, float, float, float],
        events: list[Event],
    ) -> None:
        wallet, sol, tokens, balance = trade
        token.note(self.now, side, sol, wallet)
        event = Traded(
            token=token,
            at=self.now,
            side=side,
            trader=wallet,
            trade_sol=sol,
            trade_tokens=tokens,
            balance=balance,
            tokens=token.reserves.tokens,
            sol=token.reserves.sol,
            in_pool=token.in_pool,
        )
        events.append(event)

    def _plan(self, after: float, kind: str, token: MarketToken | None) -> None:
        heapq.heappush(self.agenda, (self.now + after, next(self.sequence), kind, token))
