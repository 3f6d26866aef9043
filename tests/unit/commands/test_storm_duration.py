"""How long a storm takes, in words."""

from commands.storm.duration import Duration
from commands.storm.trace import RATES, Trace


def test_a_larger_trace_and_more_strategies_take_longer() -> None:
    small, large = (
        Duration.guess(7, Trace(rates=RATES["seeds"], tokens=tokens, hours=2, seed=7))
        for tokens in (1000, 500_000)
    )
    assert small.guessed_seconds < large.guessed_seconds


def test_the_rest_goes_by_what_was_taken_so_far() -> None:
    duration = Duration(3, 10.0)
    assert "3 strategies: about 30 seconds on a quiet machine" == duration.describe_start()
    duration.note_end(100.0)
    assert "about 3 minutes more, at this pace" == duration.describe_rest()
    duration.note_end(20.0)
    assert "about 1 minute more, at this pace" == duration.describe_rest()
    duration.note_end(1.0)
    assert "" == duration.describe_rest()


def test_nothing_is_said_to_take_no_time() -> None:
    assert "1 strategy: about 10 seconds on a quiet machine" == Duration(1, 0.1).describe_start()
