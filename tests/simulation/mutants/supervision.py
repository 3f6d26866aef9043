"""Mistakes in supervision."""

from tests.simulation.mutation import Mutant
from tests.simulation.plans import (
    CLOCK_BACK,
    CRASHES,
    IDLE_CRASHES,
    POSTGRES_AWAY,
    POSTGRES_AWAY_LONG,
    RESTARTS,
)

MUTANTS = (
    # Mailboxes.
    Mutant(
        name="a-mailbox-handles-uncounted",
        where="supervision.mailbox:Mailbox.mark_handled",
        before="self._counters.handled += len(self._in_hand)",
        after="pass",
    ),
    Mutant(
        name="a-crash-loses-what-was-in-hand",
        where="supervision.mailbox:Mailbox.offer_again",
        before="self._returned.extendleft(reversed(innocent))",
        after="pass",
        plan=CRASHES,
    ),
    # Desks.
    Mutant(
        name="a-retry-does-not-wait",
        where="supervision.desk:Retry.begin_wait",
        before="self.backoff.next_wait_seconds()",
        after="0.0",
        plan=POSTGRES_AWAY,
    ),
    Mutant(
        name="a-wait-grows-for-ever",
        where="domain.backoff:Backoff.next_wait_seconds",
        before="min(self.first_seconds * 2.0**doublings, self.longest_seconds)",
        after="self.first_seconds * 2.0**doublings",
        plan=POSTGRES_AWAY_LONG,
    ),
    Mutant(
        name="a-wait-never-grows",
        where="domain.backoff:Backoff.next_wait_seconds",
        before="self.attempts += 1",
        after="pass",
        plan=POSTGRES_AWAY_LONG,
    ),
    Mutant(
        name="mail-is-never-wanted-again",
        where="supervision.desk:Desk.take_note",
        before="self._is_mail_in_hand and self.takes_mail",
        after="self._is_mail_in_hand and not self.takes_mail",
    ),
    # Readiness.
    Mutant(
        name="an-outage-never-ends",
        where="supervision.readiness:Readiness.report_outage",
        before="dependency.problems.pop(reporter, None)",
        after="pass",
        plan=POSTGRES_AWAY,
    ),
    Mutant(
        name="an-outage-is-not-told",
        where="supervision.desk:Caller._report",
        before="self.conditions.report_outage(self.name, self.reporter, problem)",
        after="pass",
        plan=POSTGRES_AWAY,
    ),
    Mutant(
        name="is-ready-in-a-drain",
        where="supervision.readiness:Readiness.drain",
        before="self._draining = True",
        after="pass",
        plan=RESTARTS,
    ),
    # The supervisor.
    Mutant(
        name="a-job-forgets-that-the-system-is-idle",
        where="wiring.children:Composition._build_job",
        before="memory",
        after="JobMemory()",
        plan=IDLE_CRASHES,
    ),
    Mutant(
        name="drains-sinks-before-sources",
        where="supervision.supervisor:Supervisor._drain_children",
        before="enumerate(self.children)",
        after="enumerate(self.children[::-1])",
        plan=RESTARTS,
    ),
    Mutant(
        name="gives-an-actor-no-time-to-finish",
        where="supervision.supervisor:Supervisor._drain_child",
        before="child.spec.inboxes",
        after="False",
        plan=RESTARTS,
    ),
    # The clock.
    Mutant(
        name="the-clock-goes-back",
        where="supervision.clock:SteadyClock.__call__",
        before="""
self._now = max(wall, self._now + CATCH_UP_SPEED * elapsed_seconds * (wall < self._now))
""",
        after="self._now = wall",
        plan=CLOCK_BACK,
    ),
)
