"""What a coin is paired with: SOL, USDC (pump.fun since May 2026) or USD1 (LaunchLab).

The model counts every curve in SOL. A coin paired with a dollar token has all of its amounts
multiplied by one rate that never changes, so that its curve has the same shape and about the same
worth; what it is worth in SOL then sways with the price of SOL.
"""

from attrs import frozen

from domain.values import WRAPPED_SOL, Mint

DOLLARS_A_SOL_AT_BIRTH = 118.8


@frozen(kw_only=True)
class QuoteToken:
    """The other side of a coin's curve or pool."""

    mint: Mint
    symbol: str
    decimals: int
    units_a_sol: float  # of the model's SOL

    @property
    def is_dollar(self) -> bool:
        return self.mint != WRAPPED_SOL

    def amount(self, sol: float) -> float:
        """The model's SOL in units of the quote token."""
        return sol * self.units_a_sol

    def raw(self, sol: float) -> int:
        """The model's SOL in the smallest units of the quote token."""
        return round(sol * self.units_a_sol * 10.0**self.decimals)


SOL = QuoteToken(mint=WRAPPED_SOL, symbol="SOL", decimals=9, units_a_sol=1.0)
USDC = QuoteToken(
    mint=Mint("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"),
    symbol="USDC",
    decimals=6,
    units_a_sol=DOLLARS_A_SOL_AT_BIRTH,
)
USD1 = QuoteToken(
    mint=Mint("USD1ttGY1N17NEEHLmELoaybftRBUSErhqYiQzvEmuB"),
    symbol="USD1",
    decimals=6,
    units_a_sol=DOLLARS_A_SOL_AT_BIRTH,
)
