"""The in-process twin of `PostgresStore`, with the same meaning and no server.

    MemoryDatabase (what Postgres would hold)  <-  MemoryStore (one component's connection)

Stores that share a database see one another's writes, and a database outlives its stores as
Postgres outlives the service. A store can be told to fail, so that tests and the simulation
meet every outcome that a real one has: not done, done but unknown, refused, away.
"""

from collections import deque
from collections.abc import Mapping, Sequence

import attrs
import trio
from attrs import Factory, define, field, frozen

from domain.errors import RowsRefused, StoreUnavailable
from domain.lifecycle import is_retained
from domain.token import GREATEST_WINS, Token, with_values
from domain.values import Mint, UnixSeconds, Value
from store import TokenChange, WriteReceipt
from store.columns import (
    CHANGE_TABLES,
    born,
    first_of_each,
    later_values,
    refuse_repeated,
    stored_values,
    token_row,
)

LONGEST_MINT_BYTES = 64  # as the CHECK of table token
LOG_CALLS = 10_000  # newest calls kept for assertions


@frozen(kw_only=True)
class MemoryRow:
    """One token's row in a table of changing values."""

    version: int
    values: Mapping[str, Value]


@define(kw_only=True)
class MemoryDatabase:
    """The tables, and each token as their join shows it."""

    tokens: dict[Mint, Token] = Factory(dict)
    mints: dict[int, Mint] = Factory(dict)  # by token id
    rows: dict[tuple[str, int], MemoryRow] = Factory(dict)  # by (table, token id)
    is_down: bool = False


@frozen(kw_only=True)
class Written:
    """One committed call of `write`, for assertions."""

    changes: tuple[TokenChange, ...]
    receipt: WriteReceipt


@define(kw_only=True, eq=False)
class MemoryStore:
    """One component's store on a `MemoryDatabase`."""

    database: MemoryDatabase = Factory(MemoryDatabase)
    # For assertions: new tokens of each call of `insert` that had any, and every `write`.
    inserted: deque[tuple[Token, ...]] = field(factory=lambda: deque(maxlen=LOG_CALLS), init=False)
    written: deque[Written] = field(factory=lambda: deque(maxlen=LOG_CALLS), init=False)

    _failures_left: int = field(default=0, init=False)
    _is_commit_unknown: bool = field(default=False, init=False)

    # -- The port --------------------------------------------------------------------------

    async def open(self) -> None:
        await self._reach()

    async def insert(self, tokens: Sequence[Token]) -> Sequence[Token]:
        if not tokens:
            return []
        await self._reach()
        offered = first_of_each(tokens).values()
        for token in offered:
            _check_insert(token)
        new = [token for token in map(self._inserted, offered) if token is not None]
        if new:
            self.inserted.append(tuple(new))
        self._commit()
        return [self.database.tokens[token.mint] for token in tokens]

    async def find(self, mints: Sequence[Mint]) -> Mapping[Mint, Token]:
        if not mints:
            return {}
        await self._reach()
        tokens = self.database.tokens
        return {mint: tokens[mint] for mint in mints if mint in tokens}

    async def write(self, changes: Sequence[TokenChange]) -> WriteReceipt:
        if not any(change.values for change in changes):
            return WriteReceipt(rows=0, statements=0, wal_bytes=0, seconds=0.0)
        await self._reach()
        refuse_repeated(changes)
        kept = [attrs.evolve(change, values=stored_values(change.values)) for change in changes]
        rows = statements = 0
        for table, fields in CHANGE_TABLES.items():
            parts = [(_of(fields, change.values), change) for change in kept]
            touched = [(values, change) for values, change in parts if values]
            statements += bool(touched)
            rows += sum(self._changed(table, values, change) for values, change in touched)
        receipt = WriteReceipt(rows=rows, statements=statements, wal_bytes=0, seconds=0.0)
        self.written.append(Written(changes=tuple(changes), receipt=receipt))
        self._commit()
        return receipt

    async def load(self, now: UnixSeconds, limit: int) -> Sequence[Token]:
        await self._reach()
        retained = [token for token in self.database.tokens.values() if is_retained(token, now)]
        retained.sort(key=lambda token: (token.first_seen_at, token.id or 0), reverse=True)
        return retained[:limit]

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()

    # -- Faults ----------------------------------------------------------------------------

    def fail_next(self, calls: int = 1) -> None:
        """The next calls raise `StoreUnavailable`, having done nothing."""
        self._failures_left = calls

    def commit_then_fail_next(self) -> None:
        """The next write is committed, and then raises `StoreUnavailable` all the same."""
        self._is_commit_unknown = True

    def go_down(self) -> None:
        """Every call of every store on this database fails until `come_up`."""
        self.database.is_down = True

    def come_up(self) -> None:
        self.database.is_down = False

    async def _reach(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.database.is_down:
            raise StoreUnavailable("the database is down")
        if self._failures_left:
            self._failures_left -= 1
            raise StoreUnavailable("told to fail")

    def _commit(self) -> None:
        if self._is_commit_unknown:
            self._is_commit_unknown = False
            raise StoreUnavailable("told to fail after the commit")

    # -- The tables ------------------------------------------------------------------------

    def _inserted(self, token: Token) -> Token | None:
        """The token as newly stored; None when it was there."""
        database = self.database
        if token.mint in database.tokens:
            return None
        token_id = len(database.tokens) + 1
        stored = born(attrs.evolve(token, id=token_id))
        database.tokens[token.mint] = stored
        database.mints[token_id] = token.mint
        for table, fields in CHANGE_TABLES.items():
            if values := _of(fields, later_values(token)):
                database.rows[table, token_id] = MemoryRow(version=0, values=values)
        return stored

    def _changed(self, table: str, values: Mapping[str, Value], change: TokenChange) -> bool:
        """Merge one change into one table; True when that wrote a row."""
        database, key = self.database, (table, change.token_id)
        row = database.rows.get(key)
        merged = _merged(row.values if row else {}, values)
        if row and (row.version >= change.version or merged == row.values):
            return False
        database.rows[key] = MemoryRow(version=change.version, values=merged)
        mint = database.mints.get(change.token_id)
        if mint is not None:  # a row without its token is kept, and shown to no reader
            shown = {name: merged[name] for name in values}
            database.tokens[mint] = with_values(database.tokens[mint], shown, change.observed_at)
        return True


def _check_insert(token: Token) -> None:
    """Refuse what Postgres would."""
    token_row(token)
    later_values(token)
    if len(token.mint.encode()) > LONGEST_MINT_BYTES:
        raise RowsRefused(f"mint: {token.mint!r:.80} is too long")


def _of(fields: Sequence[str], values: Mapping[str, Value]) -> dict[str, Value]:
    return {name: values[name] for name in fields if name in values}


def _merged(old: Mapping[str, Value], new: Mapping[str, Value]) -> dict[str, Value]:
    greatest = {name: max(old[name], new[name]) for name in GREATEST_WINS & old.keys() & new.keys()}
    return {**old, **new, **greatest}
