"""Mistakes in actors/sync."""

from tests.simulation.mutation import Mutant
from tests.simulation.plans import (
    CLOCK_BACK_BEFORE_RESTART,
    DEPARTURE,
    KILLED_AFTER_A_SLOW_FLUSH,
    KILLED_IN_A_SLOW_FLUSH,
    LONG_CALM,
    POSTGRES_AWAY,
    REDIS_AWAY_AT_RESTART,
    REDIS_EMPTIED,
    REDIS_EMPTIED_WHILE_SLOW,
    REDIS_EMPTIED_WHILE_SPOOLING,
    REDIS_FLICKERS,
    RESTARTS,
)

MUTANTS = (
    # The append.
    Mutant(
        name="shows-an-update-before-it-is-durable",
        where="actors.sync.appender:Appender.append_next",
        before="self.life.memory.in_flight = news",
        after="""
self.life.memory.in_flight = news
table = self.life.table
self.life.publish([m for m, seen in news.items() if table.apply_observations(m, seen)])
""",
    ),
    Mutant(
        name="forgets-an-append-that-failed",
        where="actors.sync.appender:Appender._note_failure",
        before="self.life.memory.take_back_in_flight()",
        after="self.life.memory.in_flight.clear()",
        plan=REDIS_FLICKERS,
    ),
    Mutant(
        name="tries-an-append-again-without-a-wait",
        where="actors.sync.appender:Appender._note_failure",
        before="self.retry.begin_wait()",
        after="self.append_next()",
        plan=REDIS_FLICKERS,
    ),
    Mutant(
        name="gives-an-append-up-after-one-failure",
        where="actors.sync.appender:Appender.try_again",
        before="self.retry.end_wait()",
        after="pass",
        plan=REDIS_FLICKERS,
    ),
    Mutant(
        name="believes-any-epoch",
        where="actors.sync.appender:Appender.note_epoch",
        before="epoch != self.epoch",
        after="epoch == ''",
        plan=REDIS_EMPTIED,
    ),
    Mutant(
        name="puts-nothing-back",
        where="actors.sync.appender:Appender._give_back",
        before="await buffer.append_observations(dict(part), forced=True)",
        after="await buffer.append_observations({}, forced=True)",
        plan=REDIS_EMPTIED,
    ),
    Mutant(
        name="puts-back-no-new-tokens",
        where="actors.sync.life:SyncLife.spool_tokens",
        before="await self.stores.buffer.spool_tokens(part)",
        after="pass",
        plan=REDIS_EMPTIED_WHILE_SPOOLING,
    ),
    Mutant(
        name="shows-only-the-first-token-of-an-append",
        where="actors.sync.appender:Appender.show_changes",
        before="self.life.publish(visible)",
        after="self.life.publish(visible[:1])",
    ),
    Mutant(
        name="takes-only-what-is-shown-for-unflushed",
        where="actors.sync.table:TokenTable.apply_observations",
        before="held.take_newer(accepted)",
        after="held.newest = accepted.newest",
        plan=REDIS_EMPTIED,
    ),
    # The flush.
    Mutant(
        name="clears-what-it-never-wrote",
        where="actors.sync.flusher:Flusher._write_to_store",
        before="receipts, refused = await self.life.stores.store.write_changes(changes)",
        after="receipts, refused = await self.life.stores.store.write_changes(changes[1:])",
    ),
    Mutant(
        name="clears-before-it-is-written",
        where="actors.sync.flusher:Flusher._write_to_store",
        before="receipts, refused = await self.life.stores.store.write_changes(changes)",
        after="""
await self.life.stores.buffer.clear_flushed([change for _, change in changes])
receipts, refused = await self.life.stores.store.write_changes(changes)
""",
        plan=KILLED_IN_A_SLOW_FLUSH,
    ),
    Mutant(
        name="clears-a-later-version",
        where="actors.sync.flusher:Flusher._clear_settled",
        before="await self.life.stores.buffer.clear_flushed(settled)",
        after="""
an_hour = 3_600_000_000
later = [change._replace(version=change.version + an_hour) for change in settled]
await self.life.stores.buffer.clear_flushed(later)
""",
        plan=KILLED_AFTER_A_SLOW_FLUSH,
    ),
    Mutant(
        name="never-clears-what-it-has-written",
        where="actors.sync.flusher:Flusher._clear_settled",
        before="await self.life.stores.buffer.clear_flushed(settled)",
        after="pass",
        plan=LONG_CALM,
    ),
    Mutant(
        name="forgets-what-came-after-the-read",
        where="actors.sync.table:TokenTable.note_left",
        before="held.newest > read_at",
        after="held.newest < read_at",
        plan=REDIS_EMPTIED_WHILE_SLOW,
    ),
    Mutant(
        name="a-failed-flush-fails-for-good",
        where="actors.sync.flusher:Flusher._give_up",
        before="self.life.counts['failed_flushes'] += 1",
        after="raise error",
        plan=POSTGRES_AWAY,
    ),
    Mutant(
        name="a-failed-flush-stays-under-way",
        where="actors.sync.flusher:Flusher._give_up",
        before="self.flush = None",
        after="pass",
        plan=POSTGRES_AWAY,
    ),
    Mutant(
        name="tries-a-flush-again-without-a-wait",
        where="actors.sync.flusher:Flusher._give_up",
        before="self.retry.begin_wait()",
        after="self.begin_next()",
        plan=POSTGRES_AWAY,
    ),
    Mutant(
        name="the-next-flush-is-never-due",
        where="actors.sync.actor:Sync._flush_regularly",
        before="self.life.desk.set_timer(FlushDue(), plan.tick_seconds)",
        after="pass",
        plan=LONG_CALM,
    ),
    Mutant(
        name="flushes-while-idle",
        where="actors.sync.actor:Sync._flush_regularly",
        before="self.memory.is_active",
        after="True",
        plan=DEPARTURE,
    ),
    Mutant(
        name="grants-no-rows",
        where="actors.sync.governor:Governor.grant_rows",
        before="now >= regular_from",
        after="now < regular_from",
        plan=LONG_CALM,
    ),
    # The start and the end.
    Mutant(
        name="a-restart-believes-the-clock",
        where="actors.sync.restoring:Restorer._raise_clock",
        before="observed = [token.last_updated_at for token in tokens]",
        after="observed = []",
        plan=CLOCK_BACK_BEFORE_RESTART,
    ),
    Mutant(
        name="a-drain-waits-for-ever",
        where="actors.sync.draining:Drainer.begin_drain",
        before="self.is_draining = True",
        after="self.is_draining = False",
        plan=RESTARTS,
    ),
    Mutant(
        name="a-drain-without-redis-saves-nothing",
        where="actors.sync.draining:Drainer.go_on",
        before="self.life.buffer_caller.is_away or self.restorer.held is None",
        after="False",
        plan=REDIS_AWAY_AT_RESTART,
    ),
)
