"""A source that is away: reported to readiness, which tells people of it, by whoever talks to it.

    note_problem, note_problem, ... note_success  ->  readiness.report_outage(source, ...)

Readiness writes one line in the log when a source is lost and one when it is back, with the
outage's length. What comes in between, a retry for instance, is a debug line here.
"""

from attrs import define, field

from domain.errors import SourceClosed
from sources import SourceEnvironment
from sources.refusals import LastingRefusal


@define(kw_only=True)
class SourceOutage:
    """Whether one source is away, as one actor sees it."""

    source: str  # what people call it: pumpportal, dexscreener, ...
    reporter: str  # the actor that talks to it
    environment: SourceEnvironment
    is_away: bool | None = field(default=None, init=False)  # None: not known yet

    def note_problem(self, problem: str) -> None:
        """The source does not serve now."""
        self.is_away = True
        self.environment.log.debug("source away", source=self.source, problem=problem)
        self.environment.readiness.report_outage(self.source, self.reporter, problem)

    def note_refusal(self, problem: str, *, is_news: bool) -> None:
        """The source will not serve until somebody changes something; told once."""
        if is_news and self.is_away:  # else readiness tells of it
            self.environment.log.warning(
                "source refuses for good", source=self.source, problem=problem
            )
        self.note_problem(problem)

    def note_success(self) -> None:
        """The source serves; where that was known, this costs nothing."""
        if self.is_away is not False:
            self.is_away = False
            self.environment.readiness.report_outage(self.source, self.reporter, None)


def tell_refusal(refusal: LastingRefusal, error: SourceClosed, outage: SourceOutage) -> None:
    """A provider has refused for good, perhaps again: keep it, and tell people once."""
    is_news = refusal.reason is None
    outage.note_refusal(refusal.note_refusal(error), is_news=is_news)
