"""The contract of `TokenStore.retain`, and what it does to a real server's tables."""

import psycopg
import pytest
import trio

from domain.lifecycle import RETAIN_NEW_SECONDS
from domain.token import Status
from domain.values import UnixSeconds
from store import TokenStore
from store.columns import PERIOD_SECONDS
from store.postgres import upkeep
from tests.contract.store_world import (
    DAY_SECONDS,
    NOW,
    StoreWorld,
    a_change,
    a_token,
    asked,
    found,
    insert,
    postgres_world,
    url_of,
    write,
)
from tests.patience import PATIENCE_SECONDS

PERIOD_END = UnixSeconds((NOW // PERIOD_SECONDS + 1) * PERIOD_SECONDS)  # of a token seen NOW
OFF_THE_FEED = UnixSeconds(PERIOD_END + RETAIN_NEW_SECONDS)
TABLES = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'token'::regclass"


async def retained_often(store: TokenStore, now: float, calls: int = 5) -> None:
    for _ in range(calls):  # each does a day's worth at most
        await store.drop_unretained(UnixSeconds(now))


# -- The contract --------------------------------------------------------------------------


async def test_new_tokens_go_when_their_two_hours_are_off_the_feed(world: StoreWorld) -> None:
    store, (old, young) = await world.stored(a_token(1), a_token(2, first_seen_at=PERIOD_END + 1.0))
    await write(store, [a_change(old, 1, price_usd=1.0, twitter="t")])
    await retained_often(store, OFF_THE_FEED - 1)
    assert {old.mint, young.mint} == (await store.find_tokens([old.mint, young.mint])).keys()
    await retained_often(store, OFF_THE_FEED)
    assert {young.mint: young} == await store.find_tokens([old.mint, young.mint])


async def test_a_mint_that_was_dropped_is_a_new_token(world: StoreWorld) -> None:
    store, (first,) = await world.stored(a_token(1))
    await write(store, [a_change(first, 1, price_usd=1.0)])
    await retained_often(store, OFF_THE_FEED)
    (again,) = await insert(store, [a_token(1, first_seen_at=OFF_THE_FEED)])
    assert again.id != first.id
    assert again.price_usd is None


async def test_bonded_tokens_stay_as_they_are_and_still_change(world: StoreWorld) -> None:
    store, (token, other) = await world.stored(a_token(1), a_token(2))
    changed_at = {"status": int(Status.BONDED), "status_changed_at": NOW + 40 * 3600}
    await write(store, [a_change(token, 1, price_usd=1.0, twitter="t", **changed_at)])
    before = await found(store, token.mint)
    await retained_often(store, OFF_THE_FEED)
    assert {token.mint: before} == await store.find_tokens([token.mint, other.mint])
    assert [before] == list(await store.load_tokens(OFF_THE_FEED, 10))
    assert [before] == list(await insert(store, [a_token(1, first_seen_at=OFF_THE_FEED)]))
    await write(store, [a_change(token, 200_000, price_usd=2.0)])
    assert (await found(store, token.mint)).price_usd == 2.0


async def test_cold_tokens_go_after_the_days_that_are_set(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1, status=Status.BONDED))
    await retained_often(store, OFF_THE_FEED)
    await retained_often(store, OFF_THE_FEED + 29 * DAY_SECONDS)
    assert await store.find_tokens([token.mint]) != {}
    await retained_often(store, OFF_THE_FEED + 41 * DAY_SECONDS)  # at the latest
    assert await store.find_tokens([token.mint]) == {}


async def test_a_change_of_a_dropped_token_harms_nobody(world: StoreWorld) -> None:
    store, (gone,) = await world.stored(a_token(1))
    await retained_often(store, OFF_THE_FEED)
    (other,) = await insert(store, [a_token(2, first_seen_at=OFF_THE_FEED)])
    await write(store, [a_change(gone, 1, price_usd=1.0), a_change(other, 1, price_usd=2.0)])
    assert {other.mint} == (await store.find_tokens([gone.mint, other.mint])).keys()


# -- The tables ----------------------------------------------------------------------------


async def test_whole_partitions_are_dropped_a_days_worth_a_call(server_world: StoreWorld) -> None:
    days = [a_token(day, first_seen_at=NOW + day * DAY_SECONDS) for day in range(3)]
    store, _ = await server_world.stored(*days)
    ((before,),) = await asked(url_of(server_world), TABLES)
    assert before == 3 * 8  # of each day from the first token's period on
    end = UnixSeconds(NOW + 30 * DAY_SECONDS)
    left = []
    for _ in range(4):
        await store.drop_unretained(end)
        left += await asked(url_of(server_world), TABLES)
    assert left == [(before - 12 + 1,), (1,), (1,), (1,)]  # one for the cold
    assert await asked(url_of(server_world), "SELECT count(*) FROM token_stats") == [(0,)]


async def test_what_a_reader_is_in_the_way_of_is_left_to_the_next_call(
    newest_server_world: StoreWorld,
) -> None:
    store, (token,) = await newest_server_world.stored(a_token(1))
    with psycopg.connect(url_of(newest_server_world)) as reader:
        reader.execute("SELECT * FROM token_now").fetchall()  # and stays in its transaction
        with trio.fail_after(PATIENCE_SECONDS):
            await store.drop_unretained(OFF_THE_FEED)
        assert await store.find_tokens([token.mint]) != {}
    await store.drop_unretained(OFF_THE_FEED)
    assert await store.find_tokens([token.mint]) == {}


async def test_a_long_journal_begins_anew_with_everything_in_it(
    server_world: StoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "JOURNAL_GROWTH_BYTES", 100_000)
    assert await longest_journal(server_world) < 400_000


async def test_over_a_base_the_journal_begins_anew_with_nothing_in_it(
    server_world: StoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "JOURNAL_OVER_BASE_BYTES", 50_000)
    world = postgres_world(url_of(server_world), stats_logged=True)
    assert await longest_journal(world) < 250_000
    await world.close()


async def longest_journal(world: StoreWorld) -> int:
    """Many flushes, in the end of which all values are still known; the most bytes meanwhile."""
    store, tokens = await world.stored(*(a_token(number) for number in range(200)))
    sizes = "SELECT pg_relation_size('token_journal_a') + pg_relation_size('token_journal_b')"
    longest = 0
    for version in range(1, 120):
        await write(store, [a_change(t, version, price_usd=version / 8) for t in tokens[version:]])
        await store.drop_unretained(NOW)
        ((both_sides,),) = await asked(url_of(world), sizes)
        longest = max(longest, both_sides)
    before = await store.find_tokens([token.mint for token in tokens])
    await asked(url_of(world), "TRUNCATE token_stats, token_stats_mark")
    assert before == await store.find_tokens([token.mint for token in tokens])
    assert before[tokens[50].mint].price_usd == 50 / 8
    return longest


async def test_what_is_off_the_feed_leaves_the_base_when_the_journal_begins_anew(
    server_world: StoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = postgres_world(url_of(server_world), stats_logged=True)
    store, (old, bonded) = await world.stored(a_token(1), a_token(2, status=Status.BONDED))
    await write(store, [a_change(old, 1, price_usd=1.0), a_change(bonded, 2, price_usd=2.0)])
    monkeypatch.setattr(upkeep, "JOURNAL_OVER_BASE_BYTES", 0)
    base = "SELECT token_id, price_usd FROM token_stats_base ORDER BY token_id"
    await store.drop_unretained(NOW)
    assert await asked(url_of(world), base) == [(old.id, 1.0), (bonded.id, 2.0)]
    await retained_often(store, OFF_THE_FEED)
    await write(store, [a_change(bonded, 3, price_usd=3.0)])
    await store.drop_unretained(OFF_THE_FEED)
    assert await asked(url_of(world), base) == [(bonded.id, 3.0)]
    assert (await found(store, bonded.mint)).price_usd == 3.0
    await world.close()


async def test_values_of_tokens_that_are_gone_go_with_the_next_journal(
    server_world: StoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "JOURNAL_GROWTH_BYTES", 0)
    monkeypatch.setattr(upkeep, "JOURNAL_OVER_BASE_BYTES", 0)
    store, (gone,) = await server_world.stored(a_token(1))
    await retained_often(store, OFF_THE_FEED)
    await write(store, [a_change(gone, 1, price_usd=1.0, twitter="t")])
    await retained_often(store, OFF_THE_FEED)
    left = "SELECT (SELECT count(*) FROM token_stats), (SELECT count(*) FROM token_profile)"
    assert await asked(url_of(server_world), left) == [(0, 0)]


async def test_a_journal_row_fits_its_page_and_each_has_its_own(server_world: StoreWorld) -> None:
    store, tokens = await server_world.stored(*(a_token(number) for number in range(1000)))
    everything = {
        "price_usd": 1.5, "market_cap_usd": 2.5, "volume_24h": 3.5, "hot_score": 4.5,
        "holder_count": 5, "tx_count_24h": 6, "buys_24h": 7, "sells_24h": 8, "silent": True,
        "status": 1, "previous_status": 0, "status_changed_at": NOW, "last_trade_at": NOW,
        "liquidity_usd": 9.5, "sol_raised": 1.5, "sol_to_graduate": 2.5, "market_cap_sol": 3.5,
        "price_change_24h": 4.5, "volume_change_24h": 5.5, "volume_24h_sol": 6.5,
        "unique_traders_24h": 7, "watcher_count": 8, "bonding_curve_progress": 9.5,
    }  # fmt: skip
    await write(store, [a_change(token, 1, **everything) for token in tokens])
    await write(store, [a_change(token, 2, hot_score=1.5) for token in tokens])
    ((rows, pages, longest),) = await asked(
        url_of(server_world),
        """SELECT count(*), count(DISTINCT (ctid::text::point)[0]), max(pg_column_size(j.*))
        FROM token_journal_a AS j""",
    )
    assert rows == pages
    assert 6_000 < longest <= 8160
    assert rows <= 21  # 1,000 tokens at 110 bytes, and at 24


async def test_a_number_within_the_dead_band_is_not_written(server_world: StoreWorld) -> None:
    world = postgres_world(url_of(server_world), dead_band_percent=1.0)
    store, (token,) = await world.stored(a_token(1))
    for version, price, rows in ((1, 100.0, 1), (2, 101.0, 0), (3, 101.5, 1), (4, 100.6, 0)):
        make_receipt = await write(store, [a_change(token, version, price_usd=price)])
        assert make_receipt.rows == rows
    assert (await found(store, token.mint)).price_usd == 101.5
    await world.close()


async def test_an_old_status_says_nothing_of_when_it_changed(world: StoreWorld) -> None:
    store, (token,) = await world.stored(a_token(1))
    bonded = {"status": 2, "previous_status": 1, "status_changed_at": NOW + 5.0}
    await write(store, [a_change(token, 1, **bonded)])
    late = {"status": 1, "previous_status": 0, "status_changed_at": NOW + 9.0, "buys_24h": 3}
    await write(store, [a_change(token, 2, **late)])
    seen = await found(store, token.mint)
    assert (seen.status, seen.previous_status, seen.status_changed_at) == (2, 1, NOW + 5)
    assert seen.buys_24h == 3
