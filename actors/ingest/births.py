"""The newest births that Postgres has taken: kept in the buffer, in case that Postgres loses them.

    TokensTaken -> IngestMemory.unremembered -> buffer.remember_births

While this process lives, sync has every token. After its end only what stands in the buffer can
tell of a birth that Postgres had acknowledged and lost. No birth waits for it.
"""

from collections.abc import Sequence

from attrs import define, field

from actors.ingest.life import IngestLife
from buffer import USUAL_BOUNDS
from domain.errors import BufferUnavailable
from domain.token import Token, replace_fields
from supervision.desk import Retry

MOST_BIRTHS = USUAL_BOUNDS.remembered_births  # that wait for Redis, which remembers no more


class BirthsDue:
    """The buffer is to be tried again."""


@define(kw_only=True)
class BirthMemory:
    """Hands over births, one call at a time."""

    life: IngestLife
    is_busy: bool = field(default=False, init=False)
    retry: Retry = field(init=False)

    @retry.default
    def _new_retry(self) -> Retry:
        return self.life.new_retry(BirthsDue())

    @property
    def is_done(self) -> bool:
        return not self.is_busy

    def add_births(self, stored: Sequence[Token]) -> None:
        """Let the buffer remember those of the tokens that are in Postgres."""
        waiting = self.life.memory.unremembered
        waiting += [replace_fields(token, {"id": None}) for token in stored if token.id is not None]
        del waiting[:-MOST_BIRTHS]
        self._hand_over()

    def try_again(self) -> None:
        """The wait after a failure is over."""
        self.retry.end_wait()
        self._hand_over()

    def _hand_over(self) -> None:
        waiting = self.life.memory.unremembered
        if not waiting or self.is_busy or self.retry.is_waiting:
            return
        self.is_busy = True
        births = waiting[: self.life.settings.commit_tokens]
        self.life.buffer_caller.ask(
            lambda: self.life.stores.buffer.remember_births(births),
            lambda _: self._note_kept(births),
            self._note_failure,
        )

    def _note_kept(self, births: Sequence[Token]) -> None:
        self.is_busy = False
        self.retry.note_success()
        kept = set(map(id, births))
        waiting = self.life.memory.unremembered
        waiting[:] = [token for token in waiting if id(token) not in kept]
        self._hand_over()

    def _note_failure(self, _: BufferUnavailable) -> None:
        self.is_busy = False
        self.retry.begin_wait()
