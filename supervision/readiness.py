"""Whether the service serves, and what is away: GET /readyz, sd_notify, the readiness descriptor.

ingest, sync, gateway  --set-->  Readiness  --first ready-->  Notifier
whoever calls a store or hears a stream  --report_outage-->  Readiness  -->  log, /readyz, metrics

A condition that fails keeps the service from serving (503). An outage only degrades it: it serves
what it has, and says by name what is away.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define, field, frozen

from config.redaction import redact_text
from domain.values import UnixSeconds

NOT_YET = "not yet"


@frozen(kw_only=True)
class Outage:
    """A store or a source that does not answer now."""

    name: str
    reason: str  # without secrets
    since: UnixSeconds


@define(kw_only=True, eq=False)
class Dependency:
    """One store or source as those who use it see it."""

    problems: dict[str, str] = field(factory=dict)  # by reporter; empty: it answers
    since: float = 0.0  # UnixSeconds of the outage's beginning

    @property
    def reason(self) -> str:
        """The problem that was reported first."""
        return next(iter(self.problems.values()), "")


@define(eq=False)
class Readiness:
    """Named conditions that must all hold (none does at the start), and outages by name."""

    names: Iterable[str]
    on_first_ready: Callable[[], None] = field(kw_only=True)
    clock: Callable[[], UnixSeconds] = field(kw_only=True)
    log: Any = field(kw_only=True)
    _reasons: dict[str, str | None] = field(init=False)  # None: the condition holds
    _dependencies: dict[str, Dependency] = field(init=False, factory=dict)
    _was_ready: bool = field(init=False, default=False)
    _draining: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._reasons = dict.fromkeys(self.names, NOT_YET)

    # Conditions.

    def set(self, name: str, reason: str | None) -> None:
        """The condition `name` holds (None), or fails for `reason`; `KeyError` if there is none."""
        if name not in self._reasons:
            raise KeyError(name)
        self._reasons[name] = reason and redact_text(reason)
        if self.is_ready and not self._was_ready:
            self._was_ready = True
            self.on_first_ready()

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

    # Outages.

    def report_outage(self, name: str, reporter: str, problem: str | None) -> None:
        """`reporter` finds store or source `name` away for a `problem`, or answering (None).

        It is away while any reporter finds it so; whoever reported a problem has to try again
        and report the end of it. One line in the log tells of its beginning, one of its end.
        """
        dependency = self._dependencies.setdefault(name, Dependency())
        was_away = bool(dependency.problems)
        if problem is None:
            dependency.problems.pop(reporter, None)
        else:
            problem = dependency.problems[reporter] = redact_text(problem)
        is_away = bool(dependency.problems)
        if is_away and not was_away:
            dependency.since = self.clock()
            self.log.warning("dependency away", name=name, reporter=reporter, problem=problem)
        elif was_away and not is_away:
            seconds = round(self.clock() - dependency.since, 3)
            self.log.info("dependency back", name=name, outage_seconds=seconds)

    def outages(self) -> list[Outage]:
        """What is away now, by name; empty while all answers."""
        return [
            Outage(name=name, reason=each.reason, since=UnixSeconds(each.since))
            for name, each in sorted(self._dependencies.items())
            if each.problems
        ]

    def list_away(self) -> frozenset[str]:
        """The names of what is away now."""
        return frozenset(name for name, each in self._dependencies.items() if each.problems)

    @property
    def dependencies(self) -> Mapping[str, bool]:
        """Every store and source that anybody has used so far: does it answer?"""
        return {name: not each.problems for name, each in sorted(self._dependencies.items())}
