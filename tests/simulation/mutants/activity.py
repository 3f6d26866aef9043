"""Mistakes in actors/activity.py."""

from tests.simulation.mutation import Mutant
from tests.simulation.plans import DEPARTURE, LONG_CALM

MUTANTS = (
    Mutant(
        name="goes-idle-too-late",
        where="actors.activity:ActivityMonitor._quiet_until",
        before="self.last_sign.at + self.settings.idle_after_seconds",
        after="self.last_sign.at + 2 * self.settings.idle_after_seconds",
        plan=DEPARTURE,
    ),
    Mutant(
        name="counts-only-grow",
        where="actors.activity:ActivityMonitor._note_client",
        before="self.watched.get(presence.client, set()).discard(presence.mint)",
        after="pass",
        plan=LONG_CALM,
    ),
    Mutant(
        name="tells-no-zero",
        where="actors.activity:ActivityMonitor._note_counts_due",
        before="self.count_watchers().keys() | self.memory.counts_sent.keys()",
        after="self.count_watchers().keys()",
        plan=LONG_CALM,
    ),
    Mutant(
        name="tells-no-counts-at-all",
        where="actors.activity:ActivityMonitor._meet_deadlines",
        before="self._send_counts()",
        after="pass",
        plan=LONG_CALM,
    ),
    Mutant(
        name="tells-one-reader-alone",
        where="actors.activity:ActivityMonitor._announce_change",
        before="self.uninformed = list(self.outboxes.control)",
        after="self.uninformed = list(self.outboxes.control[:1])",
        plan=DEPARTURE,
    ),
)
