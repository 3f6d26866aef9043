"""Market data: prices, caps and volumes of the tokens that matter now.

    TokenPublished (from sync) -> MarketData -> TokenUpdated -> sync
    SystemActivated, SystemIdled (from activity) decide whether it asks the world at all.

Two observers of a price: the provider's quote, once a run; and the bonding curve itself, whose
market cap in SOL is worth US dollars as soon as SOL's price is known.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import repeat
from statistics import median

import trio
from attrs import define, field, frozen

from actors.jobs.mail import JobMail
from actors.jobs.roster import Roster
from config.settings import MarketDataSettings, SolPriceSettings
from domain.chunks import chunks
from domain.errors import SourceUnavailable
from domain.snapshots import Snapshot, counter, gauge, snapshot_class
from domain.token import Token
from domain.values import Mint, Usd, Value
from sources import MarketData as MarketDataSource
from sources import MarketQuote, SolPrice
from supervision.environment import Environment


@frozen(kw_only=True)
class MarketDataSources:
    """Either may be absent: switched off by an empty address."""

    quotes: MarketDataSource | None
    sol_price: SolPrice | None


@frozen(kw_only=True)
class MarketDataPlan:
    """How much is asked, and how often."""

    market_data: MarketDataSettings
    sol_price: SolPriceSettings


@snapshot_class
class MarketDataSnapshot(Snapshot):
    tracked: int = gauge("Tokens that it may ask about.")
    sol_usd: Usd | None = gauge("Price of SOL in US dollars, once it is known.")
    updates: int = counter("Updates sent to sync.")
    failed_requests: int = counter("Requests that a provider did not answer.")


@define(kw_only=True)
class MarketData:
    """Refreshes tokens by interest; translates curve caps into US dollars."""

    # Messages in and out.
    mail: JobMail
    # State.
    roster: Roster
    sources: MarketDataSources
    plan: MarketDataPlan
    environment: Environment
    sol_usd: Usd | None = field(default=None, init=False)
    sol_usd_at: float = field(default=-float("inf"), init=False)  # trio.current_time
    counts: Counter[str] = field(factory=Counter, init=False)

    async def run(self) -> None:
        """Serve until the publications are closed."""
        await self.mail.serve(
            self.refresh,
            learn=self.learn,
            intervals_seconds=repeat(self.plan.market_data.interval_seconds),
            log=self.environment.log,
        )

    def snapshot(self) -> MarketDataSnapshot:
        return MarketDataSnapshot(
            tracked=len(self.roster.entries),
            sol_usd=self.sol_usd,
            updates=self.counts["updates"],
            failed_requests=self.counts["failed_requests"],
        )

    # What sync tells.

    async def learn(self, token: Token) -> None:
        before = self.roster.learn(token)
        if token.market_cap_sol != (before.market_cap_sol if before else None):
            await self._value_in_dollars(token)

    async def _value_in_dollars(self, token: Token) -> None:
        if self.sol_usd is None or token.market_cap_sol is None:
            return
        cap = Usd(token.market_cap_sol * self.sol_usd)
        values: dict[str, Value] = {"market_cap_usd": round(cap, 2)}
        if (supply := float(token.total_supply or 0)) > 0:
            values["price_usd"] = cap / supply
        await self._update(token.mint, values)

    # What the world tells.

    async def refresh(self) -> None:
        """One run: the most interesting tokens that are due, a request at a time."""
        now = self.environment.clock()
        self.roster.forget_unretained(now)
        await self._refresh_sol_price()
        if self.sources.quotes is None:
            return
        mints = [token.mint for token in self.roster.pick(self.plan.market_data.tokens, now)]
        changed = 0
        for request in chunks(mints, self.sources.quotes.mints_per_request):
            try:
                quotes = await self.sources.quotes.quotes(request)
            except SourceUnavailable as error:
                self.counts["failed_requests"] += 1
                self.environment.log.warning("market data unavailable", error=str(error))
                break  # the next run asks again; a source in trouble is left in peace
            self.roster.asked(request, quotes, now, self.plan.market_data.interval_seconds)
            await self._take_quotes(list(quotes.values()))
            changed += len(quotes)
        self.environment.log.info("market data refreshed", asked=len(mints), known=changed)

    async def _take_quotes(self, quotes: Sequence[MarketQuote]) -> None:
        prices = [quote.sol_usd for quote in quotes if quote.sol_usd is not None]
        if prices:
            await self._learn_sol_price(Usd(median(prices)))
        for quote in quotes:
            values = dict(quote.values)
            if quote.traded_lately:
                values |= {"last_trade_at": self.environment.clock(), "silent": False}
            await self._update(quote.mint, values)

    async def _refresh_sol_price(self) -> None:
        """Ask for SOL's price where no pair has told it within its interval."""
        age = trio.current_time() - self.sol_usd_at
        if self.sources.sol_price is None or age < self.plan.sol_price.interval_seconds:
            return
        try:
            await self._learn_sol_price(await self.sources.sol_price.sol_usd())
        except SourceUnavailable as error:
            self.counts["failed_requests"] += 1
            self.environment.log.warning("SOL price unavailable", error=str(error))

    async def _learn_sol_price(self, price: Usd) -> None:
        is_first = self.sol_usd is None
        self.sol_usd, self.sol_usd_at = price, trio.current_time()
        if is_first:  # what came before it could not be valued
            for entry in list(self.roster.entries.values()):
                if entry.token.market_cap_usd is None:
                    await self._value_in_dollars(entry.token)

    async def _update(self, mint: Mint, values: Mapping[str, Value]) -> None:
        self.counts["updates"] += 1
        await self.mail.update(mint, values)
