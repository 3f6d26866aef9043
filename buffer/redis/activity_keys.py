"""The keys by which others tell that somebody is there, in Redis: one MGET, and never a write.

    read_keys -> MGET system:active_users system:last_activity

MGET answers nil for a key of another type, so that a hash under such a name counts as absent.
"""

from typing import Any

import redis
from attrs import define, field
from redis.exceptions import NoPermissionError

from buffer.activity_keys import KEYS, KeysRead, interpret_values
from buffer.redis import RedisOffload
from buffer.redis.connection import RedisConnections
from domain.errors import KeysForbidden


@define(kw_only=True)
class RedisActivityKeys:
    """The `ActivityKeys` of a Redis server."""

    url: str = field(repr=False)
    timeout_seconds: float  # to connect, and for one call
    offload: RedisOffload
    _connections: RedisConnections = field(init=False)

    @_connections.default
    def _new_connections(self) -> RedisConnections:
        return RedisConnections(self.url, self.timeout_seconds)

    async def read_keys(self) -> KeysRead:
        values = await self.offload(self._read_values)
        if values is None:
            raise KeysForbidden
        return interpret_values(*values)

    async def close(self) -> None:
        self._connections.close()

    # Blocking from here on, in a worker thread.

    def _read_values(self) -> tuple[bytes | None, bytes | None] | None:
        """Both values; None where the server lets this user not read them."""

        def read(client: redis.Redis) -> tuple[bytes | None, bytes | None] | None:
            try:
                return _require_values(client.mget(*KEYS))
            except NoPermissionError:  # the server is well: neither an outage nor a lost connection
                return None

        return self._connections.call(read)


def _require_values(answer: Any) -> tuple[bytes | None, bytes | None]:
    match answer:
        case [bytes() | None as users, bytes() | None as moment]:
            return users, moment
    raise redis.InvalidResponse(f"{type(answer).__name__} in place of two values")
