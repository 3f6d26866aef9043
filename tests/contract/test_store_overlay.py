"""What others write through the view: the contract of the overlay, on the twin and on servers."""

from collections.abc import Mapping

import pytest

from domain.lifecycle import RETAIN_NEW_SECONDS
from domain.token import Status
from domain.values import Mint
from store import FIRST_POSITION, OverlayPosition, OverlayRow, TokenStore
from store.columns import PERIOD_SECONDS
from store.memory import MemoryStore
from tests.contract.store_world import (
    NOW,
    StoreWorld,
    a_change,
    a_token,
    after,
    asked,
    mint_of,
    write,
)

COLUMNS = {"image_url": '"imageUrl"', "logo_uri": '"logoURI"'}
MANY = 100


async def write_as_others(
    world: StoreWorld, mint: Mint, more_watchers: int = 0, **texts: str
) -> None:
    """As another program does."""
    if world.url is None:
        store = world.stores[0]
        assert isinstance(store, MemoryStore)
        store.database.write_as_others(mint, NOW, more_watchers, **texts)
        return
    assignments = [f"{COLUMNS.get(name, name)} = %s" for name in texts]
    if more_watchers:
        assignments.append(f'"watcherCount" = "watcherCount" + {more_watchers}')
    query = f'UPDATE "TokenDiscovery" SET {", ".join(assignments)} WHERE mint = %s'
    await asked(world.url, query, *texts.values(), mint)


async def overlay_of(store: TokenStore) -> dict[Mint, OverlayRow]:
    page = await store.read_overlay(FIRST_POSITION, MANY)
    return {row.mint: row for row in page.rows}


