"""The in-process twin of `PostgresStore`, with the same meaning and no server.

    MemoryDatabase (what Postgres would hold)  <-  MemoryStore (one component's connection)

Stores that share a database see one another's writes, and a database outlives its stores as
Postgres outlives the service. A store can be told to fail, so that tests and the simulation
meet every outcome that a real one has: not done, done but unknown, refused, away.
"""

from collections import deque
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import chain

import attrs
import trio
from attrs import Factory, define, field, frozen

from domain.errors import RowsRefused, StoreUnavailable
from domain.lifecycle import RETAIN_NEW_SECONDS, is_retained
from domain.messages import TokenChange
from domain.outline import TokenOutline, outline_token
from domain.precision import floor_time
from domain.token import STATUS_FIELDS, Status, Token, with_values
from domain.values import Mint, UnixSeconds, Value
from store import (
    LossReport,
    OverlayPage,
    OverlayPosition,
    OverlayRow,
    RefusedChanges,
    RefusedTokens,
    ServerPulse,
    StoredChange,
    StoredChanges,
    WatchCounts,
    WriteReceipt,
)
from store.bisection import write_around_refusals
from store.columns import (
    CHANGE_TABLES,
    COLD_BLOCK_DAYS,
    DAY_SECONDS,
    PERIOD_SECONDS,
    convert_values,
    find_period,
    keep_first_of_each,
    keep_newer,
    list_later_values,
    make_token_row,
    refuse_repeated_tokens,
    to_stored_token,
)
from store.losses import list_losses
from store.memory_database import MemoryDatabase, MemoryRow

LONGEST_MINT_BYTES = 64  # as the CHECK of table token
LOG_CALLS = 10_000  # newest calls kept for assertions


@frozen(kw_only=True)
class WrittenChanges:
    """One commit of changes, for assertions."""

    changes: Sequence[StoredChange]
    receipt: WriteReceipt


