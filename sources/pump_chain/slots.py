"""Slots: how far the stream has come on the chain, and where something may be missing. No I/O.

    slot of each message -> SlotFollower -> the slot after which something may be missing, or None

Solana makes a slot every 400 ms. A message may be some slots late; one whose slot is far from where
the chain can be is believed when a second one agrees with it, so that a single absurd number moves
nothing.
"""

from attrs import define, field

PAUSE_SLOTS = 50  # 20 s: pump's program runs in nearly every slot
FAR_SLOTS = 1_000  # 400 s: no message is so late, and none so early
SLOTS_PER_SECOND = 4.0  # more than the chain makes


@define(kw_only=True)
class SlotFollower:
    """The newest slot that is believed; it outlives connections."""

    slot: int | None = field(default=None, init=False)
    followed_at: float = field(default=0.0, init=False)  # trio time when `slot` was told
    suspect: int | None = field(default=None, init=False)  # told last, and not believed
    is_reconnected: bool = field(default=False, init=False)  # and no message has come since

    def begin_connection(self) -> None:
        """A connection begins: what came before its first message may be missing."""
        self.is_reconnected = self.slot is not None

    def follow_slot(self, slot: int, now: float) -> int | None:
        """Take a message's slot; where something may be missing, the slot that it begins with."""
        last = self.slot
        if last is None:
            self._move_to(slot, now)
            return None
        if not self._is_believable(slot, last, now):
            self.suspect = slot
            return None
        is_gap = self.is_reconnected or slot - last > PAUSE_SLOTS
        self.is_reconnected = False
        self.suspect = None
        if slot > last or last - slot > FAR_SLOTS:
            self._move_to(slot, now)
        return min(last, slot) if is_gap else None

    def _is_believable(self, slot: int, last: int, now: float) -> bool:
        made = SLOTS_PER_SECOND * max(now - self.followed_at, 0.0)
        is_near = -FAR_SLOTS <= slot - last <= FAR_SLOTS + made
        return is_near or (self.suspect is not None and abs(slot - self.suspect) <= FAR_SLOTS)

    def _move_to(self, slot: int, now: float) -> None:
        self.slot, self.followed_at = slot, now
