"""The keys by which a socket server elsewhere tells that somebody is there; read, never written.

    system:active_users   how many people are connected to it, as decimal digits
    system:last_activity  when one of them last did something, ms since 1970, as decimal digits

That server sets both when somebody connects, speaks or leaves, and lets them expire after 60 s.
They stand in the database of `redis.url`, under these names. Adapters:
`buffer.redis.activity_keys.RedisActivityKeys` (real) and
`buffer.memory_activity_keys.MemoryActivityKeys` (twin); both pass
tests/contract/test_activity_keys.py. Only actors.activity_keys reads them.
"""

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from domain.values import UnixSeconds

ACTIVE_USERS_KEY, LAST_ACTIVITY_KEY = KEYS = ("system:active_users", "system:last_activity")
MOST_USERS = 1_000_000_000  # a greater count is nonsense
LATEST_MS = 8_640_000_000_000_000  # no Date of JavaScript is later


@frozen(kw_only=True)
class KeysRead:
    """What the keys tell at one moment."""

    active_users: int = 0  # also without the key
    last_activity_at: UnixSeconds | None = None  # None: there is no such key
    junk: Sequence[str] = ()  # the keys with a value that is no such number; it counts as absent


class ActivityKeys(Protocol):
    """Both keys as somebody else writes them."""

    async def read_keys(self) -> KeysRead:
        """Both keys, in one call; one that holds no text at all counts as absent.

        `BufferUnavailable` while Redis is away, `KeysForbidden` where its user may not read them.
        """

    async def close(self) -> None:
        """Disconnect; harmless when already closed."""


def interpret_values(active_users: bytes | None, last_activity: bytes | None) -> KeysRead:
    """What the values of both keys mean; None: there is no such key."""
    users = _read_number(active_users, MOST_USERS)
    moment_ms = _read_number(last_activity, LATEST_MS)
    found = ((ACTIVE_USERS_KEY, active_users, users), (LAST_ACTIVITY_KEY, last_activity, moment_ms))
    return KeysRead(
        active_users=users or 0,
        last_activity_at=None if moment_ms is None else UnixSeconds(moment_ms / 1000),
        junk=tuple(key for key, value, number in found if value is not None and number is None),
    )


def _read_number(value: bytes | None, most: int) -> int | None:
    if value is None or not value.isdigit() or len(value) > len(str(most)):
        return None
    return number if (number := int(value)) <= most else None
