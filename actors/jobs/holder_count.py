"""Holder count: how many own each token that matters now.

TokenPublished (from sync) -> HolderCount -> TokenUpdated -> sync
SystemActivated, SystemIdled (from activity) decide whether it asks the world at all.
"""

from collections import Counter
from itertools import repeat

from attrs import define, field

from actors.jobs.mail import JobMail
from actors.jobs.roster import Roster
from config.settings import HolderCountSettings
from domain.chunks import chunks
from domain.errors import SourceUnavailable
from domain.snapshots import Snapshot, counter, gauge, snapshot_class
from domain.token import Token
from sources import HolderCounts, HolderStats
from supervision.environment import Environment


@snapshot_class
class HolderCountSnapshot(Snapshot):
    tracked: int = gauge("Tokens that it may ask about.")
    updated: int = counter("Counts sent to sync.")
    unchanged: int = counter("Counts not sent, because sync has them.")
    failed_requests: int = counter("Requests that the provider did not answer.")


@define(kw_only=True)
class HolderCount:
    """Counts owners of the most interesting tokens; sends only counts that changed."""

    # Messages in and out.
    mail: JobMail
    # State.
    roster: Roster
    source: HolderCounts | None  # None: switched off
    settings: HolderCountSettings
    environment: Environment
    counts: Counter[str] = field(factory=Counter, init=False)

    async def run(self) -> None:
        """Serve until the publications are closed."""
        await self.mail.serve(
            self.refresh,
            learn=self.learn,
            intervals_seconds=repeat(self.settings.interval_seconds),
            log=self.environment.log,
        )

    def snapshot(self) -> HolderCountSnapshot:
        return HolderCountSnapshot(
            tracked=len(self.roster.entries),
            updated=self.counts["updated"],
            unchanged=self.counts["unchanged"],
            failed_requests=self.counts["failed_requests"],
        )

    async def learn(self, token: Token) -> None:
        self.roster.learn(token)

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
        await self.mail.update(stats.mint, values)
        self.counts["updated"] += 1
        return True
