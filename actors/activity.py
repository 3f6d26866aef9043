"""Activity: is anybody looking, and at what?

    Presence (from gateway) -> ActivityMonitor -> SystemActivated, SystemIdled -> jobs and sync
                                               -> TokenUpdated(watcher_count) -> sync
                                               -> CensusWanted -> gateway

The system is idle after ten minutes without any client, message or feed request; a start counts
as one. A connected client keeps it active, however quiet it is.

One loop over one inbox. It waits for the next presence or the next deadline, and for nothing
else: what another mailbox has no room for is kept and sent again a little later.
"""

from collections import Counter
from collections.abc import Sequence
from math import inf

import trio
from attrs import Factory, define, field, frozen

from config.settings import ActivitySettings
from domain.messages import (
    ActivityChange,
    CensusTaken,
    CensusWanted,
    ClientConnected,
    ClientLeft,
    MintUnwatched,
    MintWatched,
    Presence,
    SystemActivated,
    SystemIdled,
    TokenUpdated,
)
from domain.snapshots import Snapshot, gauge, snapshot_class
from domain.values import Mint
from supervision import Inbox, Outbox
from supervision.environment import Environment

ORIGIN = "activity"
PRESENCES_AT_ONCE = 1000
NOBODY_IS_HERE = CensusTaken(watched={})  # no sign of life, unless somebody was known
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
    watched_mints: int = gauge("Mints that at least one client watches.")
    counts_due: int = gauge("Watcher counts that sync has no room for yet.")
    uninformed: int = gauge("Actors whose mailbox has no room yet for what they should hear.")


@define(kw_only=True)
class ActivityMemory:
    """What outlives a restart of the activity actor."""

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
    last_sign_at: float = field(default=-inf, init=False)  # of anybody; trio time
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
        self._note_sign()
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
        return ActivitySnapshot(
            active=self.is_active,
            clients=len(self.watched),
            watched_mints=len(self.count_watchers()),
            counts_due=len(self.counts_due),
            uninformed=len(self.uninformed),
        )

    # Presences.

    def take_presences(self, presences: Sequence[Presence]) -> None:
        """Note who is there and what each watches; the system is active if anybody is."""
        is_sign = bool(self.watched) or any(each != NOBODY_IS_HERE for each in presences)
        for presence in presences:
            self._take_presence(presence)
        if is_sign:
            self._note_sign()

    def _take_presence(self, presence: Presence) -> None:
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
                pass  # ClientSpoke and FeedRequested are signs of life, nothing more

    def _note_sign(self) -> None:
        """Somebody is looking: the system is active, and the quiet time begins anew."""
        self.last_sign_at = trio.current_time()
        if not self.is_active:
            self.environment.log.info("system activated", clients=len(self.watched))
            self._announce_change(is_active=True)

    # Deadlines.

    @property
    def _idle_at(self) -> float:
        """When the system goes idle, if nobody gives a sign before."""
        if self.watched or not self.is_active:
            return inf
        return self.last_sign_at + self.settings.idle_after_seconds

    def _next_deadline(self) -> float:
        return min(self._idle_at, self.next_count_at, self.resend_at)

    def _meet_deadlines(self) -> None:
        """Do everything whose time has come."""
        now = trio.current_time()
        if now >= self._idle_at:
            quiet_seconds = self.settings.idle_after_seconds
            self.environment.log.info("system going idle", quiet_seconds=quiet_seconds)
            self._announce_change(is_active=False)
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

    def _announce_change(self, *, is_active: bool) -> None:
        self.is_active = is_active
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
