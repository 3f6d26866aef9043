"""SOL in US dollars, from whoever tells it now; a part of the market data job.

    the provider of the settings, or Jupiter -> what pairs imply -> Pyth -> CoinGecko
        -> SolPriceWatch -> SolPriceTold -> ingest

The first in this order that tells it counts. A source that fails is told of once, and asked again
at the next interval; one that refuses for good, each hour. Where nobody tells the price, the last
one stays, and its age says so.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from math import inf

import trio
from attrs import Factory, define, field

from actors.jobs.job import JobContext
from domain.errors import SourceClosed, SourceUnavailable
from domain.messages import SolPriceTold
from domain.values import Usd
from sources import MarketProviders, SolPriceProvider
from sources.outages import SourceOutage, tell_refusal

PAIRS = "pairs"
# A provider's word counts for two intervals, that of pairs until they should have told again.
FRESH_INTERVALS = 2.0
FRESH_RUNS = 1.5


@define(kw_only=True)
class SolPriceWatch:
    """The price of SOL, its source and its age."""

    context: JobContext
    providers: MarketProviders
    learn_first_price: Callable[[], Awaitable[None]]  # called when the price is known at last
    price: Usd | None = field(default=None, init=False)
    source: str | None = field(default=None, init=False)
    told_at: float = field(default=-inf, init=False)  # trio time
    pairs_price: Usd | None = field(default=None, init=False)
    pairs_told_at: float = field(default=-inf, init=False)  # trio time
    failures: Counter[str] = field(factory=Counter, init=False)  # requests, by source
    untold: int = field(default=0, init=False)  # prices for which ingest had no room
    failing: set[str] = Factory(set)  # fallbacks of which a failure was told
    outages: dict[str, SourceOutage] = field(init=False)

    @outages.default
    def _new_outages(self) -> dict[str, SourceOutage]:
        return {
            each.name: SourceOutage(
                source=each.name,
                reporter=self.context.mail.name,
                environment=self.context.environment,
            )
            for each in self.list_providers()
        }

    def list_providers(self) -> list[SolPriceProvider]:
        """Everybody who may be asked, in order."""
        first = self.providers.sol_price
        return [*([] if first is None else [first]), *self.providers.sol_price_fallbacks]

    @property
    def age_seconds(self) -> float | None:
        """Seconds since the price was told; None if it never was."""
        return None if self.price is None else trio.current_time() - self.told_at

    async def refresh(self) -> None:
        """Ask the first in order who tells the price, and hourly those who refuse for good."""
        has_price = False
        for provider in self.list_providers():
            is_first = provider is self.providers.sol_price
            if not is_first and not has_price:
                has_price = await self._learn_fresh_pairs()
            is_wanted = not has_price or provider.refusal.reason is not None
            if is_wanted and self.context.activity.active and provider.refusal.may_ask():
                price = await self._ask(provider, is_first=is_first)
                if price is not None and not has_price:
                    has_price = True
                    await self._learn_price(price, provider.name)
        if not has_price:
            await self._learn_fresh_pairs()

    async def take_pairs(self, price: Usd) -> None:
        """Pairs imply a price; it counts at once where the first provider does not tell it."""
        self.pairs_price, self.pairs_told_at = price, trio.current_time()
        first, settings = self.providers.sol_price, self.context.settings.sol_price
        age_seconds = trio.current_time() - self.told_at
        is_told = first is not None and self.source == first.name
        if not is_told or age_seconds > FRESH_INTERVALS * settings.interval_seconds:
            await self._learn_price(price, PAIRS)

    async def _ask(self, provider: SolPriceProvider, *, is_first: bool) -> Usd | None:
        """One request; None if it fails, which is counted, and told once."""
        outage = self.outages[provider.name]
        try:
            price = await provider.fetch_sol_usd()
        except SourceUnavailable as error:
            self.failures[provider.name] += 1
            if isinstance(error, SourceClosed):
                tell_refusal(provider.refusal, error, outage)
            elif is_first:
                provider.refusal.note_failure()
                outage.note_problem(str(error))
            else:  # not an outage: it may not be asked again for a long time
                provider.refusal.note_failure()
                self._tell_failure(provider.name, str(error))
            return None
        provider.refusal.note_answer()
        self.failing.discard(provider.name)
        if is_first or outage.is_away:
            outage.note_success()
        return price

    def _tell_failure(self, name: str, problem: str) -> None:
        if name not in self.failing:
            self.failing.add(name)
            self.context.environment.log.warning(
                "source of SOL's price fails", source=name, problem=problem
            )

    async def _learn_fresh_pairs(self) -> bool:
        """Take what pairs imply if they have told it lately."""
        settings = self.context.settings
        fresh_seconds = max(
            FRESH_RUNS * settings.market_data.interval_seconds,
            FRESH_INTERVALS * settings.sol_price.interval_seconds,
        )
        if self.pairs_price is None or trio.current_time() - self.pairs_told_at > fresh_seconds:
            return False
        if self.source != PAIRS or self.told_at < self.pairs_told_at:
            await self._learn_price(self.pairs_price, PAIRS)
        return True

    async def _learn_price(self, price: Usd, source: str) -> None:
        is_first, before = self.price is None, self.source
        self.price, self.source, self.told_at = price, source, trio.current_time()
        if source != before:
            self.context.environment.log.info(
                "SOL's price comes from another source", source=source, before=before, usd=price
            )
        self._tell_price(price)
        if is_first:
            await self.learn_first_price()

    def _tell_price(self, price: Usd) -> None:
        """Ingest's mailbox may be full of events; then the next price is told, within a minute."""
        message = SolPriceTold(usd=price, observed_at=self.context.environment.clock())
        try:
            self.context.outboxes.sol_prices.send_nowait(message)
        except trio.WouldBlock:
            self.untold += 1
