"""What sync keeps when it is restarted: what only this process holds, and what it has learnt.

Its table is rebuilt from the stores. But a value that no store has taken yet, or that the buffer
may lose, stands nowhere else: a crash of sync must not add its loss to that of a store.
"""

from collections.abc import Mapping

from attrs import Factory, define, field

from actors.sync.governor import Governor
from domain.merging import Observations, fold_observations
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
    # What the buffer holds and Postgres does not, as `TokenTable` keeps it.
    unflushed: dict[Mint, Observations] = Factory(dict)
    spooled: dict[Mint, Token] = Factory(dict)
    # When the texts were written that were taken from others and are in their overlay, by field.
    taken_from_others: dict[Mint, Mapping[str, UnixSeconds]] = Factory(dict)
    is_buffer_away: bool = field(default=False, init=False)  # as its last call has found

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
