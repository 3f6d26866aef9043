"""How often an upstream is asked: evenly, never more than it allows in a minute, and in turns.

    JsonHttp -> Lane.wait_turn -> RateLimiter.wait_turn -> the request
    429      -> read_pause_seconds -> pause_requests -> nobody's turn until the pause is over

An upstream that allows n requests in a sliding window of a minute counts them as they arrive. So
two of ours that are as far apart as the window when they leave may share one when they arrive;
the window here is a little longer than the upstream's.
"""

from collections import deque
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import inf

import trio
from attrs import define, field

from domain.errors import RateLimited

MINUTE_SECONDS = 60.0
WINDOW_SLACK_SECONDS = 2.0  # what the network may take from the distance between two requests
MOST_COUNTED = 10_000  # requests a minute; above that only their distance is kept
# The longest pause that a header can cause: a wrong one must not stop the requests for years. An
# upstream that needs a longer pause answers the next request with 429 again.
LONGEST_PAUSE_SECONDS = 300.0
EPOCH_SECONDS, EPOCH_MILLISECONDS = 1e9, 1e12  # a greater number is no number of seconds to wait


@define(kw_only=True, eq=False)
class RateLimiter:
    """Lets one call through every 60 / `per_minute` seconds, in the order in which they came."""

    per_minute: float
    # How long a first 429 pauses that does not say for how long; each further one doubles it.
    unsaid_pause_seconds: float = 0.0
    # False: a call fails at once (`RateLimited`) while the upstream has asked for a pause.
    waits_for_pause: bool = True
    next_turn_at: float = field(default=-inf, init=False)  # trio time
    paused_until: float = field(default=-inf, init=False)  # trio time
    _unsaid_pauses: int = field(default=0, init=False)  # in a row
    _turns: deque[float] = field(init=False)  # of the last minute
    _queue: trio.StrictFIFOLock = field(factory=trio.StrictFIFOLock, init=False)

    @_turns.default
    def _no_turns(self) -> deque[float]:
        counted = self.per_minute if self.per_minute <= MOST_COUNTED else 0
        return deque(maxlen=int(counted))

    async def wait_turn(self) -> None:
        """Wait for this call's turn. One that is cancelled while it waits takes none."""
        async with self._queue:
            while (turn_at := self._find_turn()) > trio.current_time():
                self._check_pause()
                await trio.sleep_until(turn_at)
            self._check_pause()
            now = trio.current_time()
            self.next_turn_at = now + MINUTE_SECONDS / self.per_minute
            self._turns.append(now)

    def pause_requests(self, seconds: float | None) -> None:
        """Let nothing through for `seconds`, at most `LONGEST_PAUSE_SECONDS`; None: not said."""
        if seconds is None:
            seconds = self.unsaid_pause_seconds * 2.0 ** min(self._unsaid_pauses, 10)
            self._unsaid_pauses += 1
        ends_at = trio.current_time() + min(seconds, LONGEST_PAUSE_SECONDS)
        self.paused_until = max(self.paused_until, ends_at)

    def note_success(self) -> None:
        """The upstream serves: the next pause that it does not measure is short again."""
        self._unsaid_pauses = 0

    def _find_turn(self) -> float:
        turn_at = max(self.next_turn_at, self.paused_until)
        if self._turns.maxlen and len(self._turns) == self._turns.maxlen:
            turn_at = max(turn_at, self._turns[0] + MINUTE_SECONDS + WINDOW_SLACK_SECONDS)
        return turn_at

    def _check_pause(self) -> None:
        seconds = self.paused_until - trio.current_time()
        if seconds > 0 and not self.waits_for_pause:
            message = f"asked to pause for another {seconds:.0f} s"
            raise RateLimited(message, retry_after_seconds=seconds)


@define(kw_only=True, eq=False)
class Lane:
    """The calls of one kind among all that share a limiter: kinds that wait take turns.

    However many calls of one kind wait, only the first of them stands in the common queue.
    """

    limiter: RateLimiter
    _queue: trio.StrictFIFOLock = field(factory=trio.StrictFIFOLock, init=False)

    async def wait_turn(self) -> None:
        """Wait for this call's turn, as `RateLimiter.wait_turn` does."""
        async with self._queue:
            await self.limiter.wait_turn()

    def pause_requests(self, seconds: float | None) -> None:
        """Let nothing through in any lane of the limiter."""
        self.limiter.pause_requests(seconds)

    def note_success(self) -> None:
        """As `RateLimiter.note_success`."""
        self.limiter.note_success()


def read_pause_seconds(headers: Mapping[str, str]) -> float | None:
    """For how long the headers of a 429 ask to wait, within the bound; None if they do not say.

    `retry-after` in seconds; its other form, a date, is read as none. Else `x-ratelimit-reset`,
    which Jupiter sends: the second of the window's end, by the clock of the header `date`.
    """
    seconds = _read_digits(headers.get("retry-after"))
    if seconds is None:
        reset = _read_digits(headers.get("x-ratelimit-reset"))
        seconds = None if reset is None else _seconds_until(reset, headers.get("date"))
    return None if seconds is None else min(seconds, LONGEST_PAUSE_SECONDS)


def _read_digits(text: str | None) -> float | None:
    text = (text or "").strip()
    return float(text) if text.isascii() and text.isdigit() else None  # of any length


def _seconds_until(reset: float, date: str | None) -> float | None:
    if reset > EPOCH_MILLISECONDS:
        reset /= 1000
    if reset < EPOCH_SECONDS:
        return reset
    try:
        now = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return None
    # Whole seconds on both sides: without one more, the first request might be a little early.
    seconds = reset - now + 1.0
    return seconds if seconds > 0 else None
