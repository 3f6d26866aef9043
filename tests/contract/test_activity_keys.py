"""The keys of a socket server elsewhere: one contract for the twin and for a real server."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis
import trio
from attrs import define, field

from buffer.activity_keys import ACTIVE_USERS_KEY, LAST_ACTIVITY_KEY, ActivityKeys, KeysRead
from buffer.memory_activity_keys import MemoryActivityKeys
from buffer.redis.activity_keys import RedisActivityKeys
from domain.errors import BufferUnavailable, KeysForbidden
from domain.values import UnixSeconds
from supervision.offload import offload_to_threads
from tests.conftest import RedisFactory
from tests.contract.switchboard import running_switchboard
from tests.patience import PATIENCE_SECONDS


def redis_keys(url: str) -> RedisActivityKeys:
    return RedisActivityKeys(url=url, timeout_seconds=2.0, offload=offload_to_threads(1))


@define
class Rig:
    """One adapter, and the way in which the other server writes."""

    keys: ActivityKeys
    write: Callable[[str, bytes], Any] = field(repr=False)


@pytest.fixture(params=["memory", "redis"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    if request.param == "memory":
        twin = MemoryActivityKeys()
        yield Rig(twin, twin.values.__setitem__)
        return
    url = request.getfixturevalue("redis_url")
    adapter = redis_keys(url)
    with redis.Redis.from_url(url) as client:
        yield Rig(adapter, client.set)
    await adapter.close()


async def test_no_keys_tell_of_nobody(rig: Rig) -> None:
    assert KeysRead() == await rig.keys.read_keys()


async def test_both_keys_are_read(rig: Rig) -> None:
    rig.write(ACTIVE_USERS_KEY, b"12")
    rig.write(LAST_ACTIVITY_KEY, b"1780000000250")
    wanted = KeysRead(active_users=12, last_activity_at=UnixSeconds(1_780_000_000.25))
    assert wanted == await rig.keys.read_keys()


async def test_a_key_is_read_without_the_other(rig: Rig) -> None:
    rig.write(LAST_ACTIVITY_KEY, b"0")
    assert KeysRead(last_activity_at=UnixSeconds(0.0)) == await rig.keys.read_keys()


JUNK = [b"", b"-1", b"+1", b"1.0", b"1e3", b"NaN", b"1_0", b"0x1", b" 1", b"1\n", b"null", b"\xff"]
JUNK += ["\u0663".encode(), b"9" * 17, b"9" * 100_000]  # an Arabic 3, and what is too great


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: repr(junk)[:12])
async def test_junk_counts_as_absent_and_is_told(rig: Rig, junk: bytes) -> None:
    for key in (ACTIVE_USERS_KEY, LAST_ACTIVITY_KEY):
        rig.write(key, junk)
    wanted = KeysRead(junk=(ACTIVE_USERS_KEY, LAST_ACTIVITY_KEY))
    assert wanted == await rig.keys.read_keys()


async def test_junk_in_one_key_spoils_not_the_other(rig: Rig) -> None:
    rig.write(ACTIVE_USERS_KEY, b"1000000001")
    rig.write(LAST_ACTIVITY_KEY, b"8640000000000000")
    read = await rig.keys.read_keys()
    assert (0, 8.64e12, (ACTIVE_USERS_KEY,)) == (
        read.active_users,
        read.last_activity_at,
        read.junk,
    )
    rig.write(ACTIVE_USERS_KEY, b"1000000000")
    rig.write(LAST_ACTIVITY_KEY, b"8640000000000001")
    assert (
        KeysRead(active_users=1_000_000_000, junk=(LAST_ACTIVITY_KEY,))
        == await rig.keys.read_keys()
    )


async def test_the_twin_can_be_away_and_forbidden() -> None:
    twin = MemoryActivityKeys(is_away=True)
    with pytest.raises(BufferUnavailable):
        await twin.read_keys()
    twin.is_away, twin.is_forbidden = False, True
    with pytest.raises(KeysForbidden):
        await twin.read_keys()


# On a real server alone.


async def test_keys_of_another_type_count_as_absent(redis_url: str) -> None:
    keys = redis_keys(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.hset(ACTIVE_USERS_KEY, "count", "3")
        client.rpush(LAST_ACTIVITY_KEY, "1780000000000")
    assert KeysRead() == await keys.read_keys()
    with redis.Redis.from_url(redis_url) as client:
        client.delete(ACTIVE_USERS_KEY)
        client.set(ACTIVE_USERS_KEY, "3")
    assert KeysRead(active_users=3) == await keys.read_keys()
    await keys.close()


async def test_an_expired_key_is_absent(redis_url: str) -> None:
    keys = redis_keys(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.set(ACTIVE_USERS_KEY, "3", px=1)
        with trio.fail_after(PATIENCE_SECONDS):
            while await keys.read_keys() != KeysRead():
                await trio.sleep(0.01)
    await keys.close()


async def test_a_read_is_one_mget_and_nothing_else(new_redis: RedisFactory) -> None:
    server = new_redis()
    keys = redis_keys(server.url)
    await keys.read_keys()  # connects
    with redis.Redis.from_url(server.url) as client:
        client.set(ACTIVE_USERS_KEY, "3")
        client.config_resetstat()
        for _ in range(5):
            await keys.read_keys()
        calls = {name: each["calls"] for name, each in client.info("commandstats").items()}
    calls.pop("cmdstat_config|resetstat", None)
    assert {"cmdstat_mget": 5} == calls
    await keys.close()


async def test_a_user_without_the_right_is_told_apart_from_an_outage(
    new_redis: RedisFactory,
) -> None:
    server = new_redis()
    with redis.Redis.from_url(server.url) as client:
        client.set(ACTIVE_USERS_KEY, "3")
        rights = {"keys": ["td:*"], "commands": ["+@all"]}
        client.acl_setuser("feed", enabled=True, passwords=["+s3cret"], **rights)
    host = server.url.removeprefix("redis://")
    keys = redis_keys(f"redis://feed:s3cret@{host}")
    for _ in range(3):
        with pytest.raises(KeysForbidden, match="may not read"):
            await keys.read_keys()
    with redis.Redis.from_url(server.url) as client:
        feed = [each for each in client.client_list() if each["user"] == "feed"]
        assert 1 == len(feed)  # a refusal costs no connection
        client.acl_setuser("feed", enabled=True, keys=["system:*"], commands=["+@all"])
        assert KeysRead(active_users=3) == await keys.read_keys()
        client.acl_setuser("feed", enabled=True, keys=["system:*"], commands=["-mget"])
        with pytest.raises(KeysForbidden):
            await keys.read_keys()
    await keys.close()


async def test_a_server_that_is_killed_is_away_until_it_is_back(new_redis: RedisFactory) -> None:
    server = new_redis()
    keys = redis_keys(server.url)
    assert KeysRead() == await keys.read_keys()
    await trio.to_thread.run_sync(server.kill)
    for _ in range(3):
        with pytest.raises(BufferUnavailable):
            await keys.read_keys()
    await trio.to_thread.run_sync(server.restart)
    with redis.Redis.from_url(server.url) as client:
        client.set(ACTIVE_USERS_KEY, "7")
    assert KeysRead(active_users=7) == await keys.read_keys()
    await keys.close()


OTHER_SHAPES = [b"+OK\r\n", b":1\r\n", b"*1\r\n$1\r\n3\r\n", b"*2\r\n:1\r\n:2\r\n"]


@pytest.mark.parametrize("answer", OTHER_SHAPES)
async def test_an_answer_of_another_shape_is_an_outage(redis_url: str, answer: bytes) -> None:
    port = int(redis_url.rpartition(":")[2].partition("/")[0])
    async with running_switchboard(port) as board:
        keys = redis_keys(f"redis://127.0.0.1:{board.port}")
        assert KeysRead() == await keys.read_keys()
        board.break_all(answer)
        with pytest.raises(BufferUnavailable):
            await keys.read_keys()
        assert KeysRead() == await keys.read_keys()  # on a new connection
        await keys.close()
