"""The shelf of alerts: what has been raised and not been taken yet, and the rules of the API.

Adapters: `buffer.redis.alerts.RedisAlertShelf` (real) and `buffer.memory_alerts.MemoryAlertShelf`
(twin); both pass tests/contract/test_alert_shelf.py.

    Alert, RuleDocument  <->  JSON in Redis
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs
import orjson

from domain.alerts import Alert, RuleDocument
from domain.records import list_needed_fields

ALERT_FIELDS = tuple(each.name for each in attrs.fields(Alert))
NEEDED_ALERT_FIELDS = list_needed_fields(Alert)
MOST_STORED_RULES = 1000  # far more than are taken; beyond it the oldest go


class AlertShelf(Protocol):
    """What alerts must not lose.

    Every method raises `BufferUnavailable` when Redis cannot be reached, does not finish in time,
    or is full; every one can then be repeated without harm.
    """

    async def keep_alerts(self, alerts: Sequence[Alert]) -> None:
        """Keep alerts, the latest of an id; past the bound those kept longest ago go."""

    async def read_alerts(self) -> Sequence[Alert]:
        """Every alert, the one kept longest ago first."""

    async def forget_alerts(self, alert_ids: Sequence[str]) -> None:
        """Forget alerts; unknown ones are forgotten already."""

    async def keep_rules(self, rules: Sequence[RuleDocument]) -> None:
        """Keep rules, the latest of an id."""

    async def read_rules(self) -> Sequence[RuleDocument]:
        """Every rule, the one kept longest ago first."""

    async def forget_rules(self, rule_ids: Sequence[str]) -> None:
        """Forget rules; unknown ones are forgotten already."""

    async def close(self) -> None:
        """Disconnect; harmless when already closed."""


def encode_alert(alert: Alert) -> str:
    return orjson.dumps({name: getattr(alert, name) for name in ALERT_FIELDS}).decode()


def decode_alert(row: Mapping[str, Any]) -> Alert:
    """An alert; fields of a newer release are left out. `ValueError` where it is none."""
    if not isinstance(row, Mapping) or not row.keys() >= NEEDED_ALERT_FIELDS:
        raise ValueError("no alert")
    return Alert(**{name: row[name] for name in ALERT_FIELDS if name in row})


def encode_rule(rule: RuleDocument) -> str:
    return orjson.dumps(rule).decode()


def decode_rule(row: Mapping[str, Any]) -> RuleDocument:
    """A rule, whatever it asks for. `ValueError` where it has no id."""
    match row:
        case {"id": str()}:
            return row
    raise ValueError("no rule")
