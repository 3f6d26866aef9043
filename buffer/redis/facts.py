"""What doctor asks a Redis server about itself.

url -> read_facts -> RedisFacts -> commands.doctor
"""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from buffer.redis import connected_later, with_errors_translated


@frozen(kw_only=True)
class RedisFacts:
    version: tuple[int, ...]  # of the Redis protocol and commands that the server speaks
    is_append_only: bool
    largest_memory_bytes: int  # 0: no limit
    eviction_policy: str


def read_facts(url: str, timeout_seconds: float) -> RedisFacts:
    """Connect, ask, disconnect; blocks. `BufferUnavailable` if that fails."""
    client = connected_later(url, timeout_seconds)
    try:
        info: Mapping[str, Any] = with_errors_translated(client.info)
    finally:
        client.connection_pool.disconnect()
    return RedisFacts(
        version=tuple(int(part) for part in str(info["redis_version"]).split(".")),
        is_append_only=bool(info.get("aof_enabled")),
        largest_memory_bytes=int(info.get("maxmemory", 0)),
        eviction_policy=str(info.get("maxmemory_policy", "noeviction")),
    )
