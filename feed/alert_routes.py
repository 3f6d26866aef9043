"""Alerts, as operators look at them and give orders about them.

    GET /api/alerts
    POST /api/alerts {rule}           ->  RuleSet       ->  alerts
    DELETE /api/alerts/{id}           ->  RuleDropped   ->  alerts
    POST /api/alerts/failed/{id}      ->  AlertResent   ->  alerts
    DELETE /api/alerts/failed/{id}    ->  AlertDropped  ->  alerts

An order is answered 202 as soon as it is on its way. What became of it shows in GET /api/alerts.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import orjson
from attrs import define

from domain.alerts import AlertDropped, AlertOrder, AlertResent, RuleDropped, RuleSet
from domain.errors import RequestRefused, RuleRefused
from feed import Operations, Surroundings
from feed.alert_rules import MOST_RULES
from feed.http import HttpRequest, HttpResponse, json_response
from feed.token_routes import Route

ALERTS_PATH = "/api/alerts"
FAILED_PATH = f"{ALERTS_PATH}/failed"


@define(eq=False)
class AlertRoutes:
    """Answers what operators ask of alerts."""

    operations: Operations
    surroundings: Surroundings

    def find_route(self, path: str) -> Route | None:
        """The route of a path; None for one that is not answered here."""
        if path == ALERTS_PATH:
            return self._use_rules
        if alert_id := _read_last_step(path, FAILED_PATH):
            return partial(self._use_failed, alert_id)
        if rule_id := _read_last_step(path, ALERTS_PATH):
            return partial(self._drop_rule, rule_id)
        return None

    async def _use_rules(self, request: HttpRequest) -> HttpResponse:
        told = self.operations.alerts()
        if request.method != "POST":
            return json_response(told)
        if not told["endpoints"]:
            raise RequestRefused(409, "alerts_off", "alerts.endpoints is empty: nobody is told")
        rule = self._read_rule(request.body)
        known = _find_rule(told["rules"], rule["id"])
        if known is not None:
            _require_changeable(known)
        elif len(told["rules"]) >= MOST_RULES:
            raise RequestRefused(409, "too_many_rules", f"at most {MOST_RULES} rules")
        return self._give_order(RuleSet(rule=rule), {"rule": rule})

    async def _drop_rule(self, rule_id: str, request: HttpRequest) -> HttpResponse:
        told = self.operations.alerts()
        known = _find_rule(told["rules"], rule_id)
        if known is None and rule_id not in told["notUnderstood"]:
            raise RequestRefused(404, "unknown_rule", "there is no rule of this id")
        if known is not None and rule_id not in told["notUnderstood"]:
            _require_changeable(known)
        order = RuleDropped(rule_id=rule_id)
        return self._give_order(order, {"id": rule_id, "order": "drop"})

    async def _use_failed(self, alert_id: str, request: HttpRequest) -> HttpResponse:
        failed = self.operations.alerts()["failed"]
        if all(alert["id"] != alert_id for alert in failed):
            raise RequestRefused(404, "unknown_alert", "no alert of this id has failed")
        if request.method == "DELETE":
            dropped = AlertDropped(alert_id=alert_id)
            return self._give_order(dropped, {"id": alert_id, "order": "drop"})
        return self._give_order(AlertResent(alert_id=alert_id), {"id": alert_id, "order": "send"})

    def _read_rule(self, body: bytes) -> Mapping[str, Any]:
        try:
            return self.operations.read_rule(orjson.loads(body))
        except orjson.JSONDecodeError as error:
            raise RequestRefused(400, "bad_request", f"not JSON: {error}") from error
        except RuleRefused as error:
            raise RequestRefused(400, "bad_rule", str(error)) from error

    def _give_order(self, order: AlertOrder, accepted: Mapping[str, Any]) -> HttpResponse:
        self.surroundings.order_alerts(order)
        return json_response({"accepted": accepted}, status=202)


def find_alert_methods(path: str) -> tuple[str, ...] | None:
    """The methods that a path of alerts answers; None for any other path."""
    if path == ALERTS_PATH:
        return ("GET", "HEAD", "OPTIONS", "POST")
    if _read_last_step(path, FAILED_PATH):
        return ("DELETE", "OPTIONS", "POST")
    return ("DELETE", "OPTIONS") if _read_last_step(path, ALERTS_PATH) else None


def _read_last_step(path: str, under: str) -> str:
    """The one step of a path behind another; empty where there is none, or several."""
    step = path.removeprefix(f"{under}/")
    return "" if step == path or "/" in step else step


def _find_rule(rules: Sequence[Mapping[str, Any]], rule_id: str) -> Mapping[str, Any] | None:
    return next((each for each in rules if each["rule"]["id"] == rule_id), None)


def _require_changeable(known: Mapping[str, Any]) -> None:
    if known["source"] == "settings":
        raise RequestRefused(409, "rule_of_settings", "this rule stands in the settings")
