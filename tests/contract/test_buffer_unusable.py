"""What somebody else has put into our keys: moved aside, told by name, missed as any loss."""

from collections.abc import Iterator
from itertools import count
from struct import pack
from typing import Any

import pytest
import redis
import trio

from buffer.redis.tape import RedisTape
from buffer.tape import TapeBounds, TapeEntry
from domain.errors import BufferUnavailable
from domain.token import Token
from domain.values import UnixSeconds, Version
from tests.contract.buffer_rigs import (
    MINT,
    OTHER_MINT,
    QUARANTINED,
    THIRD_MINT,
    TIMEOUT_SECONDS,
    RedisRig,
    dirty_values,
    observed,
)

TOKEN = Token(mint=MINT, first_seen_at=UnixSeconds(1_760_000_000.0))
PATIENCE_CALLS = 3
NUMBERS = count()
LOSING = ["version", "epoch", "dirty", "spool:order", "spool:rows", f"token:{MINT}"]
SHELVES = ["quarantine:order", "quarantine:entries", "births:order", "births:rows"]
HARMLESS = ["changes", *SHELVES, f"token:{THIRD_MINT}"]


@pytest.fixture
def rig(redis_url: str) -> Iterator[RedisRig]:
    made = RedisRig(redis_url)
    yield made
    made.close()


def put_by_somebody_else(server: redis.Redis, key: str) -> None:
    server.delete(key)
    if key in ("td:version", "td:epoch", "td:store-epoch"):
        server.rpush(key, "not ours")
    else:
        server.set(key, "not ours")


async def use_all(rig: RedisRig) -> None:
    """Every call that meets a key."""
    for mint in (OTHER_MINT, THIRD_MINT):
        news = observed({"holder_count": next(NUMBERS)}, at=1001, mint=mint)
        await rig.buffer.append_observations(news)
    await rig.buffer.read_dirty(Version(0), 1000)
    await rig.buffer.spool_tokens([TOKEN])
    await rig.buffer.read_spooled(10)
    await rig.buffer.quarantine_entries([QUARANTINED])
    await rig.buffer.read_quarantined()
    await rig.buffer.remember_births([TOKEN])
    await rig.buffer.recall_stored("another")


async def use_until_well(rig: RedisRig) -> list[str]:
    """What the calls said before all of them were well."""
    problems: list[str] = []
    for _ in range(PATIENCE_CALLS):
        try:
            await use_all(rig)
        except BufferUnavailable as error:
            problems.append(str(error))
        else:
            return problems
    raise AssertionError(problems)


@pytest.mark.parametrize("name", [*LOSING, *HARMLESS])
async def test_a_key_of_another_type_is_moved_aside_and_named(rig: RedisRig, name: str) -> None:
    before = await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    await use_all(rig)
    if name in HARMLESS and name.startswith("token"):  # a flushed token's
        await rig.buffer.clear_flushed((await rig.buffer.read_dirty(Version(0), 10)).changes)
    put_by_somebody_else(rig.server, f"td:{name}")
    [problem] = await use_until_well(rig)
    assert f"td:{name} was a " in problem
    assert f"is td:aside:td:{name} now" in problem
    kept: Any = rig.server.type(f"td:aside:td:{name}")
    assert kept in (b"string", b"list")
    after = await rig.buffer.append_observations({})
    assert (name in LOSING) == (before.epoch != after.epoch)
    await rig.buffer.append_observations(observed({"price_usd": 1.0}), forced=True)
    assert {"price_usd": 1.0} == (await dirty_values(rig.buffer))[MINT]


async def test_all_keys_at_once_are_named_in_one_short_line(rig: RedisRig) -> None:
    await use_all(rig)
    for name in [*LOSING, *HARMLESS]:
        put_by_somebody_else(rig.server, f"td:{name}")
    [problem] = await use_until_well(rig)
    assert "9 more" in problem
    assert len(problem) < 300


async def test_a_version_that_is_no_number_is_a_lost_one(rig: RedisRig) -> None:
    before = await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    rig.server.set("td:version", "not ours")
    assert "" == (await rig.buffer.read_dirty(Version(0), 10)).epoch
    assert before.epoch != (await rig.buffer.append_observations({})).epoch


