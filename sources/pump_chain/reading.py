"""One transaction while its events are read, and the units of its amounts. No I/O."""

from collections import Counter
from typing import Any, Literal

from attrs import define, field, frozen

from domain.messages import SourceEvent
from domain.values import WRAPPED_SOL, Mint, UnixSeconds, Usd
from sources.fields import read_sol
from sources.names import CHAIN
from sources.pump_chain.events import AnchorEvent
from sources.pump_chain.pools import PoolTable, find_quote_decimals, is_dollar

SOURCE = CHAIN
STATED_SUPPLY = 1e9
GREATEST_USD = 1e12  # of one amount; more is noise

Side = Literal["buy", "sell"]


@frozen(kw_only=True)
class Transaction:
    """A transaction, as a notification or an RPC server tells it."""

    signature: str
    slot: int | None
    seen_at: UnixSeconds
    logs: object  # None: it has failed
    subscription: int | None = None  # that brought it


@define(kw_only=True)
class Reading:
    """What one transaction says, while its events are read in order."""

    transaction: Transaction
    pools: PoolTable
    events: list[SourceEvent] = field(factory=list)
    unknown_pools: list[str] = field(factory=list)  # whose trades or births had to be left out
    refused: Counter[str] = field(factory=Counter)  # events left out, by reason
    ordinals: Counter[tuple[Mint, str]] = field(factory=Counter)
    signers: dict[Mint, str | None] = field(factory=dict)  # of births: who may not be the creator

    def about(self, at: int | None) -> dict[str, Any]:
        """What every event of this transaction says alike."""
        transaction = self.transaction
        return {
            "seen_at": transaction.seen_at,
            "signature": transaction.signature,
            "source": SOURCE,
            "at": None if at is None or at <= 0 else UnixSeconds(float(at)),
        }

    def note_unknown_pool(self, address: str | None) -> None:
        """An event had to be left out, because its pool's token is not known."""
        self.refused["unknown_pool"] += 1
        if address is not None and address not in self.pools.strangers:
            self.unknown_pools.append(address)

    def next_ordinal(self, mint: Mint, side: Side) -> int:
        """The number of this trade among those of the same mint and side."""
        ordinal = self.ordinals[mint, side]
        self.ordinals[mint, side] += 1
        return ordinal


# Units.


def read_quote(event: AnchorEvent, quote: Mint, in_sol: str, in_quote: str) -> float | None:
    """An amount in the coin's quote; coins paired with SOL, and old events, have it in SOL."""
    amount = event.read_integer(in_sol if quote == WRAPPED_SOL else in_quote)
    return scale_amount(amount, find_quote_decimals(quote))


def scale_amount(amount: int | None, decimals: int) -> float | None:
    return None if amount is None or not 0 <= decimals <= 18 else amount / 10**decimals


def state_cap(
    reserve: float | None, tokens: float | None, supply: float = STATED_SUPPLY
) -> float | None:
    return None if reserve is None or not tokens else reserve / tokens * supply


def split_by_quote(name: str, amount: float | None, quote: Mint) -> dict[str, Any]:
    """`{name_sol: amount}` or `{name_usd: amount}`; nothing for any other quote, or no amount."""
    stem = f"{name}_" if name else ""
    if quote == WRAPPED_SOL:
        return {f"{stem}sol": read_sol(amount)}
    if is_dollar(quote) and amount is not None and amount <= GREATEST_USD:
        return {f"{stem}usd": Usd(amount)}
    return {}
