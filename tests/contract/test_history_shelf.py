"""The history of the process: one contract for the twin and for a real server."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis
import trio
from attrs import define, field

from buffer.history import (
    COARSE_POINTS,
    EVENTS_KEPT,
    RECENT_POINTS,
    HistoryBatch,
    HistoryShelf,
)
from buffer.memory_history import MemoryHistory
from buffer.redis.history import COARSE, EVENTS, KEYS, POINTS, RedisHistory
from domain.errors import BufferUnavailable
from domain.operations import SERIES, HistoryPoint, OperationsEvent
from domain.values import UnixSeconds
from supervision.offload import offload_to_threads
from tests.conftest import RedisFactory


def redis_history(url: str) -> RedisHistory:
    return RedisHistory(url=url, timeout_seconds=2.0, offload=offload_to_threads(1))


@define
class Rig:
    """One adapter, and a way to put a row beside what it writes."""

    shelf: HistoryShelf
    push: Callable[[str, bytes], Any] = field(repr=False)


@pytest.fixture(params=["memory", "redis"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    if request.param == "memory":
        twin = MemoryHistory()
        rows = {POINTS: twin.points, COARSE: twin.coarse, EVENTS: twin.events}
        yield Rig(twin, lambda key, row: rows[key].append(row))
        return
    url = request.getfixturevalue("redis_url")
    adapter = redis_history(url)
    with redis.Redis.from_url(url) as client:
        yield Rig(adapter, client.rpush)
    await adapter.close()


def point(at: float, **values: float) -> HistoryPoint:
    return HistoryPoint(at=UnixSeconds(at), values=values)


def event(at: float, words: str = "Redis is away") -> OperationsEvent:
    return OperationsEvent(at=UnixSeconds(at), kind="problem", words=words)


async def test_before_anything_was_kept_there_is_nothing(rig: Rig) -> None:
    assert HistoryBatch() == await rig.shelf.read_history()


async def test_what_is_appended_is_read_oldest_first(rig: Rig) -> None:
    first = HistoryBatch(points=(point(15, clients=3.0),), events=(event(14),))
    then = HistoryBatch(
        points=(point(30, clients=2.5, cpu_share=0.25),), coarse=(point(30, clients=3.0),)
    )
    await rig.shelf.append_history(first)
    await rig.shelf.append_history(then)
    assert (
        HistoryBatch(points=(*first.points, *then.points), coarse=then.coarse, events=first.events)
        == await rig.shelf.read_history()
    )


async def test_an_append_that_is_repeated_changes_nothing_that_is_read(rig: Rig) -> None:
    batch = HistoryBatch(points=(point(15, clients=3.0),), events=(event(14), event(15)))
    for _ in range(3):
        await rig.shelf.append_history(batch)
    assert batch == await rig.shelf.read_history()


async def test_nothing_is_appended_of_nothing(rig: Rig) -> None:
    await rig.shelf.append_history(HistoryBatch())
    assert HistoryBatch() == await rig.shelf.read_history()


async def test_each_list_is_bounded_and_its_oldest_go(rig: Rig) -> None:
    for _ in range(2):
        await rig.shelf.append_history(
            HistoryBatch(
                points=[point(at) for at in range(RECENT_POINTS + 10)],
                coarse=[point(at) for at in range(COARSE_POINTS + 10)],
                events=[event(at) for at in range(EVENTS_KEPT + 10)],
            )
        )
    kept = await rig.shelf.read_history()
    assert (RECENT_POINTS, COARSE_POINTS, EVENTS_KEPT) == (
        len(kept.points),
        len(kept.coarse),
        len(kept.events),
    )
    assert (10.0, RECENT_POINTS + 9.0) == (float(kept.points[0].at), float(kept.points[-1].at))


JUNK = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"7",
    b"{}",
    b'{"at":"x"}',
    b'{"at":true}',
    b'{"at":null}',
    b"\xff",
]


@pytest.mark.parametrize("junk", JUNK, ids=repr)
async def test_a_row_that_cannot_be_read_is_left_out(rig: Rig, junk: bytes) -> None:
    batch = HistoryBatch(points=(point(15, clients=3.0),), coarse=(point(15),), events=(event(14),))
    for key in KEYS:
        rig.push(key, junk)
    await rig.shelf.append_history(batch)
    assert batch == await rig.shelf.read_history()


async def test_a_series_of_another_release_and_a_value_that_is_no_number_are_left_out(
    rig: Rig,
) -> None:
    rig.push(POINTS, b'{"at":15,"of_the_future":1,"clients":"many","cpu_share":0.5}')
    kept = await rig.shelf.read_history()
    assert (point(15, cpu_share=0.5),) == kept.points


async def test_the_twin_can_be_away() -> None:
    twin = MemoryHistory(is_away=True)
    for call in (twin.read_history, lambda: twin.append_history(HistoryBatch())):
        with pytest.raises(BufferUnavailable):
            await call()


# On a real server alone.


async def test_a_key_of_another_type_is_moved_aside(redis_url: str) -> None:
    shelf = redis_history(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.set(POINTS, "of somebody else")
        with pytest.raises(BufferUnavailable, match="td:aside:td:history:points"):
            await shelf.append_history(HistoryBatch(points=(point(15),)))
        await shelf.append_history(HistoryBatch(points=(point(15),)))
        assert b"of somebody else" == client.get("td:aside:td:history:points")
    assert HistoryBatch(points=(point(15),)) == await shelf.read_history()
    await shelf.close()


async def test_a_server_that_is_killed_is_away_until_it_is_back(new_redis: RedisFactory) -> None:
    server = new_redis()
    shelf = redis_history(server.url)
    await shelf.append_history(HistoryBatch(points=(point(15),)))
    await trio.to_thread.run_sync(server.kill)
    for _ in range(2):
        with pytest.raises(BufferUnavailable):
            await shelf.read_history()
    await trio.to_thread.run_sync(server.restart)
    await shelf.append_history(HistoryBatch(points=(point(30),)))
    assert point(30) in (await shelf.read_history()).points
    await shelf.close()


async def test_a_full_history_takes_two_and_a_half_megabytes_at_most(redis_url: str) -> None:
    shelf = redis_history(redis_url)
    values = dict.fromkeys(SERIES, 12345.67)
    at = 1_780_000_000
    await shelf.append_history(
        HistoryBatch(
            points=[point(at + 15 * n, **values) for n in range(RECENT_POINTS)],
            coarse=[point(at + 300 * n, **values) for n in range(COARSE_POINTS)],
            events=[event(at + n, "x" * 120) for n in range(EVENTS_KEPT)],
        )
    )
    with redis.Redis.from_url(redis_url) as client:
        used = sum(int(client.memory_usage(key, samples=0) or 0) for key in KEYS)
    assert 1_500_000 < used < 2_500_000
    await shelf.close()
