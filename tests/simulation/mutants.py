"""Mistakes that somebody could make, each with the plan in which the simulation catches it."""

from tests.simulation.mutation import Mutant

MUTANTS = (
    # Sync: the append.
    Mutant(
        name="shown-before-it-is-durable",
        module="actors.sync.appender",
        before="self.life.memory.in_flight = news",
        after="""
if True:
    self.life.memory.in_flight = news
    table = self.life.table
    self.life.publish([m for m, seen in news.items() if table.apply_observations(m, seen)])
""",
    ),
    Mutant(
        name="forgets-an-append-that-failed",
        module="actors.sync.appender",
        before="self.life.memory.take_back_in_flight()",
        after="self.life.memory.in_flight.clear()",
        schedule=",".join(f"redis-down@{at}+2" for at in range(100, 1000, 15)),
        hours=0.3,
    ),
    Mutant(
        name="believes-any-epoch",
        module="actors.sync.appender",
        before="epoch != self.epoch",
        after="epoch == ''",
        schedule="redis-emptied@150+0,process-killed@200+0",
        hours=0.2,
    ),
    Mutant(
        name="puts-nothing-back",
        module="actors.sync.appender",
        before="await self.life.stores.buffer.append_observations(dict(part), forced=True)",
        after="await self.life.stores.buffer.append_observations({}, forced=True)",
        schedule="redis-emptied@150+0",
        hours=0.2,
    ),
    # Sync: the flush.
    Mutant(
        name="clears-what-it-never-wrote",
        module="actors.sync.flusher",
        before="receipts, refused = await self.life.stores.store.write_changes(changes)",
        after="receipts, refused = await self.life.stores.store.write_changes(changes[1:])",
        hours=0.2,
    ),
    Mutant(
        name="forgets-what-came-after-the-read",
        module="actors.sync.table",
        before="held.newest > read_at",
        after="held.newest < read_at",
        schedule="redis-slow@290+60,redis-emptied@330+0",
        hours=0.2,
        seed=2,
    ),
    Mutant(
        name="flush-fails-for-good",
        module="actors.sync.flusher",
        before="self.life.counts['failed_flushes'] += 1",
        after="raise error",
        schedule="postgres-down@280+60",
        hours=0.2,
    ),
    # Ingest.
    Mutant(
        name="announces-before-a-store-has-it",
        module="actors.ingest.admission",
        before="self.is_busy = True",
        after="""
if True:
    self.is_busy = True
    self._post_taken(TokensTaken(offered=tokens, stored=tokens, then=self._note_announced))
""",
    ),
    Mutant(
        name="the-spool-is-never-read",
        module="actors.ingest.spool",
        before="self.life.stores.buffer.read_spooled(most)",
        after="self.life.stores.buffer.read_spooled(0)",
        schedule="postgres-down@100+60,process-restarted@130+0",
        hours=0.2,
    ),
    # Mailboxes and supervision.
    Mutant(
        name="a-mailbox-handles-uncounted",
        module="supervision.mailbox",
        before="self._counters.handled += len(self._in_hand)",
        after="pass",
        hours=0.1,
    ),
    Mutant(
        name="a-crash-loses-what-was-in-hand",
        module="supervision.mailbox",
        before="self._returned.extendleft(reversed(innocent))",
        after="None",
        schedule=",".join(f"actor-crashed@{at}+0" for at in range(70, 700, 6)),
        hours=0.25,
    ),
    Mutant(
        name="a-drain-waits-for-ever",
        module="actors.sync.draining",
        before="self.is_draining = True",
        after="self.is_draining = False",
        schedule="process-restarted@100+0",
        hours=0.1,
    ),
    # The clock.
    Mutant(
        name="the-clock-goes-back",
        module="supervision.clock",
        before="""
self._now = max(wall, self._now + CATCH_UP_SPEED * elapsed_seconds * (wall < self._now))
""",
        after="self._now = wall",
        schedule="clock-back@200+3000",
        hours=0.3,
    ),
    # Activity and jobs.
    Mutant(
        name="jobs-work-while-idle",
        module="actors.jobs.switch",
        before="return self.memory.active",
        after="return True",
        schedule="clients-away@61+1500",
        hours=0.45,
    ),
    Mutant(
        name="idle-too-late",
        module="actors.activity",
        before="return self.last_sign.at + self.settings.idle_after_seconds",
        after="return self.last_sign.at + 2 * self.settings.idle_after_seconds",
        schedule="clients-away@61+1500",
        hours=0.4,
    ),
    # The feed.
    Mutant(
        name="a-delta-leaves-a-removal-out",
        module="feed.board",
        before="gone = [mint for mint in before if mint not in self.published]",
        after="gone = [mint for mint in before if mint not in self.published][1:]",
        hours=0.3,
    ),
    Mutant(
        name="a-resume-misses-a-delta",
        module="feed.board",
        before="missed = takewhile(lambda kept: kept[0] > offset, reversed(self._deltas))",
        after="missed = takewhile(lambda kept: kept[0] > offset + 1, reversed(self._deltas))",
        schedule=",".join(f"clients-vanish@{at}+0" for at in range(70, 700, 10)),
        hours=0.2,
    ),
)
