"""What people are told of a source that is away: two log lines an outage, and readiness.

note_problem, note_problem, ... note_success  ->  "source lost" ... "source back"
                                              ->  readiness.report_outage(source, ...)
"""

import trio
from attrs import define, field

from sources import SourceEnvironment


@define(kw_only=True)
class SourceOutage:
    """Whether one source is away, as one actor sees it."""

    source: str  # what people call it: pumpportal, dexscreener, ...
    reporter: str  # the actor that talks to it
    environment: SourceEnvironment
    began_at: float | None = field(default=None, init=False)  # trio time; None: it is not away

    def note_problem(self, problem: str) -> None:
        """The source does not serve: a warning at the first problem, debug lines after it."""
        log = self.environment.log
        if self.began_at is None:
            self.began_at = trio.current_time()
            log.warning("source lost", source=self.source, problem=problem)
        else:
            log.debug("source still away", source=self.source, problem=problem)
        self.environment.readiness.report_outage(self.source, self.reporter, problem)

    def note_success(self) -> None:
        """The source serves: ends an outage, and does nothing where there is none."""
        if self.began_at is None:
            return
        outage_seconds = round(trio.current_time() - self.began_at, 3)
        self.began_at = None
        self.environment.log.info("source back", source=self.source, outage_seconds=outage_seconds)
        self.environment.readiness.report_outage(self.source, self.reporter, None)
