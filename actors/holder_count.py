"""Holder count: how many own each token that matters now.

TokenPublished (from sync) -> HolderCount -> TokenUpdated -> sync
SystemActivated, SystemIdled (from activity) decide whether it asks the world at all.
"""

from collections import Counter
from collections.abc import Mapping

import trio
from attrs import define, field

from config.settings import HolderCountSettings
from domain.errors import SourceUnavailable
from domain.messages import RosterWanted, TokenUpdated
from domain.roster import Roster, chunks
from sources import HolderCounts, HolderStats
from supervision import Outbox
from supervision.batches import Batches
from supervision.environment import Environment
from supervision.periodic import JobInboxes, run_periodically

ORIGIN = "holder-count"
PUBLICATIONS_AT_ONCE = 1000
ROSTER_SECONDS = 1.0  # from the first publication until a start has told of (nearly) all tokens


@define(kw_only=True)
class HolderCount:
    """Counts owners of the most interesting tokens; sends only counts that changed."""

    # Messages in.
    inboxes: JobInboxes
    # State.
    roster: Roster
    source: HolderCounts | None  # None: switched off
    settings: HolderCountSettings
    environment: Environment
    has_heard: trio.Event = field(factory=trio.Event, init=False)  # of a token
    counts: Counter[str] = field(factory=Counter, init=False)
    # Messages out.
    updates: Outbox[TokenUpdated | RosterWanted]

    async def run(self) -> None:
        """Serve until the publications are closed."""
        await self.updates.send(RosterWanted(subscriber=ORIGIN))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.inboxes.activity.obey, self.inboxes.control)
            nursery.start_soon(self.refresh_periodically)
            await self.follow()
            nursery.cancel_scope.cancel()

    def summary(self) -> Mapping[str, object]:
        return {"tracked": len(self.roster.entries), **self.counts}

    async def refresh_periodically(self) -> None:
        await self.has_heard.wait()  # a run before that would ask for nothing, and the next is far
        await trio.sleep(ROSTER_SECONDS)
        await run_periodically(
            self.refresh,
            interval_seconds=self.settings.interval_seconds,
            activity=self.inboxes.activity,
            log=self.environment.log,
            name=ORIGIN,
        )

    async def follow(self) -> None:
        async for published in Batches(self.inboxes.publications, PUBLICATIONS_AT_ONCE):
            self.has_heard.set()
            for message in published:
                self.roster.learn(message.token)

    async def refresh(self) -> None:
        """One run: the most interesting tokens that are due, a request at a time."""
        if self.source is None:
            return
        now = self.environment.clock()
        self.roster.forget_unretained(now)
        mints = [token.mint for token in self.roster.pick(self.settings.tokens, now)]
        updated = 0
        for request in chunks(mints, self.source.mints_per_request):
            try:
                counts = await self.source.counts(request)
            except SourceUnavailable as error:
                self.counts["failed_requests"] += 1
                self.environment.log.warning("holder counts unavailable", error=str(error))
                break  # the next run asks again; a source in trouble is left in peace
            self.roster.asked(request, counts, now, self.settings.interval_seconds)
            for stats in counts.values():
                updated += await self._send_if_changed(stats)
        self.environment.log.info("holder counts updated", asked=len(mints), updated=updated)

    async def _send_if_changed(self, stats: HolderStats) -> bool:
        entry = self.roster.entries.get(stats.mint)
        values = {"holder_count": stats.holder_count, **stats.more}
        if entry and all(getattr(entry.token, name) == value for name, value in values.items()):
            self.counts["unchanged"] += 1
            return False
        await self.updates.send(
            TokenUpdated(
                mint=stats.mint,
                observed_at=self.environment.clock(),
                origin=ORIGIN,
                values=values,
            )
        )
        self.counts["updated"] += 1
        return True
