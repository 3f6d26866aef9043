"""Writes through the view, as another program sends them: what is taken, what is refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
import pytest
import trio
from psycopg import errors
from psycopg.rows import dict_row

from store.ledger import Ledger
from tests.contract.store_world import (
    StoreWorld,
    a_change,
    a_token,
    asked,
    found,
    mint_of,
    postgres_world,
    url_of,
    wall_clock,
    write,
)
from tests.contract.test_store_overlay import overlay_of
from tests.patience import PATIENCE_SECONDS

UPDATE = 'UPDATE "TokenDiscovery" SET {} WHERE mint = %s RETURNING *'
SEEN = 'SELECT * FROM "TokenDiscovery" WHERE mint = %s'
TEXTS = ("imageUrl", "logoURI", "description", "twitter", "telegram", "website")


@contextmanager
def writer_of(world: StoreWorld) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """Another program's connection, in a transaction that is never committed unasked."""
    with psycopg.connect(url_of(world), row_factory=dict_row) as connection:
        yield connection
        connection.rollback()


async def updated(world: StoreWorld, assignment: str, *parameters: object) -> dict[str, Any]:
    """The row of token 1 as an UPDATE returns it; it is committed, and seen so afterwards."""

    def run() -> dict[str, Any]:
        with writer_of(world) as writer:
            cursor = writer.execute(UPDATE.format(assignment), (*parameters, mint_of(1)))
            row = cursor.fetchone()
            assert row is not None
            assert row == writer.execute(SEEN, (mint_of(1),)).fetchone()
            writer.commit()
            assert row == writer.execute(SEEN, (mint_of(1),)).fetchone()
            return row

    return await trio.to_thread.run_sync(run)


async def refused(world: StoreWorld, statement: str, *parameters: object) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as refusal:
        await asked(url_of(world), statement, *parameters)
    return refusal.value


# What is taken.


@pytest.mark.parametrize("column", TEXTS)
async def test_a_text_is_seen_at_once_by_whoever_wrote_it(
    newest_server_world: StoreWorld, column: str
) -> None:
    await newest_server_world.stored(a_token(1))
    for text in ("https://x.com/a", "", " 牛 🚀 'q' \"d\" \\ %s {} \n\u2028"):
        assert text == (await updated(newest_server_world, f'"{column}" = %s', text))[column]


async def test_the_row_is_otherwise_as_it_was(server_world: StoreWorld) -> None:
    store, (token,) = await server_world.stored(a_token(1))
    await write(store, [a_change(token, 1, price_usd=1.25, watcher_count=3, hot_score=4.5)])
    [before] = await trio.to_thread.run_sync(partial(_seen, server_world))
    after = await updated(
        server_world, 'twitter = %s, "watcherCount" = "watcherCount" + 2', "https://x.com/a"
    )
    assert after.pop("lastUpdatedAt") > before.pop("lastUpdatedAt")
    assert {**before, "twitter": "https://x.com/a", "watcherCount": 5} == after


def _seen(world: StoreWorld) -> list[dict[str, Any]]:
    with writer_of(world) as writer:
        return writer.execute(SEEN, (mint_of(1),)).fetchall()


@pytest.mark.parametrize(
    ("assignment", "count"),
    [
        ('"watcherCount" = "watcherCount" + 1', 4),
        ('"watcherCount" = "watcherCount" - 1', 3),  # those are clients of the service
        ('"watcherCount" = 10', 10),
        ('"watcherCount" = 0', 3),
        ('"watcherCount" = -7', 3),
        ('"watcherCount" = 2147483647', 2**31 - 1),
    ],
)
async def test_watchers_are_incremented_decremented_and_set(
    newest_server_world: StoreWorld, assignment: str, count: int
) -> None:
    store, (token,) = await newest_server_world.stored(a_token(1))
    await write(store, [a_change(token, 1, watcher_count=3)])
    assert count == (await updated(newest_server_world, assignment))["watcherCount"]


