"""The start of sync: its table is rebuilt from Postgres, the spool and the buffer.

    store.load_tokens, buffer.read_spooled, buffer.read_dirty
        -> buffer.recall_stored, what Postgres may have lost -> store.find_tokens
        -> store.select_newer -> table, backlog

Each store is asked until it answers, beside the actor's loop: new tokens are published meanwhile.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import trio
from attrs import define, field, frozen

from actors.sync.life import SyncLife
from actors.sync.parking import MICROSECONDS
from actors.sync.regaining import NO_EPOCH, Losses
from actors.sync.unstored import Unstored
from domain.backoff import Backoff
from domain.errors import BufferUnavailable, StoreUnavailable
from domain.lifecycle import is_retained
from domain.merging import NO_TIME, Observations
from domain.messages import TokenChange
from domain.token import Token
from domain.values import NO_VERSION, UnixSeconds

STORED_SECONDS = 1.0  # times are stored as whole seconds: what was observed may be so much later


class StoreLoadDue:
    """Postgres is to be asked for its tokens, again."""


class BufferReadDue:
    """The buffer is to be asked for what it holds, again."""


@frozen(kw_only=True)
class Stored:
    """What Postgres holds."""

    epoch: str  # read before the rest: a loss meanwhile shows
    tokens: Sequence[Token]


@frozen(kw_only=True)
class Held:
    """What the buffer holds."""

    epoch: str  # read before the rest: a loss meanwhile shows
    is_whole: bool  # False: data were lost since an earlier life, or none were there
    risks: Sequence[str]  # what in the server's configuration may lose data
    spooled: Sequence[Token]
    changes: Sequence[TokenChange]


@define(kw_only=True)
class Restorer:
    """Reads both stores, and fills the table when it has all."""

    life: SyncLife
    # Is given the epochs of the buffer's and of the store's data, once all is restored.
    then: Callable[[str, str], None]
    note_lost: Callable[[Losses], None]
    stored: Stored | None = field(default=None, init=False)
    held: Held | None = field(default=None, init=False)
    recalled: Held | None = field(default=None, init=False)  # what Postgres may have lost, too
    losses: Losses = field(factory=Losses, init=False)
    is_done: bool = field(default=False, init=False)
    store_backoff: Backoff = field(init=False)
    buffer_backoff: Backoff = field(init=False)

    @store_backoff.default
    def _new_store_backoff(self) -> Backoff:
        return self.life.new_backoff()

    @buffer_backoff.default
    def _new_buffer_backoff(self) -> Backoff:
        return self.life.new_backoff()

    # Postgres.

    def load_stored(self) -> None:
        """Ask Postgres for its tokens."""
        self.life.store_caller.ask(self._load_tokens, self._note_stored, self._retry_store)

    async def _load_tokens(self) -> Stored:
        store = self.life.stores.store
        epoch = await store.open()
        tokens = await store.load_tokens(self.life.environment.clock(), self.life.table.limit)
        return Stored(epoch=epoch, tokens=tokens)

    def _note_stored(self, stored: Stored) -> None:
        self.stored = stored
        self._raise_clock(stored.tokens)  # now: the buffer may be away for long
        self._finish_if_whole()

    def _retry_store(self, error: StoreUnavailable) -> None:
        self.life.environment.readiness.set(self.life.name, str(error))
        self.life.desk.set_timer(StoreLoadDue(), self.store_backoff.next_wait_seconds())

    # The buffer.

    def read_held(self) -> None:
        """Ask the buffer for what it holds."""
        self.life.buffer_caller.ask(self._read_buffer, self._note_held, self._retry_buffer)

    async def _read_buffer(self) -> Held:
        buffer = self.life.stores.buffer
        risks = await buffer.open()
        is_whole = bool((await buffer.read_dirty(NO_VERSION, 1)).epoch)
        epoch = (await buffer.append_observations({})).epoch
        spooled = await buffer.read_spooled(self.life.table.limit)
        changes = await self.life.read_all_dirty()
        return Held(epoch=epoch, is_whole=is_whole, risks=risks, spooled=spooled, changes=changes)

    def _note_held(self, held: Held) -> None:
        self.held = held
        for risk in held.risks:
            self.life.environment.log.warning("the buffer may lose data", risk=risk)
        risks = "; ".join(held.risks) or None
        self.life.environment.readiness.report_outage("redis configuration", self.life.name, risks)
        self._finish_if_whole()

    def _retry_buffer(self, error: BufferUnavailable) -> None:
        self.life.environment.readiness.set(self.life.name, str(error))
        self.life.desk.set_timer(BufferReadDue(), self.buffer_backoff.next_wait_seconds())

    # What Postgres has lost while nobody was here.

    async def _recall_stored(self, stored: Stored, held: Held) -> Held:
        """What the buffer holds, once it holds what Postgres may have lost; safe to repeat."""
        buffer = self.life.stores.buffer
        recalled = await buffer.recall_stored(stored.epoch)
        lost = self._find_lost_births(recalled.births, stored, held)
        if not lost and not recalled.is_dirty:
            return held
        self.losses.births.update(token.mint for token in lost)
        if not recalled.is_dirty:  # a restored dump has brought its epoch along
            await buffer.recall_stored(NO_EPOCH)
        await self.life.spool_tokens(lost)
        await buffer.note_store_epoch(stored.epoch)
        return await self._read_buffer()

    def _note_recalled(self, recalled: Held) -> None:
        self.recalled = recalled
        self._finish_if_whole()

    def _find_lost_births(self, births: Sequence[Token], stored: Stored, held: Held) -> list[Token]:
        """Those that Postgres would have told of, had it not lost them."""
        now = self.life.environment.clock()
        known = {token.mint for token in (*stored.tokens, *held.spooled)}
        is_full = len(stored.tokens) >= self.life.table.limit
        oldest = stored.tokens[-1].first_seen_at if is_full else NO_TIME
        return [
            token
            for token in births
            if token.mint not in known and token.first_seen_at >= oldest and is_retained(token, now)
        ]

    # Both.

    def _finish_if_whole(self) -> None:
        """Once both are read, ask Postgres which of the buffer's values it has newer ones of.

        A drain while the buffer was away has written past it: what it holds of these is older.
        """
        if self.stored is None or self.held is None:
            return
        if self.recalled is None:
            self.life.buffer_caller.ask(
                partial(self._recall_stored, self.stored, self.held),
                self._note_recalled,
                self._retry_buffer,
            )
            return
        unstored = Unstored(
            store=self.life.stores.store,
            batch_rows=self.life.settings.batch_rows,
            tokens={token.mint: token for token in self.stored.tokens},
            held={change.mint: change.values.keys() for change in self.held.changes},
            losses=self.losses,
        )
        changes = self.recalled.changes
        self.life.store_caller.ask(
            partial(unstored.select_changes, changes),
            partial(self._clear_older, changes),
            self._retry_store,
        )

    def _clear_older(self, known: Sequence[TokenChange], newer: Sequence[TokenChange]) -> None:
        """Let the buffer forget them: the next change of such a token would take them along."""
        mints = {change.mint for change in newer}
        older = [change for change in known if change.mint not in mints]
        if not older:
            self._finish(newer)
            return
        self.life.environment.log.info("buffer holds what is stored anew", tokens=len(older))
        self.life.buffer_caller.ask(
            lambda: self.life.stores.buffer.clear_flushed(older),
            lambda _: self._finish(newer),
            self._retry_buffer,
        )

    def _finish(self, changes: Sequence[TokenChange]) -> None:
        if self.stored is None or self.held is None or self.recalled is None or self.is_done:
            return
        self.is_done = True
        self._take_changes(changes)
        for token in [*self.recalled.spooled, *self.stored.tokens]:
            self.life.table.admit_token(token)
        if self.stored.tokens and not self.held.is_whole:
            self.life.environment.log.warning(
                "buffer lost its data before the start: what was not flushed is gone"
            )
        tokens, unflushed = len(self.life.table.published), len(self.life.table.unflushed)
        self.life.environment.log.info("tokens restored", tokens=tokens, unflushed=unflushed)
        self._raise_clock(self.life.table.published.values())
        self._forget_watchers()
        buffer_epoch, store_epoch = self.recalled.epoch, self.stored.epoch
        self.stored = self.recalled = None  # the table has all of it
        self.then(buffer_epoch, store_epoch)
        self.note_lost(self.losses)

    def _take_changes(self, changes: Sequence[TokenChange]) -> None:
        now, moment = self.life.environment.clock(), trio.current_time()
        waiting = []
        for change in changes:
            held = Observations({**change.values}, change.observed_at, newest=change.version)
            self.life.table.apply_observations(change.mint, held)
            age_seconds = max(0.0, now - change.dirty_since / MICROSECONDS)
            waiting.append((change.mint, change.values, moment - age_seconds))
        self.life.backlog.restore_entries(waiting)

    def _raise_clock(self, tokens: Iterable[Token]) -> None:
        """What is observed from now on is later than what an earlier life has observed."""
        observed = [token.last_updated_at for token in tokens]
        latest = max((at for at in observed if at), default=NO_TIME)
        self.life.environment.raise_clock(UnixSeconds(latest + STORED_SECONDS))

    def _forget_watchers(self) -> None:
        """Clients of an earlier life are gone; those that are here are counted anew."""
        now = self.life.environment.clock()
        for token in self.life.table.published.values():
            if token.watcher_count:
                nobody = Observations({"watcher_count": 0}, now, self.life.name)
                self.life.memory.unappended.setdefault(token.mint, Observations()).take_newer(
                    nobody
                )
