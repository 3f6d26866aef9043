"""Sync: every update is durable in the buffer before anybody sees it, and in Postgres in time.

    TokensAdmitted (from ingest), TokenUpdated (from all) -> Sync
        -> append to the buffer -> TokenPublished -> gateway and jobs
        -> flush, every interval -> rows in the store, as many as the governor allows
    GovernorSet (from the gateway) -> Sync -> governor;  the server's pulse -> governor

What Postgres costs follows the number of tokens that changed in an interval, not the number of
updates. While the system is idle nothing is flushed but what retention would miss: after one last
flush the buffer keeps what still comes, until somebody looks. Nor is the server asked how it is.
"""

from collections import Counter
from collections.abc import (
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from functools import partial
from typing import TypeVar

import trio
from attrs import define, field, frozen

from actors.jobs.schedule import run_periodically
from actors.jobs.switch import ActivitySwitch
from actors.sync.flusher import MICROSECONDS, Flusher, SyncDoors, SyncPace
from actors.sync.table import TokenTable
from config.settings import SyncSettings
from domain.chunks import chunks
from domain.errors import (
    BufferDataLost,
    BufferUnavailable,
    StoreNeedsRepair,
    StoreUnavailable,
)
from domain.lifecycle import RETAIN_NEW_SECONDS
from domain.merging import Observations, as_updates
from domain.messages import (
    ActivityChange,
    GovernorSet,
    RosterWanted,
    SyncMessage,
    TokenPublished,
    TokensAdmitted,
    TokenUpdated,
)
from domain.token import Status
from domain.values import NO_VERSION, Mint, UnixSeconds
from store.columns import PERIOD_SECONDS
from supervision import Inbox, Outbox
from supervision.batches import Batches
from supervision.environment import Environment

ORIGIN = "sync"
Result = TypeVar("Result")
RETRY_SECONDS, RETRY_LONGEST_SECONDS = 0.25, 10.0
RETAIN_EVERY_SECONDS = 600.0  # nearly always it finds nothing to do, which costs nothing
PUBLISHED_AT_ONCE = 500  # between two looks at what else there is to do
WATCH_SECONDS = 30.0  # between two pulses of the server


@frozen(kw_only=True)
class SyncInboxes:
    messages: Inbox[SyncMessage]
    control: Inbox[ActivityChange]
    activity: ActivitySwitch = field(
        factory=ActivitySwitch
    )  # as last told; one for all lives of the actor


@define(kw_only=True)
class Sync:
    """Owns the table of tokens; the only writer of updates."""

    # Messages in.
    inboxes: SyncInboxes
    # State.
    doors: SyncDoors
    table: TokenTable
    pace: SyncPace
    settings: SyncSettings
    environment: Environment
    flusher: Flusher = field(init=False)
    activations: int = field(default=0, init=False)  # of which a flush has been
    epoch: str = field(default="", init=False)  # of the buffer's data, once restored
    counts: Counter[str] = field(factory=Counter, init=False)
    # Messages out, by subscriber.
    publications: Mapping[str, Outbox[TokenPublished]]

    @flusher.default
    def _new_flusher(self) -> Flusher:
        return Flusher(
            doors=self.doors,
            table=self.table,
            governor=self.pace.governor,
            settings=self.settings,
            environment=self.environment,
        )

    async def run(self) -> None:
        """Restore, serve until the mailbox closes, then flush what is left."""
        await self._patiently(self._restore_or_say_why)
        self.environment.readiness.set(ORIGIN, None)
        self.pace.governor.resume()
        activity = self.inboxes.activity
        async with trio.open_nursery() as nursery:
            nursery.start_soon(activity.obey, self.inboxes.control)
            nursery.start_soon(self.flush_periodically, activity)
            nursery.start_soon(self.flush_when_idled, activity)
            nursery.start_soon(self.tidy_periodically)
            nursery.start_soon(self.retain_periodically)
            nursery.start_soon(self.watch_server, activity)
            await self.serve()
            nursery.cancel_scope.cancel()
        await self._patiently(self.flush)

    def summary(self) -> Mapping[str, object]:
        return {
            "tokens": len(self.table.published),
            "unflushed": len(self.table.unflushed),
            **(self.counts + self.flusher.counts),
            "governor": self.pace.governor.as_json(trio.current_time()),
        }

    # Taking updates.

    async def serve(self) -> None:
        async for batch in Batches(self.inboxes.messages, self.settings.append_updates):
            await self.take(batch)

    async def take(self, batch: Sequence[SyncMessage]) -> None:
        """Make one batch durable, then visible."""
        admitted = [t for m in batch if isinstance(m, TokensAdmitted) for t in m.tokens]
        self.pace.governor.note_admitted(len(admitted))
        touched = dict.fromkeys(token.mint for token in admitted if self.table.admit(token))
        news = self.table.news(m for m in batch if isinstance(m, TokenUpdated))
        if news:
            try:
                changed = await self._append(news)
            except BufferUnavailable:
                await self.publish(touched)  # new tokens are durable without the buffer
                changed = await self._patiently(partial(self._append, news))
            touched |= dict.fromkeys(changed)
        await self.publish(touched)
        for message in batch:
            if isinstance(message, RosterWanted):
                await self._tell_all(message.subscriber)
            elif isinstance(message, GovernorSet):
                self._set_governor(message)

    def _set_governor(self, message: GovernorSet) -> None:
        governor = self.pace.governor
        if message.reset:
            governor.reset()
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

    async def _append(self, news: Mapping[Mint, Observations]) -> list[Mint]:
        """Make news durable and note it in the table; the known tokens that it changed."""
        updates = [u for mint, seen in news.items() for u in as_updates(mint, seen, ORIGIN)]
        appended = await self.doors.buffer.append(updates)
        self.counts["appended"] += len(appended.changed)
        changed = []
        for update in appended.changed:
            accepted = news[update.mint].reduced_to(update.values)
            accepted.newest = appended.newest
            self.flusher.backlog.note(update.mint, update.values, trio.current_time())
            if self.table.apply(update.mint, accepted) is not None:
                changed.append(update.mint)
        if appended.epoch != self.epoch:
            await self._patiently(self._put_back)
        return changed

    async def _put_back(self) -> None:
        """The buffer lost its data: give it all that is not in Postgres yet."""
        held = self.table.unflushed.items()
        updates = [u for mint, seen in held for u in as_updates(mint, seen, ORIGIN)]
        spooled = list(self.table.spooled.values())
        self.environment.log.warning(
            "buffer lost its data, putting it back", updates=len(updates), new_tokens=len(spooled)
        )
        epoch = (await self.doors.buffer.append(())).epoch
        for part in chunks(updates, self.settings.append_updates):
            await self.doors.buffer.append(part)
        if spooled:
            await self.doors.buffer.spool(spooled)
        self.epoch = epoch  # had it been lost once more, the next append tells

    async def publish(self, mints: Iterable[Mint]) -> None:
        for part in chunks(mints, PUBLISHED_AT_ONCE):
            for outbox in self.publications.values():
                await outbox.send_all(self._publications(part))

    async def _tell_all(self, subscriber: str) -> None:
        for part in chunks(list(self.table.published), PUBLISHED_AT_ONCE):
            await self.publications[subscriber].send_all(self._publications(part))

    def _publications(self, mints: Iterable[Mint]) -> Iterator[TokenPublished]:
        """The tokens as they are when each is asked for; some may just have been let go."""
        known = map(self.table.published.get, mints)
        return (TokenPublished(token=token) for token in known if token is not None)

    # Watching the server.

    async def watch_server(self, activity: ActivitySwitch) -> None:
        """Take the server's pulse while somebody looks; while idle it is left alone."""
        while True:
            activations = activity.activations
            if activity.active:
                await self.take_pulse()
                await trio.sleep(WATCH_SECONDS)
            else:
                await activity.wait_activated(activations)

    async def take_pulse(self) -> None:
        """One pulse for the watch and the governor; without an answer, the next one tells."""
        governor = self.pace.governor
        governor.note_ages(self.flusher.backlog.ages(trio.current_time()))
        try:
            pulse = await self.doors.store.pulse()
        except StoreUnavailable:
            self.counts["pulses_missed"] += 1
            return
        now = trio.current_time()
        observation = self.pace.watch.observe(pulse, now)
        if observation is not None:
            governor.note_server(
                wal_bytes_per_second=observation.wal_bytes_per_second,
                requested=observation.requested,
                seconds=observation.seconds,
                now=now,
            )

    # Starting.

    async def restore(self) -> None:
        """Rebuild the table from Postgres, the spool and the buffer, and publish it."""
        now = self.environment.clock()
        await self.doors.store.open()
        await self.doors.buffer.open()
        self.epoch = (await self.doors.buffer.append(())).epoch  # before it is read: a loss shows
        for token in await self.doors.store.load(now, self.table.limit):
            self.table.admit(token)
        for token in await self.doors.buffer.spooled(self.table.limit):
            self.table.admit(token)
        after = NO_VERSION
        waiting = []
        while page := (await self.doors.buffer.dirty(after, self.settings.batch_rows)).changes:
            after = page[-1].dirty_since
            for change in page:
                held = Observations({**change.values}, change.observed_at, newest=change.version)
                self.table.apply(change.mint, held)
                age_seconds = max(0.0, now - change.dirty_since / MICROSECONDS)
                since = trio.current_time() - age_seconds
                waiting.append((change.mint, change.values, since))
        self.flusher.backlog.restore(waiting)
        await self._forget_watchers()
        await self.publish(list(self.table.published))
        tokens, unflushed = len(self.table.published), len(self.table.unflushed)
        self.environment.log.info("tokens restored", tokens=tokens, unflushed=unflushed)

    async def _restore_or_say_why(self) -> None:
        try:
            await self.restore()
        except (StoreUnavailable, BufferUnavailable) as error:
            self.environment.readiness.set(ORIGIN, str(error))
            raise

    async def _forget_watchers(self) -> None:
        """Clients of an earlier life are gone; those that are here are counted anew."""
        now = self.environment.clock()
        watched = [t.mint for t in self.table.published.values() if t.watcher_count]
        nobody = Observations({"watcher_count": 0}, now)
        for part in chunks(watched, self.settings.append_updates):
            await self._append(dict.fromkeys(part, nobody))

    # Flushing.

    async def flush_periodically(self, activity: ActivitySwitch) -> None:
        await run_periodically(
            lambda: self._patiently(partial(self.flush_as_granted, activity)),
            interval_seconds=self.pace.governor.plan.tick_seconds,
            activity=activity,
            log=self.environment.log,
            name="flush",
        )

    async def flush_when_idled(self, activity: ActivitySwitch) -> None:
        while True:
            await activity.wait_idled()
            activations = activity.activations
            await self._patiently(self.flush)
            await activity.wait_activated(activations)

    async def tidy_periodically(self) -> None:
        """Stay bounded also while idle: an hour of it is nothing, weeks fill any memory."""
        while True:
            await trio.sleep(self.settings.interval_seconds)
            self.table.forget(self.environment.clock())
            if len(self.table.unflushed) > self.table.limit:
                await self._patiently(self.flush)

    async def retain_periodically(self) -> None:
        """Let the store give up what is off the feed; the first time not while all else starts."""
        while True:
            await trio.sleep(RETAIN_EVERY_SECONDS)
            await self._patiently(self.retain)

    async def retain(self) -> None:
        """Let the store drop what is off the feed, by what it knows of it.

        While idle it does not know what has bonded meanwhile, and nobody may ever look at what
        else still waits for the others.
        """
        now = self.environment.clock()
        overdue = self.table.unflushed_before(UnixSeconds(now - RETAIN_NEW_SECONDS))
        bonded = {mint for mint in overdue if "status" in self.table.unflushed[mint].values}
        if bonded:
            await self._flush(partial(self.flusher.flush, chosen=bonded))
        await self.doors.store.retain(now)
        gone = self.table.unflushed_before(UnixSeconds(now - RETAIN_NEW_SECONDS - PERIOD_SECONDS))
        unbonded = {mint for mint in gone if self.table.published[mint].status < Status.BONDED}
        if unbonded:
            await self._flush(partial(self.flusher.discard, chosen=unbonded))

    async def flush_as_granted(self, activity: ActivitySwitch) -> None:
        """A regular flush; the first one after an activation takes what idling has left."""
        if activity.activations != self.activations:
            self.activations = activity.activations
            self.pace.governor.resume()
            self.flusher.backlog.resume(trio.current_time())
        await self._flush(self.flusher.flush_as_granted)

    async def flush(self) -> None:
        """Bring every dirty token to Postgres, whatever the governor would say."""
        await self._flush(self.flusher.flush)

    async def _flush(self, flush: Callable[[str], Awaitable[None]]) -> None:
        """Flush; once more when it is found that the buffer has lost data."""
        try:
            await flush(self.epoch)
        except BufferDataLost:
            await self._put_back()
            await flush(self.epoch)
        found, self.flusher.found = self.flusher.found, []
        await self.publish(found)

    async def _patiently(self, action: Callable[[], Awaitable[Result]]) -> Result:
        """Repeat `action` until both stores answer. What waits meanwhile is bounded: the mailbox
        conflates by token, and the buffer holds one row a token."""
        wait_seconds, was_broken = RETRY_SECONDS, False
        while True:
            try:
                result = await action()
                break
            except StoreNeedsRepair as error:
                was_broken = True
                self.environment.log.error("the store needs repair", error=str(error))
                self.environment.readiness.set(ORIGIN, str(error))
            except (StoreUnavailable, BufferUnavailable) as error:
                self.environment.log.warning("a store is unavailable", error=str(error))
            self.counts["unavailable"] += 1
            await trio.sleep(wait_seconds)
            wait_seconds = min(wait_seconds * 2, RETRY_LONGEST_SECONDS)
        if was_broken:
            self.environment.readiness.set(ORIGIN, None)
        return result
