"""What the buffer cannot take at a drain goes straight to Postgres.

    unappended and unflushed values, spooled tokens  ->  store.insert_tokens, store.write_changes

Without it a drain while Redis is away would lose what only this process holds, although Postgres
would have taken it. What neither store takes is unsaved, and the exit code says so.
"""

from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from domain.chunks import chunks
from domain.merging import Observations
from domain.messages import TokenChange
from domain.token import Token
from domain.values import Mint, Version
from store import StoredChange, TokenStore


@frozen(kw_only=True)
class Rescued:
    """What Postgres has now."""

    mints: frozenset[Mint]  # whose values it has, or has refused for good
    stored: Sequence[Token]  # tokens that were in the spool
    refused: Sequence[tuple[Mint, str]]


@frozen(kw_only=True)
class Rescue:
    """Values and tokens to be written past the buffer, in batches of `batch_rows`."""

    values: Mapping[Mint, Observations]
    ids: Mapping[Mint, int]  # of the tokens known to be in Postgres
    spooled: Sequence[Token]
    version: Version  # above every version that the buffer has given
    batch_rows: int

    async def write_all(self, store: TokenStore) -> Rescued:
        """Write them all; harmless when repeated. `StoreUnavailable` when Postgres is away, too."""
        stored, refused = await self._insert_spooled(store)
        ids = dict(self.ids) | {t.mint: t.id for t in stored if t.id is not None}
        unknown = [mint for mint in self.values if mint not in ids]
        for part in chunks(unknown, self.batch_rows):
            found = await store.find_tokens(part)
            ids |= {mint: token.id for mint, token in found.items() if token.id is not None}
        written: set[Mint] = set()
        for changes in chunks(self._make_changes(ids), self.batch_rows):
            receipts, rejected = await store.write_changes(changes)
            refused += [(change.mint, reason) for (_, change), reason in rejected]
            written.update(change.mint for _, change in changes)
            for receipt in receipts:
                written -= receipt.misplaced
        return Rescued(mints=frozenset(written), stored=stored, refused=refused)

    async def _insert_spooled(
        self, store: TokenStore
    ) -> tuple[list[Token], list[tuple[Mint, str]]]:
        stored: list[Token] = []
        refused: list[tuple[Mint, str]] = []
        for part in chunks(self.spooled, self.batch_rows):
            taken, rejected = await store.insert_tokens(part)
            stored += taken
            refused += [(token.mint, reason) for token, reason in rejected]
        return stored, refused

    def _make_changes(self, ids: Mapping[Mint, int]) -> Iterable[StoredChange]:
        """The values of the tokens that Postgres has, in the order of their keys."""
        for mint in sorted(self.values.keys() & ids.keys(), key=ids.__getitem__):
            seen = self.values[mint]
            observed_at, version = seen.newest_time(), self.version
            yield ids[mint], TokenChange(mint, version, version, observed_at, seen.values)
