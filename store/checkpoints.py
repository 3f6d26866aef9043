"""The checkpoint watch: what the server's pulses say together.

    ServerPulse (one in half a minute, while somebody looks)  ->  CheckpointWatch
        ->  /api/ops/checkpoints, metrics, the governor

It lives in the Trio thread and needs no lock; it outlives a restart of sync.
"""

from collections import deque
from collections.abc import Callable

from attrs import define, field

from domain.snapshots import Snapshot, counter, detail, gauge, snapshot_class
from domain.values import UnixSeconds
from store import BackendWal, ServerPulse

OBSERVATIONS_KEPT = 50


@snapshot_class
class Observation(Snapshot):
    """What happened from one pulse to the next."""

    at: UnixSeconds = detail("When the later pulse was taken.")
    seconds: float = detail("The time between the two.")
    timed: int = detail("Checkpoints that were due.")
    requested: int = detail("Checkpoints before their time.")
    buffers_written: int = detail("Pages that checkpoints wrote.")
    checkpoint_seconds: float = detail("What those that ended took to write and to sync.")
    wal_bytes_per_second: float | None = detail("WAL of the server; None where it does not tell.")
    full_page_images: int | None = detail("Page images in it; likewise.")
    wal_since_checkpoint_bytes: int | None = detail("WAL since a checkpoint began, at the end.")


@snapshot_class
class CheckpointsSnapshot(Snapshot):
    """Before the first pulse nothing is known but that."""

    observed: bool = detail("True once there was a pulse.")
    history: tuple[Observation, ...] = detail("What happened between pulses, oldest first.")


@snapshot_class
class ObservedCheckpoints(CheckpointsSnapshot):
    """The newest pulse, and what it means. Counters are the server's own, since its statistics."""

    at: UnixSeconds = detail("When the newest pulse was taken.")
    timed: int = counter("Checkpoints that were due.", metric="checkpoints_timed")
    requested: int = counter(
        "Checkpoints before their time, because of too much WAL or on demand.",
        metric="checkpoints_requested",
    )
    checkpoint_seconds: float = counter(
        "Seconds that checkpoints took to write and to sync, told when each ends."
    )
    buffers_per_checkpoint: float = gauge("Pages that a checkpoint wrote, on average.")
    wal_bytes_per_second: float | None = gauge("WAL of the server between the last two pulses.")
    wal_since_checkpoint_bytes: int | None = gauge("WAL since the last checkpoint began.")
    wal_before_requested_bytes: int = gauge("WAL since a checkpoint that requests the next.")
    max_wal_size_bytes: int = gauge("The server's max_wal_size.")
    wal_to_max_size_bytes: int | None = detail("WAL that is left until max_wal_size.")
    checkpoint_timeout_seconds: float = detail("The server's checkpoint_timeout.")
    full_page_images: int | None = detail("Page images of the server since its statistics began.")
    own: tuple[BackendWal, ...] = detail("What each of our own connections wrote, where told.")


@define
class CheckpointWatch:
    """The newest pulse, and the last 50 differences between pulses."""

    clock: Callable[[], UnixSeconds]
    history: deque[Observation] = field(init=False, factory=lambda: deque(maxlen=OBSERVATIONS_KEPT))
    pulse: ServerPulse | None = field(init=False, default=None)
    taken_at: UnixSeconds = field(init=False, default=UnixSeconds(0.0))
    moment: float = field(init=False, default=0.0)  # when, on a clock that is never set

    def observe(self, pulse: ServerPulse, moment: float) -> Observation | None:
        """Take a pulse at a moment; what happened since the one before, None for the first."""
        before, now = self.pulse, self.clock()
        seconds = moment - self.moment
        self.pulse, self.taken_at, self.moment = pulse, now, moment
        if before is None or seconds <= 0:
            return None
        observation = Observation(
            at=now,
            seconds=seconds,
            timed=_count_since(before, pulse, "checkpoints_timed"),
            requested=_count_since(before, pulse, "checkpoints_requested"),
            buffers_written=_count_since(before, pulse, "checkpoint_buffers"),
            checkpoint_seconds=_measure_since(before, pulse, "checkpoint_seconds"),
            wal_bytes_per_second=_measure_wal_rate(before, pulse, seconds),
            full_page_images=_count_told(before, pulse, "full_page_images"),
            wal_since_checkpoint_bytes=pulse.wal_since_checkpoint_bytes,
        )
        self.history.append(observation)
        return observation

    def snapshot(self) -> CheckpointsSnapshot:
        """The newest pulse, what it means, and the history."""
        history = tuple(self.history)
        if self.pulse is None:
            return CheckpointsSnapshot(observed=False, history=history)
        pulse = self.pulse
        checkpoints = pulse.checkpoints_timed + pulse.checkpoints_requested
        return ObservedCheckpoints(
            observed=True,
            at=self.taken_at,
            timed=pulse.checkpoints_timed,
            requested=pulse.checkpoints_requested,
            checkpoint_seconds=pulse.checkpoint_seconds,
            buffers_per_checkpoint=pulse.checkpoint_buffers / max(checkpoints, 1),
            wal_bytes_per_second=history[-1].wal_bytes_per_second if history else None,
            wal_since_checkpoint_bytes=pulse.wal_since_checkpoint_bytes,
            wal_before_requested_bytes=pulse.wal_before_requested_bytes,
            max_wal_size_bytes=pulse.max_wal_size_bytes,
            wal_to_max_size_bytes=_find_wal_to_max_size(pulse),
            checkpoint_timeout_seconds=pulse.checkpoint_timeout_seconds,
            full_page_images=pulse.full_page_images,
            own=tuple(pulse.own),
            history=history,
        )


def _find_wal_to_max_size(pulse: ServerPulse) -> int | None:
    """WAL that may still be written before max_wal_size is reached."""
    if pulse.wal_since_checkpoint_bytes is None:
        return None
    return max(0, pulse.max_wal_size_bytes - pulse.wal_since_checkpoint_bytes)


def _measure_wal_rate(before: ServerPulse, now: ServerPulse, seconds: float) -> float | None:
    """By position where the server tells it: its statistics lag behind by some seconds."""
    written = _count_told(before, now, "wal_position")
    if written is None:
        written = _count_told(before, now, "wal_bytes")
    return None if written is None else written / seconds


def _count_told(before: ServerPulse, now: ServerPulse, counter: str) -> int | None:
    """As `_count_since`; None where the server does not tell."""
    if None in (getattr(before, counter), getattr(now, counter)):
        return None
    return _count_since(before, now, counter)


def _count_since(before: ServerPulse, now: ServerPulse, counter: str) -> int:
    return int(_measure_since(before, now, counter))


def _measure_since(before: ServerPulse, now: ServerPulse, counter: str) -> float:
    """How far a counter has come; one that is lower than before began anew."""
    first, last = getattr(before, counter), getattr(now, counter)
    return float(last - first if last >= first else last)
