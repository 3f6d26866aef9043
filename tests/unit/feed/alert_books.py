"""A book of alerts as the routes may find one."""

from random import Random

from actors.alerts.book import AlertBook
from actors.alerts.endpoint import EndpointLine
from domain.alerts import Alert
from domain.backoff import Backoff
from domain.values import UnixSeconds
from feed.alert_rules import parse_rule
from feed.statistics import StatisticsMemory
from tests.unit.feed.tokens import mint_of

ENDPOINTS = ("desk",)


def make_book() -> AlertBook:
    """One rule of the settings, one of the API, and one alert that has failed."""
    settings_rule = parse_rule(
        {"id": "fixed", "kind": "bonded", "scope": "watched"}, ENDPOINTS, 300.0
    )
    api_rule = parse_rule({"id": "mine", "kind": "newIn", "scope": "hot"}, ENDPOINTS, 300.0)
    book = AlertBook(
        most_failed=10,
        statistics=StatisticsMemory(10),
        settings_rules=(settings_rule,),
        lines={"desk": EndpointLine(name="desk", most=10, new_backoff=_new_backoff)},
        is_loaded=True,
    )
    book.rules.put_row(api_rule.id, api_rule)
    alert = Alert(
        id="msg_1",
        endpoint="desk",
        rule="mine",
        mint=mint_of(1),
        raised_at=UnixSeconds(1_780_000_000.0),
        body="{}",
    )
    book.add_alert(alert, 0.0)
    book.fail_alert("msg_1", "HTTP 500")
    return book


def _new_backoff() -> Backoff:
    return Backoff(first_seconds=1.0, longest_seconds=10.0, random=Random(1))
