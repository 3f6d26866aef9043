"""Whether the service serves, and if not, why: GET /readyz, sd_notify, the readiness descriptor.

ingest, sync, gateway  --set-->  Readiness  --first ready-->  Notifier
"""

from collections.abc import Callable, Iterable

NOT_YET = "not yet"


class Readiness:
    """Named conditions that must all hold; none holds at the start."""

    def __init__(self, names: Iterable[str], *, on_first_ready: Callable[[], None]) -> None:
        self._reasons: dict[str, str | None] = dict.fromkeys(names, NOT_YET)  # None: it holds
        self._outages: dict[tuple[str, str], str] = {}  # by name and reporter
        self._on_first_ready = on_first_ready
        self._was_ready = False
        self._draining = False

    def set(self, name: str, reason: str | None) -> None:
        """The condition `name` holds (None), or fails for `reason`; `KeyError` if there is none."""
        if name not in self._reasons:
            raise KeyError(name)
        self._reasons[name] = reason
        if self.is_ready and not self._was_ready:
            self._was_ready = True
            self._on_first_ready()

    def report_outage(self, name: str, reporter: str, problem: str | None) -> None:
        """`reporter` cannot reach the store or source `name`, for `problem`; None: it can again."""
        if problem is None:
            self._outages.pop((name, reporter), None)
        else:
            self._outages[name, reporter] = problem

    def drain(self) -> None:
        """Never ready again: the process is on its way out."""
        self._draining = True

    @property
    def is_ready(self) -> bool:
        return not self.reasons()

    def reasons(self) -> list[str]:
        """What stands in the way, each as `name: reason`; empty while ready."""
        reasons = [f"{name}: {reason}" for name, reason in self._reasons.items() if reason]
        return ["draining", *reasons] if self._draining else reasons
