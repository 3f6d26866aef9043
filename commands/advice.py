"""What doctor makes of the facts: pure rules, each finding with its reason.

PostgresFacts, RedisFacts -> findings, what must be mended first
"""

from collections.abc import Iterator
from enum import IntEnum

from attrs import frozen

from buffer.facts import RedisFacts
from store.postgres.facts import PostgresFacts

MEGABYTE = 1 << 20


class Gravity(IntEnum):
    """How bad it is."""

    FAILURE = 0  # the service would not work, or would lose data
    ADVICE = 1  # it works, and costs more than it must
    FINE = 2


@frozen(kw_only=True)
class Finding:
    gravity: Gravity
    subject: str
    says: str  # what is so, what to change, and why


def on_postgres(facts: PostgresFacts) -> Iterator[Finding]:
    """Findings on a Postgres server's settings."""
    yield _version(facts)
    yield _check(
        facts.may_create, "schema", "the user may not create tables here: GRANT CREATE ON SCHEMA"
    )
    for name, loss in (
        ("fsync", "a crash of the machine corrupts the database"),
        ("full_page_writes", "a crash during a checkpoint corrupts pages; never turn it off"),
    ):
        yield _check(facts.settings[name] == "on", name, f"is off: {loss}. Set {name} = on")
    yield _archiving(facts)
    yield from _checkpoints(facts)
    yield _compression(facts)
    yield _advise(
        facts.settings["autovacuum"] == "on",
        "autovacuum",
        "is off: the hot table would grow with every flush. Set autovacuum = on",
    )
    yield _advise(
        facts.bytes_of("shared_buffers") >= 128 * MEGABYTE,
        "shared_buffers",
        "is under 128 MB: pages are read again and again. A quarter of the memory is usual",
    )


def on_redis(facts: RedisFacts) -> Iterator[Finding]:
    """Findings on a Redis-protocol server's settings."""
    version = ".".join(map(str, facts.version))
    yield _check(facts.version >= (6, 2), "redis", f"{version} is too old: 6.2 or later is needed")
    yield _advise(
        facts.is_append_only,
        "appendonly",
        "is off: when Redis and the service end together, updates since the last flush are lost. "
        "Set appendonly yes",
    )
    evicts = facts.largest_memory_bytes > 0 and facts.eviction_policy != "noeviction"
    yield _check(
        not evicts,
        "maxmemory-policy",
        f"is {facts.eviction_policy}: Redis would throw unflushed updates away. "
        "Set maxmemory-policy noeviction",
    )


def _version(facts: PostgresFacts) -> Finding:
    version = facts.major_version
    return _check(version >= 14, "postgres", f"{version} is too old: 14 or later is needed")


def _archiving(facts: PostgresFacts) -> Finding:
    """First among the costs: a forced segment is 16 MB, however little is in it."""
    seconds = int(facts.settings["archive_timeout"])
    forced = facts.settings["archive_mode"] != "off" and 0 < seconds < 300
    megabytes = 16 * 300 // max(seconds, 1)
    return _advise(
        not forced,
        "archive_timeout",
        f"is {seconds} s: up to {megabytes} MB of padding every 5 minutes, more than all writes of "
        "this service. Set it to 300 or more, or stream WAL instead",
    )


def _checkpoints(facts: PostgresFacts) -> Iterator[Finding]:
    timeout_seconds = int(facts.settings["checkpoint_timeout"])
    yield _advise(
        timeout_seconds >= 900,
        "checkpoint_timeout",
        f"is {timeout_seconds} s: each checkpoint makes the next change of every page log the "
        "whole page. With 30min other tables of this server write up to 2.5 times less WAL, "
        "this service's 1.1 times",
    )
    megabytes = facts.bytes_of("max_wal_size") // MEGABYTE
    yield _advise(
        megabytes >= 1024,
        "max_wal_size",
        f"is {megabytes} MB: bursts force checkpoints before their time. Set 2GB or more",
    )


def _compression(facts: PostgresFacts) -> Finding:
    best = next((way for way in ("zstd", "lz4") if way in facts.wal_compressions), "on")
    return _advise(
        facts.settings["wal_compression"] in {"zstd", "lz4", "on", "pglz"},
        "wal_compression",
        f"is off: whole pages are logged as they are. Set wal_compression = {best} (20 to 45 % "
        "less WAL)",
    )


def _check(is_fine: bool, subject: str, failure: str) -> Finding:
    return _finding(is_fine, subject, Gravity.FAILURE, failure)


def _advise(is_fine: bool, subject: str, advice: str) -> Finding:
    return _finding(is_fine, subject, Gravity.ADVICE, advice)


def _finding(is_fine: bool, subject: str, gravity: Gravity, says: str) -> Finding:
    if is_fine:
        return Finding(gravity=Gravity.FINE, subject=subject, says="fine")
    return Finding(gravity=gravity, subject=subject, says=says)
