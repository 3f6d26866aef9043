"""Mistakes in the rules that several rooms share, and in the twins' copies of them."""

from tests.simulation.mutation import Mutant
from tests.simulation.plans import REDIS_EMPTIED

MUTANTS = (
    Mutant(
        name="an-older-value-wins",
        where="domain.merging:supersedes",
        before="new_at >= old_at",
        after="new_at <= old_at",
    ),
    Mutant(
        name="a-trade-is-worth-what-it-was-in-another-time",
        where="domain.scoring:add_trade",
        before="(at - LANDMARK) / half_life_seconds",
        after="at / half_life_seconds - LANDMARK",
    ),
    Mutant(
        name="two-scores-are-worth-the-greater-one",
        where="domain.scoring:add_scores",
        before="greater + log2(1 + 2.0 ** (smaller - greater))",
        after="greater",
    ),
    Mutant(
        name="times-are-rounded-up",
        where="domain.precision:floor_time",
        before="floor(moment)",
        after="floor(moment) + 1",
    ),
    Mutant(
        name="rounds-to-three-digits",
        where="domain.precision:round_value",
        before="round(value, SCORE_DECIMALS)",
        after="round(value)",
    ),
    # The twins.
    Mutant(
        name="redis-lies-about-its-epoch",
        where="buffer.memory_data:Data._is_whole",
        before="bool(self.epoch) and self.has_dirty_landmark and is_known",
        after="True",
        plan=REDIS_EMPTIED,
    ),
)
