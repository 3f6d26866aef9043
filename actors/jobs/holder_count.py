"""Holder count: how many own each token that matters now, and what is told in the same answer.

TokensPublished (from sync) -> HolderCountJob -> TokenUpdated -> sync;  WindowsQuoted -> trading
SystemActivated, SystemIdled (from activity) decide whether it asks the world at all.

Of what others know better (a price, a picture) only what is missing is told, and kept up to date
as long as nobody else tells it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import repeat

from attrs import define, field

from actors.jobs.inquiry import NOT_ASKING, Inquirer, InquirySnapshot, new_inquirer
from actors.jobs.job import JobContext
from actors.jobs.roster import Roster
from domain.precision import round_value
from domain.snapshots import counter, gauge, read_fields, snapshot_class
from domain.token import Token
from domain.values import Mint, Value
from sources import HolderProvider, HolderStats

REVOCABLE = frozenset({"mint_renounced", "freeze_revoked"})  # once revoked, for ever


@snapshot_class
class HolderCountSnapshot(InquirySnapshot):
    tracked: int = gauge("Tokens that it may ask about.")
    updated: int = counter("Tokens of which news were sent to sync.")
    unchanged: int = counter("Tokens of which nothing was sent, because sync has it.")


@define(kw_only=True)
class HolderCountJob:
    """Counts owners of the most interesting tokens; sends only what changed."""

    # Messages in and out.
    context: JobContext
    # State.
    roster: Roster
    provider: HolderProvider | None  # None: switched off
    inquirer: Inquirer | None = field(init=False)
    filled: dict[Mint, dict[str, Value]] = field(factory=dict, init=False)  # as told last
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
        for mint in self.filled.keys() - self.roster.entries.keys():
            del self.filled[mint]
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
            self.context.quote_windows(stats.mint, stats.windows, source=self._provider_name)
            entry = self.roster.entries.get(stats.mint)
            values = self._choose_values(stats, entry.token if entry else None)
            if not values:
                self.counts["unchanged"] += 1
                continue
            await self.context.mail.send_update(stats.mint, values, source=self._provider_name)
            self.counts["updated"] += 1

    @property
    def _provider_name(self) -> str:
        return "" if self.provider is None else self.provider.name

    def _choose_values(self, stats: HolderStats, known: Token | None) -> dict[str, Value]:
        """What of an answer is news, rounded as sync keeps it."""
        said = dict(stats.more)
        if stats.holder_count is not None:
            said["holder_count"] = stats.holder_count
        if known is None:
            return said
        values = _find_changes(said, known)
        ours = self.filled.setdefault(stats.mint, {})
        for name, value in _find_changes(stats.fillers, known).items():
            before = getattr(known, name)
            if before is None or before == ours.get(name):
                values[name] = ours[name] = value
        return values


def _find_changes(said: Mapping[str, Value], known: Token) -> dict[str, Value]:
    changes: dict[str, Value] = {}
    for name, value in said.items():
        before, now = getattr(known, name), round_value(name, value)
        is_back = name in REVOCABLE and before is True  # the provider has not seen it yet
        if before != now and not is_back:
            changes[name] = now
    return changes
