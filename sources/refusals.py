"""A provider that refuses for good: told once, shown by name, and asked again each hour.

    SourceClosed (HTTP 401, 403, 404, 410) -> LastingRefusal -> may_ask: not before an hour

It belongs to the provider, and so outlives the restarts of the job that asks.
"""

from math import inf

import trio
from attrs import define, field

from domain.errors import SourceClosed

ASK_AGAIN_SECONDS = 3600.0
EARLY_SECONDS = 5.0  # a job whose interval divides the hour asks after an hour, not after two runs
KEY_STATUSES = frozenset({401, 403})


@define(kw_only=True)
class LastingRefusal:
    """Whether one provider refuses every request, why, and what can be done about it."""

    url_setting: str  # where its address stands
    key_setting: str | None = None  # where its key stands; None: there is no place for one
    has_key: bool = False
    reason: str | None = field(default=None, init=False)  # None: it does not refuse
    asked_at: float = field(default=-inf, init=False)  # trio time of the last refusal

    def may_ask(self) -> bool:
        """False within an hour after it has refused."""
        seconds = trio.current_time() - self.asked_at
        return self.reason is None or seconds >= ASK_AGAIN_SECONDS - EARLY_SECONDS

    def note_refusal(self, error: SourceClosed) -> str:
        """It has refused; returns what people are to be told."""
        self.asked_at = trio.current_time()
        self.reason = f"{self.explain(error)}; asked again each hour"
        return self.reason

    def explain(self, error: SourceClosed) -> str:
        """What the refusal is, and what can be done about it."""
        return f"{error}; {self._advise(error.status)}"

    def note_answer(self) -> None:
        """It serves."""
        self.reason = None

    def note_failure(self) -> None:
        """It fails in another way; one that has refused before is left alone for another hour."""
        self.asked_at = trio.current_time()

    def _advise(self, status: int) -> str:
        if status not in KEY_STATUSES:
            return f"it is no longer at this address: see {self.url_setting}"
        if self.key_setting is None:
            return f"it does not serve this machine, or wants a key: see {self.url_setting}"
        if self.has_key:
            return f"it does not take the key in {self.key_setting}"
        return f"it needs a key: set {self.key_setting}"
