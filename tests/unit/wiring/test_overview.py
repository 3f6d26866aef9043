"""The overview: JSON values of problems, events and history, and what they say of themselves."""

from typing import Any

import orjson
import pytest

from actors.history.memory import HistoryMemory
from buffer.history import HistoryBatch
from domain.operations import SERIES, HistoryPoint, Look, OperationsEvent, Problem
from domain.values import UnixSeconds
from wiring.overview import make_overview

NOW = UnixSeconds(1_780_000_000.0)
REDIS_AWAY = Problem(
    severity="critical",
    subject="redis",
    kind="away",
    what="Redis is away.",
    advice="Mend it.",
    section="tokendiscoveryredisaway",
)


def overview_of(memory: HistoryMemory, look: Look) -> Any:
    return make_overview(memory, lambda: look, dict)


def test_a_problem_has_its_address_in_the_runbook_and_since_when_it_stands() -> None:
    memory = HistoryMemory()
    memory.note_problems([REDIS_AWAY], UnixSeconds(NOW - 60))
    document = overview_of(memory, Look(at=NOW, problems=[REDIS_AWAY])).problems()
    assert {
        "at": "2026-05-28T20:26:40.000Z",
        "wellSince": None,
        "problems": [
            {
                "severity": "critical",
                "subject": "redis",
                "kind": "away",
                "what": "Redis is away.",
                "since": "2026-05-28T20:25:40.000Z",
                "advice": "Mend it.",
                "runbook": "/ops/runbook#tokendiscoveryredisaway",
            }
        ],
    } == document


def test_asking_for_problems_begins_none() -> None:
    memory = HistoryMemory()
    overview = overview_of(memory, Look(at=NOW, problems=[REDIS_AWAY]))
    assert overview.problems()["problems"][0]["since"] == overview.problems()["at"]
    assert {} == memory.standing


def test_where_nothing_is_wrong_it_says_since_when() -> None:
    memory = HistoryMemory()
    overview = overview_of(memory, Look(at=NOW))
    assert "2026-05-28T20:26:40.000Z" == overview.problems()["wellSince"]
    memory.note_problems([], UnixSeconds(NOW - 3600))
    document = overview.problems()
    assert ("2026-05-28T19:26:40.000Z", []) == (document["wellSince"], document["problems"])


def test_events_are_told_newest_first_and_whether_all_are_there() -> None:
    memory = HistoryMemory()
    memory.note_event(NOW, "service", "The service started.")
    overview = overview_of(memory, Look(at=NOW))
    assert not overview.events()["isComplete"]
    before = OperationsEvent(at=UnixSeconds(NOW - 9), kind="problem", words="Redis is away.")
    memory.take_stored(HistoryBatch(events=(before,)))
    document = overview.events()
    assert document["isComplete"]
    assert ["service", "problem"] == [event["kind"] for event in document["events"]]


def test_history_is_in_columns_with_null_where_nobody_knows() -> None:
    memory = HistoryMemory()
    for number in range(3):
        at = UnixSeconds(NOW - 3600 + 15 * number)  # the first is an hour ago, and no longer shown
        memory.add_point(HistoryPoint(at=at, values={"clients": number} if number != 1 else {}))
    document = orjson.loads(orjson.dumps(overview_of(memory, Look(at=NOW)).history(NOW, 1)))
    assert [NOW - 3585, NOW - 3570] == document["at"]
    assert (1, 15.0, False) == tuple(
        document[name] for name in ("hours", "secondsPerPoint", "isComplete")
    )
    assert SERIES.keys() == document["series"].keys()
    assert [None, 2.0] == document["series"]["clients"]["values"]


@pytest.mark.parametrize(("hours", "seconds", "points"), [(6, 15.0, 60), (24, 300.0, 3)])
def test_a_longer_history_is_of_five_minutes(hours: int, seconds: float, points: int) -> None:
    memory = HistoryMemory()
    for number in range(60):  # a quarter of an hour
        at = UnixSeconds(NOW - 100 + 15 * number)  # just before five minutes end
        memory.add_point(HistoryPoint(at=at, values={"clients": number}))
    document = overview_of(memory, Look(at=NOW)).history(UnixSeconds(NOW + 1000), hours)
    assert (seconds, points) == (document["secondsPerPoint"], len(document["at"]))
    assert 59.0 == document["series"]["clients"]["values"][-1]
