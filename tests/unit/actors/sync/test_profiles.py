"""Which profiles are written: graduates', and of the others as many as there is room for."""

from collections.abc import Sequence

from attrs import evolve
from trio.testing import MockClock

from actors.sync.profiles import ProfileShelf
from actors.sync.table import TokenTable
from domain.changes import ChangeColumns
from domain.messages import TokenChange
from domain.token import Status, Token
from domain.values import UnixSeconds, Value, Version
from store import StoredChange, StoredChanges
from tests.unit.actors.sync.sync_world import SyncWorld, admit_tokens
from tests.unit.actors.world import SETTINGS, running, until
from tests.unit.domain.tokens import BIRTH, mint, token

ROWS_PER_HOUR = 4.0
HOUR = 3600.0


def shelf_of(*tokens: Token) -> ProfileShelf:
    table = TokenTable(100)
    for each in tokens:
        table.admit_token(each)
    return ProfileShelf(table=table, rows_per_hour=ROWS_PER_HOUR)


def stored(number: int, **fields: Value) -> Token:
    return token(number, id=number, **fields)


def change(number: int, **values: Value) -> StoredChange:
    return number, TokenChange(mint(number), Version(1), Version(1), BIRTH, values)


def written(
    shelf: ProfileShelf, changes: Sequence[StoredChange], after: float = 0.0
) -> dict[int, dict[str, Value]]:
    """What is written of each token in one batch that the store takes."""
    chosen = shelf.choose_profiles(StoredChanges.of(changes), UnixSeconds(BIRTH + after))
    shelf.note_written()
    return {number: dict(each.values) for number, each in chosen}


def emptied(*tokens: Token) -> ProfileShelf:
    """A shelf with no room left, at the second of birth."""
    shelf = shelf_of(*tokens, *(stored(n) for n in range(90, 94)))
    written(shelf, [change(n, twitter="t") for n in range(90, 94)])
    return shelf


def test_a_few_tokens_get_all_of_their_profiles_at_once() -> None:
    shelf = shelf_of(stored(1), stored(2))
    changes = [change(1, description="d"), change(2, price_usd=1.0)]
    assert {1: {"description": "d"}, 2: {"price_usd": 1.0}} == written(shelf, changes)
    assert {} == shelf.table.shelved


def test_beyond_the_room_a_change_loses_its_profile_and_nothing_else() -> None:
    shelf = emptied(stored(1))
    changes = [change(1, description="d", price_usd=1.0)]
    assert {1: {"price_usd": 1.0}} == written(shelf, changes)
    assert {mint(1): {"description"}} == shelf.table.shelved


def test_what_was_left_out_goes_with_a_later_change_when_there_is_room() -> None:
    shelf = emptied(stored(1, description="d", twitter="old"))
    written(shelf, [change(1, description="d", twitter="old")])
    soon = written(shelf, [change(1, price_usd=1.0)], after=60)
    later = written(shelf, [change(1, price_usd=2.0, twitter="new")], after=HOUR)
    assert {1: {"price_usd": 1.0}} == soon
    assert {1: {"price_usd": 2.0, "description": "d", "twitter": "new"}} == later
    assert {} == shelf.table.shelved


def test_a_text_stays_unread_while_the_profile_of_its_token_has_no_room() -> None:
    shelf = emptied(stored(1, description="d"))
    written(shelf, [change(1, description="d")])
    text = '{"price_usd":1.0}'
    columns = StoredChanges(
        [1], ChangeColumns([mint(1)], [Version(2)], [Version(2)], [BIRTH], [text])
    )
    kept = shelf.choose_profiles(columns, UnixSeconds(BIRTH + 60))
    completed = shelf.choose_profiles(columns, UnixSeconds(BIRTH + HOUR))
    assert [text] == kept.changes.values
    assert [{"description": "d", "price_usd": 1.0}] == completed.changes.values


def test_room_is_gathered_before_it_is_used_again() -> None:
    """One row now and then would log two whole pages each time."""
    shelf = emptied(stored(1), stored(2))
    one_row_seconds = HOUR / ROWS_PER_HOUR
    assert {1: {}} == written(shelf, [change(1, website="w")], after=one_row_seconds)
    both = [change(1, website="w"), change(2, website="w")]
    assert {1: {"website": "w"}, 2: {"website": "w"}} == written(
        shelf, both, after=2 * one_row_seconds
    )


def test_a_graduate_needs_no_room_and_brings_what_was_left_out() -> None:
    shelf = emptied(stored(1, name="n"))
    assert {1: {}} == written(shelf, [change(1, name="n")])
    shelf.table.published[mint(1)] = evolve(shelf.table.published[mint(1)], status=Status.BONDED)
    values: dict[str, Value] = {"status": 2, "pool_type": "pumpswap"}
    assert {1: {"name": "n", **values}} == written(shelf, [change(1, **values)])


def test_the_watched_and_then_the_longest_traded_go_first() -> None:
    tokens = [
        stored(1),
        stored(2, last_trade_at=UnixSeconds(BIRTH + 50)),
        stored(3, last_trade_at=UnixSeconds(BIRTH + 500)),
        stored(4, watcher_count=1),
        *(stored(n, last_trade_at=UnixSeconds(BIRTH + 70)) for n in (5, 6)),
    ]
    changes = [change(n, website="w") for n in range(1, 7)]
    chosen = written(shelf_of(*tokens), changes)
    assert [3, 4, 5, 6] == sorted(number for number, values in chosen.items() if values)


def test_a_batch_that_was_not_written_keeps_what_it_took_from_the_shelf() -> None:
    shelf = emptied(stored(1, description="d"))
    written(shelf, [change(1, description="d")])
    again = [change(1, price_usd=1.0)]
    at = UnixSeconds(BIRTH + HOUR)
    failed = shelf.choose_profiles(StoredChanges.of(again), at)  # and the store does not answer
    repeated = shelf.choose_profiles(StoredChanges.of(again), at)
    assert failed == repeated
    assert {"description": "d", "price_usd": 1.0} == repeated[0][1].values


def test_a_clock_that_goes_back_gives_no_room() -> None:
    shelf = emptied(stored(1))
    assert {1: {}} == written(shelf, [change(1, website="w")], after=-HOUR)


def test_a_token_that_is_forgotten_leaves_nothing_on_the_shelf() -> None:
    shelf = emptied(stored(1))
    written(shelf, [change(1, website="w")])
    shelf.table.forget_flushed(UnixSeconds(BIRTH + 100 * HOUR))
    assert {} == shelf.table.shelved


async def test_profiles_beyond_the_room_are_shown_and_stored_with_a_later_change(
    autojump_clock: MockClock,
) -> None:
    settings = evolve(SETTINGS.sync, profile_rows_per_hour=2.0)
    world = SyncWorld(settings=settings)
    flushed_after = 1.1 * settings.interval_seconds
    async with running(world.sync()):
        await admit_tokens(world, 3)
        for number in (1, 2, 3):
            await world.update(1.0, number, website=f"https://{number}.example/")
        await until(flushed_after)
        shown = {number: world.shown(number).website for number in (1, 2, 3)}
        assert {n: f"https://{n}.example/" for n in (1, 2, 3)} == shown
        assert {} == world.memory.unflushed
        assert 2 == stored_websites(world)
        await until(HOUR)
        for number in (1, 2, 3):
            await world.update(HOUR, number, holder_count=number)
        await until(HOUR + flushed_after)
    assert 3 == stored_websites(world)


def stored_websites(world: SyncWorld) -> int:
    return sum(world.stored(number).website is not None for number in (1, 2, 3))
