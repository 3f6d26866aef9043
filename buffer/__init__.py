"""The Redis door: where an update is durable before any client sees it.

Adapters: `buffer.redis.RedisBuffer` (real) and `buffer.memory.MemoryBuffer` (twin); both pass
tests/contract/test_buffer.py.

A token's fields are one hash; a token with unflushed fields is dirty. Every accepted change
gets a version that grows, also across a loss of Redis' data. Flushing is: `read_dirty`, write
to Postgres, `clear_flushed` exactly the versions read; what arrived in between stays dirty. Flushed
values are remembered for a while, so that the same value again is no change and an older
observation still loses.

A server can lose its data in part, by eviction or by hand. Where each loss shows:

Everything, or the last writes: the next append or page tells another epoch. A server that was a
  replica, or that read its disk, is as an older moment left it: its newest version is below what
  this process has been told (`NewestTold`). A process that starts has been told nothing.
The last calls that flushed, removed or sighted, of those: nowhere. They come again.
The hash of a dirty token: another epoch, told by the page that meets the token's entry in the
  list, or by the next append of the token, whichever comes first.
The list of dirty tokens: another epoch at the next append or page. `open` finds the tokens by
  their hashes, for a process that has just started holds none of their values.
One entry of that list: nowhere here. A pass over all pages lacks the token: compare.
Version or epoch: another epoch at the next append or page. Versions still grow, token by token.
Places or rows of the spool: another epoch, told by the next page or when the spool is read.
  Tokens that still have their row come back, perhaps in another order.
The hash of a flushed token: nowhere. The next value is a change, even an equal or older one.
A key that somebody gave another type: the next call that meets it moves it aside and fails by
  name; then it is as lost.
Quarantine, stream, tape and alerts: nowhere; they are gone. (Alerts are put back each minute.)

Who holds values puts them back with `forced`; that is not told to be a loss again.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

from attrs import define, frozen

from domain.changes import ChangeColumns
from domain.merging import Observations
from domain.messages import TokenChange
from domain.quarantine import QuarantineEntry
from domain.token import Token
from domain.values import NO_VERSION, Mint, Version


@frozen(kw_only=True)
class BufferBounds:
    """How much the buffer holds, and what happens at each bound."""

    dirty_tokens: int = 500_000  # an append that might exceed it is refused: BufferUnavailable
    spooled_tokens: int = 100_000  # a spool that would exceed it is refused: BufferUnavailable
    quarantined_entries: int = 1_000  # the oldest go
    remembered_births: int = 5_000  # the oldest go; at the busiest, an hour's
    stream_entries: int = 5_000  # about, of at most 50 changes each; the oldest go
    clean_seconds: int = 3600  # how long a flushed value is remembered after its last sighting


USUAL_BOUNDS = BufferBounds()
NO_MINTS: AbstractSet[Mint] = frozenset()


@define
class NewestTold:
    """The newest version that a process has been told: the buffers of its actors share one.

    Else what one of them has put there could go unnoticed, once the other has moved the version on.
    """

    version: Version = NO_VERSION

    def note(self, version: Version) -> None:
        """Answers come in any order: the newest counts."""
        self.version = max(self.version, version)


@frozen(kw_only=True)
class Appended:
    """What became of one batch of observations."""

    epoch: str  # names this life of the buffer's data; another one means that data was lost
    newest: Version  # no change so far has a higher one
    changed: Mapping[Mint, Observations]  # only the fields whose value did change
    refused: Mapping[Mint, str]  # tokens of which nothing was appended, and why


class DirtyPage(NamedTuple):
    """Some dirty tokens, and the moment at which they were read."""

    epoch: str  # empty when data was lost, and nothing appended since
    newest: Version  # no change so far has a higher one
    changes: ChangeColumns


class Recalled(NamedTuple):
    """What is remembered of what Postgres has taken."""

    births: Sequence[Token]  # the newest, without ids
    is_dirty: bool  # Postgres may have lost commits: what is remembered is to be flushed again


class QuarantineShelf(Protocol):
    """What could not be handled.

    Every method raises `BufferUnavailable` when Redis cannot be reached, does not finish in
    time, or is full; every one can then be repeated without harm.
    """

    async def quarantine_entries(self, entries: Sequence[QuarantineEntry]) -> None:
        """Keep entries, the latest of an id, as the newest; past the bound the oldest go."""

    async def read_quarantined(self) -> Sequence[QuarantineEntry]:
        """Every entry, oldest first."""

    async def release_quarantined(self, entry_ids: Sequence[str]) -> None:
        """Forget entries."""

    async def close(self) -> None:
        """Disconnect; harmless when already closed."""


class UpdateBuffer(QuarantineShelf, Protocol):
    """Unflushed updates, the spool of new tokens, and the quarantine; all of it fails alike."""

    async def open(self) -> Sequence[str]:
        """Connect and load the scripts; harmless when already open.

        The answer tells the risks in the server's configuration, in plain words; empty: none.
        """

    async def append_observations(
        self,
        batch: Mapping[Mint, Observations],
        *,
        forced: bool = False,
        differing: AbstractSet[Mint] = NO_MINTS,
    ) -> Appended:
        """Merge the observations by `domain.merging`, in one call; equal values change nothing.

        Changed tokens become dirty and are published on the stream `td:changes`. Where all
        fields of a token changed, `changed` holds the very object given. The caller leaves the
        batch as it is until the call returns.

        `forced` puts back what the server has lost: equal values are changes, too, and a token
        becomes dirty again also if the server believes that it is.

        `differing` names tokens that to the caller have other values than these: equal ones are
        changes, too, for a buffer that has them is behind. It has fallen back, or was written past.

        After a failed append, which may have happened, the next one that has the same token
        takes also equal values for changes: nobody has been told of them. One that puts back
        between them does not count as the next: it tells of older values.

        A token with a value that JSON cannot say (NaN, infinity, None, an integer of more than
        64 bits, a lone surrogate), with a status that is no number, or with no time, is refused;
        the others are appended all the same. An empty batch only tells the epoch and the newest
        version.
        """

    async def read_dirty(self, after: Version, limit: int) -> DirtyPage:
        """The first `limit` dirty tokens with `dirty_since` > `after`, oldest first.

        Plain values (`token.PLAIN_FIELDS`) come as the texts that they are kept as. Of others,
        fields of another release of the service, which cannot be written, are left out.

        A token that changes after it was read has a new `dirty_since` once it is cleared, and
        may be met again by the same pass: end a pass at the newest version it began with.
        """

    async def clear_flushed(self, changes: Sequence[TokenChange]) -> int:
        """Forget fields up to each change's version; how many tokens are clean thereby.

        A field that changed after that version stays, and keeps its token dirty.
        """

    async def spool_tokens(self, tokens: Sequence[Token]) -> None:
        """Keep new tokens, in order, until Postgres takes them; a mint is kept once, the first.

        `ValueError`, with nothing kept, when JSON cannot say a value.
        """

    async def read_spooled(self, limit: int) -> Sequence[Token]:
        """Up to `limit` spooled tokens, oldest first."""

    async def remove_spooled(self, mints: Sequence[Mint]) -> None:
        """Forget spooled tokens that Postgres has taken."""

    async def remember_births(self, births: Sequence[Token]) -> None:
        """Keep new tokens that Postgres has taken, one a mint; past the bound the oldest go."""

    async def note_store_epoch(self, epoch: str) -> None:
        """In this epoch of the store's data, all is there that was flushed or remembered."""

    async def recall_stored(self, epoch: str) -> Recalled:
        """What Postgres must have; if the epoch is not the noted one, it may have lost it.

        Then every token of which flushed values are still remembered becomes dirty again, with
        its versions as they are.
        """