async def test_a_candle_key_of_another_type_stops_no_tape(rig: RedisRig) -> None:
    tape = RedisTape(
        url=rig.url,
        timeout_seconds=TIMEOUT_SECONDS,
        offload=trio.to_thread.run_sync,
        bounds=TapeBounds(trades=10, candle_days=1),
    )
    put_by_somebody_else(rig.server, f"td:candles:{MINT}")
    with pytest.raises(BufferUnavailable, match=f"td:candles:{MINT} was a string"):
        await tape.read_candles(MINT, "1m", 10)
    await tape.append_entries([TapeEntry(mint=MINT, candles=[], trades=[])])
    assert [] == await tape.read_candles(MINT, "1m", 10)
    await tape.close()


# Keys of the right type, with what is not ours in them.

TOKEN_KEY = f"td:token:{MINT}"
FIELDS_OF_OTHERS = {
    "text": b"not ours",
    "nothing": b"",
    "no value": pack(">dd", 5e15, 1000.0),
    "no JSON": pack(">dd", 5e15, 1000.0) + b"{",
    "no time": pack(">dd", 5e15, float("inf")) + b"1",
}
ROWS_OF_OTHERS = {
    "no JSON": "{",
    "a list": "[]",
    "a number": "5",
    "half a row": f'{{"mint":"{MINT}"}}',
}


@pytest.mark.parametrize("stored", FIELDS_OF_OTHERS.values(), ids=FIELDS_OF_OTHERS)
@pytest.mark.parametrize("name", ["price_usd", "of a later release", "."])
async def test_a_hash_that_no_script_can_read_is_moved_aside(
    rig: RedisRig, name: str, stored: bytes
) -> None:
    before = await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    await rig.buffer.append_observations(observed({"price_usd": 2.0}, mint=OTHER_MINT))
    rig.server.hset(TOKEN_KEY, name, pack(">d", 1.0) if name == "." else stored)
    [problem] = await use_until_well(rig)
    assert f"{TOKEN_KEY} was no hash of a token, and is td:aside:{TOKEN_KEY} now" in problem
    assert before.epoch != (await rig.buffer.append_observations({})).epoch
    await rig.buffer.append_observations(observed({"price_usd": 1.0}), forced=True)
    dirty = await dirty_values(rig.buffer)
    assert (1.0, 2.0) == (dirty[MINT]["price_usd"], dirty[OTHER_MINT]["price_usd"])


@pytest.mark.parametrize("row", ROWS_OF_OTHERS.values(), ids=ROWS_OF_OTHERS)
@pytest.mark.parametrize(
    ("shelf", "rows"), [("spool", "rows"), ("births", "rows"), ("quarantine", "entries")]
)
async def test_a_row_that_is_none_is_moved_aside_and_hides_no_other(
    rig: RedisRig, shelf: str, rows: str, row: str
) -> None:
    await use_all(rig)
    rig.server.zadd(f"td:{shelf}:order", {"strange": 1})
    rig.server.hset(f"td:{shelf}:{rows}", "strange", row)
    [problem] = await use_until_well(rig)
    assert f"'strange' in td:{shelf}:{rows} was no row" in problem
    assert row.encode() == rig.server.hget(f"td:aside:td:{shelf}:{rows}", "strange")
    assert [MINT] == [token.mint for token in await rig.buffer.read_spooled(10)]
    assert [QUARANTINED] == await rig.buffer.read_quarantined()
    assert [MINT] == [token.mint for token in (await rig.buffer.recall_stored("one")).births]


async def test_an_epoch_that_is_no_name_is_a_lost_one(rig: RedisRig) -> None:
    before = await rig.buffer.append_observations(observed({"price_usd": 1.0}))
    rig.server.set("td:epoch", b"\xff\xfe")
    [problem] = await use_until_well(rig)
    assert "td:epoch was no name" in problem
    after = await rig.buffer.append_observations({})
    assert before.epoch != after.epoch == (await rig.buffer.read_dirty(Version(0), 10)).epoch
