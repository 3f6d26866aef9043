"""What a strategy cost its server, read from the server's own counters.

    begin() .. checkpoint() .. end()  ->  Cost

Counters of a backend reach the server's statistics when it ends at the latest, so the strategy's
connections are closed before `end`, and `end` waits until they are gone.
"""

import os
import time
from itertools import pairwise
from pathlib import Path

from attrs import Factory, define, field, frozen

from commands.storm.server import StormServer
from commands.storm.strategy import QUERIES
from store.postgres.plain import PlainConnection

SETTLING_SECONDS = 5.0
POLL_SECONDS = 0.01
FIRST_VERSION_WITH_SHARED_STATISTICS = 15
OLD_STATISTICS_SECONDS = 1.0  # before 15 they travel through a collector


@frozen(kw_only=True)
class Cost:
    """What one strategy cost, from the first measured moment to the last."""

    wal_bytes: int
    full_page_images: int
    checkpoints: int
    foreign_checkpoints: int  # that the server made by itself meanwhile
    buffers_a_checkpoint: float
    wal_distance_bytes: int  # most WAL between two checkpoints
    updates: int
    hot_updates: int
    backend_cpu_seconds: float | None  # None: the server's processes are not ours to see

    @property
    def hot_ratio(self) -> float | None:
        """Of the updated rows, those that left every index alone; None without updates."""
        return self.hot_updates / self.updates if self.updates else None


@frozen
class _Counters:
    wal_position: int
    full_page_images: int
    checkpoints: int
    buffers: int
    updates: int
    hot_updates: int


@define
class Meter:
    """Reads the counters of one schema on one server."""

    server: StormServer
    schema: str
    connection: PlainConnection = field(init=False)
    started: _Counters = field(init=False)
    checkpoint_positions: list[int] = field(init=False, default=Factory(list))
    requested: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self.connection = PlainConnection(self.server.url)

    def begin(self) -> None:
        """Bring the schema into a state that repeats, and read the counters."""
        for (table,) in self.connection.read(QUERIES["tables_of_schema"], self.schema):
            self.connection.script(f"VACUUM ANALYZE {table}")
        if self.server.is_own:
            # Where a record falls on its page and segment changes its bytes.
            self.connection.script("SELECT pg_switch_wal()")
        before = self._checkpoints()
        self.connection.script("CHECKPOINT")
        self._until_checkpoints(before[0] + 1)
        self.started = self._counters()
        self.checkpoint_positions = [self.started.wal_position]

    def checkpoint(self) -> None:
        """The end of a simulated checkpoint interval."""
        self.checkpoint_positions.append(self._wal_position())
        self.connection.script("CHECKPOINT")
        self.requested += 1

    def end(self, backends: list[int], cpu_seconds: float | None) -> Cost:
        """The cost since `begin`, once the strategy's backends are gone."""
        self._until_gone(backends)
        self._until_checkpoints(self.started.checkpoints + self.requested)
        now, start = self._counters(), self.started
        positions = [*self.checkpoint_positions, now.wal_position]
        distances = [later - earlier for earlier, later in pairwise(positions)]
        made = now.checkpoints - start.checkpoints
        return Cost(
            wal_bytes=now.wal_position - start.wal_position,
            full_page_images=now.full_page_images - start.full_page_images,
            checkpoints=self.requested,
            foreign_checkpoints=made - self.requested,
            buffers_a_checkpoint=(now.buffers - start.buffers) / max(made, 1),
            wal_distance_bytes=max(distances),
            updates=now.updates - start.updates,
            hot_updates=now.hot_updates - start.hot_updates,
            backend_cpu_seconds=cpu_seconds,
        )

    def close(self) -> None:
        self.connection.close()

    def _counters(self) -> _Counters:
        # The checkpointer and this connection report late what they hold back themselves.
        if self.server.version >= FIRST_VERSION_WITH_SHARED_STATISTICS:
            self.connection.read("SELECT pg_stat_force_next_flush()")
        else:
            time.sleep(OLD_STATISTICS_SECONDS)
        ((images,),) = self.connection.read(QUERIES["full_page_images"])
        ((updates, hot_updates),) = self.connection.read(QUERIES["updates_of_schema"], self.schema)
        checkpoints, buffers = self._checkpoints()
        position = self._wal_position()
        return _Counters(position, images, checkpoints, buffers, updates, hot_updates)

    def _wal_position(self) -> int:
        ((position,),) = self.connection.read(QUERIES["wal_position"])
        return int(position)

    def _checkpoints(self) -> tuple[int, int]:
        """How many so far, and how many buffers they wrote."""
        name = "checkpoints_from_17" if self.server.version >= 17 else "checkpoints_to_16"
        ((checkpoints, buffers),) = self.connection.read(QUERIES[name])
        return checkpoints, buffers

    def _until_checkpoints(self, count: int) -> None:
        """The checkpointer reports a moment after it is done; past the bound its last report
        stands, and the figures show fewer checkpoints than were asked for."""
        deadline = time.monotonic() + SETTLING_SECONDS
        while self._checkpoints()[0] < count and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _until_gone(self, backends: list[int]) -> None:
        deadline = time.monotonic() + SETTLING_SECONDS
        while time.monotonic() < deadline:
            ((alive,),) = self.connection.read(QUERIES["backends_alive"], backends)
            if alive == 0:
                return
            time.sleep(POLL_SECONDS)


def cpu_seconds(processes: list[int]) -> float:
    """User and system time of processes of this machine."""
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # utime and stime, proc(5)
    return ticks / os.sysconf("SC_CLK_TCK")
