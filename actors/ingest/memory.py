"""What ingest keeps when it is restarted.

Births that no store has taken yet, which trades were counted, and SOL's price.
"""

from collections.abc import Mapping

from attrs import Factory, define

from actors.ingest.prices import SolPrice
from actors.ingest.repeats import TradeKeys
from domain.merging import merge_updates
from domain.messages import TokenUpdated
from domain.records import record
from domain.token import Token
from domain.values import Mint, Value

HELD_UPDATES = (
    16  # of one unadmitted token; what comes beyond is folded into the last of its origin
)


@record(kw_only=True)
class Birth:
    """A new token on its way to a store."""

    token: Token
    values: Mapping[str, Value]  # what its birth says beyond its first row
    source: str  # the stream that told it first


@define(kw_only=True)
class IngestMemory:
    """One for all lives of ingest; held by its child spec."""

    unadmitted: dict[Mint, Birth] = Factory(dict)  # oldest first
    # What was said of an unadmitted token: sync is told of it once it has the token.
    held: dict[Mint, list[TokenUpdated]] = Factory(dict)
    unremembered: list[Token] = Factory(list)  # births on their way to the buffer's memory
    replays: dict[Mint, str] = Factory(dict)  # births handed back, with their quarantine entries
    is_spooling: bool = False  # Postgres is away, or has not caught up with the spool
    trade_keys: TradeKeys = Factory(TradeKeys)  # of the trades that have been counted
    sol_price: SolPrice = Factory(SolPrice)

    def hold_update(self, update: TokenUpdated) -> None:
        """Keep an update until its token is admitted."""
        waiting = self.held.setdefault(update.mint, [])
        if len(waiting) >= HELD_UPDATES:
            for place in reversed(range(len(waiting))):
                if waiting[place].origin == update.origin:
                    waiting[place] = merge_updates(waiting[place], update)
                    return
        waiting.append(update)

    def count_unsaved(self) -> dict[str, int]:
        """What would be lost if the process ended now, by what it is; empty: nothing."""
        return {"unadmitted tokens": len(self.unadmitted)} if self.unadmitted else {}
