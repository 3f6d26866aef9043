"""The books: what the service has taken in stands somewhere, at any moment.

    births told   = waiting in the mailbox + unadmitted + stored + spooled + refused
    values dirty  = values that sync holds unflushed or appends again, waiting and parked alike
    rows refused  = rows in quarantine

Each is kept by mint, so that a sum that comes out by chance hides nothing.
"""

from collections.abc import Callable, Iterable
from math import inf

import orjson
import trio
from attrs import define, field

from actors.ingest.memory import IngestMemory
from actors.sync.actor import Sync
from actors.sync.memory import SyncMemory
from buffer.entries import decode_entry
from commands.simulate.outside import Universe
from domain.values import Mint

MEETING_SECONDS = 700.0  # until a flush of everything has met, or missed, each value since a loss
QUARANTINED_SECONDS = 120.0  # after the last fault: a refused row is in quarantine


@define(kw_only=True)
class Books:
    """Compares what went in with where it stands."""

    universe: Universe
    report: Callable[[str], object]
    is_due: bool = field(default=False, init=False)  # a flush has ended: values are to be compared
    lost_at: float = field(default=-inf, init=False)  # trio time: a process died with refused rows
    kept: set[Mint] = field(factory=set, init=False)  # refused, and found in quarantine

    def check_births(
        self, told: Iterable[Mint], ingest: IngestMemory, sync: SyncMemory
    ) -> list[Mint]:
        """Those of the births told that stand nowhere; to be called while no event waits."""
        data, stored = self.universe.redis.data, self.universe.database.tokens
        places = (ingest.unadmitted, stored, data.spool.rows, sync.spooled, self.universe.refused)
        nowhere = [mint for mint in told if not any(mint in place for place in places)]
        for mint in nowhere:
            self.report(f"2: the birth of {mint} was told, and stands nowhere")
        return nowhere

    def check_values(self, sync: Sync) -> None:
        """While sync calls nobody, the buffer holds what sync holds, and nothing else."""
        if not _is_at_rest(sync):
            return
        self.is_due = False
        if trio.current_time() - self.universe.redis.lost_at < MEETING_SECONDS:
            return
        held, dirty = sync.memory.unflushed.keys(), self.universe.redis.data.dirty_since.keys()
        for mint in sorted(held - dirty):
            self.report(f"4: sync holds unflushed values of {mint} alone")
        # An append whose answer was lost is tried again.
        for mint in sorted(dirty - held - sync.memory.unappended.keys()):
            self.report(f"4: the buffer holds unflushed values of {mint} alone")

    def note_death(self) -> None:
        """Refused rows that a process had in hand went with it."""
        self.lost_at = trio.current_time()

    def check_refusals(self, troubled_until: float) -> None:
        """What Postgres has refused is in quarantine, or has been taken when it came again."""
        data, stored = self.universe.redis.data, self.universe.database.tokens
        entries = map(decode_entry, map(orjson.loads, data.quarantined.values()))
        self.kept |= {entry.mint for entry in entries if entry.mint is not None}
        for mint, refused_at in self.universe.refused.items():
            is_taken = mint in stored and mint not in data.dirty_since
            is_excused = mint in self.kept or is_taken or refused_at <= self.lost_at
            late_after = max(refused_at, troubled_until) + QUARANTINED_SECONDS
            if not is_excused and trio.current_time() > late_after:
                self.report(f"4: {mint} was refused, and is not in quarantine")
                self.kept.add(mint)


def _is_at_rest(sync: Sync) -> bool:
    calls = sync.appender.is_calling or sync.appender.is_loss_known or sync.flusher.flush
    return sync.restorer.is_done and not calls and not sync.drainer.is_draining