async def test_watchers_come_and_go_and_others_stay(newest_server_world: StoreWorld) -> None:
    store, (token,) = await newest_server_world.stored(a_token(1))
    for assignment, count in (("+ 2", 2), ("- 1", 1), ("- 1", 0), ("- 1", 0), ("+ 1", 1)):
        row = await updated(newest_server_world, f'"watcherCount" = "watcherCount" {assignment}')
        assert count == row["watcherCount"]
    await write(store, [a_change(token, 1, watcher_count=5)])
    assert 7 == (await updated(newest_server_world, '"watcherCount" = 7'))["watcherCount"]
    await write(store, [a_change(token, 2, watcher_count=0)])
    [row] = await trio.to_thread.run_sync(partial(_seen, newest_server_world))
    assert 2 == row["watcherCount"]


async def test_increments_of_two_transactions_at_once_add_up(server_world: StoreWorld) -> None:
    await server_world.stored(a_token(1))
    increment = UPDATE.format('"watcherCount" = "watcherCount" + 1')
    with writer_of(server_world) as first, writer_of(server_world) as second:
        assert 1 == _count_of(first.execute(increment, (mint_of(1),)))
        counts: list[int] = []

        def increment_again() -> None:
            counts.append(_count_of(second.execute(increment, (mint_of(1),))))
            second.commit()

        with trio.fail_after(PATIENCE_SECONDS):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.to_thread.run_sync, increment_again)
                while not await asked(
                    url_of(server_world),
                    """SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                AND datname = current_database() AND query ~ 'watcherCount'""",
                ):
                    await trio.sleep(0.01)
                first.commit()
    assert [2] == counts


def _count_of(cursor: psycopg.Cursor[dict[str, Any]]) -> int:
    row = cursor.fetchone()
    assert row is not None
    return int(row["watcherCount"])


async def test_one_statement_may_write_many_tokens(newest_server_world: StoreWorld) -> None:
    """As updateMany and an update by id do."""
    store, tokens = await newest_server_world.stored(*(a_token(number) for number in range(300)))
    url = url_of(newest_server_world)
    ids = [token.mint for token in tokens[:200]]
    await asked(
        url, 'UPDATE "TokenDiscovery" SET "watcherCount" = 2, website = %s WHERE id = ANY (%s)',
        "w", ids,
    )  # fmt: skip
    shown = """SELECT count(*) FROM "TokenDiscovery" WHERE "watcherCount" = 2 AND website = 'w'"""
    assert [(200,)] == await asked(url, shown)
    [(count,)] = await asked(
        url, """WITH w AS (UPDATE "TokenDiscovery" SET twitter = 't'
        WHERE state = 'new' RETURNING id) SELECT count(*) FROM w""",
    )  # fmt: skip
    assert 300 == count
    assert set(ids) <= (await overlay_of_all(store)).keys()


async def overlay_of_all(store: Any) -> dict[Any, Any]:
    page = await store.read_overlay((0, ""), 1000)
    return {row.mint: row for row in page.rows}


async def test_values_that_stay_may_be_sent_with_the_others(
    newest_server_world: StoreWorld,
) -> None:
    """Prisma sends "lastUpdatedAt" with every update; it follows from values, and is ignored."""
    store, (token,) = await newest_server_world.stored(a_token(1))
    await write(store, [a_change(token, 1, price_usd=1.25, hot_score=4.5)])
    row = await updated(
        newest_server_world,
        """"priceUsd" = "priceUsd", symbol = symbol, ath = NULL, "hotScore" = "hotScore",
        "lastUpdatedAt" = '2099-01-01', website = 'w'""",
    )
    assert ("w", True) == (row["website"], row["lastUpdatedAt"].year < 2099)
    before = await overlay_of(store)
    await updated(newest_server_world, """"lastUpdatedAt" = '2098-01-01', website = 'w'""")
    assert before == await overlay_of(store)


async def test_a_rollback_leaves_nothing(newest_server_world: StoreWorld) -> None:
    store, _ = await newest_server_world.stored(a_token(1))
    with writer_of(newest_server_world) as writer:
        writer.execute(UPDATE.format("website = 'w'"), (mint_of(1),))
    assert {} == await overlay_of(store)


