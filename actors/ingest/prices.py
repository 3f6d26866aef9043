"""Sums in SOL and in dollars: each of them told gives the other, while SOL's price is known.

SolPriceTold -> SolPrice.read -> price_both, price_trade
"""

from attrs import define

from domain.messages import SolPriceTold, TradeSeen
from domain.values import WRAPPED_SOL, Mint, Sol, UnixSeconds, Usd

# While nobody looks the price is not asked for. An old one is off by some per cent; one older
# than this counts as unknown.
PRICE_LIFETIME_SECONDS = 6 * 3600.0
NEVER = UnixSeconds(0.0)


@define
class SolPrice:
    """What one SOL is worth, as last told."""

    usd: Usd | None = None
    observed_at: UnixSeconds = NEVER

    def note_price(self, told: SolPriceTold) -> None:
        """The newest price counts; none that is no price."""
        if told.observed_at >= self.observed_at and told.usd > 0:
            self.usd, self.observed_at = told.usd, told.observed_at

    def read(self, now: UnixSeconds) -> Usd | None:
        """US dollars for one SOL; None while that is not known."""
        return None if now - self.observed_at > PRICE_LIFETIME_SECONDS else self.usd


def price_both(
    sol: Sol | None, usd: Usd | None, sol_usd: Usd | None
) -> tuple[Sol | None, Usd | None]:
    """A sum in SOL and in dollars: what is told, and the other one where it can be known."""
    if sol_usd is not None:
        if usd is None and sol is not None:
            usd = Usd(sol * sol_usd)
        elif sol is None and usd is not None:
            sol = Sol(usd / sol_usd)
    return sol, usd


def price_trade(trade: TradeSeen, coin_quote: Mint, sol_usd: Usd | None) -> TradeSeen:
    """The trade with both of its sizes, as far as known.

    A stream that names no quote says SOL for every sum. Of a coin that is paired with anything
    else, nobody knows what these sums are: they are left out.
    """
    if trade.quote_mint is None and coin_quote != WRAPPED_SOL and trade.usd is None:
        trade = trade._replace(sol=None, curve_sol=None, market_cap_sol=None)
    if sol_usd is None or (trade.sol is None) == (trade.usd is None):
        return trade
    sol, usd = price_both(trade.sol, trade.usd, sol_usd)
    return trade._replace(sol=sol, usd=usd)
