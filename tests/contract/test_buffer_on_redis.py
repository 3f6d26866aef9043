"""What only a real server can show: restarts, kills, hangs, lost data, and what a call costs."""

import signal
from collections.abc import Iterator
from functools import partial
from os import kill
from pathlib import Path
from typing import Any

import pytest
import trio

from buffer.redis import RedisBuffer
from buffer.redis.scripts import SCRIPTS
from commands.embedded import EmbeddedRedis, free_port
from domain.errors import BufferUnavailable
from domain.token import Token
from domain.values import Mint, UnixSeconds
from tests.conftest import RedisFactory
from tests.contract.buffer_rigs import (
    MINT,
    QUARANTINED,
    ManualClock,
    RedisRig,
    bounds,
    dirty_values,
    everything_dirty,
    flush,
    observed,
    observed_of_each,
)
from tests.patience import PATIENCE_SECONDS


@pytest.fixture
def rig(redis_url: str) -> Iterator[RedisRig]:
    made = RedisRig(redis_url)
    yield made
    made.close()


def rig_on(server: EmbeddedRedis) -> RedisRig:
    return RedisRig(server.url)


async def seconds_to_fail(buffer: RedisBuffer) -> float:
    """How long a call on a server that does not answer takes to say so."""
    began = trio.current_time()
    with pytest.raises(BufferUnavailable):
        await buffer.append_observations(observed({"price_usd": 1.0}))
    return trio.current_time() - began


# Cost and keys.


async def test_a_thousand_tokens_are_one_call(rig: RedisRig) -> None:
    await rig.buffer.open()
    rig.server.config_resetstat()
    mints = [Mint(f"mint-{number}") for number in range(1000)]
    await rig.buffer.append_observations(observed_of_each({"price_usd": 1.0}, mints))
    read = await everything_dirty(rig.buffer)
    await rig.buffer.clear_flushed(read)
    calls: Any = rig.server.info("commandstats")
    assert calls["cmdstat_evalsha"]["calls"] == 3
    assert "cmdstat_eval" not in calls
    assert "cmdstat_script|load" not in calls


async def test_every_key_begins_with_td(rig: RedisRig) -> None:
    await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    await rig.buffer.spool_tokens([Token(mint=MINT, first_seen_at=UnixSeconds(1.0))])
    await rig.buffer.quarantine_entries([QUARANTINED])
    keys: Any = rig.server.keys()
    assert sorted(keys) == [
        b"td:changes",
        b"td:dirty",
        b"td:epoch",
        b"td:quarantine:entries",
        b"td:quarantine:order",
        b"td:spool:order",
        b"td:spool:rows",
        b"td:token:" + MINT.encode(),
        b"td:version",
    ]


async def test_an_emptied_spool_and_quarantine_leave_nothing_but_the_version(rig: RedisRig) -> None:
    await rig.buffer.spool_tokens([Token(mint=MINT, first_seen_at=UnixSeconds(1.0))])
    await rig.buffer.quarantine_entries([QUARANTINED])
    await rig.buffer.remove_spooled([MINT])
    await rig.buffer.release_quarantined([QUARANTINED.id])
    assert [b"td:version"] == rig.server.keys()


async def test_only_clean_tokens_have_an_expiry(rig: RedisRig) -> None:
    await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    await flush(rig.buffer)
    assert 3590 <= int(rig.server.ttl(f"td:token:{MINT}")) <= 3600
    await rig.buffer.append_observations(observed({"price_usd": 2.0}))
    assert rig.server.ttl(f"td:token:{MINT}") == -1


async def test_the_stream_is_capped(rig: RedisRig) -> None:
    buffer = rig.bounded(bounds(stream_entries=100))
    for number in range(400):
        await buffer.append_observations(observed({"price_usd": float(number)}))
    # Redis trims whole nodes of a hundred entries.
    assert 100 <= int(rig.server.xlen("td:changes")) <= 200


def test_every_script_is_a_file_and_every_file_a_script() -> None:
    files = Path(__file__).parents[2].joinpath("buffer", "redis").glob("*.lua")
    assert sorted(SCRIPTS) == sorted(file.stem for file in files)


# The server loses things.


async def test_forgotten_scripts_are_loaded_again(rig: RedisRig) -> None:
    await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    rig.server.script_flush()
    await rig.buffer.append_observations(observed({"price_usd": 2.0}))
    rig.server.script_flush()
    assert await dirty_values(rig.buffer) == {MINT: {"price_usd": 2.0}}


async def test_a_deleted_hash_ends_the_epoch_and_is_dirty_no_more(rig: RedisRig) -> None:
    before = await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    rig.server.delete(f"td:token:{MINT}")
    assert await everything_dirty(rig.buffer) == []
    assert before.epoch != (await rig.buffer.append_observations({})).epoch


async def test_a_server_without_memory_is_unavailable_until_it_has_some(rig: RedisRig) -> None:
    rig.server.config_set("maxmemory", 1)
    try:
        with pytest.raises(BufferUnavailable, match="maxmemory"):
            await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    finally:
        rig.server.config_set("maxmemory", 0)
    assert len((await rig.buffer.append_observations(observed({"price_usd": 1.0}))).changed) == 1


