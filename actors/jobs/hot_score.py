"""Hot score: how much a token is traded right now.

    TradesWeighed (from trading), TokensPublished (from sync) -> HotScoreJob -> TokenUpdated -> sync

A trade adds its size, forward-decayed (domain/scoring.py): a quiet token's score never changes,
so an idle market is scored for free. Where no trade stream reaches the service, the growth of a
token's volume, as market data reports it, stands for the trades. The same run marks tokens that
have been silent for four hours.
"""

from collections import Counter
from heapq import nlargest
from itertools import chain, repeat
from math import inf

import trio
from attrs import Factory, define, field

from actors.jobs.job import JobContext
from domain.lifecycle import SILENT_AFTER_SECONDS, is_retained, is_silent
from domain.precision import SCORE_DECIMALS
from domain.scoring import add_scores, add_trade
from domain.snapshots import Snapshot, counter, gauge, snapshot_class
from domain.token import Token
from domain.values import Mint, Sol, UnixSeconds
from supervision.batches import receive_batches

TRADES_AT_ONCE = 1000
# A fresh service fills its board within a minute: runs at 5, 30 and 60 s after the first trade or
# score was heard, then at the interval.
FIRST_SCORES_SECONDS = 5.0
EARLY_INTERVALS_SECONDS = (25.0, 30.0)
STREAM_TRUST_SECONDS = 600.0  # after a streamed trade, volume growth would count it twice


@snapshot_class
class HotScoreSnapshot(Snapshot):
    scores: int = gauge("Tokens that have a score.")
    changed: int = gauge("Scores that wait for the next run.")
    updated: int = counter("Scores sent to sync.")
    unchanged: int = counter("Scores not sent: rounded, they are what sync has.")
    silenced: int = counter("Tokens marked as silent.")


