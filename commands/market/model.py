"""The market itself, pure: the same seed and calibration give the same events.

    Market(seed, calibration).advance(seconds) -> Created, Traded, Migrated, PoolOpened

Time is the market's own, in seconds from 0; whoever drives it decides how fast that passes.
A token's fate is drawn at birth, and its trades keep to it on a true constant-product curve,
so that graduations come out as calibrated while every frame adds up.
"""

import heapq
from bisect import bisect
from collections import Counter
from itertools import accumulate, count
from random import Random

from attrs import Factory, define, field

from commands.market import calibration as draws
from commands.market.births import Births
from commands.market.calibration import Calibration
from commands.market.curve import (
    POOL_SOL_AT_MIGRATION,
    POOL_TOKENS_AT_MIGRATION,
    Reserves,
    sol_to_completion,
)
from commands.market.events import Created, Event, Migrated, PoolOpened, Side, Traded
from commands.market.token import MarketToken, Venue
from domain.values import Mint

TRANSACTIONS_A_SEED = 2**40  # so that no two markets share a signature
POOLS_TRADED = 500  # the newest; older ones rest
MIGRATION_SECONDS = 0.08  # from the complete curve to the pool
CLOSED_SHARE = 0.6  # of sales: everything the owner has


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
    transaction: int = 0
    launched: Counter[int] = field(factory=Counter, repr=False)  # tokens by creator
    graduated: Counter[int] = field(factory=Counter, repr=False)
    births: Births = field(init=False, repr=False)
    pools: list[MarketToken] = field(factory=list, repr=False)
    pool_weights: list[float] = field(factory=list, repr=False)

    def __attrs_post_init__(self) -> None:
        self.random = Random(self.seed)
        self.births = Births(self.calibration, self.random)
        self.transaction = self.seed * TRANSACTIONS_A_SEED
        self._plan(0.5, "create", None)
        self._plan(1.0, "pool_trade", None)
        self._plan_pool("raydium", self.calibration.raydium_pools_per_minute)
        self._plan_pool("pump-amm", self.calibration.swap_pools_per_minute)

    @property
    def next_at(self) -> float:
        """When the next thing happens; births never end."""
        return self.agenda[0][0]

    def advance(self, until: float) -> list[Event]:
        """Everything that happens up to then, in order."""
        events: list[Event] = []
        while self.agenda and self.agenda[0][0] <= until:
            self.now, _, kind, token = heapq.heappop(self.agenda)
            self.transaction += 1
            if kind == "create":
                self._create(events)
            elif kind == "pool_trade":
                self._pool_trade(events)
            elif kind == "raydium":
                self._open_pool("raydium", self.calibration.raydium_pools_per_minute, events)
            elif kind == "pump-amm":
                self._open_pool("pump-amm", self.calibration.swap_pools_per_minute, events)
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
        token = self._new_token(self.births.launch_pad())
        curve = token.reserves
        sol = min(token.fate.dev_buy_sol, sol_to_completion(curve))
        bought = curve.buy(sol)
        if sol > 0:
            token.credit(token.creator, bought)
            token.note(self.now, "buy", sol, token.creator)
        created = Created(
            token=token,
            at=self.now,
            transaction=self.transaction,
            buy_sol=sol,
            buy_tokens=bought,
            tokens=curve.tokens,
            sol=curve.sol,
        )
        events.append(created)
        self._after_curve_trade(token)

    def _new_token(self, venue: Venue) -> MarketToken:
        token = self.births.new_token(venue, next(self.sequence), self.now)
        self.tokens[token.mint] = token
        self.launched[token.creator] += 1
        if len(self.tokens) > self.calibration.tokens_kept:
            self.tokens.pop(next(iter(self.tokens))).forget_trades()
        return token

    def move_metadata(self, url: str) -> None:
        """From now on coins have their metadata there: at this, the mint and .json."""
        self.births.metadata_url = url
        for token in self.tokens.values():
            token.uri = f"{url}{token.mint}.json"

    # Trades on the curve.

    def _curve_trade(self, token: MarketToken, events: list[Event]) -> None:
        if token.completed_at is not None or token.mint not in self.tokens:
            return
        if token.circle and self.random.random() < draws.CIRCLE_SHARE:
            self._circle_trade(token, events)
            self._after_curve_trade(token)
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
            if self.random.random() < draws.BUNDLED_SHARE:
                self._buy(token, size, events)
        self._after_curve_trade(token)

    def _circle_trade(self, token: MarketToken, events: list[Event]) -> None:
        """One of a few wallets buys, or sells all it has: much volume, and nothing comes of it."""
        wallet = self.random.choice(token.circle)
        if wallet in token.balances:
            self._sell_all(token, wallet, events)
            return
        self._buy(token, self.random.uniform(*draws.CIRCLE_SOL), events, wallet)
        if self.random.random() < draws.ROUND_TRIP_SHARE:
            self._sell_all(token, wallet, events)

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
        self.graduated[token.creator] += 1
        events.append(Migrated(token=token, at=self.now, transaction=self.transaction))

    # Pools.

    def _open_pool(self, venue: Venue, per_minute: float, events: list[Event]) -> None:
        self._plan_pool(venue, per_minute)
        token = self._new_token(venue)
        token.reserves = Reserves(
            self.random.uniform(0.5, 1.0) * 1e9, self.random.uniform(5.0, 120.0)
        )
        self._list_pool(token)
        opened = PoolOpened(
            token=token,
            at=self.now,
            transaction=self.transaction,
            tokens=token.reserves.tokens,
            sol=token.reserves.sol,
        )
        events.append(opened)

    def _plan_pool(self, venue: Venue, per_minute: float) -> None:
        if per_minute > 0:
            self._plan(self.random.expovariate(per_minute / 60.0), venue, None)

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

    def _buy(
        self, token: MarketToken, sol: float, events: list[Event], wallet: int | None = None
    ) -> None:
        if not token.in_pool:
            whole = sol_to_completion(token.reserves)
            # Only a graduating token may complete its curve.
            sol = min(sol, whole if token.fate.graduates else whole * 0.5)
        if wallet is None:
            wallet = token.buyer(self.random)
        tokens = token.reserves.buy(sol)
        balance = token.credit(wallet, tokens)
        self._traded(token, "buy", (wallet, sol, tokens, balance), events)

    def _sell(self, token: MarketToken, sol: float, events: list[Event]) -> None:
        position = self.random.randrange(len(token.owners))
        wanted = token.reserves.tokens_for(sol)
        owned = token.balances[token.owners[position]]
        closes = self.random.random() < CLOSED_SHARE and owned < wanted * 3
        self._sell_tokens(token, position, owned if closes else min(owned, wanted), events)

    def _sell_all(self, token: MarketToken, wallet: int, events: list[Event]) -> None:
        position = token.owners.index(wallet)
        self._sell_tokens(token, position, token.balances[wallet], events)

    def _sell_tokens(
        self, token: MarketToken, position: int, tokens: float, events: list[Event]
    ) -> None:
        wallet = token.owners[position]
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
            transaction=self.transaction,
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
