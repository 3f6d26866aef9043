"""Sync: every update is durable in the buffer before anybody sees it, and in Postgres in time.

    TokensAdmitted (from ingest), TokenUpdated (from all) -> Sync
        -> append to the buffer (appender.py) -> TokensPublished -> gateway and jobs
        -> flush, every interval (flusher.py) -> rows in the store, as many as the governor allows
    values that nobody takes -> EntriesQuarantined -> quarantine, and back as UpdateReplayed
    GovernorSet (from the gateway) -> Sync -> governor;  the server's pulse -> governor

One inbox, one note at a time: mail, timers (`FlushDue`, `RetainDue`, `PulseDue` ...) and the
outcomes of calls to the stores come in one order, and handling one never waits. So a store that is
slow or away holds back nothing but its own conversation: new tokens are published at once, and
what cannot be done now is state that a timer tries again.

What Postgres costs follows the number of tokens that changed in an interval, not the number of
updates. While the system is idle only changes of status are flushed, and what retention would
miss; after one last flush the buffer keeps what still comes, until somebody looks.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import inf

import trio
from attrs import define, field

from actors.sync.appender import AppendDue, Appender, RestOver
from actors.sync.backlog import Backlog
from actors.sync.draining import DrainDue, Drainer
from actors.sync.flush import FlushOrder
from actors.sync.flusher import Flusher, FlushRetryDue
from actors.sync.life import SyncLife, SyncStores
from actors.sync.memory import SyncMemory
from actors.sync.others import Others, OthersDue, WatchesDue, WatchPlan
from actors.sync.regaining import LossesDue, RegainedDue, Regaining
from actors.sync.replaying import ReplayDue, Replayer
from actors.sync.restoring import BufferReadDue, Restorer, StoreLoadDue
from actors.sync.snapshots import SyncSnapshot
from actors.sync.table import TokenTable
from actors.sync.upkeep import ProbeDue, PulseDue, RetainDue, TidyDue, Upkeep, mints_with_status
from config.settings import SyncSettings
from domain.messages import (
    GovernorSet,
    RosterTold,
    RosterWanted,
    SyncMessage,
    SystemActivated,
    SystemIdled,
    TokensAdmitted,
    TokensPublished,
    TokenUpdated,
    UpdateReplayed,
)
from domain.quarantine import QuarantineMessage, list_longest_parked
from domain.token import Group
from domain.values import Mint
from supervision import Inbox, Outbox
from supervision.desk import CallEnded, Desk, MailEnded, MailTaken, open_desk
from supervision.environment import Environment

ORIGIN = "sync"
MAIL_REST_SECONDS = 0.05  # of the 0.25 s within which a client sees a new token
PARKED_SHOWN = 5  # in a dump
FRESH_SECONDS = 1.0  # an activation does not repeat a flush that began so lately


class FlushDue:
    """An interval has passed since the last regular flush."""


class MailDue:
    """Mail has rested in its mailbox for long enough."""


@define(kw_only=True)
class Sync:
    """Owns the table of tokens; the only writer of updates."""

    # Messages in.
    inbox: Inbox[SyncMessage]
    # Messages out, by subscriber.
    publications: Mapping[str, Outbox[TokensPublished | RosterTold]]
    quarantine: Outbox[QuarantineMessage]
    # State.
    stores: SyncStores
    memory: SyncMemory
    tracked_tokens: int
    settings: SyncSettings
    watches: WatchPlan = field(factory=WatchPlan)
    environment: Environment
    table: TokenTable = field(init=False)
    backlog: Backlog = field(factory=Backlog, init=False)
    life: SyncLife = field(init=False)  # the present one; so are its parts
    restorer: Restorer = field(init=False)
    appender: Appender = field(init=False)
    flusher: Flusher = field(init=False)
    replayer: Replayer = field(init=False)
    upkeep: Upkeep = field(init=False)
    others: Others = field(init=False)
    regaining: Regaining = field(init=False)
    drainer: Drainer = field(init=False)
    askers: dict[str, RosterWanted] = field(factory=dict, init=False)  # before all is restored
    mail_due_at: float = field(default=-inf, init=False)  # at the latest, trio time
    flushed_at: float = field(default=-FRESH_SECONDS, init=False)  # the last regular one began
    counts: Counter[str] = field(factory=Counter, init=False)

    def __attrs_post_init__(self) -> None:
        self.table = TokenTable(
            self.tracked_tokens,
            spooled=self.memory.spooled,
            unflushed=self.memory.unflushed,
            unregained=self.memory.unregained,
            unsure=self.memory.unsure,
        )

    async def run(self) -> None:
        """Restore, serve until the mailbox closes, then flush what is left."""
        self.memory.take_back_in_flight()  # what an earlier life never heard of
        async with open_desk(
            self.inbox, self.settings.append_updates, rest_seconds=MAIL_REST_SECONDS
        ) as desk:
            self._begin_life(desk)
            while not self.drainer.is_done:
                self._handle_note(await desk.take_note())
                desk.takes_mail = self._wants_mail()
                self.memory.is_buffer_away = self.life.buffer_caller.is_away
                self.drainer.go_on()

    def _begin_life(self, desk: Desk) -> None:
        life = self.life = self._new_life(desk)
        self.appender = Appender(life=life)
        self.regaining = Regaining(life=life, append_again=self.appender.append_again)
        self.flusher = Flusher(
            life=life,
            epoch=lambda: self.appender.epoch,
            put_back=self.appender.put_back,
            note_receipt=self.regaining.note_receipt,
        )
        self.replayer = Replayer(life=life, appender=self.appender, flusher=self.flusher)
        self.upkeep = Upkeep(
            life=life,
            order_flush=self.flusher.order_flush,
            note_epoch=self.appender.note_epoch,
            note_store_epoch=self.regaining.note_epoch,
        )
        self.others = Others(
            life=life,
            plan=self.watches,
            add_update=self.appender.add_update,
            append=self.appender.append_next,
        )
        self.restorer = Restorer(
            life=life, then=self._note_restored, note_lost=self.regaining.note_lost
        )
        self.drainer = Drainer(
            life=life, restorer=self.restorer, appender=self.appender, flusher=self.flusher
        )
        self.restorer.load_stored()
        self.restorer.read_held()

    def _new_life(self, desk: Desk) -> SyncLife:
        return SyncLife(
            name=ORIGIN,
            desk=desk,
            stores=self.stores,
            table=self.table,
            backlog=self.backlog,
            memory=self.memory,
            settings=self.settings,
            environment=self.environment,
            counts=self.counts,
            publish=self.publish_tokens,
            quarantine=self.quarantine,
        )

    def snapshot(self) -> SyncSnapshot:
        return SyncSnapshot(
            tokens=len(self.table.published),
            unflushed=len(self.table.unflushed),
            unappended=len(self.memory.unappended),
            parked=len(self.memory.parked),
            oldest_parked=list_longest_parked(self.memory.parked.values(), PARKED_SHOWN),
            appended=self.counts["appended"],
            failed_appends=self.counts["failed_appends"],
            put_back=self.counts["put_back"],
            lost_births=self.counts["lost_births"],
            lost_values=self.counts["lost_values"],
            unregained=len(self.table.unregained),
            failed_flushes=self.counts["failed_flushes"],
            lost=self.counts["lost"],
            quarantined=self.counts["quarantined"],
            refused=self.counts["refused"],
            pulses_missed=self.counts["pulses_missed"],
            failed_retentions=self.counts["failed_retentions"],
            taken_from_others=self.counts["taken_from_others"],
            owed_to_others=len(self.table.owed_to_others),
            watched_by_others=len(self.table.outside_watchers),
            governor=self.memory.governor.snapshot(self.environment.loop_clock()),
        )

    def _handle_note(self, note: object) -> None:
        match note:
            case MailTaken(messages=messages):
                self._take_mail(messages)
            case CallEnded():
                note.deliver()
            case MailEnded():
                self.others.rest()
                self.drainer.begin_drain()
            case FlushDue():
                self._flush_regularly()
            case LossesDue():
                self.regaining.try_again()
            case RegainedDue():
                self.regaining.look_if_done()
            case RestOver():
                self.appender.end_rest()
            case MailDue():
                pass  # every note lets the actor see whether it wants mail
            case _:
                self._handle_timer_of_a_part(note)

    def _handle_timer_of_a_part(self, note: object) -> None:
        match note:
            case AppendDue():
                self.appender.try_again()
            case ReplayDue():
                self.replayer.try_again()
            case FlushRetryDue():
                self.flusher.try_again()
            case RetainDue():
                self.upkeep.begin_retention()
            case TidyDue():
                self.upkeep.tidy_table()
            case PulseDue():
                self.upkeep.take_pulse()
            case ProbeDue():
                self.upkeep.probe_buffer()
            case OthersDue():
                self.others.read_overlay()
            case WatchesDue():
                self.others.count_watches()
            case StoreLoadDue():
                self.restorer.load_stored()
            case BufferReadDue():
                self.restorer.read_held()
            case DrainDue():
                self.drainer.try_again()

    # Mail.

    def _wants_mail(self) -> bool:
        """Whether to take the next batch now.

        Updates of a token that rest in the mailbox take each other's place, which costs a third of
        folding them here. So while more waits than one call to the buffer takes, mail rests, too,
        but never so long that a client would see a new token late.
        """
        may_rest = self.appender.has_next_call and trio.current_time() < self.mail_due_at
        return not (self.appender.is_full or may_rest)

    def _take_mail(self, messages: Sequence[SyncMessage]) -> None:
        """Publish new tokens at once; updates go to the buffer first."""
        admitted: list[Mint] = []
        for message in messages:
            match message:
                case TokensAdmitted(tokens=tokens):
                    self.memory.governor.note_admitted(len(tokens))
                    admitted += [token.mint for token in tokens if self.table.admit_token(token)]
                case TokenUpdated():
                    self.appender.add_update(message)
                case UpdateReplayed():
                    self.replayer.take_replay(message)
                case RosterWanted():
                    self._take_asker(message)
                case GovernorSet():
                    self._set_governor(message)
                case SystemActivated():
                    self._resume_flushing()
                case SystemIdled():
                    self._go_idle()
        self.publish_tokens(admitted)
        self.appender.append_next()
        self.replayer.append_next()
        if self.appender.has_next_call:
            self.mail_due_at = trio.current_time() + MAIL_REST_SECONDS
            self.life.desk.set_timer(MailDue(), MAIL_REST_SECONDS)

    def _set_governor(self, message: GovernorSet) -> None:
        governor = self.memory.governor
        if message.reset:
            governor.reset_budget()
        governor.set_budget(
            wal_bytes_per_second=message.wal_bytes_per_second,
            rows_per_hour=message.rows_per_hour,
            now=trio.current_time(),
        )
        budget = governor.budget
        self.environment.log.info(
            "governor set",
            wal_bytes_per_second=budget.wal_bytes_per_second,
            rows_per_hour=budget.rows_per_hour,
            reset=message.reset,
        )

    # Publishing.

    def publish_tokens(self, mints: Iterable[Mint]) -> None:
        """Tell all subscribers of these tokens as they are now; their mailboxes never wait."""
        self._tell_of(mints, self.publications.values())

    def _tell_of(
        self, mints: Iterable[Mint], outboxes: Iterable[Outbox[TokensPublished | RosterTold]]
    ) -> None:
        shown = self.table.list_shown(mints)
        if shown:  # else they were let go meanwhile
            published = TokensPublished(tokens=shown)
            for outbox in outboxes:
                outbox.send_nowait(published)

    def _take_asker(self, wanted: RosterWanted) -> None:
        """A subscriber wants to be told of every token: now, or once all are restored."""
        if self.restorer.is_done:
            self._tell_roster([wanted])
        else:
            self.askers[wanted.subscriber] = wanted

    def _tell_roster(self, wanted: Iterable[RosterWanted]) -> None:
        """Tell each subscriber of every token, as one message that all of them share."""
        roster = TokensPublished(tokens=self.table.list_all_shown())
        for each in wanted:
            outbox = self.publications[each.subscriber]
            if roster.tokens:
                outbox.send_nowait(roster)
            if each.wants_end:
                outbox.send_nowait(RosterTold(ask=each.ask))

    # Restored, and flushing from then on.

    def _note_restored(self, buffer_epoch: str, store_epoch: str) -> None:
        self.appender.begin(buffer_epoch)
        self.regaining.epoch = store_epoch
        self.environment.readiness.set(ORIGIN, None)
        self.memory.governor.make_next_regular()
        unasked = {name: RosterWanted(subscriber=name) for name in self.publications}
        self._tell_roster((unasked | self.askers).values())
        self.askers.clear()
        self.appender.append_next()
        self.replayer.append_next()
        self.upkeep.start_timers()
        self.others.resume()
        self._flush_regularly()

    def _flush_regularly(self) -> None:
        """A flush as the governor grants it; while idle, of changes of status alone."""
        plan = self.memory.governor.plan
        self.life.desk.set_timer(FlushDue(), plan.tick_seconds)
        if self.memory.is_active:
            self.flushed_at = trio.current_time()
            self.flusher.order_flush(FlushOrder(name="regular", is_governed=True))
            return
        self.environment.log.info(
            "skipping job: system idle", job="flush", reason="no_active_users"
        )
        waiting = self.backlog.since[Group.LIFECYCLE]
        if changed := mints_with_status(self.life, waiting):
            self.flusher.order_flush(FlushOrder(name="status", chosen=changed))

    def _resume_flushing(self) -> None:
        """Somebody looks: flush what idling has left, unless a flush has just begun."""
        if self.memory.is_active:
            return
        self.memory.is_active = True
        self.memory.governor.make_next_regular()
        now = trio.current_time()
        self.backlog.restart_ages(now)
        if self.restorer.is_done:
            self.upkeep.take_pulse()
            self.others.resume()
            if now - self.flushed_at >= FRESH_SECONDS:
                self._flush_regularly()

    def _go_idle(self) -> None:
        """Nobody looks: one last flush of everything."""
        if self.memory.is_active:
            self.memory.is_active = False
            self.life.desk.stop_timer(PulseDue)
            self.others.rest()
            self.flusher.order_flush(FlushOrder(name="idling"))
