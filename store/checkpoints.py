"""The checkpoint watch: what the server's pulses say together.

    ServerPulse (one in half a minute, while somebody looks)  ->  CheckpointWatch
        ->  /api/ops/checkpoints, metrics, the governor

It lives in the Trio thread and needs no lock; it outlives a restart of sync.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from attrs import asdict, define, field, frozen

from domain.values import UnixSeconds
from store import ServerPulse

OBSERVATIONS_KEPT = 50


@frozen(kw_only=True)
class Observation:
    """What happened from one pulse to the next."""

    at: UnixSeconds
    seconds: float
    timed: int
    requested: int
    buffers: int
    wal_bytes: int
    full_page_images: int
    wal_since_checkpoint_bytes: int | None  # at its end

    @property
    def wal_bytes_per_second(self) -> float:
        return self.wal_bytes / self.seconds

    def as_json(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "seconds": round(self.seconds, 3),
            "timed": self.timed,
            "requested": self.requested,
            "buffersWritten": self.buffers,
            "walBytesPerSecond": round(self.wal_bytes_per_second, 1),
            "fullPageImages": self.full_page_images,
            "walSinceCheckpointBytes": self.wal_since_checkpoint_bytes,
        }


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
            timed=_more(before, pulse, "checkpoints_timed"),
            requested=_more(before, pulse, "checkpoints_requested"),
            buffers=_more(before, pulse, "checkpoint_buffers"),
            wal_bytes=_wal_bytes(before, pulse),
            full_page_images=_more(before, pulse, "full_page_images"),
            wal_since_checkpoint_bytes=pulse.wal_since_checkpoint_bytes,
        )
        self.history.append(observation)
        return observation

    def snapshot(self) -> Mapping[str, Any]:
        """The newest pulse, what it means, and the history, oldest first; JSON values."""
        if self.pulse is None:
            return {"observed": False, "history": []}
        pulse = self.pulse
        checkpoints = pulse.checkpoints_timed + pulse.checkpoints_requested
        newest = self.history[-1] if self.history else None
        return {
            "observed": True,
            "at": self.taken_at,
            "timed": pulse.checkpoints_timed,
            "requested": pulse.checkpoints_requested,
            "buffersPerCheckpoint": round(pulse.checkpoint_buffers / max(checkpoints, 1), 1),
            "walBytesPerSecond": round(newest.wal_bytes_per_second, 1) if newest else None,
            "walSinceCheckpointBytes": pulse.wal_since_checkpoint_bytes,
            "walBeforeRequestedBytes": pulse.wal_before_requested_bytes,
            "maxWalSizeBytes": pulse.max_wal_size_bytes,
            "walToMaxSizeBytes": _distance(pulse),
            "checkpointTimeoutSeconds": pulse.checkpoint_timeout_seconds,
            "fullPageImages": pulse.full_page_images,
            "own": [asdict(backend) for backend in pulse.own],
            "history": [observation.as_json() for observation in self.history],
        }


def _distance(pulse: ServerPulse) -> int | None:
    """WAL that may still be written before max_wal_size is reached."""
    if pulse.wal_since_checkpoint_bytes is None:
        return None
    return max(0, pulse.max_wal_size_bytes - pulse.wal_since_checkpoint_bytes)


def _wal_bytes(before: ServerPulse, now: ServerPulse) -> int:
    """By position where the server tells it: its statistics lag behind by some seconds."""
    if before.wal_position is None or now.wal_position is None:
        return _more(before, now, "wal_bytes")
    return _more(before, now, "wal_position")


def _more(before: ServerPulse, now: ServerPulse, counter: str) -> int:
    """How far a counter has come; one that is lower than before began anew."""
    first, last = getattr(before, counter), getattr(now, counter)
    return int(last - first if last >= first else last)
