"""Market data: prices, caps and volumes of the tokens that matter now.

    TokenPublished (from sync) -> MarketDataJob -> TokenUpdated -> sync
    SystemActivated, SystemIdled (from activity) decide whether it asks the world at all.

Two observers of a price: the provider's quote, once a run; and the bonding curve itself, whose
market cap in SOL is worth US dollars as soon as SOL's price is known.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import repeat
from math import inf
from statistics import median

import trio
from attrs import define, field

from actors.jobs.inquiry import NOT_ASKING, Inquirer, InquirySnapshot, new_inquirer
from actors.jobs.job import JobContext
from actors.jobs.roster import Roster
from domain.errors import SourceUnavailable
from domain.snapshots import counter, gauge, read_fields, snapshot_class
from domain.token import Token
from domain.values import Mint, Usd, Value
from sources import MarketProviders, MarketQuote
from sources.outages import SourceOutage


@snapshot_class
class MarketDataSnapshot(InquirySnapshot):
    tracked: int = gauge("Tokens that it may ask about.")
    sol_usd: Usd | None = gauge("Price of SOL in US dollars, once it is known.")
    updates: int = counter("Updates sent to sync.")
    quotes: int = counter("Tokens of which the provider told its quote.")
    sol_price_failures: int = counter("Requests for SOL's price that failed.")


@define(kw_only=True)
class MarketDataJob:
    """Refreshes tokens by interest; translates curve caps into US dollars."""

    # Messages in and out.
    context: JobContext
    # State.
    roster: Roster
    providers: MarketProviders
    inquirer: Inquirer | None = field(init=False)
    sol_price_outage: SourceOutage = field(init=False)
    sol_usd: Usd | None = field(default=None, init=False)
    sol_usd_at: float = field(default=-inf, init=False)  # trio time
    counts: Counter[str] = field(factory=Counter, init=False)

    @inquirer.default
    def _new_inquirer(self) -> Inquirer | None:
        interval_seconds = self.context.settings.market_data.interval_seconds
        return new_inquirer(self.providers.quotes, self.context, self.roster, interval_seconds)

    @sol_price_outage.default
    def _new_sol_price_outage(self) -> SourceOutage:
        provider, context = self.providers.sol_price, self.context
        return SourceOutage(
            source=provider.name if provider else "",
            reporter=context.mail.name,
            environment=context.environment,
        )

    @classmethod
    def build(cls, context: JobContext, providers: MarketProviders) -> "MarketDataJob":
        return cls(
            context=context, roster=Roster.from_settings(context.settings), providers=providers
        )

    async def run(self) -> None:
        """Serve until the publications are closed."""
        await self.context.serve(
            self.refresh_market,
            learn_token=self.learn_token,
            intervals_seconds=repeat(self.context.settings.market_data.interval_seconds),
        )

    def snapshot(self) -> MarketDataSnapshot:
        asked = NOT_ASKING if self.inquirer is None else self.inquirer.snapshot()
        return MarketDataSnapshot(
            **read_fields(asked),
            tracked=len(self.roster.entries),
            sol_usd=self.sol_usd,
            quotes=self.counts["quotes"],
            updates=self.counts["updates"],
            sol_price_failures=self.counts["sol_price_failures"],
        )

    # What sync tells.

    async def learn_token(self, token: Token) -> None:
        before = self.roster.learn_token(token)
        if token.market_cap_sol != (before.market_cap_sol if before else None):
            await self._value_in_dollars(token)

    async def _value_in_dollars(self, token: Token) -> None:
        if self.sol_usd is None or token.market_cap_sol is None:
            return
        cap = Usd(token.market_cap_sol * self.sol_usd)
        values: dict[str, Value] = {"market_cap_usd": round(cap, 2)}
        if (supply := float(token.total_supply or 0)) > 0:
            values["price_usd"] = cap / supply
        await self._send_update(token.mint, values)

    # What the world tells.

    async def refresh_market(self) -> None:
        """One run: the most interesting tokens that are due, and SOL's price where it is old."""
        now = self.context.environment.clock()
        self.roster.forget_unretained(now)
        await self._refresh_sol_price()
        if self.providers.quotes is None or self.inquirer is None:
            return
        picked = self.roster.pick_tokens(self.context.settings.market_data.tokens, now)
        known_before = self.counts["quotes"]
        await self.inquirer.ask_about(
            self.providers.quotes.fetch_quotes,
            [token.mint for token in picked],
            take_answers=self._take_quotes,
            is_wanted=lambda: self.context.activity.active,
        )
        self.context.environment.log.info(
            "market data refreshed",
            asked=len(picked),
            known=self.counts["quotes"] - known_before,
        )

    async def _take_quotes(self, quotes: Sequence[MarketQuote]) -> None:
        self.counts["quotes"] += len(quotes)
        prices = [quote.sol_usd for quote in quotes if quote.sol_usd is not None]
        if prices:
            await self._learn_sol_price(Usd(median(prices)))
        for quote in quotes:
            values = dict(quote.values)
            if quote.traded_lately:
                values |= {"last_trade_at": self.context.environment.clock(), "silent": False}
            await self._send_update(quote.mint, values)

    async def _refresh_sol_price(self) -> None:
        """Ask for SOL's price where no pair has told it within its interval."""
        age_seconds = trio.current_time() - self.sol_usd_at
        provider, settings = self.providers.sol_price, self.context.settings.sol_price
        if provider is None or age_seconds < settings.interval_seconds:
            return
        try:
            price = await provider.fetch_sol_usd()
        except SourceUnavailable as error:
            self.counts["sol_price_failures"] += 1
            self.sol_price_outage.note_problem(str(error))
            return
        self.sol_price_outage.note_success()
        await self._learn_sol_price(price)

    async def _learn_sol_price(self, price: Usd) -> None:
        is_first = self.sol_usd is None
        self.sol_usd, self.sol_usd_at = price, trio.current_time()
        if is_first:  # what came before it could not be valued
            for entry in list(self.roster.entries.values()):
                if entry.token.market_cap_usd is None:
                    await self._value_in_dollars(entry.token)

    async def _send_update(self, mint: Mint, values: Mapping[str, Value]) -> None:
        self.counts["updates"] += 1
        await self.context.mail.send_update(mint, values)
