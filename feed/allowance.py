"""A token bucket: how much one client may do, in the long run and at once."""

from attrs import Factory, define, field


@define(eq=False)
class Allowance:
    """Refills at `rate` units a second, up to `burst`. Time is given by the caller, in seconds."""

    rate: float
    burst: float
    now: float
    _left: float = field(init=False, default=Factory(lambda self: self.burst, takes_self=True))

    def try_take(self, units: float, now: float) -> bool:
        """True, and the units are taken, if they were there."""
        self._refill(now)
        if self._left < units:
            return False
        self._left -= units
        return True

    def take_on_credit(self, units: float, now: float) -> float:
        """Take the units whether they are there or not; seconds until none is owed."""
        self._refill(now)
        self._left -= units
        return max(-self._left / self.rate, 0.0)

    def _refill(self, now: float) -> None:
        self._left = min(self._left + (now - self.now) * self.rate, self.burst)
        self.now = now
