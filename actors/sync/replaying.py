"""Replays: values that were refused, and that an operator hands back.

    UpdateReplayed (from quarantine) -> buffer.append_observations, forced -> a flush of the token
        -> EntrySettled -> quarantine;  refused again: its entry, once more (SyncLife)

They are put back as values are that the buffer has lost: equal ones are changes, too, since the
table shows what Postgres has refused; and newer ones of the same fields win. All that is not
settled is in the memory, and a restarted sync begins anew with it, which is harmless.
"""

from functools import partial

from attrs import define, field

from actors.sync.appender import KNOWN_FIELDS, Appender
from actors.sync.flush import FlushOrder
from actors.sync.flusher import Flusher
from actors.sync.life import SyncLife
from buffer import Appended
from domain.errors import BufferUnavailable
from domain.merging import Observations
from domain.messages import UpdateReplayed
from domain.quarantine import EntrySettled
from domain.values import Mint
from supervision.desk import Retry


class ReplayDue:
    """The buffer is to be tried again."""


@define(kw_only=True)
class Replayer:
    """Brings replayed values through the buffer to Postgres; one call at a time."""

    life: SyncLife
    appender: Appender
    flusher: Flusher
    waiting: list[str] = field(init=False)  # entries whose values are to be appended
    is_calling: bool = field(default=False, init=False)
    retry: Retry = field(init=False)

    @waiting.default
    def _begin_anew(self) -> list[str]:
        return list(self.life.memory.replays)

    @retry.default
    def _new_retry(self) -> Retry:
        return self.life.new_retry(ReplayDue())

    def take_replay(self, replay: UpdateReplayed) -> None:
        """Take values that are handed back; what is no update is refused at once."""
        self.life.memory.replays[replay.entry_id] = replay
        if replay.update.values.keys() <= KNOWN_FIELDS:
            self.waiting.append(replay.entry_id)
        else:
            self.life.quarantine_update(replay.update, "a field that no token has")

    def try_again(self) -> None:
        """The wait after a failure is over."""
        self.retry.end_wait()
        self.append_next()

    def append_next(self) -> None:
        """Append the values of the first one, if none is under way and all are restored."""
        if self.is_calling or self.retry.is_waiting or not self.appender.epoch:
            return
        while self.waiting:
            replay = self.life.memory.replays.get(self.waiting[0])
            if replay is not None:
                self._append_values(replay)
                return
            self.waiting.pop(0)  # refused or settled with another one of its token

    def _append_values(self, replay: UpdateReplayed) -> None:
        update = replay.update
        observed = Observations(dict(update.values), update.observed_at, update.origin)
        self.is_calling = True
        self.life.buffer_caller.ask(
            lambda: self.life.stores.buffer.append_observations(
                {update.mint: observed}, forced=True
            ),
            partial(self._note_appended, replay),
            self._note_failure,
        )

    def _note_appended(self, replay: UpdateReplayed, appended: Appended) -> None:
        self.is_calling = False
        self.retry.note_success()
        self.waiting.pop(0)
        mint = replay.update.mint
        if (reason := appended.refused.get(mint)) is not None:
            self.life.quarantine_update(replay.update, reason)
        elif mint in appended.changed:
            self.appender.show_changes(appended)
            self.flusher.order_flush(
                FlushOrder(
                    name=f"replay {replay.entry_id}",
                    chosen=frozenset({mint}),
                    then=partial(self._settle_token, mint),
                )
            )
        else:  # newer values of all its fields are known
            self._settle_token(mint)
        self.appender.note_epoch(appended.epoch)
        self.append_next()

    def _note_failure(self, error: BufferUnavailable) -> None:
        self.is_calling = False
        self.retry.begin_wait()

    def _settle_token(self, mint: Mint) -> None:
        """Postgres has the token's values, or the buffer parks them until it has the token."""
        for entry_id in self.life.take_replays(mint):
            self.life.quarantine.send_nowait(EntrySettled(entry_id=entry_id))