async def test_what_is_written_while_an_older_transaction_is_open_is_not_missed(
    newest_server_world: StoreWorld,
) -> None:
    store, _ = await newest_server_world.stored(a_token(1), a_token(2))
    update = UPDATE.format("website = 'w'")
    with writer_of(newest_server_world) as early:
        early.execute(update, (mint_of(1),))
        await asked(url_of(newest_server_world), update, mint_of(2))
        page = await store.read_overlay((0, ""), 10)
        assert [mint_of(2)] == [row.mint for row in page.rows]
        early.commit()
    page = await store.read_overlay((page.horizon, ""), 10)
    assert mint_of(1) in [row.mint for row in page.rows]


async def test_a_transaction_of_others_holds_no_flush_back(
    newest_server_world: StoreWorld,
) -> None:
    store, (token,) = await newest_server_world.stored(a_token(1))
    await asked(url_of(newest_server_world), UPDATE.format("website = 'v'"), mint_of(1))
    taken = [(row.mint, row.change_id) for row in (await overlay_of(store)).values()]
    with writer_of(newest_server_world) as writer:
        writer.execute(UPDATE.format("""website = 'w', "watcherCount" = 3"""), (mint_of(1),))
        await write(store, [a_change(token, 1, website="ours", watcher_count=1)])
        await store.settle_overlay(taken)
        await store.set_watchers({token.mint: 9})
        writer.commit()
    row = (await overlay_of(store))[token.mint]
    assert (3, {"website": "w"}) == (row.watchers, row.texts)
    assert "ours" == (await found(store, token.mint)).website


async def test_a_crash_of_the_server_loses_nothing_of_it(new_postgres: Any) -> None:
    server = new_postgres()
    world = postgres_world(server.url)
    await world.stored(a_token(1))
    await updated(world, """"watcherCount" = 5, website = 'w'""")
    await world.close()
    server.kill()
    server.start()
    [row] = await trio.to_thread.run_sync(partial(_seen, world))
    assert (5, "w") == (row["watcherCount"], row["website"])


@pytest.mark.parametrize("stats_logged", [False, True], ids=["unlogged", "logged"])
async def test_it_is_shown_over_either_way_of_reading(
    newest_server_world: StoreWorld, stats_logged: bool
) -> None:
    world = postgres_world(url_of(newest_server_world), stats_logged=stats_logged)
    await world.stored(a_token(1))
    row = await updated(world, """"watcherCount" = 5, website = 'w'""")
    await world.close()
    other = postgres_world(url_of(newest_server_world), stats_logged=not stats_logged)
    await other.store()
    assert row == await updated(other, "mint = mint")
    await other.close()


# What is refused.


@pytest.mark.parametrize(
    ("assignment", "column", "owner"),
    [
        ('"priceUsd" = 3', "priceUsd", "market-data"),
        ("symbol = 'X', website = 'w'", "symbol", "birth"),
        ("mint = 'another'", "mint", "birth"),
        ("id = 'another'", "id", "birth"),
        ("status = 'BONDED'", "status", "life on the chain"),
        ('"hotScore" = 99', "hotScore", "hot-score"),
        ('"holderCount" = 9', "holderCount", "holder-count"),
        ("ath = 3", "ath", "knows no value"),
        ("symbol = NULL", "symbol", "birth"),
    ],
)
async def test_a_column_of_the_service_is_refused_with_its_owner(
    newest_server_world: StoreWorld, assignment: str, column: str, owner: str
) -> None:
    store, _ = await newest_server_world.stored(a_token(1))
    error = await refused(newest_server_world, UPDATE.format(assignment), mint_of(1))
    assert isinstance(error, errors.ObjectNotInPrerequisiteState)
    assert f'column "{column}" of "TokenDiscovery" is written by token-discovery' in str(error)
    assert (column, True) == (error.diag.column_name, owner in str(error.diag.message_detail))
    assert '"watcherCount", "imageUrl"' in str(error.diag.message_hint)
    assert {} == await overlay_of(store)


@pytest.mark.parametrize(
    ("statement", "hint"),
    [
        ("""INSERT INTO "TokenDiscovery" (id, mint) VALUES ('m', 'm')""", "inserts them"),
        ('DELETE FROM "TokenDiscovery"', "deletes them"),
        ("""DELETE FROM "TokenDiscovery" WHERE symbol = 'S1'""", "deletes them"),
    ],
)
async def test_births_and_deaths_are_refused(
    newest_server_world: StoreWorld, statement: str, hint: str
) -> None:
    await newest_server_world.stored(a_token(1))
    error = await refused(newest_server_world, statement)
    assert isinstance(error, errors.ObjectNotInPrerequisiteState)
    assert hint in str(error.diag.message_hint)


