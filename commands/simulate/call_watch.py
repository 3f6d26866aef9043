"""What must hold of the calls that a process makes: to its stores, and to the providers.

LinkedStore, Link, SimulatedProvider -> CallWatch -> violations, by the numbers of invariants.py
"""

from collections import deque
from collections.abc import Iterable, Sequence
from math import inf

import trio
from attrs import define, field

from commands.simulate.invariants import BEGUN_SECONDS, InvariantWatch
from domain.messages import TokenUpdated
from domain.precision import round_value
from domain.values import Mint, Version
from store import StoredChange

MOST_REFUSED_A_MINUTE = 200  # calls to a store that is away; every caller's waits grow to 10 s
MOST_UNANSWERED = 5  # calls in a row to a provider, and within a minute
DUE_SHARE = 0.8  # of a job's interval, until a token may be asked about again
FRESH_SECONDS = 3.0  # from an activation to the first question
# What the streams say, and what that is worth; and who watches.
NEVER_IDLE = ("ingest", "market-data sol-price", "activity")
LAZY_JOBS = ("hot-score", "holder-count")  # they tell what has changed, and nothing else


@define(kw_only=True)
class CallWatch:
    """Hears of every call."""

    invariants: InvariantWatch
    intervals_seconds: dict[str, float]  # by provider: of the job that asks it
    refused_at: dict[str, deque[float]] = field(factory=dict, init=False)  # by server
    written: dict[int, Version] = field(factory=dict, init=False)  # by token id
    asked_at: dict[str, float] = field(factory=dict, init=False)  # by provider
    unanswered: dict[str, deque[float]] = field(factory=dict, init=False)  # by provider
    answered_at: dict[tuple[str, Mint], float] = field(factory=dict, init=False)

    def note_start(self) -> None:
        """A process begins, and has asked nobody anything."""
        self.answered_at.clear()
        self.unanswered.clear()
        self.refused_at.clear()

    # Stores.

    def note_refused(self, server: str) -> None:
        """A store is away: those who call it do so less and less often (invariant 8)."""
        calls = self.refused_at.setdefault(server, deque())
        _note_within_a_minute(calls)
        if len(calls) > MOST_REFUSED_A_MINUTE:
            calls.clear()
            self.invariants.report(f"8: {server} is away, and is called again and again")

    def note_written(self, changes: Sequence[StoredChange], *, is_draining: bool) -> None:
        """A flush writes what has changed, once, and while idle hardly anything (6 and 7)."""
        for token_id, change in changes:
            before = self.written.get(token_id, -inf)
            self.written[token_id] = change.version
            if change.version <= before and self.invariants.is_calm:
                self.invariants.report(f"6: {change.mint} is written again, and has not changed")
            is_idle = self.invariants.count_idle_seconds() > BEGUN_SECONDS and not is_draining
            # What Postgres has lost is written again at once, whoever looks; and the last flush
            # of all is repeated where Redis did not take that it was written.
            is_regaining = trio.current_time() <= self.invariants.regained_until
            is_excused = is_regaining or self.invariants.is_losing
            if is_idle and not is_excused and "status" not in change.values:
                self.invariants.report(f"7: {change.mint} is written while idle")

    # What the jobs tell.

    def note_update(self, message: object, *, is_draining: bool) -> None:
        """Jobs tell nothing while idle, some of them nothing that is known (6 and 7)."""
        if not isinstance(message, TokenUpdated) or message.origin.startswith(NEVER_IDLE):
            return
        if self.invariants.count_idle_seconds() > BEGUN_SECONDS and not is_draining:
            self.invariants.report(f"7: {message.origin} tells of {message.mint} while idle")
        if not message.origin.startswith(LAZY_JOBS):
            return
        token = self.invariants.shown.get(message.mint)
        known = [
            token is not None and getattr(token, name) == round_value(name, value)
            for name, value in message.values.items()
        ]
        if all(known) and self.invariants.is_calm:
            self.invariants.report(f"6: {message.origin} tells what is known of {message.mint}")

    # Providers.

    def note_asked(self, provider: str, mints: Iterable[Mint]) -> None:
        """Nobody is asked while idle, nor too often (invariants 7 and 8)."""
        self.invariants.note_provider_call(provider)
        now = trio.current_time()
        self.asked_at[provider] = now
        calls = self.unanswered.setdefault(provider, deque())
        _note_within_a_minute(calls)
        if len(calls) > MOST_UNANSWERED:
            self.invariants.report(f"8: {provider} is away, and is asked again and again")
        due_seconds = DUE_SHARE * self.intervals_seconds[provider]
        for mint in mints if not self.invariants.is_disturbed else ():
            waited = now - self.answered_at.get((provider, mint), -inf)
            if waited < due_seconds:
                self.invariants.report(f"8: {provider} has told of {mint} {waited:.0f} s ago")

    def note_answered(self, provider: str, mints: Iterable[Mint]) -> None:
        self.unanswered.pop(provider, None)
        now = trio.current_time()
        self.answered_at |= {(provider, mint): now for mint in mints}

    def check_freshness(self, provider: str) -> None:
        """Who comes after an idle time gets fresh data (invariant 7)."""
        since, idled = self.invariants.active_since, self.invariants.idled_seconds
        is_late = trio.current_time() - since > FRESH_SECONDS
        was_long = idled > self.intervals_seconds[provider]
        if is_late and was_long and self.invariants.is_calm:
            asked = self.asked_at.get(provider, -inf)
            if asked < since:
                self.invariants.report(f"7: {provider} is not asked although somebody has come")


def _note_within_a_minute(calls: deque[float]) -> None:
    """Add a call now, and forget those of more than a minute ago."""
    now = trio.current_time()
    calls.append(now)
    while calls[0] < now - 60.0:
        calls.popleft()