@define(kw_only=True)
class HotScoreJob:
    """Keeps one score a token; publishes those that changed, the hottest first."""

    # Messages in and out.
    context: JobContext
    # State.
    tokens: dict[Mint, Token] = Factory(dict)  # as last published; the longest unheard goes first
    scores: dict[Mint, float] = Factory(dict)
    changed: set[Mint] = Factory(set)
    streamed_at: dict[Mint, UnixSeconds] = Factory(dict)  # last trade heard from the stream
    has_scores: trio.Event = field(factory=trio.Event, init=False)
    counts: Counter[str] = field(factory=Counter, init=False)

    @property
    def limit(self) -> int:
        """Most tokens that are tracked."""
        return self.context.settings.tracking.tokens

    @classmethod
    def build(cls, context: JobContext, _providers: None) -> "HotScoreJob":
        return cls(context=context)

    async def run(self) -> None:
        """Serve until both inboxes are closed; then publish what changed since the last run."""
        interval_seconds = self.context.settings.hot_score.interval_seconds
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.follow_trades)
            await self.context.serve(
                self.publish_scores,
                learn_token=self.learn_token,
                intervals_seconds=chain(EARLY_INTERVALS_SECONDS, repeat(interval_seconds)),
                wait_for_first_run=self.wait_for_scores,
            )
        await self.publish_scores()

    def snapshot(self) -> HotScoreSnapshot:
        return HotScoreSnapshot(
            scores=len(self.scores),
            changed=len(self.changed),
            updated=self.counts["updated"],
            unchanged=self.counts["unchanged"],
            silenced=self.counts["silenced"],
        )

    async def wait_for_scores(self) -> None:
        # A run before the first score would publish none, and the next is far. But silence is
        # to be marked also where nothing is ever traded.
        with trio.move_on_after(self.context.settings.hot_score.interval_seconds):
            await self.has_scores.wait()
            await trio.sleep(FIRST_SCORES_SECONDS)

    # Messages in.

    async def follow_trades(self) -> None:
        async for trades in receive_batches(self.context.trades, TRADES_AT_ONCE):
            for trade in trades:
                self.streamed_at[trade.mint] = trade.at
                self._add_trade(trade.mint, trade.sol, trade.at)
            if len(self.scores) > 2 * self.limit:  # no run does so while idle
                self._forget_strangers()

    async def learn_token(self, token: Token) -> None:
        self._learn_token(token)

    def _learn_token(self, token: Token) -> None:
        before = self.tokens.pop(token.mint, None)
        self.tokens[token.mint] = token
        if token.hot_score is not None:
            self._adopt_score(token.mint, token.hot_score, is_first=before is None)
        if before is not None:
            self._add_volume_growth(before, token)
        while len(self.tokens) > self.limit:
            self._forget_token(next(iter(self.tokens)))

    def _adopt_score(self, mint: Mint, published: float, *, is_first: bool) -> None:
        """A restarted actor goes on from the scores that its earlier life has published."""
        self.has_scores.set()
        own = self.scores.get(mint)
        if own is None:
            self.scores[mint] = published
        elif is_first:  # own: the trades since the restart
            self.scores[mint] = add_scores(published, own)
        else:  # scores only grow, so that a greater one was still on its way at the restart
            self.scores[mint] = max(published, own)

    def _add_volume_growth(self, before: Token, token: Token) -> None:
        if before.volume_24h_sol is None or token.volume_24h_sol is None:
            return
        growth = token.volume_24h_sol - before.volume_24h_sol
        seen_at = token.last_updated_at or token.first_seen_at
        streamed_at = self.streamed_at.get(token.mint, -STREAM_TRUST_SECONDS)
        if growth > 0 and seen_at - streamed_at > STREAM_TRUST_SECONDS:
            self._add_trade(token.mint, Sol(growth), seen_at)

    def _add_trade(self, mint: Mint, sol: Sol, at: UnixSeconds) -> None:
        half_life = self.context.settings.hot_score.half_life_seconds
        self.scores[mint] = add_trade(self.scores.get(mint), sol, at, half_life)
        self.changed.add(mint)
        self.has_scores.set()

    def _forget_token(self, mint: Mint) -> None:
        self.tokens.pop(mint, None)
        self.scores.pop(mint, None)
        self.streamed_at.pop(mint, None)
        self.changed.discard(mint)

    # One run.

    async def publish_scores(self) -> None:
        """Send the changed scores of the hottest tokens; the others keep until the next run.

        So do those of tokens that sync has not told of yet: what it will tell is to be added.
        """
        self._forget_strangers()
        self._forget_unretained()
        changed = sorted(self.changed & self.tokens.keys())
        hottest = nlargest(
            self.context.settings.hot_score.tokens, changed, key=self.scores.__getitem__
        )
        updated = 0
        for mint in hottest:
            updated += await self._send_if_changed(mint)
        await self._mark_silent()
        self.context.environment.log.info(
            "hot scores updated", updated=updated, skipped=len(hottest) - updated
        )

    def _forget_strangers(self) -> None:
        """Scores of tokens that sync has not published; new ones may only be on their way."""
        oldest = self.context.environment.clock() - STREAM_TRUST_SECONDS
        for mint in self.scores.keys() - self.tokens.keys():
            if self.streamed_at.get(mint, 0.0) <= oldest:
                self._forget_token(mint)

    def _forget_unretained(self) -> None:
        now = self.context.environment.clock()
        for mint in [t.mint for t in self.tokens.values() if not is_retained(t, now)]:
            self._forget_token(mint)

    async def _send_if_changed(self, mint: Mint) -> bool:
        known = self.tokens.get(mint)
        if known is None:  # forgotten while others were sent
            return False
        score = self.scores[mint]
        told = round(score, SCORE_DECIMALS)
        if known.hot_score == told:
            self.changed.discard(mint)
            self.counts["unchanged"] += 1
            return False
        await self.context.mail.send_update(
            mint, {"hot_score": told}
        )  # a drain may end it, and publish anew
        if self.scores.get(mint) == score:  # else a trade has come meanwhile
            self.changed.discard(mint)
        self.counts["updated"] += 1
        return True

    async def _mark_silent(self) -> None:
        now = self.context.environment.clock()
        for token in list(self.tokens.values()):
            is_news = is_silent(token, now) and not token.silent
            if is_news and not self._was_just_heard(token, now):
                await self.context.mail.send_update(token.mint, {"silent": True})
                self.counts["silenced"] += 1

    def _was_just_heard(self, token: Token, now: UnixSeconds) -> bool:
        """True when a trade is known here that sync has not told of yet."""
        return now - self.streamed_at.get(token.mint, -inf) < SILENT_AFTER_SECONDS
