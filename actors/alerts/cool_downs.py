"""When rules have fired, so that a figure that swings round its value does not fire each time.

Firing  ->  CoolDowns.begin  ->  whether it is told
"""

from itertools import islice

from attrs import Factory, define

from domain.values import Mint, UnixSeconds

MOST_REMEMBERED = 20_000  # firings; the oldest are forgotten, and may then be told again early


@define
class CoolDowns:
    """The newest firings by rule and token."""

    fired_at: dict[tuple[str, Mint], UnixSeconds] = Factory(dict)  # the oldest first

    def begin(self, rule_id: str, mint: Mint, seconds: float, now: UnixSeconds) -> bool:
        """Note a firing; False where the one before was less than so long ago: it is not told."""
        key = rule_id, mint
        before = self.fired_at.get(key)
        if before is not None and abs(now - before) < seconds:
            return False
        self.fired_at.pop(key, None)
        self.fired_at[key] = now
        for oldest in list(islice(self.fired_at, max(0, len(self.fired_at) - MOST_REMEMBERED))):
            del self.fired_at[oldest]
        return True

    def forget_rule(self, rule_id: str) -> None:
        """Begin anew for a rule that has gone."""
        for key in [key for key in self.fired_at if key[0] == rule_id]:
            del self.fired_at[key]
