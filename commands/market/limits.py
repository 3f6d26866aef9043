"""Rate limits as the providers keep them: so many requests in the last 60 seconds."""

from collections import deque

from attrs import define, field

WINDOW_SECONDS = 60.0


@define
class SlidingWindow:
    """One bucket; what it refuses does not count."""

    per_minute: int
    times: deque[float] = field(factory=deque)

    def wait_seconds(self, now: float) -> float:
        """0 and counted if the request is within the limit, else how long until one is."""
        while self.times and self.times[0] <= now - WINDOW_SECONDS:
            self.times.popleft()
        if len(self.times) >= self.per_minute:
            return self.times[0] + WINDOW_SECONDS - now if self.times else WINDOW_SECONDS
        self.times.append(now)
        return 0.0
