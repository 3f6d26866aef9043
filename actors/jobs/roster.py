"""Which tokens a job should ask the world about next: by interest, by age, and not too often.

Most of a run goes to the most interesting tokens, the rest to those that have waited longest for
an answer: else what is never among the first would never be asked about.

A job's own picture of the tokens, filled by `TokensPublished`. Two kinds of tokens are asked about
less and less often:

- Absent: the provider does not know it. Up to an hour; any sign of life (a trade, a new status)
  makes it due at once, so that no negative answer hides a coin that graduates meanwhile.
- Refused: requests for it fail. Up to six hours; only a new status makes it due at once, since a
  coin that is too large to be counted is traded all the time. It comes last in its run, so that
  it is in nobody's way.
"""

from collections.abc import Container, Iterable
from heapq import nlargest

from attrs import Factory, define

from config.settings import Settings
from domain.lifecycle import is_retained
from domain.scoring import add_trade
from domain.token import Token
from domain.values import Mint, Sol, UnixSeconds

BIRTH_SOL = Sol(0.1)  # the interest in a birth, as the trade that would earn the same score
LONGEST_ABSENCE_SECONDS = 3600.0
LONGEST_REFUSAL_SECONDS = 6 * 3600.0
MOST_DOUBLINGS = 20  # of an interval; any interval is longer than the longest wait by then
DUE_EARLY = 0.9  # of the wait, so that a run that starts a little early finds the token due
WAITING_PART = 4  # one place in four is for those that have waited longest
SILENT_PATIENCE = 10  # how much longer a silent token waits


@define
class _Entry:
    token: Token
    waits_since: float
    due_at: float = 0.0
    absences: int = 0  # answers in a row that did not know the token
    refusals: int = 0  # requests in a row that failed because of the token
    is_suspect: bool = False  # the last request for it alone has failed

    def count_waited_seconds(self, now: UnixSeconds) -> float:
        """Seconds without an answer; a silent token's count less, most never trade again."""
        return (now - self.waits_since) / (SILENT_PATIENCE if self.token.silent else 1)

    @property
    def is_asked_less(self) -> bool:
        return self.absences > 0 or self.refusals > 0

    def postpone(
        self, now: UnixSeconds, interval_seconds: float, doublings: int, longest_seconds: float
    ) -> None:
        """Do not ask for an interval, doubled so many times, up to the longest wait."""
        seconds = interval_seconds * 2.0 ** min(doublings, MOST_DOUBLINGS)
        self.due_at = now + DUE_EARLY * min(seconds, max(longest_seconds, interval_seconds))


@define
class Roster:
    """At most `limit` tokens; the one heard of longest ago goes first."""

    limit: int
    half_life_seconds: float
    entries: dict[Mint, _Entry] = Factory(dict)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Roster":
        """The roster of a job, as large as the settings let the service be."""
        return cls(settings.tracking.tokens, settings.hot_score.half_life_seconds)

    def learn_token(self, token: Token) -> Token | None:
        """Take the token as it now is; returns what was known of it before."""
        entry = self.entries.pop(token.mint, None)
        before = entry.token if entry else None
        entry = entry or _Entry(token, waits_since=token.first_seen_at)
        if before and entry.is_asked_less and _ends_waiting(entry, before, token):
            entry.due_at, entry.absences, entry.refusals = 0.0, 0, 0
        entry.token = token
        self.entries[token.mint] = entry  # at the end: heard of last
        if len(self.entries) > self.limit:
            del self.entries[next(iter(self.entries))]
        return before

    def pick_tokens(self, count: int, now: UnixSeconds) -> list[Token]:
        """`count` tokens that are due and still on the feed, the most interesting first.

        Those of which the last request failed come after all others.
        """
        due = [e for e in self.entries.values() if e.due_at <= now and is_retained(e.token, now)]
        waiting_places = count // WAITING_PART
        chosen = nlargest(count - waiting_places, due, key=lambda e: self.rank_interest(e.token))
        mints = {entry.token.mint for entry in chosen}
        others = (entry for entry in due if entry.token.mint not in mints)
        chosen += nlargest(waiting_places, others, key=lambda e: e.count_waited_seconds(now))
        chosen.sort(key=lambda entry: entry.is_suspect)
        return [entry.token for entry in chosen]

    def rank_interest(self, token: Token) -> tuple[int, bool, float]:
        """Watched tokens first, then by hot score; a birth counts like a small trade.

        Silent tokens come last, not never: where no trade stream reaches the service, only an
        answer tells that one is traded again.
        """
        birth = add_trade(None, BIRTH_SOL, token.first_seen_at, self.half_life_seconds)
        score = birth if token.hot_score is None else max(birth, token.hot_score)
        return token.watcher_count, not token.silent, score

    def note_answers(
        self,
        mints: Iterable[Mint],
        known: Container[Mint],
        now: UnixSeconds,
        interval_seconds: float,
    ) -> None:
        """The provider has answered about `mints`, and knows those that are `known`."""
        for mint in mints:
            if entry := self.entries.get(mint):
                entry.waits_since = now
                entry.absences = 0 if mint in known else entry.absences + 1
                entry.refusals, entry.is_suspect = 0, False
                entry.postpone(now, interval_seconds, entry.absences, LONGEST_ABSENCE_SECONDS)

    def note_refusals(
        self, mints: Iterable[Mint], now: UnixSeconds, interval_seconds: float
    ) -> None:
        """The provider answers about others, but not about any of `mints`."""
        for mint in mints:
            if entry := self.entries.get(mint):
                entry.waits_since = now
                entry.refusals += 1
                entry.is_suspect = True
                entry.postpone(now, interval_seconds, entry.refusals, LONGEST_REFUSAL_SECONDS)

    def note_failures(self, mints: Iterable[Mint]) -> None:
        """The provider answers nobody; if it was because of these, they come last next time."""
        for mint in mints:
            if entry := self.entries.get(mint):
                entry.is_suspect = True

    def forget_unretained(self, now: UnixSeconds) -> None:
        """Drop the tokens that are off the feed for good."""
        gone = [m for m, entry in self.entries.items() if not is_retained(entry.token, now)]
        for mint in gone:
            del self.entries[mint]


def _ends_waiting(entry: _Entry, before: Token, now: Token) -> bool:
    """True if what is new of a token may change the answer that it has got so far."""
    is_traded = before.last_trade_at != now.last_trade_at
    return before.status != now.status or (is_traded and entry.refusals == 0)
