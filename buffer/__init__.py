"""The Redis door: where an update is durable before any client sees it.

Adapters: `buffer.redis.RedisBuffer` (real) and `buffer.memory.MemoryBuffer` (twin); both pass
tests/contract/test_buffer.py.

A token's unflushed fields are one hash; a token with unflushed fields is dirty. Every accepted
change gets a version that grows, also across a loss of Redis' data. Flushing is: read `dirty`,
write to Postgres, `clear` exactly the versions read; what arrived in between stays dirty.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from attrs import frozen

from domain.messages import Refused, TokenUpdated
from domain.token import Token
from domain.values import Mint, UnixSeconds, Value, Version


@frozen(kw_only=True)
class BufferedToken:
    """The unflushed fields of one token."""

    mint: Mint
    version: Version  # of its newest change
    dirty_since: Version  # version at which it became dirty; pages of `dirty` go by this
    observed_at: UnixSeconds  # newest observation
    values: Mapping[str, Value]


@frozen(kw_only=True)
class Appended:
    """What became of one batch of updates."""

    epoch: str  # names this life of the buffer's data; another one means that data was lost
    changed: tuple[TokenUpdated, ...]  # one a token: only the fields whose value did change


class UpdateBuffer(Protocol):
    """Unflushed updates, the spool of new tokens, and the quarantine.

    Every method raises `BufferUnavailable` when Redis cannot be reached or does not finish in
    time; every one can then be repeated without harm.
    """

    async def open(self) -> None:
        """Connect and load the scripts; harmless when already open."""

    async def append(self, updates: Sequence[TokenUpdated]) -> Appended:
        """Merge the updates by `domain.merging`, in one call; equal values change nothing.

        Changed tokens become dirty and are published on the stream `td:changes`.
        """

    async def dirty(self, after: Version, limit: int) -> Sequence[BufferedToken]:
        """Up to `limit` dirty tokens with `dirty_since` > `after`, oldest first."""

    async def clear(self, flushed: Mapping[Mint, Version]) -> int:
        """Forget the fields up to each version; how many tokens are clean thereby.

        A field that changed after that version stays, and keeps its token dirty.
        """

    async def dirty_count(self) -> int:
        """How many tokens are dirty."""

    async def spool(self, tokens: Sequence[Token]) -> None:
        """Keep new tokens, in order, until Postgres takes them; a mint is kept once."""

    async def spooled(self, limit: int) -> Sequence[Token]:
        """Up to `limit` spooled tokens, oldest first."""

    async def unspool(self, mints: Sequence[Mint]) -> None:
        """Forget spooled tokens that Postgres has taken."""

    async def quarantine(self, rows: Sequence[Refused]) -> None:
        """Keep rows that cannot be written; the newest 10,000 mints are kept."""

    async def quarantined(self) -> Sequence[Refused]:
        """Every row in quarantine, oldest first."""

    async def release(self, mints: Sequence[Mint]) -> None:
        """Forget rows in quarantine."""

    async def close(self) -> None:
        """Disconnect; harmless when already closed."""
