"""What a birth costs Postgres: its row, and no other while nobody trades, its creator neither."""

from trio.testing import MockClock

from domain.lifecycle import CURVE_TOKENS_AT_COMPLETION
from domain.token import Status
from domain.values import Sol
from tests.unit.actors.ingest.events import created, traded
from tests.unit.actors.service_world import ServiceWorld
from tests.unit.actors.world import SETTINGS, mint, until

THREE_FLUSHES_SECONDS = 3 * SETTINGS.sync.interval_seconds


async def test_token_that_is_never_traded_is_written_once(autojump_clock: MockClock) -> None:
    birth = created(
        1,
        5.0,
        curve_tokens=1_045_465_116.339853,
        curve_sol=Sol(30.79012344999),
        market_cap_sol=Sol(29.451124646602683),
    )
    world = ServiceWorld(script=[(5.0, birth)])
    async with world.serving():
        await until(5.0)
        assert world.shown_token(1) == world.stored(1)
        await until(THREE_FLUSHES_SECONDS)
    assert [] == list(world.sync_store.written)
    stored = world.stored(1)
    assert (Status.NEW, 3.47, 0.790123, 84.2152, 29.4511) == (
        stored.status,
        stored.bonding_curve_progress,
        stored.sol_raised,
        stored.sol_to_graduate,
        stored.market_cap_sol,
    )


async def test_token_that_is_born_nearly_sold_out_takes_one_more_row_for_its_status(
    autojump_clock: MockClock,
) -> None:
    birth = created(1, 5.0, curve_tokens=CURVE_TOKENS_AT_COMPLETION, curve_sol=Sol(115.0))
    world = ServiceWorld(script=[(5.0, birth)])
    async with world.serving():
        await until(5.5)
        assert world.shown_token(1).status is Status.GRADUATING
        await until(THREE_FLUSHES_SECONDS)
    [written] = world.sync_store.written
    [(_, change)] = written.changes
    assert {"status", "previous_status", "status_changed_at"} == change.values.keys()


async def test_token_tells_the_stream_that_brought_it_and_then_who_changed_it(
    autojump_clock: MockClock,
) -> None:
    birth = created(1, 5.0, source="chain", curve_tokens=1_045_465_116.339853)
    world = ServiceWorld(script=[(5.0, birth), (6.0, traded(1, 6.0, source="pumpapi"))])
    async with world.serving():
        await until(5.5)
        born = dict(world.shown_token(1).provenance)
        await until(6.5)
        provenance = world.shown_token(1).provenance
    assert born == dict.fromkeys(
        ("identity", "lifecycle", "market", "profile"), ("chain", birth.seen_at)
    )
    assert ("pumpapi", birth.seen_at + 1.0) == provenance["market"]
    assert born["profile"] == provenance["profile"]


async def test_births_in_postgres_are_remembered_by_the_buffer_as_soon_as_it_answers(
    autojump_clock: MockClock,
) -> None:
    """Should Postgres lose them, and this process end, nothing else would know of them."""
    world = ServiceWorld(script=[(5.0, created(1, 5.0)), (6.0, created(2, 6.0))])
    async with world.serving():
        await until(5.5)
        buffer = world.servers.buffer
        assert [mint(1)] == list(buffer.data.births)
        buffer.is_read_only = True
        await until(8.0)
        assert (mint(2), [mint(1)]) == (world.stored(2).mint, list(buffer.data.births))
        buffer.is_read_only = False
        await until(20.0)
        births = (await buffer.recall_stored("")).births
    assert [None, None] == [birth.id for birth in births]
    assert [world.stored(n).symbol for n in (1, 2)] == [birth.symbol for birth in births]
