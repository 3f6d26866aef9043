"""The entries of the quarantine as this process knows them, and which of them Redis is to be told.

    entries, orders  ->  QuarantineBook  ->  what to save, what to release, what to show

It is the memory of its actor, and what operators are shown; Redis keeps it for the next process.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import islice

from attrs import Factory, define, evolve

from buffer import USUAL_BOUNDS
from domain.quarantine import EntryState, QuarantineEntry


@define(kw_only=True)
class QuarantineBook:
    """At most `limit` entries; beyond it the oldest go."""

    limit: int = USUAL_BOUNDS.quarantined_entries
    entries: dict[str, QuarantineEntry] = Factory(dict)  # by id, the one refused last at the end
    replaying: set[str] = Factory(set)  # on their way back to where they came from
    leaving: set[str] = Factory(set)  # settled or dropped, and perhaps in Redis still
    unsaved: set[str] = Factory(set)  # not in Redis as they are here
    is_loaded: bool = False  # what an earlier process has left in Redis is here
    counts: Counter[str] = Factory(Counter)

    # Taking.

    def add_entry(self, entry: QuarantineEntry) -> None:
        """Take an entry; one that is here already was refused once more."""
        self.counts["refused"] += 1
        known = self.entries.pop(entry.id, None)
        if known is not None:
            entry = evolve(entry, tries=known.tries + entry.tries)
        self.entries[entry.id] = entry
        self.unsaved.add(entry.id)
        self.replaying.discard(entry.id)
        self.leaving.discard(entry.id)

    def take_stored(self, stored: Iterable[QuarantineEntry]) -> None:
        """Take what an earlier process has left: it is older than what is here."""
        self.is_loaded = True
        older = {entry.id: entry for entry in stored if entry.id not in self.leaving}
        for entry in older.values():
            if (known := self.entries.get(entry.id)) is not None:
                self.entries[entry.id] = evolve(known, tries=known.tries + entry.tries)
        newer = self.entries
        self.entries = {name: entry for name, entry in older.items() if name not in newer} | newer

    def drop_surplus(self) -> Sequence[QuarantineEntry]:
        """Let the oldest go that are beyond the limit; those that went."""
        surplus = max(0, len(self.entries) - self.limit)
        dropped = list(islice(self.entries.values(), surplus))
        for entry in dropped:
            del self.entries[entry.id]
            self.unsaved.discard(entry.id)
            self.replaying.discard(entry.id)
            if len(self.leaving) < self.limit:  # more of them go by Redis' own bound
                self.leaving.add(entry.id)
        self.counts["dropped"] += surplus
        return dropped

    # Letting go.

    def begin_replay(self, entry_id: str) -> QuarantineEntry | None:
        """Note that it is handed back; None where it cannot be now."""
        entry = self.entries.get(entry_id)
        if entry is None or not entry.is_replayable or self.find_state(entry_id) != "waiting":
            return None
        self.replaying.add(entry_id)
        return entry

    def end_replay(self, entry_id: str) -> None:
        """It was not taken, and waits again."""
        self.replaying.discard(entry_id)

    def begin_leaving(self, entry_id: str) -> QuarantineEntry | None:
        """Let it go, once Redis has forgotten it; None where it is not here, or leaves already."""
        entry = self.entries.get(entry_id)
        if entry is None or entry_id in self.leaving:
            return None
        self.leaving.add(entry_id)
        self.replaying.discard(entry_id)
        self.unsaved.discard(entry_id)
        return entry

    # Redis.

    @property
    def is_saved(self) -> bool:
        """True when Redis has all that is here, and nothing else."""
        return not self.unsaved and not self.leaving

    def list_unsaved(self) -> list[QuarantineEntry]:
        return [entry for entry in self.entries.values() if entry.id in self.unsaved]

    def note_saved(self, saved: Iterable[QuarantineEntry], released: Collection[str]) -> None:
        """Redis has these entries as they were then, and has forgotten those ids."""
        for entry in saved:
            if self.entries.get(entry.id) is entry:
                self.unsaved.discard(entry.id)
        for entry_id in self.leaving.intersection(released):
            self.leaving.discard(entry_id)
            self.entries.pop(entry_id, None)

    def count_unsaved(self) -> dict[str, int]:
        """What would be lost if the process ended now, by what it is; empty: nothing."""
        return {"entries of the quarantine": len(self.unsaved)} if self.unsaved else {}

    # Looking.

    def find_state(self, entry_id: str) -> EntryState:
        if entry_id in self.leaving:
            return "leaving"
        return "replaying" if entry_id in self.replaying else "waiting"

    def count_kinds(self) -> dict[str, int]:
        """How many entries there are of each kind."""
        found = Counter(entry.kind for entry in self.entries.values())
        return {kind: found[kind] for kind in ("birth", "update", "message")}
