"""What operators may change over HTTP; who may is told in feed/operators.py.

POST /api/ops/governor {"walBytesPerSecond", "rowsPerHour", "reset"}  ->  GovernorSet  ->  sync
POST /api/activity {"activeUsers"}  ->  UsersElsewhereTold  ->  activity
"""

from math import isfinite

import orjson

from domain.errors import RequestRefused
from domain.messages import GovernorSet, UsersElsewhereTold

FIGURES = {"walBytesPerSecond": "wal_bytes_per_second", "rowsPerHour": "rows_per_hour"}
LEAST, MOST = 1.0, 1e12  # bounds of the settings sync.*_budget_*
MOST_USERS = 1_000_000_000  # a greater count is a mistake


def parse_governor_set(body: bytes) -> GovernorSet:
    """The message that a request's body asks for; `RequestRefused` for a bad one."""
    asked = _read_object(body, {*FIGURES, "reset"})
    if not asked:
        raise _bad_request(
            "an object with one of walBytesPerSecond, rowsPerHour and reset is wanted"
        )
    reset = asked.get("reset", False)
    if not isinstance(reset, bool):
        raise _bad_request("reset is true or false")
    figures = {
        FIGURES[name]: _read_figure(name, asked[name]) for name in FIGURES.keys() & asked.keys()
    }
    return GovernorSet(reset=reset, **figures)


def parse_users_elsewhere(body: bytes) -> UsersElsewhereTold:
    """The message that a request's body asks for; `RequestRefused` for a bad one."""
    users = _read_object(body, {"activeUsers"}).get("activeUsers")
    if type(users) is not int or not 0 <= users <= MOST_USERS:
        raise _bad_request(f"activeUsers is wanted, an integer from 0 to {MOST_USERS}")
    return UsersElsewhereTold(by="http", users=users)


def _read_object(body: bytes, known: set[str]) -> dict[str, object]:
    """A JSON object without unknown members."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _bad_request(f"not JSON: {error}") from error
    if not isinstance(asked, dict):
        raise _bad_request("a JSON object is wanted")
    if unknown := asked.keys() - known:
        raise _bad_request(f"unknown: {', '.join(sorted(unknown))[:100]}")
    return asked


def _read_figure(name: str, value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not isfinite(number := float(value)) or not LEAST <= number <= MOST:  # type: ignore[arg-type]
        raise _bad_request(f"{name} is a number from {LEAST:g} to {MOST:g}")
    return number


def _bad_request(message: str) -> RequestRefused:
    return RequestRefused(400, "bad_request", message)
