"""What alerts must not forget: those that wait or have failed, the rules of the API, cool-downs.

It is the memory of its actor, and what operators are shown; Redis keeps alerts and rules for the
next process.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from attrs import Factory, define, evolve

from actors.alerts.cool_downs import CoolDowns
from actors.alerts.endpoint import EndpointLine
from actors.alerts.kept_rows import KeptRows
from domain.alerts import Alert
from feed.alert_rules import AlertRule
from feed.statistics import StatisticsMemory


@define(kw_only=True, eq=False)
class AlertBook:
    """Outlives its actor."""

    most_failed: int  # alerts; beyond it the oldest go
    statistics: StatisticsMemory
    settings_rules: Sequence[AlertRule] = ()
    alerts: KeptRows[Alert] = Factory(KeptRows)
    failed: dict[str, None] = Factory(dict)  # ids, the one given up first at the beginning
    rules: KeptRows[AlertRule] = Factory(KeptRows)  # of the API
    not_understood: dict[str, str] = Factory(dict)  # rules in Redis: why, by id
    lines: dict[str, EndpointLine] = Factory(dict)  # by endpoint
    cool_downs: CoolDowns = Factory(CoolDowns)
    fired: Counter[str] = Factory(Counter)  # by rule
    reported: dict[str, str] = Factory(dict)  # outages that were told, by endpoint
    is_loaded: bool = False  # what an earlier process has left in Redis is here
    is_judging: bool = False  # every token is known
    asks: int = 0  # for the roster
    counts: Counter[str] = Factory(Counter)

    # Rules.

    def list_rules(self) -> list[AlertRule]:
        """Those of the settings, then those of the API."""
        return [*self.settings_rules, *self.rules.rows.values()]

    def has_settings_rule(self, rule_id: str) -> bool:
        return any(rule.id == rule_id for rule in self.settings_rules)

    def drop_rule(self, rule_id: str) -> bool:
        """Let a rule of the API go, also one that is not understood; whether there was one."""
        if self.not_understood.pop(rule_id, None) is not None and rule_id not in self.rules.rows:
            self.rules.leaving.add(rule_id)
            return True
        return self.rules.remove_row(rule_id) is not None

    # Alerts.

    def add_alert(self, alert: Alert, now: float) -> None:
        """Let an alert wait for its endpoint, or let it fail where that wants none."""
        line = self.lines[alert.endpoint]
        self.alerts.put_row(alert.id, alert)
        if line.is_gone:
            self.fail_alert(alert.id, "HTTP 410")
        else:
            self._note_dropped(line.add_alert(alert.id, now))

    def take_stored(self, stored: Iterable[Alert], now: float) -> None:
        """Take what an earlier process has left."""
        by_age = sorted(stored, key=lambda alert: alert.raised_at)
        waiting: dict[str, list[str]] = {name: [] for name in self.lines}
        for alert_id in self.alerts.take_stored((alert.id, alert) for alert in by_age):
            alert = self.alerts.rows[alert_id]
            if alert.endpoint not in waiting:
                self.alerts.rows[alert_id] = evolve(alert, failure="no such endpoint any more")
                self._note_failed(alert_id)
            elif alert.failure is not None:
                self._note_failed(alert_id)
            else:
                waiting[alert.endpoint].append(alert_id)
        for name, alert_ids in waiting.items():
            self._note_dropped(self.lines[name].take_older(alert_ids, now))

    def _note_dropped(self, alert_ids: Iterable[str]) -> None:
        for alert_id in alert_ids:
            self.counts["dropped"] += 1
            self.alerts.remove_row(alert_id)

    def end_alert(self, alert_id: str) -> None:
        """Its endpoint has it."""
        self.failed.pop(alert_id, None)  # where its endpoint was gone meanwhile
        self.alerts.remove_row(alert_id)

    def fail_alert(self, alert_id: str, failure: str) -> None:
        """Give an alert up: operators may have it sent again."""
        alert = self.alerts.rows.get(alert_id)
        if alert is None or alert.failure is not None:
            return
        self.counts["given_up"] += 1
        self.lines[alert.endpoint].remove_alert(alert_id)
        self.alerts.put_row(alert_id, evolve(alert, failure=failure))
        self._note_failed(alert_id)

    def resend_alert(self, alert_id: str, now: float) -> None:
        """Let an alert that has failed wait again, as a new one would."""
        alert = self.alerts.rows.get(alert_id)
        if alert_id not in self.failed or alert is None or alert.endpoint not in self.lines:
            return
        self.counts["resent"] += 1
        del self.failed[alert_id]
        self.lines[alert.endpoint].open_again()
        self.add_alert(evolve(alert, failure=None), now)

    def drop_failed(self, alert_id: str) -> None:
        """Forget an alert that has failed."""
        if alert_id in self.failed:
            self.counts["dropped_by_operators"] += 1
            del self.failed[alert_id]
            self.alerts.remove_row(alert_id)

    def list_failed(self) -> Iterator[Alert]:
        return (self.alerts.rows[alert_id] for alert_id in self.failed)

    def _note_failed(self, alert_id: str) -> None:
        self.failed[alert_id] = None
        while len(self.failed) > self.most_failed:
            oldest = next(iter(self.failed))
            del self.failed[oldest]
            self.alerts.remove_row(oldest)
            self.counts["failed_dropped"] += 1

    # Redis.

    @property
    def is_saved(self) -> bool:
        return self.alerts.is_saved and self.rules.is_saved

    def count_unsaved(self) -> dict[str, int]:
        """What would be lost if the process ended now, by what it is; empty: nothing."""
        counts = {"alerts": len(self.alerts.unsaved), "rules of alerts": len(self.rules.unsaved)}
        return {name: count for name, count in counts.items() if count}
