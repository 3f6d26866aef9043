"""What sync keeps when it is restarted: what only this process holds, and what it has learnt.

Its table is rebuilt from the stores. But a value that no store has taken yet, or that the buffer
may lose, stands nowhere else: a crash of sync must not add its loss to that of a store.
"""

from collections.abc import Iterable, Mapping

from attrs import Factory, define, field

from actors.sync.governor import Governor
from domain.merging import Observations, fold_observations
from domain.messages import UpdateReplayed
from domain.quarantine import ParkedUpdate
from domain.token import Token
from domain.values import Mint, UnixSeconds
from store.checkpoints import CheckpointWatch


@define(kw_only=True)
class SyncMemory:
    """One for all lives of sync; held by its child spec."""

    governor: Governor
    watch: CheckpointWatch
    is_active: bool = True  # as activity last told
    # Values on their way to the buffer, by token: waiting, and in the append under way.
    unappended: dict[Mint, Observations] = Factory(dict)
    in_flight: Mapping[Mint, Observations] = Factory(dict)
    # Their fields until the buffer has answered: it may have other values than the table has.
    unsure: dict[Mint, set[str]] = Factory(dict)
    # What the buffer holds and Postgres does not, as `TokenTable` keeps it.
    unflushed: dict[Mint, Observations] = Factory(dict)
    spooled: dict[Mint, Token] = Factory(dict)
    unregained: set[Mint] = Factory(set)
    # When the texts were written that were taken from others and are in their overlay, by field.
    taken_from_others: dict[Mint, Mapping[str, UnixSeconds]] = Factory(dict)
    # Values that were handed back, by their entry of the quarantine, until they are settled.
    replays: dict[str, UpdateReplayed] = Factory(dict)
    parked: dict[Mint, ParkedUpdate] = Factory(dict)  # as the flushes have met them
    is_buffer_away: bool = field(default=False, init=False)  # as its last call has found

    def note_unsure(self, appended: Mapping[Mint, Observations]) -> None:
        """An append begins: until it is answered, no value of these fields is known for sure."""
        for mint, seen in appended.items():
            self.unsure.setdefault(mint, set()).update(seen.values)

    def note_sure(self, mints: Iterable[Mint]) -> None:
        """The buffer has answered: what it may have had before is replaced."""
        for mint in mints:
            self.unsure.pop(mint, None)

    def take_back_in_flight(self) -> None:
        """An append has failed, or its outcome was never heard: its values wait again, first."""
        in_flight, self.in_flight = self.in_flight, {}
        if not in_flight:
            return
        waiting, self.unappended = self.unappended, dict(in_flight)
        for mint, newer in waiting.items():
            older = self.unappended.setdefault(mint, newer)
            if older is not newer:
                fold_observations(older, newer)

    def count_unsaved(self) -> dict[str, int]:
        """What would be lost if the process ended now, by what it is; empty: nothing."""
        values = len(self.unappended.keys() | self.in_flight.keys())
        if self.is_buffer_away:  # it may come back without what it held
            values = len(self.unappended.keys() | self.in_flight.keys() | self.unflushed.keys())
        counts = {
            "updated tokens": values,
            "new tokens": len(self.spooled) if self.is_buffer_away else 0,
        }
        return {name: count for name, count in counts.items() if count}
