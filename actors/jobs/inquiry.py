"""Asking a provider about many tokens: a token that it refuses costs only itself.

    mints -> requests of the provider's size -> answers -> the job
                                             -> failures -> halves -> the tokens that are refused

A request that fails is asked again in halves, after all others, until the tokens that make it
fail stand alone. Those are skipped, and asked less and less often (roster.py). A run ends early
only when the provider itself is in trouble: it says so (no connection, HTTP 429), or too many
requests for different tokens have failed in a row. One that refuses for good (a key is wanted, the
route is gone) is not asked again within the hour.
"""

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from attrs import Factory, define, field, frozen

from actors.jobs.job import JobContext
from actors.jobs.roster import Roster
from domain.chunks import chunks
from domain.errors import SourceClosed, SourceInTrouble, SourceRefused, SourceUnavailable
from domain.snapshots import Snapshot, counter, detail, snapshot_class
from domain.values import Mint, UnixSeconds
from sources import Provider
from sources.outages import SourceOutage, tell_refusal
from sources.refusals import LastingRefusal
from supervision.environment import Environment

Answer = TypeVar("Answer")
Fetch = Callable[[Sequence[Mint]], Awaitable[Mapping[Mint, Answer]]]

# Failures in a row, of requests that share no mint, after which the provider is to blame. One that
# answers "no" in the words of its protocol works, so it takes more of those.
MOST_FAILURES = 8
MOST_REFUSALS = 24
# In a row, HTTP 401, 403, 404 or 410 from a provider that has answered before: a firewall may
# dislike one address. From one that has never answered, the first says it all.
MOST_CLOSURES = 3
# Requests a run that may be cut in two. One refused mint among 100 takes 7 cuts; what is not
# found within them is found in the next run, which does not ask for those found in this one.
MOST_CUTS = 32


@frozen(kw_only=True)
class Answers(Generic[Answer]):
    """What a provider knows of the mints of one request."""

    mints: Sequence[Mint]
    known: Mapping[Mint, Answer]


@define(kw_only=True)
class Inquiry(Generic[Answer]):
    """The requests of one run."""

    fetch: Fetch[Answer]
    requests: deque[list[Mint]]
    has_served: bool = False  # in an earlier run
    has_answered: bool = field(default=False, init=False)
    failed: list[frozenset[Mint]] = field(factory=list, init=False)  # since the last answer
    spoiled: set[Mint] = field(factory=set, init=False)  # of all requests that have failed
    closures: int = field(default=0, init=False)  # in a row
    cuts: int = field(default=0, init=False)
    refused: list[Mint] = field(factory=list, init=False)  # each failed alone
    failures: Counter[str] = field(factory=Counter, init=False)  # requests, by reason
    trouble: SourceUnavailable | None = field(default=None, init=False)  # of the provider itself
    last_failure: SourceUnavailable | None = field(default=None, init=False)

    async def receive_answers(self) -> Answers[Answer] | None:
        """The next answers; None when there are no more, because all is asked or in trouble."""
        while self.requests and self.trouble is None:
            mints = self.requests.popleft()
            try:
                known = await self.fetch(mints)
            except SourceUnavailable as error:
                self._note_failure(mints, error)
            else:
                self.has_answered = True
                self.closures = 0
                self.failed.clear()
                return Answers(mints=mints, known=known)
        if not self.has_answered and len(self.failed) > 1:
            self.trouble = self.trouble or self.last_failure
        return None

    def _note_failure(self, mints: list[Mint], error: SourceUnavailable) -> None:
        self.failures[error.reason] += 1
        self.last_failure = error
        if isinstance(error, SourceInTrouble):
            self.trouble = error
            return
        asked = frozenset(mints)
        # A provider that answers is not to blame for the halves of a request that has failed. And
        # of a request and its half, which both failed, only the half counts.
        if not (self.has_answered and asked <= self.spoiled):
            self.failed = [*(each for each in self.failed if not each > asked), asked]
        self.spoiled |= asked
        if len(mints) == 1:
            self.refused += mints
        elif self.cuts < MOST_CUTS:
            self.cuts += 1
            middle = len(mints) // 2
            self.requests += [mints[:middle], mints[middle:]]
        self.closures = self.closures + 1 if isinstance(error, SourceClosed) else 0
        most_closures = MOST_CLOSURES if self.has_served or self.has_answered else 1
        most = MOST_REFUSALS if isinstance(error, SourceRefused) else MOST_FAILURES
        if len(self.failed) >= most or self.closures >= most_closures:
            self.trouble = error


