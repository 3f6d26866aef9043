"""New tokens that Postgres refuses: kept in the buffer for a person to look at.

While Redis is away they wait, and no good token waits for them; what is more than can wait stands
in the log alone.
"""

from collections.abc import Sequence

from attrs import define, field

from actors.ingest.life import IngestLife
from domain.errors import BufferUnavailable
from domain.messages import Refused
from domain.token import FIELDS, Token
from supervision.desk import Retry

MOST_REFUSALS = 1000  # that wait for Redis


class QuarantineDue:
    """The buffer is to be tried again."""


@define(kw_only=True)
class Quarantine:
    """Hands over refused tokens, one call at a time."""

    life: IngestLife
    is_busy: bool = field(default=False, init=False)
    retry: Retry = field(init=False)

    @retry.default
    def _new_retry(self) -> Retry:
        return self.life.new_retry(QuarantineDue())

    @property
    def is_done(self) -> bool:
        return not self.is_busy

    def add_refused(self, refused: Sequence[tuple[Token, str]]) -> None:
        """Keep the tokens with the reason why Postgres refused them."""
        memory = self.life.memory
        memory.refusals += [self._make_refusal(token, reason) for token, reason in refused]
        del memory.refusals[:-MOST_REFUSALS]
        self.life.counts["quarantined"] += len(refused)
        self._hand_over()

    def try_again(self) -> None:
        """The wait after a failure is over."""
        self.retry.end_wait()
        self._hand_over()

    def _hand_over(self) -> None:
        rows = list(self.life.memory.refusals)
        if not rows or self.is_busy or self.retry.is_waiting:
            return
        self.is_busy = True
        self.life.buffer_caller.ask(
            lambda: self.life.stores.buffer.quarantine_rows(rows),
            lambda _: self._note_kept(rows),
            self._note_failure,
        )

    def _note_kept(self, rows: Sequence[Refused]) -> None:
        self.is_busy = False
        self.retry.note_success()
        kept = set(map(id, rows))
        refusals = self.life.memory.refusals
        refusals[:] = [row for row in refusals if id(row) not in kept]
        self._hand_over()

    def _note_failure(self, error: BufferUnavailable) -> None:
        self.is_busy = False
        self.retry.begin_wait()

    def _make_refusal(self, token: Token, reason: str) -> Refused:
        self.life.environment.log.warning("new token quarantined", mint=token.mint, reason=reason)
        values = {name: getattr(token, name) for name in FIELDS}
        return Refused(
            mint=token.mint,
            reason=reason,
            refused_at=self.life.environment.clock(),
            values={name: value for name, value in values.items() if value is not None},
        )
