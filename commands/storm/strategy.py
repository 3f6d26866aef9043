"""What every strategy is, and what those with a flush share.

replay  ->  Strategy.prepare, then take(event) and flush() in order of time  ->  a server
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.resources import files
from typing import Protocol, TypeVar

from attrs import astuple, define, field

from commands.storm.trace import Event, JobRan, Population, TokenBorn
from domain.token import Token
from domain.values import Mint, Value
from store.postgres.queries import named_blocks

QUERIES = named_blocks(files("commands.storm").joinpath("queries.sql").read_text("utf-8"))
Item = TypeVar("Item")
Advance = Callable[[str], None]  # told what is being done


class Strategy(Protocol):
    """One way to bring the same trace to Postgres.

    `open` and `close` stand around everything else and may come more than once. Methods raise
    `StoreUnavailable`.
    """

    @property
    def counts(self) -> "Counts": ...

    async def open(self) -> None: ...

    async def prepare(self, population: Population) -> None:
        """Make the tables, with the population in them."""

    async def take(self, event: Event) -> None:
        """Something happened; written at once, or with the next flush."""

    async def flush(self) -> None:
        """Write whatever is still unwritten."""

    async def final_values(self, mints: Sequence[Mint]) -> Mapping[Mint, Mapping[str, Value]]:
        """What is stored now, by field; None is left out."""

    async def backends(self) -> list[int]:
        """The process ids of its connections on the server."""

    async def close(self) -> None: ...


@define
class Counts:
    """What a strategy sent."""

    statements: int = 0  # that write
    rows: int = 0  # that they wrote
    births: int = 0  # new tokens, and their WAL; only where the strategy can tell
    birth_wal_bytes: int = 0

    def add(self, rows: int, statements: int = 1) -> None:
        self.statements += statements
        self.rows += rows

    def since(self, before: "Counts") -> "Counts":
        """What was sent after `before` was copied from this."""
        return Counts(
            *(now - then for now, then in zip(astuple(self), astuple(before), strict=True))
        )


@define
class Pending:
    """Changes that wait for a flush, by token: the last value of a field wins."""

    values: dict[Mint, dict[str, Value]] = field(factory=dict)

    def add(self, run: JobRan) -> None:
        for mint, values in run.updates.items():
            self.values.setdefault(mint, {}).update(values)

    def take(self) -> dict[Mint, dict[str, Value]]:
        taken, self.values = self.values, {}
        return taken


async def dispatch(
    event: Event,
    born: Callable[[Token], Awaitable[None]],
    ran: Callable[[JobRan], Awaitable[None]],
) -> None:
    """Hand an event to whoever takes its kind."""
    if isinstance(event, TokenBorn):
        await born(event.token)
    else:
        await ran(event)
