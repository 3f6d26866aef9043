"""The server's pulse, on every version that is here."""

import trio

from store.ledger import Ledger
from store.postgres import PostgresStore
from tests.contract.store_world import (
    StoreWorld,
    a_change,
    a_token,
    asked,
    insert,
    postgres_settings,
    url_of,
    wall_clock,
    write,
)
from tests.patience import PATIENCE_SECONDS


async def test_every_store_tells_its_pulse(world: StoreWorld) -> None:
    store = await world.store()
    pulse = await store.read_pulse()
    assert pulse.checkpoint_timeout_seconds == 300.0
    assert pulse.max_wal_size_bytes == 1 << 30
    assert pulse.wal_before_requested_bytes == int((1 << 30) / 1.9)
    assert pulse.wal_position is not None
    assert pulse.wal_since_checkpoint_bytes is not None
    assert 0 <= pulse.wal_since_checkpoint_bytes <= pulse.wal_position


async def test_requested_checkpoints_and_wal_are_counted(server_world: StoreWorld) -> None:
    store = await server_world.store()
    before = await store.read_pulse()
    await asked(url_of(server_world), "CREATE TABLE rival AS SELECT generate_series(1, 20000)")
    await asked(url_of(server_world), "CHECKPOINT")
    after = await store.read_pulse()
    with trio.fail_after(PATIENCE_SECONDS):
        while (
            after.checkpoints_requested == before.checkpoints_requested
            or after.checkpoint_seconds == before.checkpoint_seconds
        ):
            await trio.sleep(0.01)  # the checkpointer counts it after it has answered
            after = await store.read_pulse()
    assert 0 < after.checkpoint_seconds - before.checkpoint_seconds < PATIENCE_SECONDS
    assert after.checkpoints_requested == before.checkpoints_requested + 1
    assert after.checkpoints_timed == before.checkpoints_timed
    assert after.checkpoint_buffers > before.checkpoint_buffers
    assert before.wal_position is not None
    assert after.wal_position is not None
    assert after.wal_position - before.wal_position > 20_000 * 30
    assert after.wal_since_checkpoint_bytes is not None
    assert after.wal_since_checkpoint_bytes < 100_000


async def test_only_a_server_that_can_tells_what_our_connections_wrote(
    server_world: StoreWorld,
) -> None:
    ingest, store = await server_world.store("ingest"), await server_world.store("sync")
    [version] = (await asked(url_of(server_world), "SHOW server_version_num"))[0]
    for number in range(100):
        await insert(ingest, [a_token(number)])
    # The server's own statistics of a connection follow within a second, or when it is idle.
    await asked(url_of(server_world), "SELECT pg_sleep(1.1)")
    [stored] = await insert(ingest, [a_token(100)])
    pulse = await store.read_pulse()
    if int(version) < 180_000:
        assert pulse.own == ()
        return
    by_component = {backend.component: backend for backend in pulse.own}
    assert by_component["ingest"].wal_bytes > 100 * 100
    assert stored.id is not None


async def test_a_role_that_may_not_see_positions_gets_the_rest(server_world: StoreWorld) -> None:
    url = url_of(server_world)
    role = f"watcher_{id(server_world)}"
    await asked(url, f"CREATE ROLE {role} LOGIN")
    await asked(url, "REVOKE EXECUTE ON FUNCTION pg_control_checkpoint() FROM public")
    try:
        watched = PostgresStore(
            postgres_settings(url.replace("postgres@", f"{role}@")),
            "sync",
            trio.to_thread.run_sync,
            Ledger(clock=wall_clock),
            half_life_seconds=1800.0,
        )
        pulse = await watched.read_pulse()
        await watched.close()
    finally:
        await asked(url, "GRANT EXECUTE ON FUNCTION pg_control_checkpoint() TO public")
        await asked(url, f"DROP ROLE {role}")
    assert (pulse.wal_position, pulse.wal_since_checkpoint_bytes) == (None, None)
    assert (pulse.wal_bytes or 0) > 0


async def test_a_pulse_writes_nothing(server_world: StoreWorld) -> None:
    store, [token] = await server_world.stored(a_token(1))
    await write(store, [a_change(token, 1, holder_count=1)])
    first = await store.read_pulse()
    for _ in range(20):
        last = await store.read_pulse()
    assert first.wal_position is not None
    assert last.wal_position is not None
    # Others on the server may log a little (a snapshot of running transactions, say).
    assert last.wal_position - first.wal_position < 10_000
    commits = server_world.ledger.totals["sync"].commits
    assert commits == (2 if "ingest" not in server_world.ledger.totals else 1)
