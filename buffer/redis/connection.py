"""Connections to the server: made late, dropped after every error, and silent about secrets.

    RedisAddress  ->  RedisConnections.call  ->  an answer, or BufferUnavailable in clean words

A connection outlives what its server was: a master that was demoted keeps its connections and
refuses every write on them, and a password or the rights of a user may have changed meanwhile.
Only a new connection finds whoever answers at the address now. So each error costs all
connections, but the scripts' own word that the buffer is full.
"""

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

import redis
from attrs import define, field
from redis.backoff import NoBackoff
from redis.retry import Retry

from buffer.redis import unusable
from config.redis_url import RedisAddress, parse_redis_url
from domain.errors import BufferUnavailable, TokenDiscoveryError

MOST_CONNECTIONS = 8  # the offload function's limiter should allow no more
FULL = "FULL "  # how the scripts begin their own refusal
# Beside the driver's own errors: sockets and TLS, and answers that are not the protocol's.
UNAVAILABILITIES = (redis.RedisError, OSError, ValueError)

Answer = TypeVar("Answer")


@define
class RedisConnections:
    """The connections of one buffer; safe to use from several threads."""

    address: RedisAddress = field(converter=parse_redis_url)
    timeout_seconds: float  # to connect, and for one call
    _client: redis.Redis = field(init=False, repr=False)
    _lock: Lock = field(factory=Lock, init=False, repr=False)

    @_client.default
    def _new_client(self) -> redis.Redis:
        return redis.Redis(connection_pool=new_pool(self.address, self.timeout_seconds))

    def call(self, function: Callable[[redis.Redis], Answer]) -> Answer:
        """What the function makes of a client; whatever is refused: `BufferUnavailable`.

        What somebody else has put into our keys is moved aside for the next call.

        The driver's error is no cause of ours: its text may repeat what the address hides.
        """
        client = self._client
        try:
            return function(client)
        except Exception as error:
            problem = self._translate(error)
            may_be_unusable = function is not unusable.move_aside and unusable.may_be_met(error)
            if not _is_full(error):
                self._replace(client)
        if may_be_unusable and (moved := self.call(unusable.move_aside)):
            problem = BufferUnavailable(f"keys held what is not ours: {moved}")
        raise problem

    def _translate(self, error: Exception) -> TokenDiscoveryError:
        if _is_full(error):
            return BufferUnavailable(str(error))
        shown = f"{type(error).__name__}: {self.address.secrets.clean(str(error))}"
        if isinstance(error, UNAVAILABILITIES):
            return BufferUnavailable(shown)
        return TokenDiscoveryError(f"The Redis client failed with {shown}")

    def close(self) -> None:
        """Drop all connections; the next call makes new ones. Closing sockets does not block."""
        self._client.connection_pool.disconnect()

    def _replace(self, client: redis.Redis) -> None:
        """Let the next call connect anew.

        Calls that are under way in other threads end on their connections, which then belong to
        nobody, and close.
        """
        with self._lock:
            if self._client is client:
                self._client = self._new_client()
        client.connection_pool.disconnect(inuse_connections=False)


def _is_full(error: Exception) -> bool:
    return isinstance(error, redis.ResponseError) and str(error).startswith(FULL)


def new_pool(address: RedisAddress, timeout_seconds: float) -> redis.BlockingConnectionPool:
    """A pool that connects with its first call, never waits longer and never retries."""
    kind: type[redis.Connection | redis.UnixDomainSocketConnection] = redis.Connection
    place: dict[str, Any] = {"host": address.host, "port": address.port}
    if address.socket_path:
        kind, place = redis.UnixDomainSocketConnection, {"path": address.socket_path}
    elif address.tls is not None:
        kind, place = redis.SSLConnection, place | dict(address.tls)
    pool: redis.BlockingConnectionPool = redis.BlockingConnectionPool(  # type: ignore[no-untyped-call]
        connection_class=kind,
        **place,
        db=address.database,
        username=address.user,
        password=address.password,
        client_name=address.client_name,
        max_connections=MOST_CONNECTIONS,
        timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),  # retrying belongs to the actors
        protocol=2,  # needs no handshake, and the answers here are plain texts
    )
    return pool
