"""An owner's database beside ours, and the commands that go between them, as a shell calls them."""

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import psycopg
import pytest
import trio
from attrs import define, field, frozen

from commands.main import main
from config.loading import load_store_settings
from domain.values import UnixSeconds
from store.ledger import Ledger
from store.postgres.past import PastStore
from supervision.offload import offload_to_threads
from tests.owner.past import add_rows, make_mints, make_owner_table

Result = TypeVar("Result")
Connection = psycopg.Connection[tuple[object, ...]]


@frozen
class Ended:
    """What a command that has ended said."""

    code: int
    out: str
    err: str

    def says(self, name: str) -> str:
        """The line of the summary under a name."""
        found = [line for line in self.out.splitlines() if line.startswith(f"{name} ")]
        assert len(found) == 1, self.out + self.err
        return found[0].removeprefix(name).strip()

    def counts(self, *names: str) -> list[int]:
        """The figures that lines of the summary begin with."""
        return [int(self.says(name).split()[0].replace(",", "")) for name in names]


@define
class OwnerWorld:
    """His table in schema public, and ours in schema discovery of the same database."""

    url: str  # his
    call: Callable[[Sequence[str]], Ended]
    connection: Connection
    now: float = field(factory=time.time)

    @property
    def our_url(self) -> str:
        return our_url(self.url)

    def command(self, *arguments: str) -> Ended:
        return self.call(arguments)

    def fill(self, count: int, *, first: int = 1, seconds_apart: float = 2.0) -> list[str]:
        """Make his table with so many rows."""
        mints = make_mints(count, first)
        make_owner_table(self.connection, mints, now=self.now, seconds_apart=seconds_apart)
        return mints

    def add(self, mints: list[str]) -> None:
        add_rows(self.connection, mints, now=self.now)

    def rows(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        return self.connection.execute(query.encode(), parameters or None).fetchall()

    def execute(self, query: str, *parameters: object) -> None:
        self.connection.execute(query.encode(), parameters or None)

    def change(self, mint: str, assignments: str) -> None:
        """Change a row of his."""
        self.execute(f'UPDATE "TokenDiscovery" SET {assignments} WHERE mint = %s', mint)

    def shown(self, mint: str, *columns: str) -> tuple[object, ...]:
        """Some columns of our view."""
        (row,) = self.rows(
            f'SELECT {", ".join(columns)} FROM discovery."TokenDiscovery" WHERE mint = %s', mint
        )
        return row

    def count_ours(self) -> int:
        ((count,),) = self.rows('SELECT count(*) FROM discovery."TokenDiscovery"')
        assert isinstance(count, int)
        return count

    def use_store(self, work: Callable[[PastStore], Awaitable[Result]]) -> Result:
        """What `work` brings, with our store as the service has it."""

        async def use() -> Result:
            settings, half_life = load_store_settings(None, {"DATABASE_URL": self.our_url})
            ledger = Ledger(clock=lambda: UnixSeconds(time.time()))
            store = PastStore(settings, "sync", offload_to_threads(1), ledger, half_life)
            try:
                return await work(store)
            finally:
                await store.close()

        return trio.run(use)


def our_url(url: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}schema=discovery"


@contextmanager
def owner_world(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[OwnerWorld]:
    monkeypatch.setenv("DATABASE_URL", our_url(url))

    def call(arguments: Sequence[str]) -> Ended:
        capsys.readouterr()
        code = main(list(arguments))
        return Ended(code, *capsys.readouterr())

    with psycopg.connect(url, autocommit=True) as connection:
        yield OwnerWorld(url, call, connection)
