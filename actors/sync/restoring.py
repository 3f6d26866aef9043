"""The start of sync: its table is rebuilt from Postgres, the spool and the buffer.

    store.load_tokens, buffer.read_spooled, buffer.read_dirty
        -> store.select_newer -> table, backlog

Each store is asked until it answers, beside the actor's loop: new tokens are published meanwhile.
"""

from collections.abc import Callable, Sequence
from functools import partial

import trio
from attrs import define, field, frozen

from actors.sync.flusher import MICROSECONDS
from actors.sync.life import SyncLife
from domain.backoff import Backoff
from domain.chunks import chunks
from domain.errors import BufferUnavailable, StoreUnavailable
from domain.merging import NO_TIME, Observations
from domain.messages import TokenChange
from domain.token import Token
from domain.values import NO_VERSION
from store import StoredChange


class StoreLoadDue:
    """Postgres is to be asked for its tokens, again."""


class BufferReadDue:
    """The buffer is to be asked for what it holds, again."""


@frozen(kw_only=True)
class Held:
    """What the buffer holds."""

    epoch: str  # read before the rest: a loss meanwhile shows
    risks: Sequence[str]  # what in the server's configuration may lose data
    spooled: Sequence[Token]
    changes: Sequence[TokenChange]


@define(kw_only=True)
class Restorer:
    """Reads both stores, and fills the table when it has all."""

    life: SyncLife
    then: Callable[[str], None]  # is given the epoch of the buffer's data, once all is restored
    stored: Sequence[Token] | None = field(default=None, init=False)
    held: Held | None = field(default=None, init=False)
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

    async def _load_tokens(self) -> Sequence[Token]:
        store = self.life.stores.store
        await store.open()
        return await store.load_tokens(self.life.environment.clock(), self.life.table.limit)

    def _note_stored(self, tokens: Sequence[Token]) -> None:
        self.stored = tokens
        self._finish_if_whole()

    def _retry_store(self, error: StoreUnavailable) -> None:
        self.life.environment.readiness.set(self.life.name, str(error))
        self.life.desk.set_timer(StoreLoadDue(), self.store_backoff.next_wait_seconds())

    # The buffer.

    def read_held(self) -> None:
        """Ask the buffer for what it holds."""
        self.life.buffer_caller.ask(self._read_buffer, self._note_held, self._retry_buffer)

    async def _read_buffer(self) -> Held:
        buffer, page_tokens = self.life.stores.buffer, self.life.settings.batch_rows
        risks = await buffer.open()
        epoch = (await buffer.append_observations({})).epoch
        spooled = await buffer.read_spooled(self.life.table.limit)
        changes: list[TokenChange] = []
        after = NO_VERSION
        while page := (await buffer.read_dirty(after, page_tokens)).changes:
            after = page[-1].dirty_since
            changes += page
        return Held(epoch=epoch, risks=risks, spooled=spooled, changes=changes)

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

    # Both.

    def _finish_if_whole(self) -> None:
        """Once both are read, ask Postgres which of the buffer's values it has newer ones of.

        A drain while the buffer was away has written past it: what it holds of these is older.
        """
        if self.stored is None or self.held is None:
            return
        ids = {token.mint: token.id for token in self.stored}
        stored = ((ids.get(change.mint), change) for change in self.held.changes)
        known = [(token_id, change) for token_id, change in stored if token_id is not None]
        others = [change for change in self.held.changes if ids.get(change.mint) is None]
        self.life.store_caller.ask(
            partial(self._select_newer, known),
            lambda newer: self._clear_older(known, [*newer, *others]),
            self._retry_store,
        )

    async def _select_newer(self, changes: Sequence[StoredChange]) -> list[TokenChange]:
        newer: list[TokenChange] = []
        for part in chunks(changes, self.life.settings.batch_rows):
            newer += await self.life.stores.store.select_newer(part)
        return newer

    def _clear_older(self, known: Sequence[StoredChange], newer: Sequence[TokenChange]) -> None:
        """Let the buffer forget them: the next change of such a token would take them along."""
        mints = {change.mint for change in newer}
        older = [change for _, change in known if change.mint not in mints]
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
        if self.stored is None or self.held is None or self.is_done:
            return
        self.is_done = True
        self._take_changes(changes)
        for token in [*self.held.spooled, *self.stored]:
            self.life.table.admit_token(token)
        tokens, unflushed = len(self.life.table.published), len(self.life.table.unflushed)
        self.life.environment.log.info("tokens restored", tokens=tokens, unflushed=unflushed)
        self._raise_clock()
        self._forget_watchers()
        self.then(self.held.epoch)

    def _take_changes(self, changes: Sequence[TokenChange]) -> None:
        now, moment = self.life.environment.clock(), trio.current_time()
        waiting = []
        for change in changes:
            held = Observations({**change.values}, change.observed_at, newest=change.version)
            self.life.table.apply_observations(change.mint, held)
            age_seconds = max(0.0, now - change.dirty_since / MICROSECONDS)
            waiting.append((change.mint, change.values, moment - age_seconds))
        self.life.backlog.restore_entries(waiting)

    def _raise_clock(self) -> None:
        """What is observed from now on is later than what an earlier life has observed."""
        observed = [token.last_updated_at for token in self.life.table.published.values()]
        self.life.environment.raise_clock(max((at for at in observed if at), default=NO_TIME))

    def _forget_watchers(self) -> None:
        """Clients of an earlier life are gone; those that are here are counted anew."""
        now = self.life.environment.clock()
        for token in self.life.table.published.values():
            if token.watcher_count:
                nobody = Observations({"watcher_count": 0}, now, self.life.name)
                self.life.memory.unappended.setdefault(token.mint, Observations()).take_newer(
                    nobody
                )
