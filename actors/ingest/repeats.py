"""Which trades have been counted, so that none is twice, whoever tells of it and when.

TradeSeen -> find_key -> TradeKeys.has_key, TradeKeys.may_be_forgotten, TradeKeys.add_key
"""

from attrs import define, field

from domain.messages import TradeSeen
from domain.values import UnixSeconds

NEVER = UnixSeconds(0.0)
KEYS_A_GENERATION = 100_000  # trades; 8 MB. At 300 trades a second, more than five minutes


def find_key(trade: TradeSeen) -> int:
    """The trade's identity in 64 bits: its signature, mint, side and ordinal."""
    return hash((trade.signature, trade.mint, trade.side, trade.ordinal))


@define
class TradeKeys:
    """At least the newest `limit` trades, and at most twice as many, in two generations.

    When the younger generation is full the older one is forgotten. From then on a trade that is
    no younger than the newest of the forgotten ones could be one of them, so it is not counted:
    a trade that is heard minutes late is left out rather than counted twice. Trades without the
    chain's time are told as they happen, and never come late.
    """

    limit: int = KEYS_A_GENERATION
    young: set[int] = field(factory=set, init=False)
    old: set[int] = field(factory=set, init=False)
    newest_young_at: UnixSeconds = field(default=NEVER, init=False)
    newest_old_at: UnixSeconds = field(default=NEVER, init=False)
    forgotten_until: UnixSeconds = field(default=NEVER, init=False)

    def has_key(self, key: int) -> bool:
        """True where the trade has been counted, and is remembered."""
        return key in self.young or key in self.old

    def may_be_forgotten(self, at: UnixSeconds | None) -> bool:
        """True where a trade of this time may have been counted and forgotten."""
        return at is not None and at <= self.forgotten_until

    def add_key(self, key: int, at: UnixSeconds | None) -> None:
        """The trade is counted; `at` is the chain's time, and not in the future."""
        self.young.add(key)
        if at is not None and at > self.newest_young_at:
            self.newest_young_at = at
        if len(self.young) >= self.limit:
            self.forgotten_until = self.newest_old_at
            self.old, self.newest_old_at = self.young, self.newest_young_at
            self.young = set()
