"""Mistakes in actors/ingest."""

from tests.simulation.mutation import Mutant
from tests.simulation.plans import (
    BUSY,
    POSTGRES_AWAY,
    POSTGRES_AWAY_AT_RESTART,
    POSTGRES_AWAY_LONG,
    STORES_AWAY,
)

MUTANTS = (
    # Births.
    Mutant(
        name="announces-a-birth-before-a-store-has-it",
        where="actors.ingest.admission:Admission.admit_next",
        before="self.is_busy = True",
        after="""
self.is_busy = True
self._post_taken(TokensTaken(offered=tokens, stored=tokens, then=self._note_announced))
""",
    ),
    Mutant(
        name="waits-a-second-for-other-births",
        where="actors.ingest.admission:Admission._note_announced",
        before="self.life.settings.commit_delay_seconds",
        after="1.0",
        plan=BUSY,
    ),
    Mutant(
        name="gives-births-up-when-no-store-answers",
        where="actors.ingest.admission:Admission._give_up",
        before="self.retry.begin_wait()",
        after="self.retry.is_waiting = True",
        plan=STORES_AWAY,
    ),
    Mutant(
        name="tries-births-again-without-a-wait",
        where="actors.ingest.admission:Admission._give_up",
        before="self.retry.begin_wait()",
        after="self.life.desk.post(AdmitDue())",
        plan=STORES_AWAY,
    ),
    Mutant(
        name="has-no-spool-for-births",
        where="actors.ingest.admission:Admission._spool_after_insert",
        before="self._spool_group(tokens, self._give_up)",
        after="self._give_up(tokens, error)",
        plan=POSTGRES_AWAY_LONG,
    ),
    Mutant(
        name="never-reads-the-spool",
        where="actors.ingest.spool:Spool._read_part",
        before="self.life.stores.buffer.read_spooled(most)",
        after="self.life.stores.buffer.read_spooled(0)",
        plan=POSTGRES_AWAY_AT_RESTART,
    ),
    Mutant(
        name="forgets-spooled-tokens-without-a-word",
        where="actors.ingest.spool:Spool._note_read",
        before="""
self.life.store_caller.ask(
    partial(insert_in_time, self.life, tokens),
    partial(self._note_inserted, tokens),
    self._give_up,
)
""",
        after="self._remove_part(tokens, 0)",
        plan=POSTGRES_AWAY,
    ),
    Mutant(
        name="waits-for-the-store-while-events-queue",
        where="actors.ingest.actor:Ingest._handle_note",
        before="self.admission.try_again()",
        after="""
import trio
await trio.sleep(20)
self.admission.try_again()
""",
        plan=STORES_AWAY,
    ),
    Mutant(
        name="stops-its-mail-at-the-first-birth",
        where="actors.ingest.actor:Ingest.run",
        before="len(self.memory.unadmitted) < UNADMITTED_TOKENS",
        after="not self.memory.unadmitted",
        plan=STORES_AWAY,
    ),
    # What is told again.
    Mutant(
        name="counts-a-repeated-trade",
        where="actors.ingest.intake:Intake._is_counted",
        before="key in self.news.keys or self.memory.trade_keys.has_key(key)",
        after="False",
    ),
    Mutant(
        name="counts-no-trade-within-a-batch-but-the-first",
        where="actors.ingest.repeats:find_key",
        before="hash((trade.signature, trade.mint, trade.side, trade.ordinal))",
        after="hash((trade.mint, trade.side))",
    ),
    Mutant(
        name="follows-every-mint-there-is",
        where="actors.ingest.intake:Intake._is_tracked",
        before="(sight is not None and sight.is_admitted) or event.mint in self.memory.unadmitted",
        after="True",
    ),
    Mutant(
        name="drops-every-trade-that-is-late",
        where="actors.ingest.repeats:TradeKeys.may_be_forgotten",
        before="at is not None and at <= self.forgotten_until",
        after="at is not None and at <= self.newest_young_at",
    ),
)
