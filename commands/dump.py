"""Ask a running service for its dump and print it as JSON.

The dump holds every actor (state, uptime, restarts, last error, summary) and every mailbox
(policy, depth, capacity, oldest message's age, waiting senders and receivers, a sample). Sync's
summary holds the governor: what it allows, and why it holds back.
"""

import argparse
import sys

import httpx
import orjson

from domain.errors import TokenDiscoveryError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_address_arguments(parser)


def add_address_arguments(parser: argparse.ArgumentParser) -> None:
    """How to reach a running service; of every command that asks one."""
    parser.add_argument(
        "--url",
        default="http://127.0.0.1:8080",
        help="the service's address (default: %(default)s)",
    )
    parser.add_argument(
        "--timeout", type=float, default=10.0, metavar="SECONDS", help="default: %(default)s"
    )


def run(arguments: argparse.Namespace) -> int:
    address = f"{arguments.url.rstrip('/')}/api/ops/actors"
    try:
        answer = httpx.get(address, timeout=arguments.timeout)
        answer.raise_for_status()
        document = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise TokenDiscoveryError(f"no dump from {address}: {error}") from error
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    return 0
