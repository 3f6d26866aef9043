"""Ask a running service for its dump and print it as JSON.

The dump holds every actor (state, uptime, restarts, last error, summary) and every mailbox
(policy, depth, capacity, oldest message's age, waiting senders and receivers, a sample). Sync's
summary holds the governor: what it allows, and why it holds back.

A service of this machine whose event loop is blocked answers all the same, within two seconds: a
thread of its own tells where every thread is, and what it can see of the rest. Ask as the user
that the service runs as, or as root.
"""

import argparse
import os
import re
import sys
from pathlib import Path

import httpx
import orjson

from config.loading import load_gateway_settings
from domain.errors import BadConfiguration, ServiceNotReached
from supervision.local_socket import connect_locally, read_answer, read_peer

LOOPBACK = ("127.0.0.1", "::1", "localhost")
LOCAL_SECONDS = 1.0  # an event loop that runs answers its own machine within some milliseconds
# Asked here, not listened on; `::` is every address of IPv4, too, which more machines have.
ALL_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}  # noqa: S104


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_address_arguments(parser)


def add_address_arguments(parser: argparse.ArgumentParser) -> None:
    """How to reach a running service; of every command that asks one."""
    parser.add_argument(
        "--url", help="the service's address (default: as gateway.* of the settings says)"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the service's TOML file over the defaults"
    )
    parser.add_argument(
        "--timeout", type=float, default=10.0, metavar="SECONDS", help="default: %(default)s"
    )


def address_of(arguments: argparse.Namespace) -> str:
    """The running service's URL: the one given, or where the settings let it listen."""
    if arguments.url:
        if not re.match(r"https?://[^/]", arguments.url):
            raise BadConfiguration(f"--url {arguments.url}: not an address of HTTP")
        return str(arguments.url).rstrip("/")
    gateway = load_gateway_settings(arguments.config, os.environ)
    host = ALL_ADDRESSES.get(gateway.host, gateway.host)
    port = gateway.operators_port
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def credentials_of(arguments: argparse.Namespace) -> dict[str, str]:
    """The header that shows the control token of the settings; none where there is no token."""
    token = load_gateway_settings(arguments.config, os.environ).control_token
    return {"Authorization": f"Bearer {token}"} if token else {}


def require_accepted(answer: httpx.Response) -> None:
    """`BadConfiguration` with the service's reason where it refuses what is asked, or to whom."""
    if answer.status_code in (400, 401, 403):
        raise BadConfiguration(f"refused: {_reason_of(answer)}")
    answer.raise_for_status()


def _reason_of(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):  # of a proxy in between
        return f"{answer.status_code} {answer.reason_phrase}"


def run(arguments: argparse.Namespace) -> int:
    address = address_of(arguments)
    try:
        document = _ask_service(address, arguments)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise ServiceNotReached(f"no dump from {address}/api/ops/actors: {error}") from error
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


def _ask_service(address: str, arguments: argparse.Namespace) -> object:
    """The dump over HTTP; without an answer from this machine's service, over its local socket."""
    port = _local_port(address, arguments)
    if port is None:
        return _ask_over_http(address, arguments, arguments.timeout)
    try:
        return _ask_over_http(address, arguments, min(arguments.timeout, LOCAL_SECONDS))
    except httpx.TransportError:
        if (answer := _ask_locally(port)) is None:
            return _ask_over_http(address, arguments, arguments.timeout)
    told = f"{address} does not answer; this tells a thread beside its event loop"
    print(f"token-discovery: {told}", file=sys.stderr)
    return answer


def _ask_over_http(address: str, arguments: argparse.Namespace, seconds: float) -> object:
    headers = credentials_of(arguments)
    answer = httpx.get(f"{address}/api/ops/actors", timeout=seconds, headers=headers)
    require_accepted(answer)
    return answer.json()


def _local_port(address: str, arguments: argparse.Namespace) -> int | None:
    """The port of a service that runs on this machine, as far as the address tells."""
    url = httpx.URL(address)
    return url.port if not arguments.url or url.host in LOOPBACK else None


def _ask_locally(port: int) -> object:
    """What the thread beside the event loop tells; None if nobody is there."""
    if (connection := connect_locally(port)) is None:
        return None
    with connection:
        peer = read_peer(connection)
        try:
            answer: object = orjson.loads(read_answer(connection))
        except (OSError, ValueError) as error:
            told = f"process {peer.pid} is there and tells nothing ({error})"
            advice = "kill -ABRT ends it, with all stacks in its log"
            raise ServiceNotReached(f"no dump: {told}; {advice}") from error
        return answer
