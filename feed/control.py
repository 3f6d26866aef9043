"""What operators may change over HTTP, and who may.

    POST /api/ops/governor {"walBytesPerSecond", "rowsPerHour", "reset"}  ->  GovernorSet  ->  sync

Without a control token only this machine is heard, and on it no browser and no proxy: a web page
could make the one ask, and anybody may stand behind the other. With a token it is always wanted.
"""

from hmac import compare_digest
from ipaddress import ip_address
from math import isfinite

import orjson

from domain.errors import RequestRefused
from domain.messages import GovernorSet
from feed.http import HttpRequest

# What a browser adds to every POST, and what proxies add.
FOREIGN_HEADERS = ("origin", "forwarded", "x-forwarded-for", "x-real-ip", "via")
FIGURES = {"walBytesPerSecond": "wal_bytes_per_second", "rowsPerHour": "rows_per_hour"}
LEAST, MOST = 1.0, 1e12  # bounds of the settings sync.*_budget_*


def require_operator(request: HttpRequest, control_token: str) -> None:
    """Raise `RequestRefused` unless the request may change what the service does."""
    if control_token:
        wanted = f"Bearer {control_token}".encode()
        given = request.headers.get("authorization", "").encode("latin-1", "replace")
        if not compare_digest(wanted, given):
            raise RequestRefused(403, "forbidden", "this wants the control token")
        return
    if not _is_loopback(request.peer) or any(n in request.headers for n in FOREIGN_HEADERS):
        raise RequestRefused(
            403, "forbidden", "only from this machine; elsewhere set gateway.control_token"
        )


def parse_governor_set(body: bytes) -> GovernorSet:
    """The message that a request's body asks for; `RequestRefused` for a bad one."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _bad_request(f"not JSON: {error}") from error
    if not isinstance(asked, dict) or not asked:
        raise _bad_request(
            "an object with one of walBytesPerSecond, rowsPerHour and reset is wanted"
        )
    if unknown := asked.keys() - FIGURES.keys() - {"reset"}:
        raise _bad_request(f"unknown: {', '.join(sorted(unknown))[:100]}")
    reset = asked.get("reset", False)
    if not isinstance(reset, bool):
        raise _bad_request("reset is true or false")
    figures = {
        FIGURES[name]: _read_figure(name, asked[name]) for name in FIGURES.keys() & asked.keys()
    }
    return GovernorSet(reset=reset, **figures)


def _read_figure(name: str, value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not isfinite(number := float(value)) or not LEAST <= number <= MOST:  # type: ignore[arg-type]
        raise _bad_request(f"{name} is a number from {LEAST:g} to {MOST:g}")
    return number


def _bad_request(message: str) -> RequestRefused:
    return RequestRefused(400, "bad_request", message)


def _is_loopback(peer: str) -> bool:
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False  # unknown: the client is gone already
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
