"""The shelf of alerts: one contract for the twin and for the adapter on a real server."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
import trio
from attrs import evolve

from buffer.alerts import AlertShelf
from buffer.memory_alerts import MemoryAlertShelf
from buffer.redis.alerts import RedisAlertShelf
from domain.alerts import Alert, RuleDocument
from domain.errors import BufferUnavailable
from domain.values import UnixSeconds
from supervision.offload import offload_to_threads
from tests.conftest import RedisFactory
from tests.unit.actors.world import mint

MOST_ALERTS = 4


def alert(number: int = 1, **more: Any) -> Alert:
    facts: dict[str, Any] = {"endpoint": "desk", "rule": "r", "mint": mint(number), **more}
    body = f'{{"n": {number}, "text": "ü \\u0000"}}'
    raised_at = UnixSeconds(1_780_000_000.25 + number)
    return Alert(id=f"msg_{number}", raised_at=raised_at, body=body, **facts)


def rule(number: int = 1, **more: Any) -> RuleDocument:
    return {"id": f"r{number}", "kind": "capAbove", "value": 69000.5, "scope": ["a"], **more}


def redis_shelf(url: str) -> RedisAlertShelf:
    return RedisAlertShelf(
        url=url, timeout_seconds=5.0, offload=offload_to_threads(4), most_alerts=MOST_ALERTS
    )


@pytest.fixture(params=["memory", "redis"])
async def shelf(request: pytest.FixtureRequest) -> AsyncIterator[AlertShelf]:
    if request.param == "memory":
        yield MemoryAlertShelf(MOST_ALERTS)
        return
    url = request.getfixturevalue("redis_url")
    redis.Redis.from_url(url).flushall()
    adapter = redis_shelf(url)
    yield adapter
    await adapter.close()


async def test_an_empty_shelf_has_nothing(shelf: AlertShelf) -> None:
    assert [] == list(await shelf.read_alerts())
    assert [] == list(await shelf.read_rules())


async def test_what_is_kept_is_read_back_in_order(shelf: AlertShelf) -> None:
    await shelf.keep_alerts([alert(2), alert(1)])
    await shelf.keep_alerts([alert(3, failure="HTTP 500")])
    await shelf.keep_rules([rule(2), rule(1, name="münze")])
    assert [alert(2), alert(1), alert(3, failure="HTTP 500")] == list(await shelf.read_alerts())
    assert [rule(2), rule(1, name="münze")] == list(await shelf.read_rules())


async def test_the_latest_of_an_id_counts_and_comes_last(shelf: AlertShelf) -> None:
    await shelf.keep_alerts([alert(1), alert(2)])
    await shelf.keep_alerts([evolve(alert(1), failure="gone")])
    await shelf.keep_rules([rule(1), rule(2), rule(1, value=5)])
    assert [alert(2), alert(1, failure="gone")] == list(await shelf.read_alerts())
    assert [rule(2), rule(1, value=5)] == list(await shelf.read_rules())


async def test_each_call_may_be_repeated(shelf: AlertShelf) -> None:
    for _ in range(3):
        await shelf.keep_alerts([alert(1), alert(2)])
    for _ in range(3):
        await shelf.forget_alerts(["msg_1", "nobody"])
    assert [alert(2)] == list(await shelf.read_alerts())
    for _ in range(3):
        await shelf.keep_rules([rule(1), rule(2)])
        await shelf.forget_rules(["r2"])
    assert [rule(1)] == list(await shelf.read_rules())


async def test_nothing_is_kept_or_forgotten_by_an_empty_call(shelf: AlertShelf) -> None:
    await shelf.keep_alerts([alert(1)])
    await shelf.keep_alerts([])
    await shelf.forget_alerts([])
    await shelf.keep_rules([])
    await shelf.forget_rules([])
    assert [alert(1)] == list(await shelf.read_alerts())


async def test_past_the_bound_those_kept_longest_ago_go(shelf: AlertShelf) -> None:
    await shelf.keep_alerts([alert(number) for number in range(1, 4)])
    await shelf.keep_alerts([alert(number) for number in range(4, 7)])
    assert [alert(number) for number in range(3, 7)] == list(await shelf.read_alerts())


async def test_the_twin_can_be_away() -> None:
    twin = MemoryAlertShelf(MOST_ALERTS, is_away=True)
    with pytest.raises(BufferUnavailable):
        await twin.keep_alerts([alert(1)])
    with pytest.raises(BufferUnavailable):
        await twin.read_rules()


# On a real server alone.


async def test_a_server_that_is_away_is_told_of_and_then_used_again(
    new_redis: RedisFactory,
) -> None:
    server = new_redis()
    shelf = redis_shelf(server.url)
    await shelf.keep_alerts([alert(1)])
    server.kill()
    with pytest.raises(BufferUnavailable):
        await shelf.keep_alerts([alert(2)])
    with pytest.raises(BufferUnavailable):
        await shelf.read_rules()
    await trio.to_thread.run_sync(server.start)  # which has lost its data
    await shelf.keep_alerts([alert(2)])
    assert [alert(2)] == list(await shelf.read_alerts())
    await shelf.close()


async def test_what_is_no_alert_is_moved_aside_and_told_by_name(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    shelf = redis_shelf(redis_url)
    await shelf.keep_alerts([alert(1)])
    await shelf.keep_rules([rule(1)])
    client.zadd("td:alerts:order", {"junk": 7})
    client.hset("td:alerts:rows", "junk", "[]")
    with pytest.raises(BufferUnavailable, match="'junk' in td:alerts:rows was no row"):
        await shelf.read_alerts()
    assert [alert(1)] == list(await shelf.read_alerts())
    client.delete("td:alert-rules:order")
    client.set("td:alert-rules:order", "x")
    with pytest.raises(BufferUnavailable, match="td:alert-rules:order was a string"):
        await shelf.read_rules()
    await shelf.keep_rules([rule(2)])
    assert [rule(2)] == list(await shelf.read_rules())
    await shelf.close()
