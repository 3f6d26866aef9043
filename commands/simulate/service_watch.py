"""What must hold of a process as a whole: nobody waits for long, and what it says of itself is so.

Life, Link, Feed -> ServiceWatch -> violations, by the numbers of invariants.py
"""

import trio
from attrs import define

from commands.simulate.invariants import InvariantWatch
from commands.simulate.life import Life
from commands.simulate.outside import SUBSCRIBING_SECONDS, Feed
from feed.board import BOARD_NAMES

LONGEST_WAIT_SECONDS = 10.0  # of a message in a mailbox, whatever store or source is away
LONGEST_STALENESS_SECONDS = 60.0  # beyond two intervals of the flushes
AWAY_SECONDS = 20.0  # without an answer of a store; somebody asks it twice as often
HEARD_SECONDS = 10.0  # a stream that has told something since is there
LATEST_QUESTION_SECONDS = 630.0  # until a provider is asked again, and so found to be there
DRAIN_GRACE_SECONDS = 0.5  # past the deadline, until a drain counts as stuck
SETTLED_SECONDS = 60.0  # after a start
REPLIES_BYTES = 2_000  # which are never dropped
LONGEST_SILENCE_SECONDS = 100.0  # of a connection; the setting is 60


@define(kw_only=True)
class ServiceWatch:
    """Looks at the process that runs now, every now and then."""

    invariants: InvariantWatch

    def check_life(self, life: Life) -> None:
        self._check_waits(life)
        self._check_words(life)
        self._check_staleness(life)
        self.check_drain(life)
        for feed in life.universe.feeds:
            self._check_feed(feed)

    def check_drain(self, life: Life) -> None:
        """A drain ends inside its deadline (invariant 11)."""
        if life.drain_began_at is None or self.invariants.is_disturbed:
            return
        seconds = trio.current_time() - life.drain_began_at
        if seconds > life.settings.shutdown.deadline_seconds + DRAIN_GRACE_SECONDS:
            self.invariants.report(f"11: a drain has lasted for {seconds:.1f} s")

    def _is_settled(self, life: Life) -> bool:
        is_old = trio.current_time() - life.began_at > SETTLED_SECONDS
        return self.invariants.is_calm and is_old and life.drain_began_at is None

    def _check_waits(self, life: Life) -> None:
        """No message waits while its reader does something else (invariant 8)."""
        if self.invariants.is_disturbed:
            return
        for box in life.all_mailboxes:
            waited = box.statistics().oldest_age_seconds
            if waited > LONGEST_WAIT_SECONDS:
                self.invariants.report(f"8: a message waits in {box.name} for {waited:.0f} s")

    def _check_words(self, life: Life) -> None:
        """It is ready when it says so, and names what is away (invariant 13)."""
        told = life.readiness.list_away()
        if self._is_settled(life):
            for problem in (*life.readiness.reasons(), *sorted(told & self._list_sound(life))):
                self.invariants.report(f"13: it finds fault with {problem} while all is well")
        if not self.invariants.count_idle_seconds() and not self.invariants.is_disturbed:
            for link in (life.postgres, life.redis):
                is_away = trio.current_time() - link.answered_at > AWAY_SECONDS
                if link.is_down and is_away and link.name not in told:
                    self.invariants.report(f"13: it does not say that {link.name} is away")

    def _list_sound(self, life: Life) -> set[str]:
        """What answers for so long that it cannot be thought away: stores, streams, providers."""
        now, universe = trio.current_time(), life.universe
        sound = {life.postgres.name, life.redis.name}
        sound.update(feed.name for feed in universe.feeds if now - feed.heard_at < HEARD_SECONDS)
        if now - self.invariants.troubled_until > LATEST_QUESTION_SECONDS:
            sound |= {universe.quotes.name, universe.holders.name}
        return sound

    def _check_staleness(self, life: Life) -> None:
        """While somebody looks no value waits for Postgres for long (invariant 4)."""
        longest = 2 * life.settings.sync.interval_seconds + LONGEST_STALENESS_SECONDS
        if not self._is_settled(life) or self.invariants.count_active_seconds() < longest:
            return
        data, stored = life.universe.redis.data, life.universe.database.tokens
        for mint, since in data.dirty_since.items():
            is_parked = mint not in stored and mint not in data.spool.rows  # no birth to wait for
            waited = life.clock() - since / 1e6
            if waited > longest and not is_parked:
                self.invariants.report(f"4: {mint} waits for Postgres since {waited:.0f} s")

    def check_queues(self, life: Life) -> None:
        """What is queued for a client is bounded (invariant 8)."""
        hub = life.find_hub()
        most = life.settings.gateway.client_queue_bytes + REPLIES_BYTES
        for session in hub.sessions.values() if hub is not None else ():
            owed = session.outgoing.queued_bytes
            if hub is not None and owed > most:  # then it is a single snapshot
                snapshots = (len(hub.boards.snapshot_message(name)) for name in BOARD_NAMES)
                if owed > max(snapshots) + REPLIES_BYTES:
                    self.invariants.report(f"8: {owed} bytes wait for client {session.client}")

    def _check_feed(self, feed: Feed) -> None:
        """A stream that is connected hears what it wants to, or connects again (invariant 2)."""
        now = trio.current_time()
        if not feed.is_connected or now - feed.connected_at < SUBSCRIBING_SECONDS:
            return
        silent = now - max(feed.heard_at, feed.connected_at)
        if silent > LONGEST_SILENCE_SECONDS:
            self.invariants.report(f"2: {feed.name} has been silent for {silent:.0f} s")
        missing = feed.find_unsubscribed()
        if missing is not None:
            self.invariants.report(f"2: {feed.name} is not subscribed to {missing}")
