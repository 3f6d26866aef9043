"""Activity: is anybody looking, and at what?

    Presence (from gateway)                 -> ActivityMonitor
    UsersElsewhereTold (from activity-keys) ->
        -> SystemActivated, SystemIdled -> jobs and sync
        -> TokenUpdated(watcher_count) -> sync
        -> CensusWanted -> gateway

The system is idle after ten minutes without any client, message or feed request; a start counts
as one. A connected client keeps it active, however quiet it is. So do users of another server, of
whom Redis or a request tells: they count for a minute, which is how long the keys in Redis live.
When nobody tells of them any more, they count as having been there until then: the system is
rather idle a little late than idle while somebody looks.

One loop over one inbox. It waits for the next presence or the next deadline, and for nothing
else: what another mailbox has no room for is kept and sent again a little later.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import inf
from typing import get_args

import trio
from attrs import Factory, define, field, frozen

from config.settings import ActivitySettings
from domain.messages import (
    ActivityChange,
    CensusTaken,
    CensusWanted,
    ClientConnected,
    ClientLeft,
    FeedRequested,
    MintUnwatched,
    MintWatched,
    Presence,
    SystemActivated,
    SystemIdled,
    Teller,
    TokenUpdated,
    UsersElsewhereTold,
)
from domain.snapshots import Snapshot, detail, gauge, snapshot_class
from domain.values import Mint
from supervision import Inbox, Outbox
from supervision.environment import Environment

ORIGIN = "activity"
PRESENCES_AT_ONCE = 1000
NOBODY_IS_HERE = CensusTaken(watched={})  # no sign of life, unless somebody was known
TELLERS: tuple[Teller, ...] = get_args(Teller)
ELSEWHERE_SECONDS = 60.0  # how long a word of users elsewhere holds
START, CLIENT, FEED_REQUEST = "start", "client", "feed request"  # signs beside the tellers
RESEND_SECONDS = 0.5  # until a full mailbox is tried again; its reader needs milliseconds a batch


@frozen(kw_only=True)
class ActivityOutboxes:
    """Whom the activity actor tells, and what happens where a mailbox is full.

    `control` keeps the latest change alone. It is full only after a crash of its reader, which
    then is told the state of the system as it is by the time there is room.
    `updates` blocks its senders. Counts wait here, one a mint, and the latest count is sent.
    `census` drops its oldest message. The census is asked for again at the next interval.
    """

    control: tuple[Outbox[ActivityChange], ...]  # one for each job, and sync
    updates: Outbox[TokenUpdated]
    census: Outbox[CensusWanted]


@snapshot_class
class ActivitySnapshot(Snapshot):
    active: bool = gauge("1 while anybody looks, 0 while the system is idle.")
    clients: int = gauge("Clients that are connected, as activity has heard.")
    users_elsewhere: Mapping[str, int] = gauge(
        "Users of another server, as long as the word of them holds.", by="told_by"
    )
    last_sign: str | None = detail("What the last sign of anybody was.")
    quiet_seconds: float | None = gauge(
        "How long there has been no sign of anybody; 0 while somebody is here or elsewhere."
    )
    until_idle_seconds: float | None = gauge(
        "How long until the system goes idle without a sign; none while somebody is there."
    )
    idle_seconds: float = gauge("How long the system has been idle.")
    watched_mints: int = gauge("Mints that at least one client watches.")
    counts_due: int = gauge("Watcher counts that sync has no room for yet.")
    uninformed: int = gauge("Actors whose mailbox has no room yet for what they should hear.")


@frozen
class SignOfLife:
    """Somebody was there."""

    kind: str | None
    at: float  # trio time


@frozen
class UsersElsewhere:
    """How many use another server, as long as the word of it holds."""

    users: int  # at least one
    until: float  # trio time


@define(kw_only=True)
class ActivityMemory:
    """What outlives a restart of the activity actor."""

    elsewhere: dict[Teller, UsersElsewhere] = Factory(dict)
    counts_sent: Counter[Mint] = Factory(Counter)  # as sync was last told; none of them is zero


@define(kw_only=True)
class ActivityMonitor:
    """Knows who is connected and what each client watches."""

    # Messages in.
    presences: Inbox[Presence]
    # State.
    settings: ActivitySettings
    environment: Environment
    memory: ActivityMemory
    is_active: bool = field(default=False, init=False)
    changed_at: float = field(default=0.0, init=False)  # `is_active`; trio time
    last_sign: SignOfLife = field(default=SignOfLife(None, -inf), init=False)
    next_count_at: float = field(default=inf, init=False)  # trio time
    watched: dict[int, set[Mint]] = field(factory=dict, init=False)  # by client
    uninformed: list[Outbox[ActivityChange]] = field(factory=list, init=False)  # of `is_active`
    counts_due: dict[Mint, None] = field(factory=dict, init=False)  # to be sent, oldest first
    resend_at: float = field(default=inf, init=False)  # what a mailbox had no room for; trio time
    # Messages out.
    outboxes: ActivityOutboxes

    async def run(self) -> None:
        """Serve until the mailbox closes; then send the last watcher counts."""
        self._request_census()
        self._note_sign(START, trio.current_time())
        self._judge_activity()
        self.next_count_at = trio.current_time() + self.settings.watchers_interval_seconds
        while True:
            try:
                with trio.move_on_at(self._next_deadline()):
                    self.take_presences(await self.presences.receive_batch(PRESENCES_AT_ONCE))
            except trio.EndOfChannel:
                break
            self._meet_deadlines()
        await self._send_last_counts()

    def snapshot(self) -> ActivitySnapshot:
        now = self.environment.loop_clock()
        return ActivitySnapshot(
            active=self.is_active,
            clients=len(self.watched),
            users_elsewhere=self._count_elsewhere(),
            last_sign=self.last_sign.kind,
            quiet_seconds=self._count_quiet_seconds(now),
            until_idle_seconds=self._count_seconds_until_idle(now),
            idle_seconds=0.0 if self.is_active else now - self.changed_at,
            watched_mints=len(self.count_watchers()),
            counts_due=len(self.counts_due),
            uninformed=len(self.uninformed),
        )

    def _count_elsewhere(self) -> dict[str, int]:
        told = self.memory.elsewhere
        return {teller: told[teller].users if teller in told else 0 for teller in TELLERS}

    def _count_quiet_seconds(self, now: float) -> float | None:
        """None before the first sign, which is the start."""
        if self._is_somebody_there:
            return 0.0
        return None if self.last_sign.kind is None else now - self.last_sign.at

    def _count_seconds_until_idle(self, now: float) -> float | None:
        if not self.is_active or self._is_somebody_there:
            return None
        return max(0.0, self._quiet_until - now)

    # Presences.

    def take_presences(self, presences: Sequence[Presence]) -> None:
        """Note who is there and what each watches."""
        for presence in presences:
            match presence:
                case UsersElsewhereTold():
                    self._take_word(presence)
                case FeedRequested():
                    self._note_sign(FEED_REQUEST, trio.current_time())
                case _:
                    if self.watched or presence != NOBODY_IS_HERE:
                        self._note_sign(CLIENT, trio.current_time())
                    self._note_client(presence)

    def _take_word(self, told: UsersElsewhereTold) -> None:
        """Users elsewhere are there until the word of them lapses; none: until now."""
        now = trio.current_time()
        was_there = self.memory.elsewhere.pop(told.by, None) is not None
        if told.users:
            self.memory.elsewhere[told.by] = UsersElsewhere(told.users, now + ELSEWHERE_SECONDS)
        if told.users or was_there:
            self._note_sign(told.by, now)
        if told.last_activity_at is not None:
            age_seconds = max(0.0, self.environment.clock() - told.last_activity_at)
            self._note_sign(told.by, now - age_seconds)

    def _note_client(self, presence: Presence) -> None:
        match presence:
            case CensusTaken():
                self.watched = {client: set(mints) for client, mints in presence.watched.items()}
            case ClientConnected():
                self.watched.setdefault(presence.client, set())
            case ClientLeft():
                self.watched.pop(presence.client, None)
            case MintWatched():
                self.watched.setdefault(presence.client, set()).add(presence.mint)
            case MintUnwatched():
                self.watched.get(presence.client, set()).discard(presence.mint)
            case _:
                pass  # ClientSpoke is a sign of life, nothing more

    def _note_sign(self, kind: str, at: float) -> None:
        """Somebody was there: the quiet time begins anew, unless somebody was there later."""
        if at >= self.last_sign.at:
            self.last_sign = SignOfLife(kind, at)

    # Deadlines.

    def _next_deadline(self) -> float:
        lapses = (each.until for each in self.memory.elsewhere.values())
        idle_at = self._quiet_until if self.is_active and not self._is_somebody_there else inf
        return min(idle_at, self.next_count_at, self.resend_at, *lapses)

    def _meet_deadlines(self) -> None:
        """Do everything whose time has come."""
        now = trio.current_time()
        self._forget_lapsed(now)
        self._judge_activity()
        if now >= self.next_count_at:
            self.next_count_at = now + self.settings.watchers_interval_seconds
            # A flood may have dropped some presences: the answer tells who is really there.
            self._request_census()
            self._note_counts_due()
            self._send_counts()
        if now >= self.resend_at:
            self._send_again()

    def _send_again(self) -> None:
        self.resend_at = inf
        self._inform_readers()
        self._send_counts()

    def _resend_later(self) -> None:
        self.resend_at = min(self.resend_at, trio.current_time() + RESEND_SECONDS)

    # Active or idle.

    @property
    def _is_somebody_there(self) -> bool:
        return bool(self.watched or self.memory.elsewhere)

    @property
    def _quiet_until(self) -> float:
        """When the quiet time is over, if nobody is there and nobody gives a sign before."""
        return self.last_sign.at + self.settings.idle_after_seconds

    def _forget_lapsed(self, now: float) -> None:
        for teller, word in [*self.memory.elsewhere.items()]:
            if word.until <= now:
                del self.memory.elsewhere[teller]
                self._note_sign(teller, word.until)

    def _judge_activity(self) -> None:
        """Announce it if the system is active now and was idle, or the other way round."""
        is_active = self._is_somebody_there or trio.current_time() < self._quiet_until
        if is_active == self.is_active:
            return
        if is_active:
            clients, elsewhere = len(self.watched), sum(self._count_elsewhere().values())
            self.environment.log.info(
                "system activated", by=self.last_sign.kind, clients=clients, elsewhere=elsewhere
            )
        else:
            quiet_seconds = self.settings.idle_after_seconds
            self.environment.log.info(
                "system going idle", by=self.last_sign.kind, quiet_seconds=quiet_seconds
            )
        self._announce_change(is_active=is_active)

    def _announce_change(self, *, is_active: bool) -> None:
        self.is_active, self.changed_at = is_active, trio.current_time()
        self.uninformed = list(self.outboxes.control)
        self._inform_readers()

    def _inform_readers(self) -> None:
        """Tell everybody who has not been told whether the system is active now."""
        waiting, self.uninformed = self.uninformed, []
        for control in waiting:
            try:
                control.send_nowait(SystemActivated() if self.is_active else SystemIdled())
            except trio.WouldBlock:
                self.uninformed.append(control)
        if self.uninformed:
            self._resend_later()

    # Watchers.

    def count_watchers(self) -> Counter[Mint]:
        """How many clients watch each mint."""
        return Counter(mint for mints in self.watched.values() for mint in mints)

    def _request_census(self) -> None:
        try:
            self.outboxes.census.send_nowait(CensusWanted())
        except trio.WouldBlock:
            self.environment.log.debug("census not asked for: the gateway's mailbox is full")

    def _note_counts_due(self) -> None:
        """Every count is to be sent, and a zero for what is no longer watched.

        Unchanged counts, too: sync forgets them when it restarts, and drops them otherwise.
        """
        mints = self.count_watchers().keys() | self.memory.counts_sent.keys()
        self.counts_due |= dict.fromkeys(sorted(mints))

    def _send_counts(self) -> None:
        """Send the counts that are due, as far as sync's mailbox has room."""
        counts = self.count_watchers()
        while self.counts_due:
            mint = next(iter(self.counts_due))
            try:
                self.outboxes.updates.send_nowait(self._new_update(mint, counts[mint]))
            except trio.WouldBlock:
                self._resend_later()
                return
            self._note_count_sent(mint, counts[mint])

    async def _send_last_counts(self) -> None:
        """Send the counts at the end, when no more presences can come: now it may wait."""
        self._note_counts_due()
        counts = self.count_watchers()
        for mint in list(self.counts_due):
            await self.outboxes.updates.send(self._new_update(mint, counts[mint]))
            self._note_count_sent(mint, counts[mint])

    def _new_update(self, mint: Mint, watchers: int) -> TokenUpdated:
        return TokenUpdated(
            mint=mint,
            observed_at=self.environment.clock(),
            origin=ORIGIN,
            values={"watcher_count": watchers},
        )

    def _note_count_sent(self, mint: Mint, watchers: int) -> None:
        del self.counts_due[mint]
        self.memory.counts_sent[mint] = watchers
        if not watchers:
            del self.memory.counts_sent[mint]
