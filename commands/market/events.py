"""What happens in the market: one stream of facts that every protocol puts into its own words.

    Market.advance -> Created, Traded, Migrated, PoolOpened -> PumpPortal, PumpAPI, the chain

Events with the same `transaction` belong to one transaction, stand next to one another and share
its signature. Amounts of a coin paired with a dollar token are in the model's SOL (see `pairs`).
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Literal

from attrs import frozen

from commands.market.token import MarketToken
from domain.lifecycle import CURVE_TOKENS_AT_COMPLETION

Side = Literal["buy", "sell"]
COMPLETE_WITHIN_TOKENS = 1e-3


@frozen(kw_only=True)
class Created:
    token: MarketToken
    at: float
    transaction: int
    buy_sol: float
    buy_tokens: float
    tokens: float  # reserves after the creator's own buy
    sol: float

    @property
    def completes(self) -> bool:
        """Whether the creator bought the whole curve."""
        return self.tokens < CURVE_TOKENS_AT_COMPLETION + COMPLETE_WITHIN_TOKENS


@frozen(kw_only=True)
class Traded:
    token: MarketToken
    at: float
    transaction: int
    side: Side
    trader: int
    trade_sol: float
    trade_tokens: float
    balance: float  # the trader's tokens afterwards
    tokens: float  # reserves afterwards
    sol: float
    in_pool: bool

    @property
    def completes(self) -> bool:
        """Whether the curve had nothing left to sell afterwards."""
        return not self.in_pool and (
            self.tokens < CURVE_TOKENS_AT_COMPLETION + COMPLETE_WITHIN_TOKENS
        )


@frozen(kw_only=True)
class Migrated:
    token: MarketToken
    at: float
    transaction: int


@frozen(kw_only=True)
class PoolOpened:
    """A user opened a pool for a token that no launch pad announced."""

    token: MarketToken
    at: float
    transaction: int
    tokens: float
    sol: float


Event = Created | Traded | Migrated | PoolOpened


def group_by_transaction(events: Iterable[Event]) -> Iterator[tuple[Event, ...]]:
    """The events of each transaction, in order."""
    for _, group in groupby(events, key=lambda event: event.transaction):
        yield tuple(group)
