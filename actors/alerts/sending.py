"""Sending: attempts beside the actor's loop, one task each, whose outcomes come back as notes.

EndpointLine.take_due -> AlertSender.send_alert -> AttemptEnded -> note_taken, note_refused, ...

An alert is sent once Redis has it; while Redis is away, all the same.
"""

import trio
from attrs import define, field, frozen

from actors.alerts.book import AlertBook
from actors.alerts.endpoint import EndpointLine
from config.settings import AlertsSettings
from domain.alerts import Alert
from domain.backoff import Backoff
from sources import AlertSender, SendAnswer
from supervision.desk import Desk
from supervision.environment import Environment

GONE = 410


@frozen
class AttemptEnded:
    """What became of an attempt."""

    alert: Alert
    answer: SendAnswer


@define(kw_only=True, eq=False)
class Sending:
    """One life of it."""

    book: AlertBook
    sender: AlertSender
    settings: AlertsSettings
    environment: Environment
    name: str  # of the actor, which reports outages
    desk: Desk
    is_stopped: bool = field(default=False, init=False)  # nothing begins any more

    def begin_attempts(self, *, redis_is_away: bool) -> None:
        """Begin what is due for each endpoint."""
        if self.is_stopped:
            return
        unsaved, now = self.book.alerts.unsaved, trio.current_time()

        def may_be_sent(alert_id: str) -> bool:
            return redis_is_away or alert_id not in unsaved

        for line in self.book.lines.values():
            for alert_id in line.take_due(now, may_be_sent):
                alert = self.book.alerts.rows[alert_id]
                self.desk.nursery.start_soon(self._attempt, alert)

    async def _attempt(self, alert: Alert) -> None:
        answer = await self.sender.send_alert(alert.endpoint, alert.id, alert.body)
        self.desk.post(AttemptEnded(alert, answer))

    def note_outcome(self, ended: AttemptEnded) -> None:
        """Let the alert go, wait, or fail."""
        alert, answer = ended.alert, ended.answer
        line = self.book.lines[alert.endpoint]
        if answer.is_taken:
            line.note_taken(alert.id)
            self.book.end_alert(alert.id)
        elif answer.status == GONE:
            self._close_endpoint(line, alert)
        else:
            now, at = trio.current_time(), self.environment.clock()
            line.note_refused(alert.id, answer.problem, answer.pause_seconds, now, at)
            self.environment.log.info(
                "alert not taken",
                endpoint=line.name,
                alert=alert.id,
                problem=answer.problem,
                next_attempt_seconds=round(max(line.find_due_at() - now, 0.0), 3),
            )
        self.report_outages()

    def _close_endpoint(self, line: EndpointLine, alert: Alert) -> None:
        waiting = line.note_gone(alert.id, self.environment.clock())
        for alert_id in dict.fromkeys([alert.id, *waiting]):
            self.book.fail_alert(alert_id, "HTTP 410")
        self.environment.log.warning(
            "endpoint is gone, its alerts have failed", endpoint=line.name, alerts=len(waiting)
        )

    def give_up_old(self) -> None:
        """Let alerts fail that have waited for too long."""
        earliest = self.environment.clock() - self.settings.give_up_after_seconds
        for line in self.book.lines.values():
            old = [
                alert_id
                for alert_id in line.waiting
                if alert_id not in line.under_way
                and self.book.alerts.rows[alert_id].raised_at < earliest
            ]
            for alert_id in old:
                failure = line.problem or "it was never tried"
                self.book.fail_alert(alert_id, failure)
                self.environment.log.warning(
                    "alert given up", endpoint=line.name, alert=alert_id, problem=failure
                )

    def report_outages(self) -> None:
        """Name endpoints that count as away, and those that are back."""
        now, at = trio.current_time(), self.environment.clock()
        for name, line in self.book.lines.items():
            problem = line.describe_outage(now, at, self.settings.degraded_after_seconds)
            if (problem or "") != self.book.reported.get(name, ""):
                self.book.reported[name] = problem or ""
                self.environment.readiness.report_outage(f"webhook {name}", self.name, problem)

    @property
    def is_quiet(self) -> bool:
        """True while no attempt is under way."""
        return not any(line.under_way for line in self.book.lines.values())

    def new_line(self, name: str) -> EndpointLine:
        """An endpoint, of which nothing is known yet."""
        return EndpointLine(
            name=name, most=self.settings.waiting_alerts, new_backoff=self._new_backoff
        )

    def _new_backoff(self) -> Backoff:
        return Backoff(
            first_seconds=self.settings.retry_seconds,
            longest_seconds=self.settings.retry_longest_seconds,
            random=self.environment.random,
        )
