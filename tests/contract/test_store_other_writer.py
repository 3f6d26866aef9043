"""A writer that does not take the store's lock: what it has inserted counts as stored."""

import psycopg
import trio

from tests.contract.store_world import (
    StoreWorld,
    a_token,
    asked,
    found,
    insert,
    mint_of,
    url_of,
)
from tests.patience import PATIENCE_SECONDS

ANOTHER = """INSERT INTO token (first_seen_at, period, mint, symbol)
SELECT first_seen_at, period, %s, 'OTHER' FROM token LIMIT 1"""
WAITING = """SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'token-discovery:ingest' AND wait_event_type = 'Lock'"""


async def test_a_mint_that_another_writer_inserts_meanwhile_is_found_stored(
    server_world: StoreWorld,
) -> None:
    ingest = await server_world.store("ingest")
    await insert(ingest, [a_token(1)])  # and so there is a partition
    with psycopg.connect(url_of(server_world)) as other:
        other.execute(ANOTHER, (mint_of(2),))
        stored = []

        async def insert_all() -> None:
            stored.extend(await insert(ingest, [a_token(2), a_token(3)]))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(insert_all)
            with trio.fail_after(PATIENCE_SECONDS):
                while await asked(url_of(server_world), WAITING) != [(1,)]:
                    await trio.sleep(0.01)
            other.commit()
    assert [("OTHER", mint_of(2)), ("S3", mint_of(3))] == [(t.symbol, t.mint) for t in stored]
    for mint in (mint_of(2), mint_of(3)):
        assert (await found(ingest, mint)).id is not None
    count = await asked(url_of(server_world), "SELECT count(*) FROM token")
    assert count == [(3,)]
