"""Holder count: how many own each token that matters now.

TokenPublished (from sync) -> HolderCountJob -> TokenUpdated -> sync
SystemActivated, SystemIdled (from activity) decide whether it asks the world at all.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import repeat

from attrs import define, field

from actors.jobs.inquiry import NOT_ASKING, Inquirer, InquirySnapshot, new_inquirer
from actors.jobs.job import JobContext
from actors.jobs.roster import Roster
from domain.snapshots import counter, gauge, read_fields, snapshot_class
from domain.token import Token
from sources import HolderProvider, HolderStats


@snapshot_class
class HolderCountSnapshot(InquirySnapshot):
    tracked: int = gauge("Tokens that it may ask about.")
    updated: int = counter("Counts sent to sync.")
    unchanged: int = counter("Counts not sent, because sync has them.")


@define(kw_only=True)
class HolderCountJob:
    """Counts owners of the most interesting tokens; sends only counts that changed."""

    # Messages in and out.
    context: JobContext
    # State.
    roster: Roster
    provider: HolderProvider | None  # None: switched off
    inquirer: Inquirer | None = field(init=False)
    counts: Counter[str] = field(factory=Counter, init=False)

    @inquirer.default
    def _new_inquirer(self) -> Inquirer | None:
        interval_seconds = self.context.settings.holder_count.interval_seconds
        return new_inquirer(self.provider, self.context, self.roster, interval_seconds)

    @classmethod
    def build(cls, context: JobContext, provider: HolderProvider | None) -> "HolderCountJob":
        return cls(
            context=context, roster=Roster.from_settings(context.settings), provider=provider
        )

    async def run(self) -> None:
        """Serve until the publications are closed."""
        await self.context.serve(
            self.refresh_counts,
            learn_token=self.learn_token,
            intervals_seconds=repeat(self.context.settings.holder_count.interval_seconds),
        )

    def snapshot(self) -> HolderCountSnapshot:
        asked = NOT_ASKING if self.inquirer is None else self.inquirer.snapshot()
        return HolderCountSnapshot(
            **read_fields(asked),
            tracked=len(self.roster.entries),
            updated=self.counts["updated"],
            unchanged=self.counts["unchanged"],
        )

    async def learn_token(self, token: Token) -> None:
        self.roster.learn_token(token)

    async def refresh_counts(self) -> None:
        """One run: the most interesting tokens that are due."""
        if self.provider is None or self.inquirer is None:
            return
        now = self.context.environment.clock()
        self.roster.forget_unretained(now)
        picked = self.roster.pick_tokens(self.context.settings.holder_count.tokens, now)
        updated_before = self.counts["updated"]
        await self.inquirer.ask_about(
            self.provider.fetch_holders,
            [token.mint for token in picked],
            take_answers=self._send_changed,
            is_wanted=lambda: self.context.activity.active,
        )
        self.context.environment.log.info(
            "holder counts updated",
            asked=len(picked),
            updated=self.counts["updated"] - updated_before,
        )

    async def _send_changed(self, answers: Sequence[HolderStats]) -> None:
        for stats in answers:
            entry = self.roster.entries.get(stats.mint)
            values = {"holder_count": stats.holder_count, **stats.more}
            if entry and all(getattr(entry.token, name) == value for name, value in values.items()):
                self.counts["unchanged"] += 1
                continue
            await self.context.mail.send_update(stats.mint, values)
            self.counts["updated"] += 1
