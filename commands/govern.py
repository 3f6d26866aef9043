"""Read, or change while the service runs, what its updates may write to Postgres.

Without a figure it prints the governor's state: the budget, what is allowed of it now, how old
the oldest unflushed values are, and why it holds back. What is changed lasts until the service
ends, or a reload tells another; --reset goes back to the settings. A service with a
gateway.control_token wants it: of --config, or in TOKEN_DISCOVERY__GATEWAY__CONTROL_TOKEN; one
without is heard from its own machine only.
"""

import argparse
import sys
import time
from typing import Any

import httpx
import orjson

from commands.dump import add_address_arguments, address_of, credentials_of, require_accepted
from domain.errors import ServiceNotReached

POLL_SECONDS = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_address_arguments(parser)
    parser.add_argument(
        "--wal-bytes-per-second", type=float, metavar="N", help="WAL that flushes may write"
    )
    parser.add_argument("--rows-per-hour", type=float, metavar="N", help="rows they may write")
    parser.add_argument(
        "--reset", action="store_true", help="first back to the settings, all of them allowed"
    )


def run(arguments: argparse.Namespace) -> int:
    wanted = {
        "walBytesPerSecond": arguments.wal_bytes_per_second,
        "rowsPerHour": arguments.rows_per_hour,
    }
    figures = {name: value for name, value in wanted.items() if value is not None}
    address = f"{address_of(arguments)}/api/ops/governor"
    headers = credentials_of(arguments)
    try:
        with httpx.Client(timeout=arguments.timeout, headers=headers) as client:
            state = _state(client, address)
            if figures or arguments.reset:
                change = {**figures, "reset": arguments.reset}
                require_accepted(client.post(address, json=change))
                state = _state_after(client, address, state, arguments.timeout)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise ServiceNotReached(f"no answer from {address}: {error}") from error
    sys.stdout.buffer.write(orjson.dumps(state, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


def _state(client: httpx.Client, address: str) -> dict[str, Any]:
    answer = client.get(address)
    require_accepted(answer)
    state: dict[str, Any] = answer.json()
    return state


def _times_set(state: dict[str, Any]) -> int:
    return int(state["counts"].get("budgets_set", 0))


def _state_after(
    client: httpx.Client, address: str, before: dict[str, Any], timeout_seconds: float
) -> dict[str, Any]:
    """The state once sync has taken the change; it takes it in turn with its updates."""
    until = time.monotonic() + timeout_seconds
    while _times_set(state := _state(client, address)) == _times_set(before):
        if time.monotonic() > until:
            raise ServiceNotReached("the service took the change, and has not acted on it yet")
        time.sleep(POLL_SECONDS)
    return state
