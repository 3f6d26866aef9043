"""The Postgres door: the ports that ingest and sync see.

Adapters: `store.postgres.PostgresStore` (real) and `store.memory.MemoryStore` (twin); both pass
tests/contract/test_store.py. Only actors.ingest and actors.sync may import this package.

Beside them: `bisection` writes around refused rows, `ledger` books what each commit cost, and
`columns` says what is kept where.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol, cast, overload

from attrs import frozen

from domain.changes import NO_CHANGES, ChangeColumns, select_places
from domain.messages import TokenChange
from domain.outline import TokenOutline
from domain.token import Token
from domain.values import Mint, UnixSeconds, Value

StoredChange = tuple[int, TokenChange]  # with the id that Postgres has given to its token


@frozen
class StoredChanges(Sequence[StoredChange]):
    """Changes in columns, as `ChangeColumns`, with their tokens' ids beside them."""

    ids: Sequence[int] = ()
    changes: ChangeColumns = NO_CHANGES

    @classmethod
    def of(cls, changes: Sequence[StoredChange]) -> "StoredChanges":
        """The changes in columns, as they are if they are so already."""
        if isinstance(changes, cls):
            return changes
        return cls([i for i, _ in changes], ChangeColumns.of([change for _, change in changes]))

    @classmethod
    def match(
        cls, changes: ChangeColumns, tokens: Mapping[Mint, Token]
    ) -> "tuple[StoredChanges, ChangeColumns]":
        """The changes of those of the tokens that have an id, and the other changes."""
        found = map(tokens.get, changes.mints)
        ids = [None if token is None else token.id for token in found]
        if None not in ids:
            return cls(cast(list[int], ids), changes), NO_CHANGES
        known = [place for place, token_id in enumerate(ids) if token_id is not None]
        others = [place for place, token_id in enumerate(ids) if token_id is None]
        return cls([i for i in ids if i is not None], changes.select(known)), changes.select(others)

    def part_plain(self) -> "tuple[StoredChanges, StoredChanges]":
        """Those whose values are texts, and those whose values are not."""
        decoded = self.changes.list_decoded()
        if not decoded:
            return self, NOTHING_STORED
        others = set(decoded)
        return self.select([p for p in range(len(self)) if p not in others]), self.select(decoded)

    def select(self, places: Sequence[int]) -> "StoredChanges":
        """The changes at these places, in their order."""
        return StoredChanges(select_places(self.ids, places), self.changes.select(places))

    def joined_with(self, others: "StoredChanges") -> "StoredChanges":
        """These, and then the others."""
        return StoredChanges([*self.ids, *others.ids], self.changes.joined_with(others.changes))

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, place: int) -> StoredChange: ...
    @overload
    def __getitem__(self, place: slice) -> "StoredChanges": ...
    def __getitem__(self, place: int | slice) -> "StoredChange | StoredChanges":
        if isinstance(place, slice):
            return StoredChanges(self.ids[place], self.changes[place])
        return self.ids[place], self.changes[place]

    def __iter__(self) -> Iterator[StoredChange]:
        return zip(self.ids, self.changes, strict=True)


NOTHING_STORED = StoredChanges()
RefusedTokens = Sequence[tuple[Token, str]]  # each with the reason
RefusedChanges = Sequence[tuple[StoredChange, str]]


@frozen(kw_only=True)
class WriteReceipt:
    """What one committed write cost."""

    rows: int  # of tokens, really inserted or updated; equal and older ones are not
    statements: int  # that write
    wal_bytes: int  # while it ran, so others' included; 0 where the server does not tell
    seconds: float  # from its begin to its commit
    # Names this life of the server's data, as `LossReport` does; empty where nobody asked.
    epoch: str = ""
    # Of the tokens that have not the id they came with: they are gone, or the server has lost the
    # commit of their birth. Nothing of them was written.
    misplaced: frozenset[Mint] = frozenset()


@frozen(kw_only=True)
class StoreLoss:
    """What of one token the store has not, although somebody knows it."""

    mint: Mint
    id: int | None  # under which it is stored; None: it is not
    values: Mapping[str, Value]  # that differ, or are missing


@frozen(kw_only=True)
class LossReport:
    """What the store has not of the tokens that it was asked about."""

    epoch: str  # another one than before: the server may have lost commits
    losses: Sequence[StoreLoss]


@frozen(kw_only=True)
class BackendWal:
    """What one of this service's own connections has written since it was made."""

    component: str
    backend: int  # process id: another one counts from nothing
    wal_bytes: int
    full_page_images: int


OverlayPosition = tuple[int, str]  # (change_id, mint); every row stands behind the first one
FIRST_POSITION: OverlayPosition = (0, "")


@frozen(kw_only=True)
class OverlayRow:
    """What others have written of one token through the view, and our rows may not have."""

    mint: Mint
    change_id: int  # the transaction that changed it last
    watchers: int  # beside the service's own
    texts: Mapping[str, str]  # by field
    written_at: Mapping[str, UnixSeconds]  # by field of `texts`; of the server's clock


@frozen(kw_only=True)
class OverlayPage:
    """Some rows of the overlay, in the order in which they were changed."""

    rows: Sequence[OverlayRow]
    horizon: int  # every transaction before it has ended, and so is in what was read


