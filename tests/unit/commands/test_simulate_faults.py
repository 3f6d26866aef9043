"""The fault layer of the simulation does to a call what the fault's name says, and no more."""

from collections.abc import Callable
from random import Random

import pytest
import trio
from attrs import evolve, frozen
from trio.testing import MockClock

from buffer.entries import encode_entry
from commands.simulate.books import Books
from commands.simulate.links import LOCK_TIMEOUT_SECONDS, LifeLine, Link, LinkedStore
from commands.simulate.outside import REFUSED_ONE_IN, STARTED_AT, Universe
from domain.errors import StoreUnavailable
from domain.token import Token
from domain.values import Mint, UnixSeconds
from tests.contract.buffer_rigs import QUARANTINED

MINTS = [Mint(f"Mint{number:03}") for number in range(50)]
A_MOMENT_SECONDS = 0.1  # two ways between a process and a sound server


@frozen
class Setting:
    """A Postgres of the simulation, and one connection to it."""

    universe: Universe
    link: Link
    store: LinkedStore

    async def insert(self, *mints: Mint) -> list[Mint]:
        """The mints that were refused."""
        tokens = [Token(mint=mint, first_seen_at=UnixSeconds(STARTED_AT)) for mint in mints]
        _, refused = await self.store.insert_tokens(tokens)
        return [token.mint for token, _ in refused]


@pytest.fixture
def setting() -> Setting:
    universe = Universe(seed=1, rate=0.05)
    link = Link(
        name="postgres",
        error=StoreUnavailable,
        random=Random(1),
        on_call=lambda server, method: None,
        on_refused=lambda server: None,
    )
    store = LinkedStore(
        cold_days=1,
        database=universe.database,
        link=link,
        life=LifeLine(),
        component="ingest",
        on_written=lambda changes: None,
    )
    return Setting(universe, link, store)


async def test_a_read_only_postgres_refuses_writes_and_answers_reads(
    setting: Setting, autojump_clock: MockClock
) -> None:
    await setting.insert(MINTS[0])
    setting.link.is_read_only = True
    with pytest.raises(StoreUnavailable, match="takes no writes"):
        await setting.insert(MINTS[1])
    assert [MINTS[0]] == list(await setting.store.find_tokens(MINTS))


async def test_a_write_waits_for_a_lock_and_a_read_does_not(
    setting: Setting, autojump_clock: MockClock
) -> None:
    setting.link.is_locked = True
    began_at = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(setting.insert, MINTS[0])
        assert {} == await setting.store.find_tokens(MINTS)
        assert trio.current_time() - began_at < A_MOMENT_SECONDS
        await trio.sleep(10.0)
        assert not setting.universe.database.tokens
        setting.link.unlock()
    assert [MINTS[0]] == list(setting.universe.database.tokens)
    assert trio.current_time() - began_at < 10.0 + 2 * A_MOMENT_SECONDS


async def test_a_lock_that_is_kept_ends_the_call_without_effect(
    setting: Setting, autojump_clock: MockClock
) -> None:
    setting.link.is_locked = True
    began_at = trio.current_time()
    with pytest.raises(StoreUnavailable, match="lock"):
        await setting.insert(MINTS[0])
    assert trio.current_time() - began_at == pytest.approx(LOCK_TIMEOUT_SECONDS, abs=0.1)
    setting.link.unlock()
    assert not setting.universe.database.tokens


async def test_refused_rows_are_told_and_the_others_of_their_batch_are_stored(
    setting: Setting, autojump_clock: MockClock
) -> None:
    end = setting.universe.begin_refusing(3)
    refused = await setting.insert(*MINTS)
    assert len(MINTS) // REFUSED_ONE_IN // 2 < len(refused) < len(MINTS) // 2
    assert set(refused) == set(setting.universe.refused)
    assert set(MINTS) - set(refused) == set(setting.universe.database.tokens)
    end()
    assert [] == await setting.insert(*refused)


# The books.


def new_books(universe: Universe) -> tuple[Books, list[str]]:
    violations: list[str] = []
    return Books(universe=universe, report=violations.append), violations


@pytest.mark.parametrize(
    "put",
    [
        lambda universe, memory: memory.unadmitted.update({MINTS[0]: None}),
        lambda universe, memory: memory.spooled.update({MINTS[0]: None}),
        lambda universe, memory: universe.database.tokens.update({MINTS[0]: None}),
        lambda universe, memory: universe.redis.data.spool.rows.update({MINTS[0]: "{}"}),
        lambda universe, memory: universe.refused.update({MINTS[0]: 1.0}),
    ],
)
def test_a_birth_told_stands_in_one_of_five_places(
    put: Callable[[Universe, "Memory"], object],
) -> None:
    memory, universe = Memory({}, {}), Universe(seed=1, rate=0.05)
    books, violations = new_books(universe)
    put(universe, memory)
    assert MINTS[1:2] == books.check_births(MINTS[:2], memory, memory)  # type: ignore[arg-type]
    assert [f"2: the birth of {MINTS[1]} was told, and stands nowhere"] == violations


@frozen
class Memory:
    """What ingest and sync remember, as far as the books look."""

    unadmitted: dict[Mint, object]
    spooled: dict[Mint, object]


async def test_a_refused_row_that_never_reaches_quarantine_is_told_once(
    autojump_clock: MockClock,
) -> None:
    universe = Universe(seed=1, rate=0.05)
    books, violations = new_books(universe)
    universe.refused = dict.fromkeys(MINTS[:2], trio.current_time())
    kept = evolve(QUARANTINED, mint=MINTS[0])
    universe.redis.data.quarantined[kept.id] = encode_entry(kept)
    books.check_refusals(troubled_until=0.0)
    assert [] == violations
    await trio.sleep(1_000.0)
    for _ in range(2):
        books.check_refusals(troubled_until=0.0)
    assert [f"4: {MINTS[1]} was refused, and is not in quarantine"] == violations