async def test_a_text_of_others_is_told_with_its_time(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    assert {} == await overlay_of(store)
    await write_as_others(world, token.mint, description="牛 \"q\" 'a' \\ 🚀", image_url="")
    row = (await overlay_of(store))[token.mint]
    assert {"description": "牛 \"q\" 'a' \\ 🚀", "image_url": ""} == row.texts
    assert row.texts.keys() == row.written_at.keys()
    assert all(isinstance(at, float) and at >= NOW for at in row.written_at.values())
    assert 0 == row.watchers


async def test_watchers_of_others_add_up_and_never_fall_below_none(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    for more in (1, 2, -1):
        await write_as_others(world, token.mint, more)
    assert 2 == (await overlay_of(store))[token.mint].watchers
    await write_as_others(world, token.mint, -5)
    assert 0 == (await overlay_of(store))[token.mint].watchers


async def test_nobody_less_where_nobody_is_changes_nothing(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    await write_as_others(world, token.mint, -1)
    assert {} == await overlay_of(store)


async def test_it_goes_with_its_token_and_stays_with_what_has_bonded(world: StoreWorld) -> None:
    store, (gone, bonded) = await world.stored(a_token(1), a_token(2))
    await write(store, [a_change(bonded, 1, status=int(Status.BONDED))])
    for token in (gone, bonded):
        await write_as_others(world, token.mint, 1, twitter="x")
    await store.drop_unretained(after(RETAIN_NEW_SECONDS + 2 * PERIOD_SECONDS))
    assert {bonded.mint} == (await overlay_of(store)).keys()
    await write_as_others(world, bonded.mint, 1)
    assert 2 == (await overlay_of(store))[bonded.mint].watchers


async def test_what_others_write_of_no_token_is_nothing(world: StoreWorld) -> None:
    store, _ = await world.stored(a_token(1))
    await write_as_others(world, mint_of(2), 1, twitter="x")
    assert {} == await overlay_of(store)


async def test_the_service_reads_its_own_values_under_the_overlay(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    await write(store, [a_change(token, 1, watcher_count=3, website="ours")])
    await write_as_others(world, token.mint, 4, website="theirs")
    found = (await store.find_tokens([token.mint]))[token.mint]
    assert (3, "ours") == (found.watcher_count, found.website)
    row = (await overlay_of(store))[token.mint]
    assert (4, {"website": "theirs"}) == (row.watchers, row.texts)


async def test_pages_tell_every_row_in_the_order_of_their_changes(world: StoreWorld) -> None:
    store, tokens = await world.stored(*(a_token(number) for number in range(5)))
    order = [tokens[place].mint for place in (3, 1, 4, 0, 2)]
    for mint in order:
        await write_as_others(world, mint, twitter="x")
    await write_as_others(world, order[0], twitter="y")
    told: list[Mint] = []
    position: OverlayPosition = FIRST_POSITION
    while rows := (await store.read_overlay(position, 2)).rows:
        told += [row.mint for row in rows]
        position = rows[-1].change_id, rows[-1].mint
    assert [*order[1:], order[0]] == told


async def test_from_the_horizon_on_only_news_are_told(world: StoreWorld) -> None:
    store, (first, second) = await world.stored(a_token(1), a_token(2))
    await write_as_others(world, first.mint, 1)
    horizon = (await store.read_overlay(FIRST_POSITION, MANY)).horizon
    await write_as_others(world, second.mint, 1)
    rows = (await store.read_overlay((horizon, ""), MANY)).rows
    assert second.mint in [row.mint for row in rows]


async def test_what_is_settled_goes_and_watchers_stay(world: StoreWorld) -> None:
    store, (text, watched) = await world.stored(a_token(1), a_token(2))
    await write_as_others(world, text.mint, twitter="x")
    await write_as_others(world, watched.mint, 2, twitter="x")
    rows = await overlay_of(store)
    await store.settle_overlay([(row.mint, row.change_id) for row in rows.values()])
    left = await overlay_of(store)
    assert left.keys() == {watched.mint}
    assert (2, {}, {}) == (
        left[watched.mint].watchers,
        left[watched.mint].texts,
        left[watched.mint].written_at,
    )


async def test_what_has_changed_since_it_was_taken_is_not_settled(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    await write_as_others(world, token.mint, twitter="x")
    taken = (await overlay_of(store))[token.mint]
    await write_as_others(world, token.mint, telegram="t")
    await store.settle_overlay([(token.mint, taken.change_id), (mint_of(9), taken.change_id)])
    assert {"twitter": "x", "telegram": "t"} == (await overlay_of(store))[token.mint].texts


async def test_counted_watchers_take_the_place_of_what_was_there(world: StoreWorld) -> None:
    store, tokens = await world.stored(*(a_token(number) for number in range(4)))
    counted, same, gone, new = (token.mint for token in tokens)
    await write_as_others(world, counted, 7, twitter="x")
    await write_as_others(world, same, 2)
    await write_as_others(world, gone, 3)
    before = await overlay_of(store)
    counts = {counted: 5, same: 2, gone: 0, new: 1}
    await store.set_watchers(counts)
    rows = await overlay_of(store)
    assert counts == {mint: row.watchers for mint, row in rows.items()}
    assert {"twitter": "x"} == rows[counted].texts
    assert before[counted].written_at == rows[counted].written_at
    assert before[same] == rows[same]
    await store.set_watchers({new: 0, mint_of(50): 0})
    assert 0 == (await overlay_of(store))[new].watchers


async def test_a_table_of_watches_that_is_missing_is_said(world: StoreWorld) -> None:
    store = await world.store()
    told = await store.count_watches('public."Token Watch"', MANY)
    assert {} == told.counts
    assert told.problem is not None
    assert told.problem.startswith('public."Token Watch": ')


@pytest.mark.parametrize("limit", [1, MANY])
async def test_watches_are_counted_by_mint(world: StoreWorld, limit: int) -> None:
    store = await world.store()
    watches: Mapping[Mint, int] = {mint_of(1): 3, mint_of(2): 1}
    if isinstance(store, MemoryStore):
        store.database.watches["TokenWatch"] = dict(watches)
    else:
        assert world.url is not None
        await asked(
            world.url,
            'CREATE TABLE "TokenWatch" (id text PRIMARY KEY, "userId" text NOT NULL, mint text)',
        )
        for mint, count in watches.items():
            for user in range(count):
                await asked(
                    world.url,
                    'INSERT INTO "TokenWatch" VALUES (%s, %s, %s)',
                    f"{mint}{user}",
                    str(user),
                    mint,
                )
    told = await store.count_watches("TokenWatch", limit)
    assert told.problem is None
    assert dict(list(watches.items())[:limit]) == told.counts
