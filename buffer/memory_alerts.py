"""The in-memory twin of the shelf of alerts: the same rows under the same bounds."""

from collections.abc import Iterable, Sequence

import orjson
from attrs import define, field

from buffer.alerts import (
    MOST_STORED_RULES,
    decode_alert,
    decode_rule,
    encode_alert,
    encode_rule,
)
from domain.alerts import Alert, RuleDocument
from domain.errors import BufferUnavailable


@define
class MemoryAlertShelf:
    """An `AlertShelf` that ends with the process."""

    most_alerts: int
    is_away: bool = False  # then every call fails
    alerts: dict[str, str] = field(factory=dict, init=False)  # JSON, by id
    rules: dict[str, str] = field(factory=dict, init=False)

    async def keep_alerts(self, alerts: Sequence[Alert]) -> None:
        self._require_presence()
        rows = ((alert.id, encode_alert(alert)) for alert in alerts)
        _put_last(self.alerts, rows, self.most_alerts)

    async def read_alerts(self) -> Sequence[Alert]:
        self._require_presence()
        return [decode_alert(orjson.loads(row)) for row in self.alerts.values()]

    async def forget_alerts(self, alert_ids: Sequence[str]) -> None:
        self._require_presence()
        for alert_id in alert_ids:
            self.alerts.pop(alert_id, None)

    async def keep_rules(self, rules: Sequence[RuleDocument]) -> None:
        self._require_presence()
        _put_last(
            self.rules, ((rule["id"], encode_rule(rule)) for rule in rules), MOST_STORED_RULES
        )

    async def read_rules(self) -> Sequence[RuleDocument]:
        self._require_presence()
        return [decode_rule(orjson.loads(row)) for row in self.rules.values()]

    async def forget_rules(self, rule_ids: Sequence[str]) -> None:
        self._require_presence()
        for rule_id in rule_ids:
            self.rules.pop(rule_id, None)

    async def close(self) -> None:
        """There is nothing to disconnect."""

    def _require_presence(self) -> None:
        if self.is_away:
            raise BufferUnavailable("the shelf of alerts is away")


def _put_last(shelf: dict[str, str], rows: Iterable[tuple[str, str]], most: int) -> None:
    for name, row in rows:
        shelf.pop(name, None)
        shelf[name] = row
    while len(shelf) > most:
        del shelf[next(iter(shelf))]
