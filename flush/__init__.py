"""The flush: dirty tokens from the buffer to Postgres, a batch a commit.

    buffer.dirty -> Flusher -> store.write -> buffer.clear, table, backlog, governor

Part of the actor sync, and used by nothing else. A crash at any await repeats a flush, which is
harmless: versions are compared on both sides, and only those read are cleared.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing

import trio
from attrs import define, evolve, field, frozen

from buffer import BufferedToken, UpdateBuffer
from config.settings import SyncSettings
from domain.allowance import Written
from domain.backlog import Backlog
from domain.governor import Governor
from domain.lifecycle import is_retained
from domain.messages import Refused
from domain.table import TokenTable
from domain.token import UPDATE_FIELDS, Token
from domain.values import Mint, Value, Version
from store import TokenChange, TokenStore, WriteReceipt
from store.bisection import write_around_refusals
from store.checkpoints import CheckpointWatch
from supervision.environment import Environment

MICROSECONDS = 1_000_000  # a version is at least the wall clock's microseconds
FIELDS_OF_THIS_RELEASE = frozenset(UPDATE_FIELDS)


@frozen(kw_only=True)
class SyncDoors:
    """The two stores that sync writes to."""

    store: TokenStore
    buffer: UpdateBuffer


@frozen(kw_only=True)
class SyncPace:
    """What sync has learnt of the server; it outlives a restart of sync."""

    governor: Governor
    watch: CheckpointWatch


@define(kw_only=True)
class Flusher:
    """One flush at a time; `backlog` tells what the next one would take."""

    doors: SyncDoors
    table: TokenTable
    governor: Governor
    settings: SyncSettings
    environment: Environment
    backlog: Backlog = field(factory=Backlog, init=False)
    found: list[Mint] = field(factory=list, init=False)  # tokens that came (back) to the table
    turn: trio.Lock = field(factory=trio.Lock, init=False)
    counts: Counter[str] = field(factory=Counter, init=False)

    async def flush(self, chosen: Collection[Mint] | None = None) -> None:
        """Bring these dirty tokens to Postgres, or all of them."""
        async with self.turn:
            started = trio.current_time()
            receipts: list[WriteReceipt] = []
            if chosen is None or chosen:
                async with aclosing(self._batches(chosen)) as batches:
                    async for batch in batches:
                        receipts += await self._flush_batch(batch, is_partial=chosen is not None)
            if chosen is None:
                self.backlog.drop_before(started)
            if receipts:
                self._log(receipts, trio.current_time() - started)

    async def flush_as_granted(self) -> None:
        """Flush what the governor grants: usually everything, under pressure what is due first."""
        now = trio.current_time()
        plan = self.governor.plan
        self.governor.note_ages(self.backlog.ages(now))
        due = self.backlog.due(now + plan.tick_seconds, plan.staleness_seconds)
        grant = self.governor.grant(waiting=len(self.backlog), due=len(due), now=now)
        await self.flush(None if grant.is_complete else self.backlog.pick(grant.rows, due))
        self.governor.note_flushed(grant, now)

    async def dirty(self, after: Version) -> Sequence[BufferedToken]:
        """A page of dirty tokens, without fields of another release, which cannot be written."""
        return await self._dirty(after, self.settings.batch_rows)

    async def _dirty(self, after: Version, limit: int) -> Sequence[BufferedToken]:
        page = await self.doors.buffer.dirty(after, limit)
        return [
            token
            if token.values.keys() <= FIELDS_OF_THIS_RELEASE
            else evolve(token, values=_of_this_release(token.values))
            for token in page
        ]

    async def _batches(
        self, chosen: Collection[Mint] | None
    ) -> AsyncGenerator[Sequence[BufferedToken], None]:
        """The chosen dirty tokens, oldest first, as many at once as a statement takes."""
        after, most = Version(0), self.settings.batch_rows
        batch: list[BufferedToken] = []
        # What becomes dirty during the flush is of the next one: else this might never end.
        remaining = await self.doors.buffer.dirty_count()
        while remaining > 0:
            page = await self._dirty(after, min(remaining, most))
            if not page:
                break
            remaining -= len(page)
            after = page[-1].dirty_since
            batch += [token for token in page if chosen is None or token.mint in chosen]
            if len(batch) >= most:
                yield batch[:most]
                del batch[:most]
        if batch:
            yield batch

    async def _flush_batch(
        self, batch: Sequence[BufferedToken], *, is_partial: bool
    ) -> Sequence[WriteReceipt]:
        moment = trio.current_time()
        await self._find_unknown(batch)
        changes: list[TokenChange] = []
        settled: list[BufferedToken] = []  # those of `changes`, and those given up
        lost: list[Refused] = []
        for token in batch:
            known = self.table.published.get(token.mint)
            if known is not None and known.id is not None:
                changes.append(_change(known.id, token))
                settled.append(token)
            elif self._is_overdue(token, known):
                lost.append(self._refusal(token.mint, "no such token", token.values))
                settled.append(token)
            # else it is parked until its token is in Postgres.
        receipts, refused = await write_around_refusals(self.doors.store.write, changes)
        self._tell_governor(receipts)
        lost += [self._refusal(change.mint, why, change.values) for change, why in refused]
        if lost:
            await self.doors.buffer.quarantine(lost)
        await self.doors.buffer.clear({token.mint: token.version for token in settled})
        for token in settled:
            self.table.note_left(token.mint, token.values)
        self._settle(batch, moment, is_partial=is_partial)
        return receipts

    def _settle(self, batch: Iterable[BufferedToken], moment: float, *, is_partial: bool) -> None:
        """What is left of a token waits anew, behind the others; so does a parked one.

        Those of which nothing is left go all at once, at the end of a flush of everything.
        """
        for token in batch:
            left = self.table.unflushed.get(token.mint)
            if left is not None:
                self.backlog.settle(token.mint, left, moment)
            elif is_partial:
                self.backlog.drop(token.mint)

    async def _find_unknown(self, batch: Iterable[BufferedToken]) -> None:
        """Tokens that left the table can still change: an old coin that graduates, say."""
        known = self.table.published
        unknown = [t.mint for t in batch if t.mint not in known or known[t.mint].id is None]
        if unknown:
            found = await self.doors.store.find(unknown)
            self.found += [mint for mint, token in found.items() if self.table.admit(token)]

    def _is_overdue(self, token: BufferedToken, known: Token | None) -> bool:
        """True for what waited too long for its token, or for one that Postgres refused."""
        now = self.environment.clock()
        if known is None:
            return now - token.dirty_since / MICROSECONDS > self.settings.park_seconds
        return not is_retained(known, now)

    def _refusal(self, mint: Mint, reason: str, values: Mapping[str, Value]) -> Refused:
        self.environment.log.warning("update quarantined", mint=mint, reason=reason)
        self.counts["quarantined"] += 1
        now = self.environment.clock()
        return Refused(mint=mint, reason=reason, refused_at=now, values=values)

    def _tell_governor(self, receipts: Sequence[WriteReceipt]) -> None:
        now = trio.current_time()
        for cost in receipts:
            written = Written(rows=cost.rows, wal_bytes=cost.wal_bytes, seconds=cost.seconds)
            self.governor.note_written(written, now)

    def _log(self, receipts: Sequence[WriteReceipt], seconds: float) -> None:
        self.environment.log.info(
            "flush complete",
            rows=sum(receipt.rows for receipt in receipts),
            statements=sum(receipt.statements for receipt in receipts),
            wal_bytes=sum(receipt.wal_bytes for receipt in receipts),
            seconds=round(seconds, 4),
            held_back=self.governor.held_back,
        )


def _of_this_release(values: Mapping[str, Value]) -> Mapping[str, Value]:
    return {name: value for name, value in values.items() if name in FIELDS_OF_THIS_RELEASE}


def _change(token_id: int, token: BufferedToken) -> TokenChange:
    return TokenChange(
        token_id=token_id,
        mint=token.mint,
        version=token.version,
        observed_at=token.observed_at,
        values=token.values,
    )
