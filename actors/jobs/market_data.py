"""Market data: prices, caps and volumes of the tokens that matter now.

    TokensPublished (from sync), StatisticsPublished (from trading) -> MarketDataJob
        -> TokenUpdated -> sync;  WindowsQuoted -> trading;  SolPriceTold -> ingest
    SystemActivated, SystemIdled (from activity) decide whether it asks the world at all.

Two observers of a price: the provider's quote, once a run; and the bonding curve itself, whose
market cap in its own quote, SOL or dollars, is worth the other as soon as SOL's price is known.
What the trade stream counts of a token's last day is not taken from the provider.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import repeat
from statistics import median

import trio
from attrs import define, field

from actors.jobs.inquiry import (
    NOT_ASKING,
    Inquirer,
    InquirySnapshot,
    list_refusals,
    new_inquirer,
)
from actors.jobs.job import ROSTER_SECONDS, JobContext
from actors.jobs.roster import Roster
from actors.jobs.schedule import run_at_intervals
from actors.jobs.sol_price import SolPriceWatch
from domain.snapshots import counter, detail, gauge, read_fields, snapshot_class
from domain.token import Token
from domain.trading import FIELDS_OF_DAY, TRADES_OF_DAY, TokenStatistics
from domain.values import DOLLAR_MINTS, Mint, UnixSeconds, Usd, Value
from sources import MarketProviders, MarketQuote

# What trading tells of a token's last day, where it has counted every trade of it.
FIGURES_OF_TRADES = frozenset({*FIELDS_OF_DAY, TRADES_OF_DAY})
# A stream that has told nothing of a token for so long may have ended: the provider counts again.
COVERED_SECONDS = 3600.0
VALUED = "sol-price"  # the source of what follows from a cap and the price of SOL


@snapshot_class
class MarketDataSnapshot(InquirySnapshot):
    tracked: int = gauge("Tokens that it may ask about.")
    sol_usd: Usd | None = gauge("Price of SOL in US dollars, once it is known.")
    sol_price_source: str | None = detail("Who has told the price of SOL.")
    sol_price_age_seconds: float | None = gauge("Seconds since the price of SOL was told.")
    updates: int = counter("Updates sent to sync.")
    quotes: int = counter("Tokens of which the provider told its quote.")
    covered: int = gauge("Tokens whose last day the trade stream counts.")
    sol_price_failures: Mapping[str, int] = counter(
        "Requests for SOL's price that failed.", by="source"
    )
    sol_prices_untold: int = counter("Prices of SOL for which ingest had no room.")


@define(kw_only=True)
class MarketDataJob:
    """Refreshes tokens by interest; translates curve caps into US dollars."""

    # Messages in and out.
    context: JobContext
    # State.
    roster: Roster
    providers: MarketProviders
    inquirer: Inquirer | None = field(init=False)
    sol: SolPriceWatch = field(init=False)
    covered_at: dict[Mint, UnixSeconds] = field(factory=dict, init=False)  # by the trade stream
    has_tokens: trio.Event = field(factory=trio.Event, init=False)
    counts: Counter[str] = field(factory=Counter, init=False)

    @inquirer.default
    def _new_inquirer(self) -> Inquirer | None:
        interval_seconds = self.context.settings.market_data.interval_seconds
        return new_inquirer(self.providers.quotes, self.context, self.roster, interval_seconds)

    @sol.default
    def _new_sol_price_watch(self) -> SolPriceWatch:
        return SolPriceWatch(
            context=self.context,
            providers=self.providers,
            learn_first_price=self._value_unvalued,
        )

    @classmethod
    def build(cls, context: JobContext, providers: MarketProviders) -> "MarketDataJob":
        return cls(
            context=context, roster=Roster.from_settings(context.settings), providers=providers
        )

    async def run(self) -> None:
        """Serve until the publications are closed."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_sol_price)
            await self.context.serve(
                self.refresh_market,
                learn_token=self.learn_token,
                learn_statistics=self.learn_statistics,
                intervals_seconds=repeat(self.context.settings.market_data.interval_seconds),
            )
            nursery.cancel_scope.cancel()

    async def _keep_sol_price(self) -> None:
        """Ask for SOL's price at its own interval, from the first tokens on."""
        await self.has_tokens.wait()
        await trio.sleep(ROSTER_SECONDS)
        await run_at_intervals(
            self.sol.refresh,
            repeat(self.context.settings.sol_price.interval_seconds),
            activity=self.context.activity,
            log=None,  # the run of the job itself says that it is skipped
            name=self.context.mail.name,
        )

    def snapshot(self) -> MarketDataSnapshot:
        asked = NOT_ASKING if self.inquirer is None else self.inquirer.snapshot()
        fields = read_fields(asked)
        fields["closed"] = list_refusals(self.providers.quotes, *self.sol.list_providers())
        return MarketDataSnapshot(
            **fields,
            tracked=len(self.roster.entries),
            sol_usd=self.sol.price,
            sol_price_source=self.sol.source,
            sol_price_age_seconds=self.sol.age_seconds,
            quotes=self.counts["quotes"],
            updates=self.counts["updates"],
            covered=len(self.covered_at),
            sol_price_failures=dict(self.sol.failures),
            sol_prices_untold=self.sol.untold,
        )

    # What sync and trading tell.

    async def learn_token(self, token: Token) -> None:
        self.has_tokens.set()
        before = self.roster.learn_token(token)
        name = _cap_of_quote(token)
        if getattr(token, name) != (getattr(before, name) if before else None):
            await self._value_cap(token)

    def learn_statistics(self, mint: Mint, statistics: TokenStatistics) -> None:
        """Note whether the trade stream counts all of a token's last day."""
        self.covered_at.pop(mint, None)
        if statistics.is_day_counted and mint in self.roster.entries:  # which bounds them
            self.covered_at[mint] = statistics.observed_at

    def _is_covered(self, mint: Mint, now: UnixSeconds) -> bool:
        covered_at = self.covered_at.get(mint)
        return covered_at is not None and now - covered_at < COVERED_SECONDS

    async def _value_cap(self, token: Token) -> None:
        """Tell a curve's cap in the other unit, and what one token is worth."""
        price, cap = self.sol.price, getattr(token, _cap_of_quote(token))
        if price is None or cap is None:
            return
        values: dict[str, Value] = {}
        if token.quote_mint in DOLLAR_MINTS:
            dollars = Usd(cap)
            values["market_cap_sol"] = dollars / price
        else:
            dollars = Usd(cap * price)
            values["market_cap_usd"] = round(dollars, 2)
        if (supply := float(token.total_supply or 0)) > 0:
            values["price_usd"] = dollars / supply
        await self._send_update(token.mint, values, source=VALUED)

    async def _value_unvalued(self) -> None:
        """SOL's price is known at last: value the tokens that came before it."""
        for entry in list(self.roster.entries.values()):
            token = entry.token
            if token.market_cap_usd is None or token.market_cap_sol is None:
                await self._value_cap(token)

    # What the world tells.

    async def refresh_market(self) -> None:
        """One run: the most interesting tokens that are due."""
        now = self.context.environment.clock()
        self.roster.forget_unretained(now)
        for mint in self.covered_at.keys() - self.roster.entries.keys():
            del self.covered_at[mint]
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
            await self.sol.take_pairs(Usd(median(prices)))
        for quote in quotes:
            await self._take_quote(quote)

    async def _take_quote(self, quote: MarketQuote) -> None:
        now, name = self.context.environment.clock(), self._provider_name
        values = dict(quote.values)
        if self._is_covered(quote.mint, now):
            values = {key: value for key, value in values.items() if key not in FIGURES_OF_TRADES}
        if quote.traded_lately:
            values |= {"last_trade_at": now, "silent": False}
        self.context.quote_windows(quote.mint, quote.windows, source=name)
        await self._send_update(quote.mint, values, source=name)

    @property
    def _provider_name(self) -> str:
        return "" if self.providers.quotes is None else self.providers.quotes.name

    async def _send_update(self, mint: Mint, values: Mapping[str, Value], *, source: str) -> None:
        self.counts["updates"] += 1
        await self.context.mail.send_update(mint, values, source=source)


def _cap_of_quote(token: Token) -> str:
    """The cap that a stream observes of a token, in what the token is paired with."""
    return "market_cap_usd" if token.quote_mint in DOLLAR_MINTS else "market_cap_sol"