@pytest.mark.parametrize(
    ("column", "most_bytes"), [*((name, 2048) for name in TEXTS if name != "description"),
                               ("description", 4096)],
)  # fmt: skip
async def test_a_text_is_bounded_in_bytes(
    newest_server_world: StoreWorld, column: str, most_bytes: int
) -> None:
    await newest_server_world.stored(a_token(1))
    text = "é" * (most_bytes // 2)
    assert text == (await updated(newest_server_world, f'"{column}" = %s', text))[column]
    update = UPDATE.format(f'"{column}" = %s')
    error = await refused(newest_server_world, update, text + "x", mint_of(1))
    assert isinstance(error, errors.StringDataRightTruncation)
    assert f"At most {most_bytes} bytes" in str(error.diag.message_hint)


@pytest.mark.parametrize("column", ["watcherCount", *TEXTS])
async def test_null_takes_nothing_away(newest_server_world: StoreWorld, column: str) -> None:
    await newest_server_world.stored(a_token(1))
    if column != "watcherCount":  # not known yet, as before
        assert (await updated(newest_server_world, f'"{column}" = NULL'))[column] is None
        await updated(newest_server_world, f"\"{column}\" = 'x'")
    error = await refused(newest_server_world, UPDATE.format(f'"{column}" = NULL'), mint_of(1))
    assert isinstance(error, errors.NotNullViolation)
    assert error.diag.message_hint


async def test_the_number_of_tokens_that_wait_is_bounded(
    newest_server_world: StoreWorld,
) -> None:
    await newest_server_world.stored(a_token(1), a_token(2))
    await asked(url_of(newest_server_world), UPDATE.format("website = 'w'"), mint_of(1))
    await asked(
        url_of(newest_server_world),
        """INSERT INTO token_overlay (mint, watchers, texts, written_at)
        SELECT 'm' || number, 1, '{}', '{}' FROM generate_series(1, 20000) AS number""",
    )
    error = await refused(newest_server_world, UPDATE.format("website = 'w'"), mint_of(2))
    assert isinstance(error, errors.ConfigurationLimitExceeded)
    assert "Does the service run" in str(error.diag.message_hint)
    assert "v" == (await updated(newest_server_world, "website = 'v'"))["website"]


# What it costs.


async def test_a_write_of_one_token_looks_it_up(server_world: StoreWorld) -> None:
    await server_world.stored(*(a_token(number) for number in range(3000)))
    await asked(url_of(server_world), "ANALYZE")
    for key in ("mint", "id"):
        plan = await asked(
            url_of(server_world),
            f"""EXPLAIN UPDATE "TokenDiscovery" SET website = 'w' WHERE {key} = '{mint_of(7)}'""",
        )
        scans = [line for (line,) in plan if "Seq Scan" in line]
        assert [] == [line for line in scans if "token_stats " in line or "token_card" in line]


async def test_writes_of_others_are_booked_under_their_name(
    newest_server_world: StoreWorld,
) -> None:
    ledger = Ledger(clock=wall_clock)
    world = postgres_world(url_of(newest_server_world), ledger=ledger)
    store, (first, second) = await world.stored(a_token(1), a_token(2))
    await overlay_of(store)
    for mint in (first.mint, first.mint, second.mint):
        await asked(url_of(world), UPDATE.format("""website = website || 'w', twitter = 't'
            || clock_timestamp()"""), mint)  # fmt: skip
    rows = await overlay_of(store)
    account = ledger.snapshot().totals["others"]
    assert (3, 3, 2) == (account.rows, account.statements, account.commits)
    assert 3 * 200 < account.wal_bytes < 3 * 1000
    assert rows == await overlay_of(store)
    assert account == ledger.snapshot().totals["others"]
    await store.settle_overlay([(row.mint, row.change_id) for row in rows.values()])
    await asked(url_of(world), UPDATE.format("twitter = 'again'"), first.mint)
    await overlay_of(store)
    assert 3 + 2 + 1 == ledger.snapshot().totals["others"].rows
    await world.close()
