"""One life of an actor that calls stores, from a start to its end.

ActorLife: Desk, Environment -> a Caller for each store, a Retry for each conversation with one
"""

from collections import Counter

from attrs import define, field

from domain.backoff import Backoff
from supervision.desk import Caller, Desk, Retry
from supervision.environment import Environment

RETRY_SECONDS, RETRY_LONGEST_SECONDS = 0.25, 10.0  # between attempts at a store that is away


@define(kw_only=True, eq=False)
class ActorLife:
    """What the parts of an actor share; an actor adds its stores and its state."""

    name: str  # of the actor, as readiness knows it
    desk: Desk
    environment: Environment
    counts: Counter[str]  # the actor's, by what is counted
    needs_repair: bool = field(default=False, init=False)

    def new_caller(self, store: str, expected: type[Exception]) -> Caller:
        """Whoever calls the store; `expected` is how it says that it does not answer."""
        return Caller(
            desk=self.desk,
            name=store,
            reporter=self.name,
            conditions=self.environment.readiness,
            expected=expected,
        )

    def new_backoff(
        self,
        first_seconds: float = RETRY_SECONDS,
        longest_seconds: float = RETRY_LONGEST_SECONDS,
    ) -> Backoff:
        """The waits of one conversation."""
        return Backoff(
            first_seconds=first_seconds,
            longest_seconds=longest_seconds,
            random=self.environment.random,
        )

    def new_retry(self, due: object) -> Retry:
        """The waits of one conversation, each ended by the note `due`."""
        return Retry(desk=self.desk, due=due, backoff=self.new_backoff())

    # While a person has to repair a store, the actor's condition fails.

    def report_repair(self, error: Exception) -> None:
        """A person has to mend what the error says."""
        self.needs_repair = True
        self.environment.log.error("the store needs repair", error=str(error))
        self.environment.readiness.set(self.name, str(error))

    def report_repaired(self) -> None:
        """The store does all again that it is asked for, if ever it did not."""
        if self.needs_repair:
            self.needs_repair = False
            self.environment.readiness.set(self.name, None)
