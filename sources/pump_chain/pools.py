"""Which pool trades which token: PumpSwap's and LaunchLab's trades name their pool alone.

creations, migrations, tokens' known pools, look-ups -> PoolTable -> trades get their token
"""

from attrs import define, field, frozen

from domain.values import DOLLAR_MINTS, QUOTE_MINTS, WRAPPED_SOL, Mint

SOL_DECIMALS, DOLLAR_DECIMALS, PUMP_DECIMALS = 9, 6, 6


@frozen(kw_only=True)
class PoolFacts:
    """What a pool trades."""

    mint: Mint
    quote_mint: Mint
    decimals: int  # of the token
    is_base_quote: bool = False  # the pool's base is the quote, and its quote the token


@define(kw_only=True)
class PoolTable:
    """The `limit` pools met last; one forgotten counts as unknown again."""

    limit: int
    pools: dict[str, PoolFacts] = field(factory=dict, init=False)  # oldest first
    strangers: dict[str, None] = field(factory=dict, init=False)  # looked up: no token of ours

    def find_pool(self, address: str) -> PoolFacts | None:
        return self.pools.get(address)

    def put_pool(self, address: str, facts: PoolFacts) -> None:
        """Remember a pool as the newest."""
        self.pools.pop(address, None)
        self.pools[address] = facts
        if len(self.pools) > self.limit:
            del self.pools[next(iter(self.pools))]

    def note_stranger(self, address: str) -> None:
        """Remember a pool that trades nothing of ours, so that it is not looked up again."""
        self.strangers[address] = None
        if len(self.strangers) > self.limit:
            del self.strangers[next(iter(self.strangers))]


def find_quote_decimals(quote_mint: Mint) -> int:
    return SOL_DECIMALS if quote_mint == WRAPPED_SOL else DOLLAR_DECIMALS


def choose_sides(base: str, quote: str) -> tuple[Mint, Mint, bool] | None:
    """(token, quote, whether the base is the quote) of a pool; None where none is a known quote.

    Pools of a token against SOL or dollars alone are of use. One of SOL against dollars has no
    token.
    """
    is_base_quote, is_quote_quote = base in QUOTE_MINTS, quote in QUOTE_MINTS
    if is_base_quote == is_quote_quote:
        return None
    token, counted = (quote, base) if is_base_quote else (base, quote)
    return Mint(token), Mint(counted), is_base_quote


def is_dollar(quote_mint: Mint) -> bool:
    return quote_mint in DOLLAR_MINTS
