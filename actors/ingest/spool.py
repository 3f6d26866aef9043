"""The spool: new tokens that wait in the buffer, in order, until Postgres takes them.

    SpoolDue -> store.open -> buffer.read_spooled -> store.insert_tokens -> TokensTaken
             -> buffer.remove_spooled -> the next part

It is also looked into now and then when nothing was spooled: an earlier life may have left
tokens there, and sync puts back those that the buffer has lost.
"""

from collections.abc import Callable, Sequence
from functools import partial

import trio
from attrs import define, field, frozen

from actors.ingest.life import IngestLife
from domain.backoff import Backoff
from domain.errors import StoreNeedsRepair, StoreUnavailable
from domain.outline import TokenOutline
from domain.token import Token

LOOK_EVERY_SECONDS = 10.0
InsertedTokens = tuple[Sequence[Token], Sequence[tuple[Token, str]]]  # stored, refused


class SpoolDue:
    """The spool is to be looked into."""


@frozen(kw_only=True)
class TokensTaken:
    """A store has taken new tokens: the actor is to announce them."""

    offered: Sequence[Token]
    stored: Sequence[Token]  # with an id where they are in Postgres
    refused: Sequence[tuple[Token, str]] = ()  # with the reason
    is_from_spool: bool = False  # announced before, without an id
    then: Callable[[], None]


@define(kw_only=True)
class Spool:
    """Opens Postgres, and empties the spool into it."""

    life: IngestLife
    recall: Callable[[Sequence[TokenOutline]], None]  # is given the newest stored tokens, once
    started_at: float = field(factory=trio.current_time, init=False)
    is_store_open: bool = field(default=False, init=False)
    is_store_tried: bool = field(default=False, init=False)  # with or without success
    is_busy: bool = field(default=False, init=False)
    backoff: Backoff = field(init=False)

    @backoff.default
    def _new_backoff(self) -> Backoff:
        return self.life.new_backoff()

    def note_spooled(self, tokens: int) -> None:
        """New tokens are in the spool: it is to be emptied as soon as Postgres takes them."""
        self.life.counts["spooled"] += tokens
        self.life.memory.is_spooling = True
        if not self.is_busy and not self.backoff.attempts:
            self.look_into()

    def look_into(self) -> None:
        """Begin to empty it; Postgres is opened first, where it is not."""
        if self.is_busy:
            return
        self.is_busy = True
        self.life.desk.stop_timer(SpoolDue)
        if self.is_store_open:
            self._read_part()
        else:
            self.life.store_caller.ask(self._open_store, self._note_opened, self._give_up)

    # Opening Postgres.

    async def _open_store(self) -> Sequence[TokenOutline]:
        store = self.life.stores.store
        await store.open()
        now, most = self.life.environment.clock(), self.life.settings.recalled_tokens
        return await store.outline_tokens(now, most)

    def _note_opened(self, newest_first: Sequence[TokenOutline]) -> None:
        self.is_store_open = self.is_store_tried = True
        self.recall(newest_first)
        self.life.environment.readiness.set(self.life.name, None)
        self._read_part()

    # Emptying it, a part a commit.

    def _read_part(self) -> None:
        most = self.life.settings.commit_tokens
        self.life.buffer_caller.ask(
            lambda: self.life.stores.buffer.read_spooled(most), self._note_read, self._give_up
        )

    def _note_read(self, tokens: Sequence[Token]) -> None:
        if tokens:
            self.life.store_caller.ask(
                partial(insert_in_time, self.life, tokens),
                partial(self._note_inserted, tokens),
                self._give_up,
            )
        else:
            self._note_empty()

    def _note_inserted(self, tokens: Sequence[Token], inserted: InsertedTokens) -> None:
        stored, refused = inserted
        self.life.desk.post(
            TokensTaken(
                offered=tokens,
                stored=stored,
                refused=refused,
                is_from_spool=True,
                then=lambda: self._remove_part(tokens, len(stored)),
            )
        )

    def _remove_part(self, tokens: Sequence[Token], stored: int) -> None:
        """They are announced: the spool may forget them."""
        mints = [token.mint for token in tokens]
        self.life.environment.log.info("spooled tokens stored", tokens=stored)
        self.life.buffer_caller.ask(
            lambda: self.life.stores.buffer.remove_spooled(mints),
            lambda _: self._read_part(),
            self._give_up,
        )

    def _note_empty(self) -> None:
        self.is_busy = self.life.memory.is_spooling = False
        self.backoff.reset()
        self.life.report_repaired()
        self.life.desk.set_timer(SpoolDue(), LOOK_EVERY_SECONDS)

    def _give_up(self, error: Exception) -> None:
        """A store does not answer: the spool keeps what it has, and is looked into again."""
        self.is_busy, self.is_store_tried = False, True
        if isinstance(error, StoreNeedsRepair):
            self.life.report_repair(error)
        self.life.desk.set_timer(SpoolDue(), self.backoff.next_wait_seconds())


async def insert_in_time(life: IngestLife, tokens: Sequence[Token]) -> InsertedTokens:
    """Insert what Postgres takes, within the time a commit may take; the stored and the refused."""
    with trio.move_on_after(life.settings.commit_timeout_seconds):
        return await life.stores.store.insert_tokens(tokens)
    raise StoreUnavailable("a group commit of new tokens took too long")
