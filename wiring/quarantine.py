"""The quarantine as operators are shown it: put together from two actors' memories.

QuarantineBook, SyncMemory.parked  ->  JSON of /api/ops/quarantine
"""

from collections.abc import Mapping

from attrs import frozen

from actors.quarantine.book import QuarantineBook
from actors.quarantine.report import report_entry, report_quarantine
from domain.quarantine import ParkedUpdate
from domain.values import Mint
from feed.operations import render_snapshot


@frozen(kw_only=True)
class QuarantineView:
    """Looks, and changes nothing; answered from memory."""

    book: QuarantineBook
    parked: Mapping[Mint, ParkedUpdate]

    def list_entries(self) -> dict[str, object]:
        """Every entry without its content, what is parked, and how complete this is."""
        return render_snapshot(report_quarantine(self.book, self.parked))

    def show_entry(self, entry_id: str) -> dict[str, object] | None:
        """One entry with its content, whose keys are as they are; None where there is none."""
        entry = self.book.entries.get(entry_id)
        if entry is None:
            return None
        return {**render_snapshot(report_entry(self.book, entry)), "content": entry.content}
