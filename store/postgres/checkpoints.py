"""The server's pulse: checkpoint counters, WAL, and how far the next checkpoint is.

    pg_stat_bgwriter (to 16) or pg_stat_checkpointer (from 17), pg_stat_wal  ->  ServerPulse

All of it is shared memory on the server: a pulse reads no table and writes nothing. A managed
server may refuse any of it, also where it grants the right; then that part alone stays untold.
"""

from typing import Any

from store import BackendWal, ServerPulse
from store.postgres.session import Session

CHECKPOINTER_SINCE = 17  # has a view of its own
BACKEND_WAL_SINCE = 18  # tells what a single backend wrote
COMPONENT_PREFIX = "token-discovery:"


def read_pulse(session: Session) -> ServerPulse:
    """A few small queries, outside any transaction."""
    version = session.connection.info.server_version // 10_000
    view = "checkpointer" if version >= CHECKPOINTER_SINCE else "bgwriter"
    ((timeout_seconds, max_wal_size, completion_target),) = session.read("checkpoint_settings")
    checkpoints = session.read_if_told(f"checkpoints_in_{view}") or [(0, 0, 0, 0.0)]
    ((timed, requested, buffers, seconds),) = checkpoints
    ((wal_bytes, images),) = session.read_if_told("wal_counters") or [(None, None)]
    position, since_checkpoint = _read_position(session)
    return ServerPulse(
        checkpoints_timed=int(timed),
        checkpoints_requested=int(requested),
        checkpoint_buffers=int(buffers),
        checkpoint_seconds=float(seconds),
        wal_bytes=None if wal_bytes is None else int(wal_bytes),
        full_page_images=None if images is None else int(images),
        wal_position=position,
        wal_since_checkpoint_bytes=since_checkpoint,
        checkpoint_timeout_seconds=float(timeout_seconds),
        # As the server does (CalculateCheckpointSegments): it must end before max_wal_size.
        wal_before_requested_bytes=int(max_wal_size / (1 + completion_target)),
        max_wal_size_bytes=int(max_wal_size),
        # Behind a pooler a server process writes for others, too.
        own=_read_own(session) if version >= BACKEND_WAL_SINCE and not session.is_pooled else (),
    )


def _read_position(session: Session) -> tuple[int, int] | tuple[None, None]:
    told = session.read_if_told("wal_position_and_redo")
    if not told:
        return None, None
    ((position, redo),) = told
    return int(position), int(position) - int(redo)


def _read_own(session: Session) -> tuple[BackendWal, ...]:
    rows: list[tuple[Any, ...]] = session.read_if_told("own_backends_wal")
    return tuple(
        BackendWal(
            component=name.removeprefix(COMPONENT_PREFIX),
            backend=process,
            wal_bytes=int(wal_bytes),
            full_page_images=int(images),
        )
        for name, process, wal_bytes, images in rows
    )
