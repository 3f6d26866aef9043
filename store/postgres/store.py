"""`TokenStore` on PostgreSQL 14 to 18.

    ingest  ->  insert, find         sync  ->  write, load, find

Each of the two has a store, and so a connection, of its own; `application_name` tells which.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

from attrs import define, field

from domain.token import Token
from domain.values import Mint, UnixSeconds
from store import TokenChange, WriteReceipt
from store.ledger import Ledger
from store.postgres import statements
from store.postgres.connection import Connection, Offload, PostgresSettings
from store.postgres.migrating import migrate


@define(eq=False)
class PostgresStore:
    """Tokens in Postgres; every commit is booked in the ledger."""

    settings: PostgresSettings
    component: Literal["ingest", "sync"]
    offload: Offload
    ledger: Ledger
    _connection: Connection = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._connection = Connection(
            settings=self.settings,
            application_name=f"token-discovery:{self.component}",
            offload=self.offload,
        )

    async def open(self) -> None:
        """Connect and bring the schema up to date; harmless when already open."""
        await self._connection.run(migrate)

    async def insert(self, tokens: Sequence[Token]) -> Sequence[Token]:
        """Write the tokens that are not there yet, in one commit; see `TokenStore.insert`."""
        if not tokens:
            return []
        stored, receipt = await self._connection.run(
            partial(statements.insert_tokens, tokens=tokens)
        )
        self.ledger.book(self.component, receipt)
        return stored

    async def find(self, mints: Sequence[Mint]) -> Mapping[Mint, Token]:
        """The stored tokens among `mints`."""
        if not mints:
            return {}
        return await self._connection.run(partial(statements.find_tokens, mints=mints))

    async def write(self, changes: Sequence[TokenChange]) -> WriteReceipt:
        """Write the changes in one commit; see `TokenStore.write`."""
        if not any(change.values for change in changes):
            return WriteReceipt(rows=0, statements=0, wal_bytes=0, seconds=0.0)
        receipt = await self._connection.run(partial(statements.write_changes, changes=changes))
        self.ledger.book(self.component, receipt)
        return receipt

    async def load(self, now: UnixSeconds, limit: int) -> Sequence[Token]:
        """The newest `limit` tokens that are retained at `now`, newest first."""
        return await self._connection.run(partial(statements.load_tokens, now=now, limit=limit))

    async def close(self) -> None:
        """Disconnect; harmless when already closed."""
        await self._connection.close()
