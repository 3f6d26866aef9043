"""Which tokens a job should ask the world about next: by interest, by age, and not too often.

Most of a run goes to the most interesting tokens, the rest to those that have waited longest for
an answer: else what is never among the first would never be asked about.

A job's own picture of the tokens, filled by `TokenPublished`. A token that the world does not
know is asked for less and less often, up to an hour; any sign of life (a trade, a new status)
makes it due at once, so that no negative answer hides a coin that graduates meanwhile.
"""

from collections.abc import Iterable
from heapq import nlargest

from attrs import Factory, define

from domain.lifecycle import is_retained
from domain.scoring import with_trade
from domain.token import Token
from domain.values import Mint, Sol, UnixSeconds

BIRTH_SOL = Sol(0.1)  # the interest in a birth, as the trade that would earn the same score
LONGEST_ABSENCE_SECONDS = 3600.0
WAITING_PART = 4  # one place in four is for those that have waited longest
SILENT_PATIENCE = 10  # how much longer a silent token waits


@define
class _Entry:
    token: Token
    waits_since: float
    due_at: float = 0.0
    absences: int = 0  # answers in a row that did not know the token

    def waited(self, now: UnixSeconds) -> float:
        """Seconds without an answer; fewer for a silent token, most of which stay so for good."""
        return (now - self.waits_since) / (SILENT_PATIENCE if self.token.silent else 1)


@define
class Roster:
    """At most `limit` tokens; the one heard of longest ago goes first."""

    limit: int
    half_life_seconds: float
    entries: dict[Mint, _Entry] = Factory(dict)

    def learn(self, token: Token) -> Token | None:
        """Take the token as it now is; returns what was known of it before."""
        entry = self.entries.pop(token.mint, None)
        before = entry.token if entry else None
        entry = entry or _Entry(token, waits_since=token.first_seen_at)
        if before and _is_sign_of_life(before, token):
            entry.due_at = entry.due_at if entry.absences == 0 else 0.0
            entry.absences = 0
        entry.token = token
        self.entries[token.mint] = entry  # at the end: heard of last
        if len(self.entries) > self.limit:
            del self.entries[next(iter(self.entries))]
        return before

    def pick(self, count: int, now: UnixSeconds) -> list[Token]:
        """`count` tokens that are due and still on the feed, the most interesting first."""
        due = [e for e in self.entries.values() if e.due_at <= now and is_retained(e.token, now)]
        waiting_places = count // WAITING_PART
        chosen = nlargest(count - waiting_places, due, key=lambda e: self.interest(e.token))
        mints = {entry.token.mint for entry in chosen}
        others = (entry for entry in due if entry.token.mint not in mints)
        chosen += nlargest(waiting_places, others, key=lambda entry: entry.waited(now))
        return [entry.token for entry in chosen]

    def interest(self, token: Token) -> tuple[int, bool, float]:
        """Watched tokens first, then by hot score; a birth counts like a small trade.

        Silent tokens come last, not never: where no trade stream reaches the service, only an
        answer tells that one is traded again.
        """
        birth = with_trade(None, BIRTH_SOL, token.first_seen_at, self.half_life_seconds)
        score = birth if token.hot_score is None else max(birth, token.hot_score)
        return token.watcher_count, not token.silent, score

    def asked(
        self,
        mints: Iterable[Mint],
        known: Iterable[Mint],
        now: UnixSeconds,
        interval_seconds: float,
    ) -> None:
        """Note an answer: `known` are those of `mints` that the world knew."""
        answered = set(known)
        for mint in mints:
            if entry := self.entries.get(mint):
                entry.waits_since = now
                entry.absences = 0 if mint in answered else entry.absences + 1
                wait = interval_seconds * 2 ** min(entry.absences, 20)
                # Due a little early, so that a run that starts on time finds it due.
                entry.due_at = now + 0.9 * min(wait, max(LONGEST_ABSENCE_SECONDS, interval_seconds))

    def forget_unretained(self, now: UnixSeconds) -> None:
        """Drop the tokens that are off the feed for good."""
        gone = [m for m, entry in self.entries.items() if not is_retained(entry.token, now)]
        for mint in gone:
            del self.entries[mint]


def _is_sign_of_life(before: Token, now: Token) -> bool:
    return before.status != now.status or before.last_trade_at != now.last_trade_at
