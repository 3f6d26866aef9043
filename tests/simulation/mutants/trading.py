"""Mistakes in actors/trading."""

from tests.simulation.mutation import Mutant
from tests.simulation.plans import DEPARTURE, LONG_CALM, REDIS_FLICKERS

MUTANTS = (
    Mutant(
        name="a-window-is-a-bucket-short",
        where="actors.trading.windows:TradingWindow.drop_expired",
        before="oldest = int(now // self.step_seconds) - STEPS + 1",
        after="oldest = int(now // self.step_seconds) - STEPS // 2",
        plan=LONG_CALM,
    ),
    Mutant(
        name="a-sale-counts-as-a-purchase",
        where="actors.trading.windows:WindowBucket.add_trade",
        before="self.sells += not trade.is_buy",
        after="self.buys += not trade.is_buy",
    ),
    Mutant(
        name="writes-to-the-tape-again-without-a-wait",
        where="actors.trading.actor:Trading._write_entries",
        before="self.retry.begin_wait()",
        after="self._write_next()",
        plan=REDIS_FLICKERS,
    ),
    Mutant(
        name="shows-trades-before-they-are-on-the-tape",
        where="actors.trading.actor:Trading._write_entries",
        before="self.is_writing = True",
        after="""
self.is_writing = True
self._publish_statistics(statistics)
""",
        plan=REDIS_FLICKERS,
    ),
    Mutant(
        name="sends-the-days-figures-while-idle",
        where="actors.trading.actor:Trading._follow_activity",
        before="self.memory.is_active = isinstance(change, SystemActivated)",
        after="self.memory.is_active = True",
        plan=DEPARTURE,
    ),
)
