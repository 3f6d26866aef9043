"""The alerts that wait for one endpoint, and when each is tried: the retry book. Pure.

    add_alert  ->  EndpointLine  ->  take_due: what to send now
    note_taken, note_refused, note_gone  <-  what became of it

Two waits stand before an attempt: the endpoint's, after its last failure, and the alert's, after
its own failures. So a dead endpoint is asked by one alert at a time, less and less often, and an
alert that alone is refused holds back no other.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from math import inf
from operator import itemgetter

from attrs import Factory, define, field

from domain.backoff import Backoff
from domain.values import UnixSeconds

AT_ONCE = 4  # attempts under way; after a failure one
FULL_SECONDS = 60.0  # for which a loss at the bound is told


@define(kw_only=True)
class Attempts:
    """One alert that waits."""

    backoff: Backoff
    due_at: float = -inf  # trio's clock


@define(kw_only=True, eq=False)
class EndpointLine:
    """One endpoint; all times are those of trio's clock, but for `failing_since`."""

    name: str
    most: int  # alerts that wait
    new_backoff: Callable[[], Backoff]
    waiting: dict[str, Attempts] = Factory(dict)  # by alert's id, the oldest first
    under_way: set[str] = Factory(set)
    failing_since: UnixSeconds | None = None
    problem: str = ""  # the last one
    is_gone: bool = False  # it has answered 410
    paused_until: float = -inf
    dropped_at: float = -inf
    taken: int = 0
    failed_attempts: int = 0
    dropped: int = 0
    backoff: Backoff = field(
        init=False, default=Factory(lambda self: self.new_backoff(), takes_self=True)
    )

    def add_alert(self, alert_id: str, now: float) -> list[str]:
        """Let an alert wait; past the bound the oldest goes, whose id it returns."""
        self.waiting[alert_id] = Attempts(backoff=self.new_backoff())
        return self._drop_surplus(now)

    def take_older(self, alert_ids: Iterable[str], now: float) -> list[str]:
        """Let alerts wait that are older than those that do; likewise."""
        older = {alert_id: Attempts(backoff=self.new_backoff()) for alert_id in alert_ids}
        self.waiting = older | self.waiting
        return self._drop_surplus(now)

    def _drop_surplus(self, now: float) -> list[str]:
        surplus = max(0, len(self.waiting) - self.most)
        dropped = list(islice(self.waiting, surplus))
        for alert_id in dropped:
            del self.waiting[alert_id]
            self.dropped_at = now
        self.dropped += surplus
        return dropped

    def remove_alert(self, alert_id: str) -> None:
        """Let an alert wait no more."""
        self.waiting.pop(alert_id, None)

    def take_due(self, now: float, may_be_sent: Callable[[str], bool]) -> Iterator[str]:
        """The alerts of which an attempt is to begin now; each is under way from then on."""
        most = 1 if self.failing_since is not None else AT_ONCE
        if self.is_gone or self.paused_until > now or len(self.under_way) >= most:
            return
        due = [
            (attempts.due_at, alert_id)
            for alert_id, attempts in self.waiting.items()
            if attempts.due_at <= now and alert_id not in self.under_way and may_be_sent(alert_id)
        ]
        due.sort(key=itemgetter(0))  # what has not been tried yet goes first, the oldest of it
        for _, alert_id in due[: most - len(self.under_way)]:
            self.under_way.add(alert_id)
            yield alert_id

    def find_due_at(self) -> float:
        """When something may be due next; infinite where nothing waits for time."""
        idle = [each.due_at for name, each in self.waiting.items() if name not in self.under_way]
        return max(min(idle), self.paused_until) if idle and not self.is_gone else inf

    # Outcomes.

    def note_taken(self, alert_id: str) -> None:
        """The endpoint has it, and is well."""
        self._end_attempt(alert_id)
        self.remove_alert(alert_id)
        self.taken += 1
        self.backoff.reset()
        self.failing_since, self.problem, self.is_gone = None, "", False
        self.paused_until = -inf

    def note_refused(
        self, alert_id: str, problem: str, pause_seconds: float | None, now: float, at: UnixSeconds
    ) -> None:
        """An attempt has failed: the alert waits, and comes behind those that are due before."""
        self._end_attempt(alert_id)
        self._note_problem(problem, at)
        wait_seconds = max(self.backoff.next_wait_seconds(), pause_seconds or 0.0)
        self.paused_until = now + wait_seconds
        if (attempts := self.waiting.get(alert_id)) is not None:
            attempts.due_at = now + attempts.backoff.next_wait_seconds()

    def note_gone(self, alert_id: str, at: UnixSeconds) -> list[str]:
        """The endpoint wants nothing any more; all that waited, which waits no longer."""
        self._end_attempt(alert_id)
        self._note_problem("HTTP 410", at)
        self.is_gone = True
        gone, self.waiting = list(self.waiting), {}
        return gone

    def open_again(self) -> None:
        """Try it again at once, whatever it has answered."""
        self.is_gone = False
        self.paused_until = -inf

    def begin_life(self) -> None:
        """No attempt of an earlier life is under way."""
        self.under_way.clear()

    def _end_attempt(self, alert_id: str) -> None:
        self.under_way.discard(alert_id)

    def _note_problem(self, problem: str, at: UnixSeconds) -> None:
        self.failed_attempts += 1
        self.problem = problem
        if self.failing_since is None:
            self.failing_since = at

    # Health.

    def describe_outage(self, now: float, at: UnixSeconds, patience_seconds: float) -> str | None:
        """Why it counts as away; None where it does not."""
        if self.is_gone:
            return "it has answered 410: alerts for it have failed, until one is sent again"
        if now - self.dropped_at < FULL_SECONDS:
            return f"{self.most} alerts wait for it, the oldest were dropped"
        if self.failing_since is not None and at - self.failing_since >= patience_seconds:
            return "no alert could be brought to it for long"
        return None