@frozen(kw_only=True)
class WatchCounts:
    """How often each mint stands in others' table of watches."""

    counts: Mapping[Mint, int]
    problem: str | None = None  # why the table cannot be read


@frozen(kw_only=True)
class ServerPulse:
    """What the server says of its checkpoints and its WAL.

    Counters since the server's statistics began; a lower one than before means a new beginning.
    """

    checkpoints_timed: int
    checkpoints_requested: int  # before their time: too much WAL, a backup, a CHECKPOINT
    checkpoint_buffers: int  # pages that checkpoints wrote
    checkpoint_seconds: float = 0.0  # that they took to write and to sync; told when one ends
    wal_bytes: int | None  # None where the server does not tell
    full_page_images: int | None  # likewise
    wal_position: int | None  # bytes; likewise
    wal_since_checkpoint_bytes: int | None  # since the last one began; likewise
    checkpoint_timeout_seconds: float
    # WAL since a checkpoint that makes the server request the next; follows from max_wal_size.
    wal_before_requested_bytes: int
    max_wal_size_bytes: int
    own: Sequence[BackendWal] = ()  # where the server tells (PostgreSQL 18)
    epoch: str | None = None  # as `LossReport`; None where nobody asked


class TokenStore(Protocol):
    """Tokens in Postgres.

    Every method raises `StoreUnavailable` when Postgres cannot be reached or does not finish in
    time (a write may then have happened: all writes here can be repeated without harm). A row
    that Postgres refuses is found by bisection, and everything else of its batch is written.
    """

    async def open(self) -> str:
        """Connect and bring the schema up to date; harmless when already open. Tells the epoch."""

    async def insert_tokens(self, tokens: Sequence[Token]) -> tuple[Sequence[Token], RefusedTokens]:
        """Write the tokens that are not there yet, in one commit where none is refused.

        Returns, in order, each token as Postgres has it: with its `id`, and with the stored
        identity where the mint had been there before; and those that it refuses. Fields beyond
        the identity are kept too. `last_updated_at` is at least `first_seen_at` in all that is
        read back.
        """

    async def find_tokens(self, mints: Sequence[Mint]) -> Mapping[Mint, Token]:
        """The stored tokens among `mints`; unknown ones are left out."""

    async def write_changes(
        self, changes: Sequence[StoredChange]
    ) -> tuple[Sequence[WriteReceipt], RefusedChanges]:
        """Write the changes, in one commit where none is refused; a receipt a commit.

        At most one change a token, else `ValueError`.

        Values that are as stored write nothing, a version that is not above the stored one
        changes nothing, and a status never falls. An id alone never decides whose values they
        are: where it is not that of the change's mint, nothing is written, and the receipt says so.
        """

    async def select_newer(self, changes: Sequence[StoredChange]) -> Sequence[TokenChange]:
        """The changes without what `write_changes` would leave alone for its version.

        One that is left without a value is left out. Nothing is written.
        """

    async def find_losses(self, tokens: Sequence[Token]) -> LossReport:
        """What is not stored of these tokens, as the caller knows them from what was stored.

        A commit that was acknowledged may be gone: a replica was promoted that had not got it, or
        a copy restored. Then the epoch is another one; also after a crash that lost nothing.
        Nothing is told of values that the caller does not know, nor of a status that is higher.
        """

    async def load_tokens(self, now: UnixSeconds, limit: int) -> Sequence[Token]:
        """The newest `limit` tokens that `lifecycle.is_retained` keeps at `now`, newest first."""

    async def outline_tokens(self, now: UnixSeconds, limit: int) -> Sequence[TokenOutline]:
        """As `load_tokens`, of each token its outline."""

    async def read_pulse(self) -> ServerPulse:
        """How the server's checkpoints and WAL stand; cheap, and books no commit."""

    async def drop_unretained(self, now: UnixSeconds) -> WriteReceipt:
        """Give up what is kept no longer, and keep the store small; call it every ten minutes.

        Tokens that were never bonded go when they are off the feed at `now`, and up to two hours
        later, a day's worth a call; bonded ones stay for the days that are set. Whatever would
        have to wait for readers is left to the next call.

        `UpkeepFailed`, a `StoreUnavailable`, says which parts failed although Postgres answers;
        all other parts are done. It will mostly fail again, and may have written WAL for nothing:
        wait for hours, not seconds.
        """

    async def read_overlay(self, after: OverlayPosition, limit: int) -> OverlayPage:
        """What others have changed behind that position; at most `limit` rows.

        A full page is followed by the one behind its last row. After the last page begin at
        `(horizon, "")` of the first one: then no change is missed, and some are read again.
        """

    async def settle_overlay(self, taken: Sequence[tuple[Mint, int]]) -> Collection[Mint]:
        """Remove the texts that our own rows have by now, each row as it was at its `change_id`.

        What has changed since, and what somebody is changing, stays, and is not among the mints
        that are returned. Watchers stay.
        """

    async def count_watches(self, table: str, limit: int) -> WatchCounts:
        """How often each mint stands in others' `table`: the `limit` mints that do most often.

        Where the table is missing, locked or not ours to read, that is said, and nothing raised.
        """

    async def set_watchers(self, counts: Mapping[Mint, int]) -> None:
        """Others' watchers of these mints, whatever they were; the overlay tells of the change.

        A row that somebody is changing is left as it is.
        """

    async def close(self) -> None:
        """Disconnect; harmless when already closed."""
