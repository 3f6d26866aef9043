"""The checkpoint watch: differences between pulses, and what they mean."""

import attrs
import pytest

from domain.values import UnixSeconds
from store import BackendWal
from store.checkpoints import (
    OBSERVATIONS_KEPT,
    CheckpointsSnapshot,
    CheckpointWatch,
    ObservedCheckpoints,
)
from store.memory_database import UNTROUBLED

NOW = UnixSeconds(1_760_000_000.0)


def watch() -> CheckpointWatch:
    return CheckpointWatch(lambda: NOW)


def observed(watched: CheckpointWatch) -> ObservedCheckpoints:
    snapshot = watched.snapshot()
    assert isinstance(snapshot, ObservedCheckpoints)
    return snapshot


def test_first_pulse_is_a_beginning_and_no_observation() -> None:
    watched = watch()
    assert watched.observe(UNTROUBLED, 5.0) is None
    assert (True, ()) == (watched.snapshot().observed, watched.snapshot().history)


def test_before_the_first_pulse_nothing_is_known() -> None:
    assert CheckpointsSnapshot(observed=False, history=()) == watch().snapshot()


def test_newest_pulse_is_told_whole() -> None:
    backend = BackendWal(component="sync", backend=7, wal_bytes=5, full_page_images=1)
    pulse = attrs.evolve(
        UNTROUBLED,
        checkpoints_timed=3,
        checkpoints_requested=2,
        checkpoint_buffers=40,
        checkpoint_seconds=12.5,
        full_page_images=6,
        wal_since_checkpoint_bytes=1000,
        own=(backend,),
    )
    watched = watch()
    watched.observe(pulse, 0.0)
    assert watched.snapshot() == ObservedCheckpoints(
        observed=True,
        history=(),
        at=NOW,
        timed=3,
        requested=2,
        checkpoint_seconds=12.5,
        buffers_per_checkpoint=8.0,
        wal_bytes_per_second=None,
        wal_since_checkpoint_bytes=1000,
        wal_before_requested_bytes=pulse.wal_before_requested_bytes,
        max_wal_size_bytes=pulse.max_wal_size_bytes,
        wal_to_max_size_bytes=pulse.max_wal_size_bytes - 1000,
        checkpoint_timeout_seconds=pulse.checkpoint_timeout_seconds,
        full_page_images=6,
        own=(backend,),
    )


def test_observation_is_the_difference_of_two_pulses() -> None:
    watched = watch()
    watched.observe(UNTROUBLED, 0.0)
    later = attrs.evolve(
        UNTROUBLED,
        checkpoints_timed=1,
        checkpoints_requested=2,
        checkpoint_buffers=30,
        checkpoint_seconds=7.25,
        wal_position=3_000_000,
        wal_since_checkpoint_bytes=1_000_000,
        full_page_images=7,
    )
    observation = watched.observe(later, 30.0)
    assert observation is not None
    assert observation.wal_bytes_per_second == 100_000.0
    assert (observation.timed, observation.requested, observation.buffers_written) == (1, 2, 30)
    assert observation.checkpoint_seconds == 7.25
    assert (observation.full_page_images, observation.wal_since_checkpoint_bytes) == (7, 1_000_000)
    snapshot = observed(watched)
    assert snapshot.buffers_per_checkpoint == 10.0
    assert snapshot.wal_bytes_per_second == 100_000.0
    assert snapshot.wal_to_max_size_bytes == (1 << 30) - 1_000_000


def test_server_that_hides_its_position_is_watched_by_its_statistics() -> None:
    watched = watch()
    hidden = attrs.evolve(UNTROUBLED, wal_position=None, wal_since_checkpoint_bytes=None)
    watched.observe(hidden, 0.0)
    observation = watched.observe(attrs.evolve(hidden, wal_bytes=600), 30.0)
    assert observation is not None
    assert observation.wal_bytes_per_second == 20.0
    assert observed(watched).wal_to_max_size_bytes is None


def test_server_that_tells_nothing_of_its_wal_is_watched_without() -> None:
    watched = watch()
    silent = attrs.evolve(
        UNTROUBLED,
        wal_bytes=None,
        full_page_images=None,
        wal_position=None,
        wal_since_checkpoint_bytes=None,
    )
    watched.observe(silent, 0.0)
    observation = watched.observe(attrs.evolve(silent, checkpoints_timed=1), 30.0)
    assert observation is not None
    assert (None, None) == (observation.wal_bytes_per_second, observation.full_page_images)
    assert (1, None) == (observation.timed, observed(watched).full_page_images)


def test_counter_that_began_anew_counts_from_nothing() -> None:
    watched = watch()
    watched.observe(attrs.evolve(UNTROUBLED, checkpoints_requested=500), 0.0)
    observation = watched.observe(attrs.evolve(UNTROUBLED, checkpoints_requested=3), 30.0)
    assert observation is not None
    assert observation.requested == 3


def test_history_is_bounded() -> None:
    watched = watch()
    for number in range(3 * OBSERVATIONS_KEPT):
        watched.observe(attrs.evolve(UNTROUBLED, wal_position=number), number * 30.0)
    assert len(watched.snapshot().history) == 50
    assert watched.snapshot().history[-1].seconds == 30.0


@pytest.mark.parametrize("moment", [0.0, -5.0])
def test_two_pulses_at_one_moment_are_no_observation(moment: float) -> None:
    watched = watch()
    watched.observe(UNTROUBLED, 0.0)
    assert watched.observe(UNTROUBLED, moment) is None
