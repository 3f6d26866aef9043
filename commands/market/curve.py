"""Constant-product reserves: tokens * SOL stays the same over a trade.

Of the bonding curve they are virtual (1,073,000,000 tokens and 30 SOL at birth), of a pool real.
"""

from attrs import define

from domain.lifecycle import CURVE_SOL_AT_BIRTH, CURVE_TOKENS_AT_BIRTH, CURVE_TOKENS_AT_COMPLETION

# What a complete curve puts into its pool: the tokens kept back for it, and the SOL raised,
# less the launch pad's migration fee.
POOL_TOKENS_AT_MIGRATION = 206_900_000.0
POOL_SOL_AT_MIGRATION = 84.99
LARGEST_SHARE_OF_POOL = 0.2  # of the SOL, in one sale


@define
class Reserves:
    """Tokens and SOL that trades move along their product."""

    tokens: float = CURVE_TOKENS_AT_BIRTH
    sol: float = CURVE_SOL_AT_BIRTH

    @property
    def price_sol(self) -> float:
        return self.sol / self.tokens

    def buy(self, sol: float) -> float:
        """Put SOL in; the tokens that come out."""
        left = self.tokens * self.sol / (self.sol + sol)
        bought, self.tokens = self.tokens - left, left
        self.sol += sol
        return bought

    def sell(self, tokens: float) -> float:
        """Put tokens in; the SOL that comes out."""
        left = self.tokens * self.sol / (self.tokens + tokens)
        got, self.sol = self.sol - left, left
        self.tokens += tokens
        return got

    def sol_for(self, tokens_left: float) -> float:
        """The SOL that leaves just `tokens_left`."""
        return max(self.tokens * self.sol / tokens_left - self.sol, 0.0)

    def tokens_for(self, sol: float) -> float:
        """The tokens to sell for `sol`, or for as much as one sale may take."""
        wanted = min(sol, self.sol * LARGEST_SHARE_OF_POOL)
        return self.tokens * wanted / (self.sol - wanted)


def sol_to_completion(curve: Reserves) -> float:
    return curve.sol_for(CURVE_TOKENS_AT_COMPLETION)
