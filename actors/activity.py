"""Activity: is anybody looking, and at what?

    Presence (from gateway) -> ActivityMonitor -> SystemActivated, SystemIdled -> jobs and sync
                                               -> TokenUpdated(watcher_count) -> sync

The system is idle after ten minutes without any client, message or feed request; a start counts
as one. A connected client keeps it active, however quiet it is.
"""

from collections import Counter

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
from supervision.batches import receive_batches
from supervision.environment import Environment

ORIGIN = "activity"
PRESENCES_AT_ONCE = 1000
NOBODY_IS_HERE = CensusTaken(watched={})  # no sign of life, unless somebody was known


@frozen(kw_only=True)
class ActivityOutboxes:
    control: tuple[Outbox[ActivityChange], ...]  # one for each job, and sync
    updates: Outbox[TokenUpdated]
    census: Outbox[CensusWanted]


@snapshot_class
class ActivitySnapshot(Snapshot):
    active: bool = gauge("1 while anybody looks, 0 while the system is idle.")
    clients: int = gauge("Clients that are connected, as activity has heard.")
    watched_mints: int = gauge("Mints that at least one client watches.")


@define(kw_only=True)
class ActivityMonitor:
    """Knows who is connected and what each client watches."""

    # Messages in.
    presences: Inbox[Presence]
    # State.
    settings: ActivitySettings
    environment: Environment
    is_active: bool = field(default=False, init=False)
    watched: dict[int, set[Mint]] = field(factory=dict, init=False)  # by client
    counts_sent: Counter[Mint] = Factory(Counter)  # one for all lives: whom to tell of a zero
    sign_seen: trio.Event = field(factory=trio.Event, init=False)
    announcing: trio.Lock = field(factory=trio.Lock, init=False)  # one change is told at a time
    # Messages out.
    outboxes: ActivityOutboxes

    async def run(self) -> None:
        """Serve until the mailbox closes; then send the last watcher counts."""
        await self.outboxes.census.send(CensusWanted())
        await self._activate()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.go_idle_when_quiet)
            nursery.start_soon(self.count_watchers_periodically)
            await self.follow()
            nursery.cancel_scope.cancel()
        await self.send_watcher_counts()

    def snapshot(self) -> ActivitySnapshot:
        return ActivitySnapshot(
            active=self.is_active,
            clients=len(self.watched),
            watched_mints=len(self.watcher_counts()),
        )

    async def follow(self) -> None:
        async for presences in receive_batches(self.presences, PRESENCES_AT_ONCE):
            is_sign = bool(self.watched) or any(each != NOBODY_IS_HERE for each in presences)
            for presence in presences:
                self.take_note(presence)
            if is_sign:
                self.sign_seen.set()
                await self._activate()

    def take_note(self, presence: Presence) -> None:
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

    # Active or idle.

    async def go_idle_when_quiet(self) -> None:
        while True:
            self.sign_seen = trio.Event()
            with trio.move_on_after(self.settings.idle_after_seconds):
                await self.sign_seen.wait()
            if await self._go_idle_if_quiet():
                await self.sign_seen.wait()

    async def _activate(self) -> None:
        async with self.announcing:
            if not self.is_active:
                self.is_active = True
                self.environment.log.info("system activated", clients=len(self.watched))
                await self._announce(SystemActivated())

    async def _go_idle_if_quiet(self) -> bool:
        async with self.announcing:
            # The sign may have come together with the end of the wait, or during another change.
            if self.watched or self.sign_seen.is_set():
                return False
            self.is_active = False
            quiet_seconds = self.settings.idle_after_seconds
            self.environment.log.info("system going idle", quiet_seconds=quiet_seconds)
            await self._announce(SystemIdled())
            return True

    async def _announce(self, change: ActivityChange) -> None:
        for control in self.outboxes.control:
            await control.send(change)

    # Watchers.

    def watcher_counts(self) -> Counter[Mint]:
        """How many clients watch each mint."""
        return Counter(mint for mints in self.watched.values() for mint in mints)

    async def count_watchers_periodically(self) -> None:
        while True:
            await trio.sleep(self.settings.watchers_interval_seconds)
            # A flood may have dropped some presences: one census a tick sets that right.
            await self.outboxes.census.send(CensusWanted())
            await self.send_watcher_counts()

    async def send_watcher_counts(self) -> None:
        """Send every count, and a zero for what is no longer watched.

        Unchanged counts, too: sync forgets them when it restarts, and drops them otherwise.
        """
        counts = self.watcher_counts()
        for mint in sorted(counts.keys() | self.counts_sent.keys()):
            await self.outboxes.updates.send(
                TokenUpdated(
                    mint=mint,
                    observed_at=self.environment.clock(),
                    origin=ORIGIN,
                    values={"watcher_count": counts[mint]},
                )
            )
            self.counts_sent[mint] = counts[mint]
            if not counts[mint]:
                del self.counts_sent[mint]