@define(kw_only=True, eq=False)
class MemoryStore:
    """One component's store on a `MemoryDatabase`."""

    cold_days: int  # as `postgres.cold_days`
    database: MemoryDatabase = Factory(MemoryDatabase)
    delay_seconds: float = 0.0  # of every call, before its effect
    reply_delay_seconds: float = 0.0  # of every call, after its effect
    # For assertions: new tokens of each commit that had any, and every commit of changes.
    inserted: deque[tuple[Token, ...]] = field(factory=lambda: deque(maxlen=LOG_CALLS), init=False)
    written: deque[WrittenChanges] = field(factory=lambda: deque(maxlen=LOG_CALLS), init=False)

    _failures_left: int = field(default=0, init=False)
    _is_commit_unknown: bool = field(default=False, init=False)

    # -- The port --------------------------------------------------------------------------

    async def open(self) -> str:
        async with self._exchange():
            return str(self.database.epoch)

    async def insert_tokens(self, tokens: Sequence[Token]) -> tuple[Sequence[Token], RefusedTokens]:
        parts, refused = await write_around_refusals(self._insert_tokens, tokens)
        return list(chain.from_iterable(parts)), refused

    async def _insert_tokens(self, tokens: Sequence[Token]) -> Sequence[Token]:
        async with self._exchange(is_write=True):
            offered = keep_first_of_each(tokens).values()
            for token in offered:
                _check_insert(token)
            self._require_acceptable(token.mint for token in offered)
            stored = (self._insert_if_new(token) for token in offered)
            new = {token.mint: token for token in stored if token is not None}
            if new:
                self.inserted.append(tuple(new.values()))
            known = self.database.tokens
            return [new.get(token.mint) or known[token.mint] for token in tokens]

    async def find_tokens(self, mints: Sequence[Mint]) -> Mapping[Mint, Token]:
        if not mints:
            return {}
        async with self._exchange():
            tokens = self.database.tokens
            return {mint: tokens[mint] for mint in mints if mint in tokens}

    async def write_changes(
        self, changes: Sequence[StoredChange]
    ) -> tuple[Sequence[WriteReceipt], RefusedChanges]:
        if not any(change.values for _, change in changes):
            return [], []
        return await write_around_refusals(self._write_changes, changes)

    async def _write_changes(self, changes: Sequence[StoredChange]) -> WriteReceipt:
        async with self._exchange(is_write=True):
            refuse_repeated_tokens(StoredChanges.of(changes))
            self._require_acceptable(change.mint for _, change in changes)
            kept = {
                token_id: change._replace(values=convert_values(change.values))
                for token_id, change in changes
            }
            mints = self.database.mints
            misplaced = {c.mint for i, c in kept.items() if c.values and mints.get(i) != c.mint}
            kept = {i: change for i, change in kept.items() if change.mint not in misplaced}
            rows = statements = 0
            for table, fields in CHANGE_TABLES.items():
                parts = {
                    (table, i): c._replace(values=_select_values(fields, c.values))
                    for i, c in kept.items()
                }
                touched = {key: part for key, part in parts.items() if part.values}
                statements += bool(touched)
                rows += sum(self._merge_change(key, part) for key, part in touched.items())
            receipt = WriteReceipt(
                rows=rows,
                statements=statements,
                wal_bytes=0,
                seconds=0.0,
                epoch=str(self.database.epoch),
                misplaced=frozenset(misplaced),
            )
            self.written.append(WrittenChanges(changes=changes, receipt=receipt))
        return receipt

    async def select_newer(self, changes: Sequence[StoredChange]) -> Sequence[TokenChange]:
        if not changes:
            return []
        async with self._exchange():
            mints, rows = self.database.mints, self.database.rows
            ours = {token_id for token_id, change in changes if mints.get(token_id) == change.mint}
            return keep_newer(changes, {k: row.version for k, row in rows.items() if k[1] in ours})

    async def find_losses(self, tokens: Sequence[Token]) -> LossReport:
        async with self._exchange(is_counted=False):
            losses = list_losses(tokens, self.database.tokens)
            return LossReport(epoch=str(self.database.epoch), losses=losses)

    async def load_tokens(self, now: UnixSeconds, limit: int) -> Sequence[Token]:
        async with self._exchange():
            retained = [token for token in self.database.tokens.values() if is_retained(token, now)]
        retained.sort(key=lambda token: (token.first_seen_at, token.id or 0), reverse=True)
        return retained[:limit]

    async def outline_tokens(self, now: UnixSeconds, limit: int) -> Sequence[TokenOutline]:
        return [outline_token(token) for token in await self.load_tokens(now, limit)]

    async def read_pulse(self) -> ServerPulse:
        # A test that counts failing calls does not count the watch's.
        async with self._exchange(is_counted=False):
            return attrs.evolve(self.database.pulse, epoch=str(self.database.epoch))

    async def drop_unretained(self, now: UnixSeconds) -> WriteReceipt:
        async with self._exchange(is_write=True):
            moved = [
                token for token in self.database.tokens.values() if self._is_overdue(token, now)
            ]
            for token in moved:
                if token.status is Status.BONDED and token.mint not in self.database.cold:
                    self.database.cold[token.mint] = now
                else:
                    self._forget_token(token)
        return WriteReceipt(
            rows=len(moved),
            statements=1,
            wal_bytes=0,
            seconds=0.0,
            epoch=str(self.database.epoch),
        )

    async def read_overlay(self, after: OverlayPosition, limit: int) -> OverlayPage:
        async with self._exchange(is_counted=False):
            rows = sorted(self.database.overlay.values(), key=_find_position)
            behind = [row for row in rows if _find_position(row) > after]
            return OverlayPage(rows=behind[:limit], horizon=self.database.last_change_id + 1)

    async def settle_overlay(self, taken: Sequence[tuple[Mint, int]]) -> Collection[Mint]:
        async with self._exchange():
            overlay = self.database.overlay
            settled = [
                overlay[mint]
                for mint, change_id in taken
                if mint in overlay and overlay[mint].change_id == change_id
            ]
            for row in settled:
                if row.watchers:
                    overlay[row.mint] = attrs.evolve(row, texts={}, written_at={})
                else:
                    del overlay[row.mint]
            return [row.mint for row in settled]

    async def count_watches(self, table: str, limit: int) -> WatchCounts:
        async with self._exchange(is_counted=False):
            found = self.database.watches.get(table, "no such table")
            if isinstance(found, str):
                return WatchCounts(counts={}, problem=f"{table}: {found}")
            most = sorted(found.items(), key=lambda entry: (-entry[1], entry[0]))
            return WatchCounts(counts=dict(most[:limit]))

    async def set_watchers(self, counts: Mapping[Mint, int]) -> None:
        async with self._exchange():
            for mint, watchers in counts.items():
                self.database.set_watchers(mint, watchers)

    async def close(self) -> None:
        await trio.sleep(self.delay_seconds + self.reply_delay_seconds)

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

    @asynccontextmanager
    async def _exchange(
        self, *, is_write: bool = False, is_counted: bool = True
    ) -> AsyncIterator[None]:
        """One call: the way there, its effect (the body, at once), and the way back.

        Whoever is cancelled on the way back does not learn that there was an effect.
        """
        await trio.sleep(self.delay_seconds)
        if self.database.is_down:
            raise StoreUnavailable("the database is down")
        if is_counted and self._failures_left:
            self._failures_left -= 1
            raise StoreUnavailable("told to fail")
        yield
        if self.reply_delay_seconds:
            await trio.sleep(self.reply_delay_seconds)
        if is_write and self._is_commit_unknown:
            self._is_commit_unknown = False
            raise StoreUnavailable("told to fail after the commit")

    def _require_acceptable(self, mints: Iterable[Mint]) -> None:
        for mint in mints:
            if self.database.refuses(mint):
                raise RowsRefused(f"{mint}: told to refuse")

    # -- The tables ------------------------------------------------------------------------

    def _insert_if_new(self, token: Token) -> Token | None:
        """The token as newly stored; None when it was there."""
        database = self.database
        if token.mint in database.tokens:
            return None
        token_id = database.last_id = database.last_id + 1
        stored = to_stored_token(token, token_id)
        # No table has a place for what is live.
        database.tokens[token.mint] = attrs.evolve(stored, statistics=None, provenance={})
        database.mints[token_id] = token.mint
        for table, fields in CHANGE_TABLES.items():
            if values := _select_values(fields, list_later_values(token)):
                database.rows[table, token_id] = MemoryRow(version=0, values=values)
        return stored

    def _is_overdue(self, token: Token, now: UnixSeconds) -> bool:
        """True when the token's partition is off the feed, or has been cold for long enough."""
        cold_since = self.database.cold.get(token.mint)
        if cold_since is not None:
            block_seconds = COLD_BLOCK_DAYS * DAY_SECONDS
            return (
                cold_since // block_seconds < (now - self.cold_days * DAY_SECONDS) // block_seconds
            )
        ended_at = (find_period(token.first_seen_at) + 1) * PERIOD_SECONDS
        return ended_at + RETAIN_NEW_SECONDS <= now

    def _forget_token(self, token: Token) -> None:
        database, token_id = self.database, token.id or 0
        del database.tokens[token.mint], database.mints[token_id]
        database.cold.pop(token.mint, None)
        database.overlay.pop(token.mint, None)
        for table in CHANGE_TABLES:
            database.rows.pop((table, token_id), None)

    def _merge_change(self, key: tuple[str, int], change: TokenChange) -> bool:
        """Merge one change into one row, by table and token; True when that wrote it."""
        database = self.database
        row = database.rows.get(key)
        merged = _merge_values(row.values if row else {}, change.values)
        if row and (row.version >= change.version or merged == row.values):
            return False
        database.rows[key] = MemoryRow(version=change.version, values=merged)
        shown = {name: merged[name] for name in change.values if name in merged}
        observed_at = floor_time(change.observed_at)
        token = database.tokens[change.mint]
        database.tokens[change.mint] = with_values(token, shown, observed_at)
        return True


def _find_position(row: OverlayRow) -> OverlayPosition:
    return row.change_id, row.mint


def _check_insert(token: Token) -> None:
    """Refuse what Postgres would."""
    make_token_row(token)
    list_later_values(token)
    if len(token.mint.encode()) > LONGEST_MINT_BYTES:
        raise RowsRefused(f"mint: {token.mint!r:.80} is too long")


def _select_values(fields: Sequence[str], values: Mapping[str, Value]) -> dict[str, Value]:
    return {name: values[name] for name in fields if name in values}


def _merge_values(old: Mapping[str, Value], new: Mapping[str, Value]) -> dict[str, Value]:
    if "status" in old and "status" in new and int(new["status"]) <= int(old["status"]):
        # A status that does not grow is no news, nor is what comes with it.
        new = {name: value for name, value in new.items() if name not in STATUS_FIELDS}
    return {**old, **new}
