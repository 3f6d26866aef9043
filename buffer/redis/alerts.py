"""The shelf of alerts in Redis: two shelves as spool.lua tells of them, by the same scripts.

    keep_alerts, keep_rules     -> quarantine.lua         read_alerts, read_rules -> read_shelf.lua
    forget_alerts, forget_rules -> remove_from_shelf.lua

Keys: td:alerts:order, td:alerts:rows, td:alert-rules:order, td:alert-rules:rows.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import orjson
import redis
from attrs import define, field

from buffer.alerts import (
    MOST_STORED_RULES,
    decode_alert,
    decode_rule,
    encode_alert,
    encode_rule,
)
from buffer.redis import RedisOffload
from buffer.redis.connection import RedisConnections
from buffer.redis.scripts import run_script
from domain.alerts import Alert, RuleDocument

ALERT_KEYS = ("td:alerts:order", "td:alerts:rows")
RULE_KEYS = ("td:alert-rules:order", "td:alert-rules:rows")

Row = TypeVar("Row")


@define(kw_only=True)
class RedisAlertShelf:
    """The `AlertShelf` in a Redis server."""

    url: str = field(repr=False)
    timeout_seconds: float  # to connect, and for one call
    offload: RedisOffload
    most_alerts: int
    _connections: RedisConnections = field(init=False)

    @_connections.default
    def _new_connections(self) -> RedisConnections:
        return RedisConnections(self.url, self.timeout_seconds)

    async def keep_alerts(self, alerts: Sequence[Alert]) -> None:
        rows = [(alert.id, encode_alert(alert)) for alert in alerts]
        await self.offload(self._put_rows, ALERT_KEYS, rows, self.most_alerts)

    async def read_alerts(self) -> Sequence[Alert]:
        return await self.offload(self._read_rows, ALERT_KEYS, self.most_alerts, decode_alert)

    async def forget_alerts(self, alert_ids: Sequence[str]) -> None:
        await self.offload(self._remove_rows, ALERT_KEYS, alert_ids)

    async def keep_rules(self, rules: Sequence[RuleDocument]) -> None:
        rows = [(rule["id"], encode_rule(rule)) for rule in rules]
        await self.offload(self._put_rows, RULE_KEYS, rows, MOST_STORED_RULES)

    async def read_rules(self) -> Sequence[RuleDocument]:
        return await self.offload(self._read_rows, RULE_KEYS, MOST_STORED_RULES, decode_rule)

    async def forget_rules(self, rule_ids: Sequence[str]) -> None:
        await self.offload(self._remove_rows, RULE_KEYS, rule_ids)

    async def close(self) -> None:
        self._connections.close()

    # Blocking from here on, in a worker thread.

    def _put_rows(self, keys: Sequence[str], rows: Sequence[tuple[str, str]], most: int) -> None:
        if rows:
            self._run("quarantine", keys, int, orjson.dumps(rows), most)

    def _read_rows(
        self, keys: Sequence[str], most: int, decode: Callable[[Any], Row]
    ) -> Sequence[Row]:
        def read(answer: Any) -> Sequence[Row]:
            return [decode(row) for row in orjson.loads(answer)]

        return self._run("read_shelf", keys, read, most)

    def _remove_rows(self, keys: Sequence[str], names: Sequence[str]) -> None:
        if names:
            self._run("remove_from_shelf", keys, int, orjson.dumps(names))

    def _run(
        self, script: str, keys: Sequence[str], read: Callable[[Any], Row], *arguments: bytes | int
    ) -> Row:
        """What `read` makes of a script's answer."""

        def run(client: redis.Redis) -> Row:
            return read(run_script(client, script, keys, arguments))

        return self._connections.call(run)
