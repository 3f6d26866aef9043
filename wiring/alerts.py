"""Alerts as they are put together: of the settings, and of what they talk to.

AlertsSettings  ->  rules, JudgePlan, AlertDoors;  AlertBook  ->  JSON of /api/alerts
"""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from actors.alerts.actor import AlertsPlan
from actors.alerts.book import AlertBook
from actors.alerts.judge import JudgePlan
from actors.alerts.report import report_alerts
from buffer.alerts import AlertShelf
from buffer.redis.alerts import RedisAlertShelf
from config.settings import AlertsSettings, Settings
from config.webhooks import parse_webhooks
from domain.alerts import RuleDocument
from domain.errors import RuleRefused, SettingsInvalid
from domain.values import UnixSeconds
from feed.alert_rules import AlertRule, parse_rule, parse_rules
from feed.operations import render_snapshot
from feed.statistics import StatisticsMemory
from sources import AlertSender
from sources.guarded import GuardedHttp
from sources.webhooks import WebhookSender, read_webhooks
from supervision.offload import offload_to_threads

Clock = Callable[[], UnixSeconds]


@frozen(kw_only=True)
class AlertDoors:
    """What alerts talk to outside the process."""

    shelf: AlertShelf
    sender: AlertSender


def open_alert_doors(settings: Settings, clock: Clock) -> AlertDoors | None:
    """Nothing is connected yet; None: alerts are off."""
    alerts, redis = settings.alerts, settings.redis
    webhooks = read_webhooks(alerts)
    if not webhooks:
        return None
    return AlertDoors(
        shelf=RedisAlertShelf(
            url=redis.url,
            timeout_seconds=redis.timeout_seconds,
            offload=offload_to_threads(1),
            most_alerts=count_most_alerts(alerts),
        ),
        sender=WebhookSender(
            webhooks=webhooks,
            http=GuardedHttp(timeout_seconds=alerts.timeout_seconds),
            clock=clock,
        ),
    )


def count_most_alerts(settings: AlertsSettings) -> int:
    """Those that wait for each endpoint, and those that have failed."""
    return settings.waiting_alerts * (len(parse_webhooks(settings.endpoints)) + 1)


def read_alert_rules(settings: AlertsSettings) -> list[AlertRule]:
    """The rules of the settings; `SettingsInvalid` where one is none."""
    endpoints = parse_webhooks(settings.endpoints)
    try:
        rules = parse_rules(settings.rules, endpoints, settings.cool_down_seconds)
    except RuleRefused as error:
        raise SettingsInvalid([f"alerts.rules: {error}"]) from error
    if rules and not endpoints:
        raise SettingsInvalid(["alerts.rules: nobody is told while alerts.endpoints is empty"])
    return rules


def new_alert_book(settings: Settings) -> AlertBook:
    """Empty, but for the rules of the settings."""
    return AlertBook(
        most_failed=settings.alerts.waiting_alerts,
        statistics=StatisticsMemory(settings.tracking.tokens),
        settings_rules=read_alert_rules(settings.alerts),
    )


def plan_alerts(settings: Settings, doors: AlertDoors, clock: Clock) -> AlertsPlan:
    """What the actor is given."""
    return AlertsPlan(
        settings=settings.alerts,
        judging=JudgePlan(
            tokens=settings.tracking.tokens,
            board_tokens=settings.gateway.board_tokens,
            settle_seconds=settings.market_data.interval_seconds,
            clock=clock,
        ),
        endpoints=tuple(parse_webhooks(settings.alerts.endpoints)),
        shelf=doors.shelf,
        sender=doors.sender,
    )


@frozen(kw_only=True)
class AlertsView:
    """Looks, and changes nothing; answered from memory."""

    book: AlertBook
    settings: AlertsSettings

    def list_alerts(self) -> Mapping[str, Any]:
        """Rules, endpoints and what has failed."""
        return render_snapshot(report_alerts(self.book))

    def read_rule(self, described: object) -> RuleDocument:
        """A rule in its one form; `RuleRefused` where it is none."""
        endpoints = parse_webhooks(self.settings.endpoints)
        return parse_rule(described, endpoints, self.settings.cool_down_seconds).document
