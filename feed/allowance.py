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
        """Take the units if so many are left; False, and nothing is taken, otherwise."""
        self._refill(now)
        if self._left < units:
            return False
        self._left -= units
        return True

    def take_on_credit(self, units: float, now: float) -> float:
        """Take the units in any case; the seconds until those taken in advance have refilled."""
        self._refill(now)
        self._left -= units
        return max(-self._left / self.rate, 0.0)

    def count_left(self, now: float) -> float:
        """How many units could be taken."""
        self._refill(now)
        return max(self._left, 0.0)

    def seconds_until(self, units: float, now: float) -> float:
        """How long it takes until so many units are left; 0 if they are."""
        self._refill(now)
        return max((units - self._left) / self.rate, 0.0)

    def _refill(self, now: float) -> None:
        self._left = min(self._left + (now - self.now) * self.rate, self.burst)
        self.now = now
