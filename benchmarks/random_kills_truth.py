"""What must be so, known outside the service: what it was told, and what it has shown. Pure.

A value is *due* once it was shown to anybody, or once all has been quiet for QUIET_SECONDS since
it was told, over a connection that still stands. What was told just before a kill is neither: no
stream says it again, and nobody has promised it. Values only rise, so the greatest is the last.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

from attrs import Factory, define, field, frozen

from domain.token import Status
from domain.values import Mint

QUIET_SECONDS = 1.0  # from a frame to the buffer and the boards: ten times what it takes
TOLERANCE = 1e-4  # of SOL, which Postgres keeps in single precision


@frozen(kw_only=True)
class Values:
    """What is compared of a coin."""

    status: Status
    sol_raised: float

    def is_below(self, other: "Values") -> bool:
        return self.status < other.status or (
            self.sol_raised < other.sol_raised * (1 - TOLERANCE) - TOLERANCE
        )

    def raised_to(self, other: "Values") -> "Values":
        """The greater of each."""
        return Values(
            status=max(self.status, other.status),
            sol_raised=max(self.sol_raised, other.sol_raised),
        )


NOTHING = Values(status=Status.NEW, sol_raised=0.0)


@frozen(kw_only=True)
class Telling:
    """One frame that was sent."""

    at: float
    mint: Mint
    values: Values
    connection: object
    is_birth: bool


@define
class Truth:
    """Every coin that the service should know, and how far it must have come."""

    now: Callable[[], float]
    due: dict[Mint, Values] = Factory(dict)
    births_told: list[Mint] = Factory(list)
    in_flight: Counter[str] = Factory(Counter)  # told just before a kill, by kind
    fallen: list[str] = Factory(list)  # what a reader saw go back, in words
    repeated: list[str] = Factory(list)  # what a reader saw twice at once
    _pending: deque[Telling] = field(factory=deque, init=False)
    _shown: dict[tuple[str, Mint], Values] = field(factory=dict, init=False)

    def note_told(
        self, mint: Mint, values: Values, connection: object, *, is_birth: bool = False
    ) -> None:
        """A frame goes out on this connection."""
        if is_birth:
            self.births_told.append(mint)
        self._pending.append(
            Telling(
                at=self.now(), mint=mint, values=values, connection=connection, is_birth=is_birth
            )
        )

    def note_shown(self, reader: str, mint: Mint, values: Values) -> None:
        """A reader sees these values; what it sees must not be less than what it has seen."""
        before = self._shown.get((reader, mint), NOTHING)
        if values.is_below(before):
            self.fallen.append(f"{reader}: {mint} from {before} to {values}")
        self._shown[reader, mint] = values.raised_to(before)
        self.due[mint] = values.raised_to(self.due.get(mint, NOTHING))

    def note_repeated(self, reader: str, mints: Sequence[Mint]) -> None:
        """A reader is shown these at once; none may be among them twice."""
        counts = Counter(mints)
        self.repeated += [f"{reader}: {mint}" for mint in counts if counts[mint] > 1]

    def settle(self, connection: object) -> None:
        """All is quiet, and this connection stands: what it was told long enough ago is due."""
        until = self.now() - QUIET_SECONDS
        while self._pending and self._pending[0].at <= until:
            self._settle_one(self._pending.popleft(), connection)

    def _settle_one(self, telling: Telling, connection: object) -> None:
        if telling.connection is not connection:
            kind = "births" if telling.is_birth else telling.values.status.name.lower()
            self.in_flight[kind] += 1
        elif telling.is_birth or telling.mint in self.due:  # the others were born unheard
            known = self.due.get(telling.mint, NOTHING)
            self.due[telling.mint] = telling.values.raised_to(known)


def find_missing(due: Mapping[Mint, Values], found: Mapping[Mint, Values]) -> dict[Mint, str]:
    """What is due and not there, in words."""
    return {
        mint: f"{mint} is {found.get(mint)} and must be {values}"
        for mint, values in due.items()
        if mint not in found or found[mint].is_below(values)
    }
