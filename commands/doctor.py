"""Check the settings and both servers, and ask every upstream once; say what to change, and why.

Writes nothing. An upstream that is away is told of, and is no failure. Exit code 0 when the
service can run, 69 when a server cannot be reached, 78 when the settings or a server's
configuration must be mended first.
"""

import argparse
import os
import sys
from pathlib import Path

import trio

from buffer.redis import facts as redis_facts
from commands.advice import Finding, Gravity, on_postgres, on_redis
from commands.upstreams import ask_upstreams
from config.loading import load_settings
from config.redaction import find_secrets, redact_text, register_secrets
from config.settings import Settings
from domain.errors import (
    BadConfiguration,
    BufferUnavailable,
    StoreNotReached,
    StoreUnavailable,
)
from store.postgres import facts as postgres_facts
from supervision.offload import offload_to_threads
from wiring.alerts import read_alert_rules

MARKS = {
    Gravity.FAILURE: "FAIL",
    Gravity.ADVICE: "todo",
    Gravity.FINE: "ok",
    Gravity.OFF: "off",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file over the defaults")


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments.config, os.environ)
    register_secrets(find_secrets(settings))
    read_alert_rules(settings.alerts)  # raises what is wrong with them
    findings, unreached = trio.run(_examine, settings)
    for finding in sorted(findings, key=lambda finding: finding.gravity):
        print(f"{MARKS[finding.gravity]:>4}  {finding.subject:<20} {finding.says}")
    for problem in unreached:
        print(f"token-discovery: {redact_text(problem)}", file=sys.stderr)
    if unreached:
        return StoreNotReached.exit_code
    failed = any(finding.gravity is Gravity.FAILURE for finding in findings)
    return BadConfiguration.exit_code if failed else 0


async def _examine(settings: Settings) -> tuple[list[Finding], list[str]]:
    """Findings on the servers and upstreams that answer, and what the other servers' trouble is."""
    findings: list[Finding] = []
    unreached: list[str] = []
    offload = offload_to_threads(threads=2)
    try:
        findings += on_postgres(await postgres_facts.read_facts(settings.postgres, offload))
    except StoreUnavailable as error:
        unreached.append(f"Postgres: {error}")
    try:
        redis = settings.redis
        facts = await offload(redis_facts.read_facts_once, redis.url, redis.timeout_seconds)
        findings += on_redis(facts)
    except BufferUnavailable as error:
        unreached.append(f"Redis: {error}")
    return findings + await ask_upstreams(settings), unreached
