"""What a Redis server says of itself, and what of it endangers the buffer.

read_facts  ->  RedisFacts  ->  describe_risks -> RedisBuffer.open;  commands.doctor
"""

import re
from collections.abc import Mapping
from typing import Any

import redis
from attrs import frozen
from redis.exceptions import NoPermissionError

from buffer.redis.connection import RedisConnections
from domain.errors import BadConfiguration

NO_EVICTION = "noeviction"
CLUSTER = (
    "the Redis server is a node of a cluster, which is not supported: one call of a script uses "
    "keys of several slots (CROSSSLOT). Name a server without cluster-enabled"
)
ADVICE = "Set maxmemory-policy noeviction"
NOT_TOLD = re.compile(
    "unknown (sub)?command|not (available|allowed|supported|permitted)|unsupported|disabled",
    re.IGNORECASE,
)


@frozen(kw_only=True)
class RedisFacts:
    """A managed or serverless server may keep any of it to itself."""

    version: tuple[int, ...]  # of the protocol and commands that it speaks; empty: not told
    is_append_only: bool | None  # None: not told
    largest_memory_bytes: int | None  # 0: no limit; None: not told
    eviction_policy: str  # empty: not told
    used_memory_bytes: int = 0
    is_cluster: bool = False

    @property
    def evicts(self) -> bool:
        """Whether keys go when memory is short; unknown counts as yes."""
        return self.largest_memory_bytes != 0 and self.eviction_policy != NO_EVICTION

    @property
    def endangers_flushed_only(self) -> bool:
        """Whether only keys that expire can go."""
        return self.eviction_policy.startswith("volatile-")


def read_facts(connections: RedisConnections) -> RedisFacts | None:
    """Ask the server; blocks. None when it does not tell: a user may lack the right to ask."""
    return connections.call(_ask)


def read_facts_once(url: str, timeout_seconds: float) -> RedisFacts | None:
    """Connect, ask, disconnect; blocks."""
    connections = RedisConnections(url, timeout_seconds)
    try:
        return read_facts(connections)
    finally:
        connections.close()


def _ask(client: redis.Redis) -> RedisFacts | None:
    try:
        info: Mapping[str, Any] = client.info()
    except redis.ResponseError as error:
        if _is_not_allowed(error):
            return None
        raise
    persists = info.get("aof_enabled")
    return RedisFacts(
        version=tuple(map(int, re.findall(r"\d+", str(info.get("redis_version", ""))))),
        is_append_only=None if persists is None else bool(persists),
        largest_memory_bytes=_read_bytes(_find_setting(client, info, "maxmemory")),
        eviction_policy=_find_setting(client, info, "maxmemory-policy"),
        used_memory_bytes=_read_bytes(str(info.get("used_memory"))) or 0,
        is_cluster=bool(info.get("cluster_enabled")),
    )


def _find_setting(client: redis.Redis, info: Mapping[str, Any], name: str) -> str:
    """By CONFIG where INFO does not name it; empty where that is refused, too."""
    if (told := info.get(name.replace("-", "_"))) is not None:
        return str(told)
    try:
        settings: Mapping[Any, Any] = client.config_get(name)
    except redis.ResponseError as error:
        if _is_not_allowed(error):
            return ""
        raise
    return str(settings.get(name, ""))


def _read_bytes(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _is_not_allowed(error: redis.ResponseError) -> bool:
    """True where the server keeps it to itself, in the words of those that are known to."""
    return isinstance(error, NoPermissionError) or NOT_TOLD.search(str(error)) is not None


def require_single_server(facts: RedisFacts) -> None:
    """`BadConfiguration` for a node of a cluster."""
    if facts.is_cluster:
        raise BadConfiguration(f"redis.url: {CLUSTER}")


def describe_risks(facts: RedisFacts | None) -> list[str]:
    """What the server may throw away while the service trusts it; empty: nothing."""
    if facts is None:
        return [f"the Redis server does not tell whether it evicts keys (INFO). {ADVICE}"]
    risk = describe_eviction(facts)
    return [f"Redis' maxmemory-policy {risk}"] if risk else []


def describe_eviction(facts: RedisFacts) -> str:
    """What the policy endangers, and what to set; empty: nothing."""
    if not facts.evicts:
        return ""
    policy = facts.eviction_policy or "not told by the server"
    if facts.endangers_flushed_only:
        # Only keys that expire go, and ours do once Postgres has their values.
        loss = (
            "when flushed values were observed, so that an older observation may win, and candles "
            "and trades; what Postgres does not have yet has no lifetime, and stays"
        )
        return f"is {policy}: short of memory, it forgets {loss}. {ADVICE}"
    loss = "values that are not in Postgres yet, and new tokens of the spool"
    return f"is {policy}: short of memory, it throws away {loss}. {ADVICE}"
