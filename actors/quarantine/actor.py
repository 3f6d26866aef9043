"""Quarantine: keeps what could not be handled, and hands it back when an operator says so.

    EntriesQuarantined (from ingest, sync and the supervisor) -> QuarantineKeeper -> shelf in Redis
    ReplayWanted, DropWanted (from the gateway) -> QuarantineKeeper
        -> BirthReplayed -> ingest, UpdateReplayed -> sync, a message -> the mailbox it was in
    EntrySettled, EntryReturned (from those) -> QuarantineKeeper -> the entry goes, or waits again

An entry goes only when what was replayed has been taken for good: a birth or an update when
Postgres has it, a message when its reader has handled it. Refused again, it comes back with its
tries counted. While Redis is away entries are kept here, and saved when it is back.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import trio
from attrs import define, field, frozen

from actors.quarantine.book import QuarantineBook
from actors.quarantine.report import QuarantineSnapshot
from buffer import QuarantineShelf
from domain.errors import BufferUnavailable
from domain.messages import BirthReplayed, IngestMessage, SyncMessage, TokenUpdated, UpdateReplayed
from domain.quarantine import (
    DropWanted,
    EntriesQuarantined,
    EntryReturned,
    EntrySettled,
    QuarantineEntry,
    QuarantineMessage,
    ReplayWanted,
)
from domain.token import Token
from supervision import Inbox, Outbox, ReturnBox
from supervision.desk import CallEnded, Caller, Desk, MailEnded, MailTaken, Retry, open_desk
from supervision.environment import Environment
from supervision.life import ActorLife

NAME = "quarantine"
MESSAGES_AT_ONCE = 100


class SaveDue:
    """Redis is to be tried again."""


class HandBackDue:
    """A mailbox that was full is to be tried again."""


@frozen(kw_only=True)
class QuarantineOutboxes:
    """Where entries go back to."""

    ingest: Outbox[IngestMessage]
    sync: Outbox[SyncMessage]
    mailboxes: Mapping[str, ReturnBox]  # of messages, by name
    own: Outbox[QuarantineMessage]  # what became of a message is told as any other


@define(kw_only=True, eq=False)
class QuarantineLife(ActorLife):
    """One life of the keeper; made when it starts."""

    caller: Caller = field(init=False)
    save_retry: Retry = field(init=False)
    hand_back_retry: Retry = field(init=False)
    is_saving: bool = field(default=False, init=False)
    is_draining: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.caller = self.new_caller("redis", BufferUnavailable)
        self.save_retry = self.new_retry(SaveDue())
        self.hand_back_retry = self.new_retry(HandBackDue())


@define(kw_only=True)
class QuarantineKeeper:
    """The only reader of the quarantine."""

    # Messages in.
    inbox: Inbox[QuarantineMessage]
    # Messages out.
    outboxes: QuarantineOutboxes
    # State.
    shelf: QuarantineShelf
    book: QuarantineBook  # outlives this actor
    crashes_before_quarantine: int
    environment: Environment
    unsent: list[QuarantineEntry] = field(factory=list, init=False)  # to be handed back
    life: QuarantineLife = field(init=False)

    async def run(self) -> None:
        """Serve until the mailbox closes; then save what is left, if Redis takes it."""
        async with open_desk(self.inbox, MESSAGES_AT_ONCE) as desk:
            self._begin_life(desk)
            self._save_next()
            while not self._is_done():
                self._handle_note(await desk.take_note())
                self._hand_back_next()
                self._save_next()

    def _begin_life(self, desk: Desk) -> None:
        self.life = QuarantineLife(
            name=NAME, desk=desk, environment=self.environment, counts=self.book.counts
        )
        for entry_id in list(self.book.replaying):  # an earlier life may not have sent it
            self.book.end_replay(entry_id)

    def _is_done(self) -> bool:
        is_settled = self.book.is_saved or self.life.caller.is_away
        return self.life.is_draining and not self.life.is_saving and is_settled

    def snapshot(self) -> QuarantineSnapshot:
        return QuarantineSnapshot(
            entries=self.book.count_kinds(),
            replaying=len(self.book.replaying),
            unsaved=len(self.book.unsaved),
            refused=self.book.counts["refused"],
            replays=self.book.counts["replays"],
            settled=self.book.counts["settled"],
            dropped=self.book.counts["dropped"],
            dropped_by_operators=self.book.counts["dropped_by_operators"],
        )

    def _handle_note(self, note: object) -> None:
        match note:
            case MailTaken(messages=messages):
                for message in messages:
                    self._take_message(message)
                self._drop_surplus()
            case CallEnded():
                note.deliver()
            case MailEnded():
                self.life.is_draining = True
                self.life.save_retry.end_wait()
            case SaveDue():
                self.life.save_retry.end_wait()
            case HandBackDue():
                self.life.hand_back_retry.end_wait()

    def _take_message(self, message: QuarantineMessage) -> None:
        match message:
            case EntriesQuarantined(entries=entries):
                for entry in entries:
                    self.book.add_entry(entry)
            case EntrySettled(entry_id=entry_id):
                self._settle_entry(entry_id)
            case EntryReturned(entry_id=entry_id):
                self.book.end_replay(entry_id)
            case ReplayWanted(entry_id=entry_id):
                self._begin_replay(entry_id)
            case DropWanted(entry_id=entry_id):
                self._drop_entry(entry_id)

    # Orders.

    def _begin_replay(self, entry_id: str) -> None:
        entry = self.book.begin_replay(entry_id)
        if entry is not None:
            self.book.counts["replays"] += 1
            self.unsent.append(entry)

    def _settle_entry(self, entry_id: str) -> None:
        if (entry := self.book.begin_leaving(entry_id)) is not None:
            self.book.counts["settled"] += 1
            self._log_entry("quarantine entry taken", entry)

    def _drop_entry(self, entry_id: str) -> None:
        # One that is on its way back may be taken yet: nobody could say what became of it.
        if entry_id in self.book.replaying:
            return
        if (entry := self.book.begin_leaving(entry_id)) is not None:
            self.book.counts["dropped_by_operators"] += 1
            self._log_entry("quarantine entry dropped", entry)

    def _drop_surplus(self) -> None:
        if dropped := self.book.drop_surplus():
            self.environment.log.warning(
                "quarantine is full, oldest entries dropped",
                entries=len(dropped),
                limit=self.book.limit,
                oldest_refused_at=dropped[0].refused_at,
            )

    def _log_entry(self, event: str, entry: QuarantineEntry) -> None:
        self.environment.log.info(
            event, entry=entry.id, kind=entry.kind, mint=entry.mint, tries=entry.tries
        )

    # Handing back.

    def _hand_back_next(self) -> None:
        """Hand back what operators wanted; a mailbox that is full is tried again by a timer."""
        while self.unsent and not self.life.hand_back_retry.is_waiting:
            entry = self.unsent[0]
            try:
                self._hand_back(entry)
            except trio.WouldBlock:
                self.life.hand_back_retry.begin_wait()
                return
            except ValueError as error:
                self.environment.log.warning(
                    "entry cannot be replayed", entry=entry.id, error=str(error)
                )
                self.book.end_replay(entry.id)
            self.unsent.pop(0)
            self.life.hand_back_retry.note_success()

    def _hand_back(self, entry: QuarantineEntry) -> None:
        match entry.kind, entry.restore_content():
            case "birth", Token() as token:
                self.outboxes.ingest.send_nowait(BirthReplayed(entry_id=entry.id, token=token))
            case "update", TokenUpdated() as update:
                self.outboxes.sync.send_nowait(UpdateReplayed(entry_id=entry.id, update=update))
            case "message", message:
                self._return_message(entry, message)
            case kind, _:
                raise ValueError(f"this is no {kind}")

    def _return_message(self, entry: QuarantineEntry, message: object) -> None:
        mailbox = self.outboxes.mailboxes.get(entry.place)
        if mailbox is None:
            raise ValueError(f"there is no mailbox {entry.place}")
        mailbox.return_message(
            message,
            crashes=self.crashes_before_quarantine - 1,  # one more, and it is back here
            tell=partial(self._tell_outcome, entry.id),
        )

    def _tell_outcome(self, entry_id: str, is_handled: bool) -> None:
        outcome = EntrySettled if is_handled else EntryReturned
        self.outboxes.own.send_nowait(outcome(entry_id=entry_id))

    # Redis: one call at a time.

    def _save_next(self) -> None:
        if self.life.is_saving or self.life.save_retry.is_waiting:
            return
        if not self.book.is_loaded:
            self._ask_shelf(self.shelf.read_quarantined, self._note_loaded)
        elif not self.book.is_saved:
            entries, released = self.book.list_unsaved(), sorted(self.book.leaving)
            self._ask_shelf(
                partial(self._save_book, entries, released),
                lambda _: self.book.note_saved(entries, released),
            )

    async def _save_book(self, entries: Sequence[QuarantineEntry], released: Sequence[str]) -> None:
        if entries:
            await self.shelf.quarantine_entries(entries)
        if released:
            await self.shelf.release_quarantined(released)

    def _note_loaded(self, stored: Sequence[QuarantineEntry]) -> None:
        self.book.take_stored(stored)
        self._drop_surplus()

    def _ask_shelf(self, call: Any, then: Any) -> None:
        def note_answer(answer: Any) -> None:
            self.life.is_saving = False
            self.life.save_retry.note_success()
            then(answer)

        self.life.is_saving = True
        self.life.caller.ask(call, note_answer, self._note_failure)

    def _note_failure(self, error: BufferUnavailable) -> None:
        self.life.is_saving = False
        self.life.save_retry.begin_wait()
