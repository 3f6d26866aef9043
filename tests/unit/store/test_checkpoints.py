"""The checkpoint watch: differences between pulses, and what they mean."""

import attrs
import orjson
import pytest

from domain.values import UnixSeconds
from store.checkpoints import OBSERVATIONS_KEPT, CheckpointWatch
from store.memory import UNTROUBLED

NOW = UnixSeconds(1_760_000_000.0)


def watch() -> CheckpointWatch:
    return CheckpointWatch(lambda: NOW)


def test_first_pulse_is_a_beginning_and_no_observation() -> None:
    watched = watch()
    assert watched.observe(UNTROUBLED, 5.0) is None
    assert watched.snapshot()["observed"] is True
    assert watched.snapshot()["history"] == []


def test_observation_is_the_difference_of_two_pulses() -> None:
    watched = watch()
    watched.observe(UNTROUBLED, 0.0)
    later = attrs.evolve(
        UNTROUBLED,
        checkpoints_timed=1,
        checkpoints_requested=2,
        checkpoint_buffers=30,
        wal_position=3_000_000,
        wal_since_checkpoint_bytes=1_000_000,
        full_page_images=7,
    )
    observation = watched.observe(later, 30.0)
    assert observation is not None
    assert observation.wal_bytes_per_second == 100_000.0
    assert (observation.timed, observation.requested, observation.buffers) == (1, 2, 30)
    snapshot = watched.snapshot()
    assert snapshot["buffersPerCheckpoint"] == 10.0
    assert snapshot["walToMaxSizeBytes"] == (1 << 30) - 1_000_000


def test_server_that_hides_its_position_is_watched_by_its_statistics() -> None:
    watched = watch()
    hidden = attrs.evolve(UNTROUBLED, wal_position=None, wal_since_checkpoint_bytes=None)
    watched.observe(hidden, 0.0)
    observation = watched.observe(attrs.evolve(hidden, wal_bytes=600), 30.0)
    assert observation is not None
    assert observation.wal_bytes_per_second == 20.0
    assert watched.snapshot()["walToMaxSizeBytes"] is None


def test_counter_that_began_anew_counts_from_nothing() -> None:
    watched = watch()
    watched.observe(attrs.evolve(UNTROUBLED, checkpoints_requested=500), 0.0)
    observation = watched.observe(attrs.evolve(UNTROUBLED, checkpoints_requested=3), 30.0)
    assert observation is not None
    assert observation.requested == 3


def test_history_is_bounded_and_json() -> None:
    watched = watch()
    for number in range(3 * OBSERVATIONS_KEPT):
        watched.observe(attrs.evolve(UNTROUBLED, wal_position=number), number * 30.0)
    snapshot = watched.snapshot()
    assert len(snapshot["history"]) == OBSERVATIONS_KEPT
    assert orjson.loads(orjson.dumps(snapshot)) == snapshot


@pytest.mark.parametrize("moment", [0.0, -5.0])
def test_two_pulses_at_one_moment_are_no_observation(moment: float) -> None:
    watched = watch()
    watched.observe(UNTROUBLED, 0.0)
    assert watched.observe(UNTROUBLED, moment) is None
