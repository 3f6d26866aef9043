"""Admission: births go to Postgres in group commits, or to the spool while it is away.

    IngestMemory.unadmitted -> store.insert_tokens, else buffer.spool_tokens -> TokensTaken

The first birth of a burst is committed at once; those that come within the commit delay after it
share the next commit. One group is on its way at a time. While neither store answers, the births
stay unadmitted and are tried again by a timer.
"""

from collections.abc import Callable, Sequence
from functools import partial

import trio
from attrs import define, field

from actors.ingest.life import IngestLife
from actors.ingest.spool import InsertedTokens, Spool, TokensTaken, insert_in_time
from domain.errors import BufferUnavailable, StoreUnavailable
from domain.token import Token
from supervision.desk import Retry


class AdmitDue:
    """The commit delay is over, or the stores are to be tried again."""


@define(kw_only=True)
class Admission:
    """Brings one group after the other to a store."""

    life: IngestLife
    spool: Spool
    is_busy: bool = field(default=False, init=False)
    next_commit_at: float = field(default=0.0, init=False)  # trio's clock
    retry: Retry = field(init=False)

    @retry.default
    def _new_retry(self) -> Retry:
        return self.life.new_retry(AdmitDue())

    @property
    def is_done(self) -> bool:
        return not self.life.memory.unadmitted

    def admit_next(self, *, is_last: bool = False) -> None:
        """Begin with the next group, if it is time for one; the last one waits for no others."""
        if self.is_busy or self.retry.is_waiting or not self.life.memory.unadmitted:
            return
        now = trio.current_time()
        if now < (ready_at := max(self._opened_at(), 0.0 if is_last else self.next_commit_at)):
            self.life.desk.set_timer(AdmitDue(), ready_at - now)
            return
        births = list(self.life.memory.unadmitted.values())[: self.life.settings.commit_tokens]
        tokens = [birth.token for birth in births]
        self.is_busy = True
        if self.spool.is_store_open and not self.life.memory.is_spooling:
            self._insert_group(tokens, self._spool_after_insert)
        else:
            self._spool_group(tokens, self._insert_after_spool)

    def _opened_at(self) -> float:
        """At a start Postgres may first be opened; not for longer than a commit may take."""
        if self.spool.is_store_tried:
            return 0.0
        return self.spool.started_at + self.life.settings.commit_timeout_seconds

    def try_again(self) -> None:
        """The wait is over; the next group is begun after this note."""
        self.retry.end_wait()

    # Postgres, else the spool; while the spool is in use, the spool, else Postgres.

    def _insert_group(
        self,
        tokens: Sequence[Token],
        otherwise: Callable[[Sequence[Token], StoreUnavailable], None],
    ) -> None:
        self.life.store_caller.ask(
            partial(insert_in_time, self.life, tokens),
            partial(self._note_inserted, tokens),
            partial(otherwise, tokens),
        )

    def _note_inserted(self, tokens: Sequence[Token], inserted: InsertedTokens) -> None:
        stored, refused = inserted
        self._post_taken(
            TokensTaken(offered=tokens, stored=stored, refused=refused, then=self._note_announced)
        )

    def _spool_after_insert(self, tokens: Sequence[Token], error: StoreUnavailable) -> None:
        self.life.environment.log.warning("new tokens go to the spool", error=str(error))
        self._spool_group(tokens, self._give_up)

    def _spool_group(
        self,
        tokens: Sequence[Token],
        otherwise: Callable[[Sequence[Token], BufferUnavailable], None],
    ) -> None:
        self.life.buffer_caller.ask(
            lambda: self.life.stores.buffer.spool_tokens(tokens),
            lambda _: self._note_spooled(tokens),
            partial(otherwise, tokens),
        )

    def _note_spooled(self, tokens: Sequence[Token]) -> None:
        self.spool.note_spooled(len(tokens))
        self._post_taken(TokensTaken(offered=tokens, stored=tokens, then=self._note_announced))

    def _insert_after_spool(self, tokens: Sequence[Token], error: BufferUnavailable) -> None:
        """Nothing orders tokens by when they were stored: these may overtake the spool's."""
        if self.spool.is_store_open:
            self._insert_group(tokens, self._give_up)
        else:
            self._give_up(tokens, error)

    def _post_taken(self, taken: TokensTaken) -> None:
        self.retry.note_success()
        self.life.desk.post(taken)

    def _note_announced(self) -> None:
        """The group is announced: the next one is a commit delay away."""
        self.is_busy = False
        self.next_commit_at = trio.current_time() + self.life.settings.commit_delay_seconds

    def _give_up(self, tokens: Sequence[Token], error: Exception) -> None:
        """Neither store answers."""
        if not self.retry.backoff.attempts:
            self.life.environment.log.error("new tokens wait: no store at all", error=str(error))
        self.is_busy = False
        self.retry.begin_wait()