async def test_an_older_state_of_the_data_is_another_epoch(new_redis: RedisFactory) -> None:
    """A server that comes back with its last snapshot has lost what came after that."""
    server = new_redis()
    rig = rig_on(server)
    before = await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    rig.server.save()
    await rig.buffer.append_observations(observed({"price_usd": 2.0}))
    (old,) = await everything_dirty(rig.buffer)
    await trio.to_thread.run_sync(server.kill)
    await trio.to_thread.run_sync(server.start)
    assert await dirty_values(rig.buffer) == {MINT: {"price_usd": 1.0}}
    rig.clock.advance(-3600)
    after = await rig.buffer.append_observations(observed({"price_usd": 2.0}, at=1001))
    assert before.epoch != after.epoch
    (new,) = await everything_dirty(rig.buffer)
    assert old.version < new.version
    await close(rig)


async def close(rig: RedisRig) -> None:
    await rig.buffer.close()
    rig.server.close()


# The server goes away.


async def test_a_killed_server_is_unavailable_and_then_works_again(
    new_redis: RedisFactory,
) -> None:
    server = new_redis()
    rig = rig_on(server)
    before = await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    await trio.to_thread.run_sync(server.kill)
    for _ in range(3):
        await seconds_to_fail(rig.buffer)
    await trio.to_thread.run_sync(server.start)
    after = await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    assert before.epoch != after.epoch
    assert len(after.changed) == 1
    await close(rig)


async def test_a_server_killed_amid_appends_fails_within_the_time_out(
    new_redis: RedisFactory,
) -> None:
    server = new_redis()
    rig = rig_on(server)
    mints = [Mint(f"mint-{number}") for number in range(1000)]
    failed = trio.Event()

    async def append_until_it_fails() -> None:
        for number in range(10_000):
            batch = observed_of_each({"price_usd": float(number)}, mints)
            try:
                await rig.buffer.append_observations(batch)
            except BufferUnavailable:
                failed.set()
                return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(append_until_it_fails)
        await trio.sleep(0.2)
        await trio.to_thread.run_sync(server.kill)
        with trio.fail_after(PATIENCE_SECONDS):
            await failed.wait()
    await trio.to_thread.run_sync(server.start)
    await rig.buffer.append_observations(observed_of_each({"price_usd": -1.0}, mints))
    assert len(await everything_dirty(rig.buffer)) == 1000
    await close(rig)


async def test_a_server_that_hangs_is_unavailable_after_the_time_out(
    new_redis: RedisFactory,
) -> None:
    server = new_redis()
    buffer = RedisBuffer(server.url, 1.0, trio.to_thread.run_sync, ManualClock())
    await buffer.append_observations(observed({"price_usd": 0.0}))
    kill(server.pid, signal.SIGSTOP)
    try:
        for _ in range(2):  # the second time without a connection from before
            # The client's own habit of ten attempts would take eleven time-outs.
            assert 1.0 <= await seconds_to_fail(buffer) < 8.0
    finally:
        kill(server.pid, signal.SIGCONT)
    # The commands that nobody waited for may or may not have happened; the value is there once.
    await buffer.append_observations(observed({"price_usd": 1.0}))
    assert await dirty_values(buffer) == {MINT: {"price_usd": 1.0}}
    await buffer.close()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    address = f"redis://127.0.0.1:{free_port()}/0"
    buffer = RedisBuffer(address, 1.0, trio.to_thread.run_sync, ManualClock())
    for call in (buffer.open, buffer.read_quarantined, partial(buffer.read_spooled, 1)):
        with pytest.raises(BufferUnavailable):
            await call()


async def test_the_password_of_the_address_is_not_shown() -> None:
    buffer = RedisBuffer(
        "redis://:secret@127.0.0.1:1/0", 1.0, trio.to_thread.run_sync, ManualClock()
    )
    assert "secret" not in repr(buffer)
    with pytest.raises(BufferUnavailable) as raised:
        await buffer.open()
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("policy", ["always", "everysec"])
async def test_with_append_only_files_what_was_answered_survives_a_kill(
    new_redis: RedisFactory, policy: str
) -> None:
    server = new_redis(appendonly=True, settings={"appendfsync": policy})
    rig = rig_on(server)
    token = Token(mint=MINT, first_seen_at=UnixSeconds(1.0))
    await rig.buffer.spool_tokens([token])
    mints = [Mint(f"mint-{number}") for number in range(200)]
    for number in range(5):
        batch = observed_of_each({"price_usd": float(number)}, mints)
        before = await rig.buffer.append_observations(batch)
    read = await everything_dirty(rig.buffer)
    await rig.buffer.clear_flushed(read[:50])
    await trio.to_thread.run_sync(server.kill)
    await trio.to_thread.run_sync(server.start)
    assert await everything_dirty(rig.buffer) == read[50:]
    assert await rig.buffer.read_spooled(10) == [token]
    assert before.epoch == (await rig.buffer.append_observations({})).epoch
    await close(rig)
