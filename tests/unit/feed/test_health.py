"""What clients are told of the service's health."""

import orjson
import pytest

from domain.values import UnixSeconds
from feed.health import health_message, report_health
from tests.unit.feed.tokens import NOW
from tests.unit.feed.worlds import Away, Conditions

REDIS = Away("redis", "connection refused", UnixSeconds(NOW + 0.25))
SOURCE = Away("pumpportal", "nothing heard for 60 s", NOW)
SHOWN = [
    {"name": "redis", "reason": "connection refused", "since": "2026-07-25T17:20:00.250Z"},
    {"name": "pumpportal", "reason": "nothing heard for 60 s", "since": "2026-07-25T17:20:00.000Z"},
]


@pytest.mark.parametrize(
    ("is_ready", "away", "readiness"),
    [
        (True, [], {"status": "ready"}),
        (True, [REDIS, SOURCE], {"status": "degraded", "degraded": SHOWN}),
        (False, [], {"status": "not ready", "reasons": ["not just now"]}),
        (False, [REDIS, SOURCE], {"status": "not ready", "reasons": ["not just now"]}),
    ],
)
def test_readiness_is_told_with_what_explains_it(
    is_ready: bool, away: list[Away], readiness: dict[str, object]
) -> None:
    report = report_health(Conditions(is_ready=is_ready, away=away))
    assert readiness == report.readiness
    assert {"reasons": [] if is_ready else ["not just now"], "degraded": SHOWN[: len(away)]} == {
        name: value for name, value in report.document.items() if name != "status"
    }
    assert readiness["status"] == report.document["status"]


def test_the_message_of_the_websocket_has_the_whole_document() -> None:
    conditions = Conditions(away=[REDIS])
    message = orjson.loads(health_message(conditions))
    assert {"type": "health", **report_health(conditions).document} == message