@snapshot_class
class InquirySnapshot(Snapshot):
    """The base of what the jobs that ask a provider tell; what of it is zero was never asked."""

    refused: int = counter("Tokens skipped because the provider refuses them.")
    failures: Mapping[str, int] = counter("Requests that failed.", by="reason")
    unusable: Mapping[str, int] = counter("Parts of answers that could not be used.", by="reason")
    closed: Mapping[str, str] = detail("Providers that refuse for good, why, and what to do.")


NOT_ASKING = InquirySnapshot(refused=0, failures={}, unusable={}, closed={})


@define(kw_only=True)
class Inquirer:
    """Asks one provider for one job, run after run."""

    provider: Provider
    roster: Roster
    interval_seconds: float  # of the job
    outage: SourceOutage
    environment: Environment
    has_served: bool = False  # since its last refusal for good
    refused: int = 0  # tokens, again each time they are
    failures: Counter[str] = Factory(Counter)  # requests, by reason

    def snapshot(self) -> InquirySnapshot:
        return InquirySnapshot(
            refused=self.refused,
            failures=dict(self.failures),
            unusable=dict(self.provider.unusable),
            closed=list_refusals(self.provider),
        )

    async def ask_about(
        self,
        fetch: Fetch[Answer],
        mints: Sequence[Mint],
        *,
        take_answers: Callable[[Sequence[Answer]], Awaitable[None]],
        is_wanted: Callable[[], bool],
    ) -> None:
        """One run: ask for `mints` while that is wanted, and hand over each request's answers.

        It asks nothing within an hour after the provider has refused for good.
        """
        if not self.provider.refusal.may_ask():
            return
        now = self.environment.clock()
        requests = deque(chunks(mints, self.provider.mints_per_request))
        inquiry = Inquiry(fetch=fetch, requests=requests, has_served=self.has_served)
        while is_wanted() and (answers := await inquiry.receive_answers()) is not None:
            self.has_served = True
            self.provider.refusal.note_answer()
            self.outage.note_success()
            self.roster.note_answers(answers.mints, answers.known, now, self.interval_seconds)
            await take_answers(list(answers.known.values()))
        self._note_failures(inquiry, now)

    def _note_failures(self, inquiry: Inquiry[Answer], now: UnixSeconds) -> None:
        self.failures += inquiry.failures
        if isinstance(inquiry.trouble, SourceClosed):
            self.has_served = False  # the first request of the hourly try decides
            tell_refusal(self.provider.refusal, inquiry.trouble, self.outage)
        elif inquiry.trouble is not None:
            self.provider.refusal.note_failure()
            self.outage.note_problem(str(inquiry.trouble))
        if inquiry.refused and inquiry.has_answered:
            self.refused += len(inquiry.refused)
            self.roster.note_refusals(inquiry.refused, now, self.interval_seconds)
            self.environment.log.warning(
                "provider refuses tokens",
                source=self.provider.name,
                tokens=len(inquiry.refused),
                reasons=dict(inquiry.failures),
                sample=inquiry.refused[0],
            )
        elif inquiry.refused:  # it answered nothing at all: they may not be to blame
            self.roster.note_failures(inquiry.refused)


class _Refusing(Protocol):
    name: str
    refusal: LastingRefusal


def list_refusals(*providers: _Refusing | None) -> dict[str, str]:
    """Of these providers, those that refuse for good: name -> why, and what to do."""
    return {
        each.name: each.refusal.reason
        for each in providers
        if each is not None and each.refusal.reason is not None
    }


def new_inquirer(
    provider: Provider | None, context: JobContext, roster: Roster, interval_seconds: float
) -> Inquirer | None:
    """An inquirer for a job; None where there is nobody to ask."""
    if provider is None:
        return None
    return Inquirer(
        provider=provider,
        roster=roster,
        interval_seconds=interval_seconds,
        outage=SourceOutage(
            source=provider.name, reporter=context.mail.name, environment=context.environment
        ),
        environment=context.environment,
    )
