"""Mistakes in actors/jobs."""

from tests.simulation.mutation import Mutant
from tests.simulation.plans import DEPARTURE, LONG_CALM, PROVIDERS_FAIL

MUTANTS = (
    Mutant(
        name="jobs-work-while-idle",
        where="actors.jobs.switch:ActivitySwitch.active",
        before="return self.memory.active",
        after="return True",
        plan=DEPARTURE,
    ),
    Mutant(
        name="an-activation-wakes-nobody",
        where="actors.jobs.switch:ActivitySwitch._turn_switch",
        before="self._activated.set()",
        after="pass",
        plan=DEPARTURE,
    ),
    Mutant(
        name="a-job-rests-for-good",
        where="actors.jobs.switch:ActivitySwitch._turn_switch",
        before="was_active, self.memory.active = self.memory.active, active",
        after="was_active, self.memory.active = self.memory.active, self.memory.active and active",
        plan=DEPARTURE,
    ),
    Mutant(
        name="asks-on-although-the-provider-is-in-trouble",
        where="actors.jobs.inquiry:Inquiry._note_failure",
        before="if isinstance(error, SourceInTrouble):\n    self.trouble = error\n    return",
        after="pass",
        plan=PROVIDERS_FAIL,
    ),
    Mutant(
        name="a-failing-provider-fails-the-job",
        where="actors.jobs.inquiry:Inquiry.receive_answers",
        before="self._note_failure(mints, error)",
        after="raise",
        plan=PROVIDERS_FAIL,
    ),
    Mutant(
        name="a-provider-stays-away-for-good",
        where="actors.jobs.inquiry:Inquirer.ask_about",
        before="self.outage.note_success()",
        after="pass",
        plan=PROVIDERS_FAIL,
    ),
    Mutant(
        name="tells-holders-that-have-not-changed",
        where="actors.jobs.holder_count:_find_changes",
        before="before != now and not is_back",
        after="True",
        plan=LONG_CALM,
    ),
    Mutant(
        name="a-score-is-that-of-the-last-trade",
        where="actors.jobs.hot_score:HotScoreJob._add_trade",
        before="add_trade(self.scores.get(mint), sol, at, half_life)",
        after="add_trade(None, sol, at, half_life)",
    ),
    Mutant(
        name="waits-for-an-answer-while-tokens-queue",
        where="actors.jobs.market_data:MarketDataJob.learn_token",
        before="self.has_tokens.set()",
        after="""
self.has_tokens.set()
await trio.sleep(1)
""",
    ),
)
