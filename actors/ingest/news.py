"""What the events in hand have made known; passed on together once all of them are taken.

    Intake -> News -> TokenUpdated (one a token and origin) -> sync, or held until admitted
                   -> TradeSeen -> trading;  their keys -> IngestMemory.trade_keys

A failure before that passes on nothing, so that the events can be taken again, one by one.
"""

from attrs import Factory, define, frozen

from actors.ingest.memory import IngestMemory
from domain.merging import merge_updates
from domain.messages import SyncMessage, TokenUpdated, TradeSeen
from domain.quarantine import QuarantineMessage
from domain.values import Mint, UnixSeconds
from supervision import Outbox


@frozen(kw_only=True)
class IngestOutboxes:
    sync: Outbox[SyncMessage]
    trades: Outbox[TradeSeen]
    quarantine: Outbox[QuarantineMessage]


@define
class News:
    """As many messages as the events of one batch have given, at most."""

    # By token and origin: each origin observes in order, and those of several cannot be combined.
    updates: dict[tuple[Mint, str], TokenUpdated] = Factory(dict)
    trades: list[TradeSeen] = Factory(list)
    keys: dict[int, UnixSeconds | None] = Factory(dict)  # of the trades, with the chain's time

    def add_update(self, update: TokenUpdated) -> None:
        """Fold an update into those of its token and origin; the newest value of a field wins."""
        place = update.mint, update.origin
        older = self.updates.get(place)
        self.updates[place] = update if older is None else merge_updates(older, update)

    def add_trade(self, trade: TradeSeen, key: int, at: UnixSeconds | None) -> None:
        """A trade that has not been counted; `at` is the chain's time, and not in the future."""
        self.trades.append(trade)
        self.keys[key] = at

    async def pass_on(self, outboxes: IngestOutboxes, memory: IngestMemory) -> None:
        """Hand over everything; waits only where sync's mailbox is full."""
        await outboxes.sync.send_all(self._take_updates(memory))
        # From here on in one instant: a trade is counted as it is passed on.
        for trade in self.trades:
            outboxes.trades.send_nowait(trade)
        for key, at in self.keys.items():
            memory.trade_keys.add_key(key, at)
        self.trades.clear()
        self.keys.clear()

    def _take_updates(self, memory: IngestMemory) -> list[TokenUpdated]:
        """The updates of admitted tokens; sync is told of the others once it has their tokens."""
        known: list[TokenUpdated] = []
        for update in self.updates.values():
            if update.mint in memory.unadmitted:
                memory.hold_update(update)
            else:
                known.append(update)
        self.updates.clear()
        return known
