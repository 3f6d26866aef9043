"""The tape: one contract for the twin and for the adapter on a real server."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
import trio

from buffer.memory_tape import MemoryTape
from buffer.redis.tape import RedisTape
from buffer.tape import TapeBounds, TapeEntry, TradeTape
from domain.errors import BufferUnavailable
from domain.trading import Candle, TradeRecord
from domain.values import Mint, Sol, UnixSeconds, Usd
from supervision.offload import offload_to_threads
from tests.unit.actors.world import mint

BOUNDS = TapeBounds(trades=5, candle_days=2)
MINUTE = 1_780_000_020.0  # a whole one


def candle(minute: int = 0, close: float = 2.0, **more: Any) -> Candle:
    facts: dict[str, Any] = {"open": 1.0, "high": 3.0, "low": 0.5, "close": close}
    facts |= {"volume_usd": 100.0, "volume_sol": 1.5, "buys": 2, "sells": 1, **more}
    return Candle(opened_at=UnixSeconds(MINUTE + 60 * minute), **facts)


def trade(number: int = 0, **more: Any) -> TradeRecord:
    facts: dict[str, Any] = {"side": "buy", "trader": "wallet", "tokens": 5.0, "sol": Sol(0.25)}
    facts |= {"usd": Usd(40.0), "price_usd": Usd(2e-6), "signature": f"sig{number}", **more}
    return TradeRecord(at=UnixSeconds(MINUTE + number), **facts)


def entry(
    candles: list[Candle] | None = None, trades: list[TradeRecord] | None = None, number: int = 1
) -> TapeEntry:
    return TapeEntry(mint=mint(number), candles=candles or [], trades=trades or [])


@pytest.fixture(params=["memory", "redis"])
async def tape(request: pytest.FixtureRequest) -> AsyncIterator[TradeTape]:
    if request.param == "memory":
        yield MemoryTape(BOUNDS)
        return
    url = request.getfixturevalue("redis_url")
    redis.Redis.from_url(url).flushall()
    adapter = RedisTape(url=url, timeout_seconds=5.0, offload=offload_to_threads(4), bounds=BOUNDS)
    yield adapter
    await adapter.close()


async def test_what_is_written_is_read_back(tape: TradeTape) -> None:
    await tape.append_entries([entry([candle(0), candle(1, 2.5)], [trade(0), trade(1)])])
    assert [candle(0), candle(1, 2.5)] == await tape.read_candles(mint(1), "1m", 10)
    assert [trade(1), trade(0)] == await tape.read_trades(mint(1), 10)


async def test_a_minute_that_is_written_again_takes_the_place_of_itself(tape: TradeTape) -> None:
    await tape.append_entries([entry([candle(0), candle(1)])])
    await tape.append_entries([entry([candle(0, 7.0), candle(2)])])
    read = await tape.read_candles(mint(1), "1m", 10)
    assert [7.0, 2.0, 2.0] == [each.close for each in read]


async def test_the_same_call_again_changes_nothing_that_is_read(tape: TradeTape) -> None:
    for _ in range(3):
        await tape.append_entries([entry([candle(0)], [trade(0), trade(1)])])
    assert [candle(0)] == await tape.read_candles(mint(1), "1m", 10)
    assert [trade(1), trade(0)][:1] == await tape.read_trades(mint(1), 1)
    assert 2 >= len({each.signature for each in await tape.read_trades(mint(1), 10)})


async def test_larger_candles_are_made_of_minutes(tape: TradeTape) -> None:
    minutes = [candle(n, close=float(n), high=10.0 + n, low=5.0 - n) for n in range(5)]
    await tape.append_entries([entry(minutes)])
    first, *rest = await tape.read_candles(mint(1), "5m", 10)
    whole = [first, *rest]
    assert [0.0, 0.0] == [each.opened_at % 300 for each in whole]
    assert sum(each.buys for each in whole) == 10
    assert (1.0, 4.0) == (whole[0].open, whole[-1].close)
    assert (14.0, 1.0) == (max(e.high for e in whole), min(e.low for e in whole))
    [hour] = await tape.read_candles(mint(1), "1h", 10)
    assert (500.0, 7.5) == (hour.volume_usd, hour.volume_sol)


async def test_minutes_of_several_hours_come_in_order(tape: TradeTape) -> None:
    await tape.append_entries([entry([candle(70), candle(0)]), entry([candle(130)], number=2)])
    await tape.append_entries([entry([candle(10)])])
    read = await tape.read_candles(mint(1), "1m", 10)
    assert [0, 10, 70] == [(each.opened_at - MINUTE) / 60 for each in read]
    assert [70] == [(e.opened_at - MINUTE) / 60 for e in await tape.read_candles(mint(1), "1m", 1)]


async def test_candles_are_in_the_currency_of_the_newest(tape: TradeTape) -> None:
    await tape.append_entries([entry([candle(0, currency="sol"), candle(1)])])
    assert ["usd"] == [each.currency for each in await tape.read_candles(mint(1), "1m", 10)]


async def test_the_newest_trades_are_kept(tape: TradeTape) -> None:
    await tape.append_entries([entry(trades=[trade(n) for n in range(4)])])
    await tape.append_entries([entry(trades=[trade(n) for n in range(4, 9)])])
    read = await tape.read_trades(mint(1), 10)
    assert ["sig8", "sig7", "sig6", "sig5", "sig4"] == [each.signature for each in read]


async def test_what_is_not_known_stays_unknown(tape: TradeTape) -> None:
    unknown = trade(trader=None, tokens=None, sol=None, usd=None, price_usd=None, side="sell")
    await tape.append_entries([entry(trades=[unknown])])
    assert [unknown] == await tape.read_trades(mint(1), 10)


async def test_of_a_token_without_trades_nothing_is_read(tape: TradeTape) -> None:
    await tape.append_entries([])
    assert [] == await tape.read_candles(mint(9), "1h", 10)
    assert [] == await tape.read_trades(mint(9), 10)


async def test_numbers_of_any_size_are_kept_to_six_digits(tape: TradeTape) -> None:
    extreme = candle(0, open=1.23456789e-12, high=9.87654321e37, low=0.0, buys=2**40)
    await tape.append_entries([entry([extreme])])
    [read] = await tape.read_candles(mint(1), "1m", 1)
    assert (1.23457e-12, 9.87654e37, 0.0) == (read.open, read.high, read.low)
    assert 2**16 - 1 == read.buys


async def test_a_server_that_is_away_is_told_of(unused_tcp_url: str) -> None:
    adapter = RedisTape(
        url=unused_tcp_url, timeout_seconds=1.0, offload=offload_to_threads(1), bounds=BOUNDS
    )
    with pytest.raises(BufferUnavailable):
        await adapter.append_entries([entry([candle()])])
    with pytest.raises(BufferUnavailable):
        await adapter.read_candles(Mint("x"), "1m", 1)


@pytest.fixture
async def unused_tcp_url() -> str:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    return f"redis://127.0.0.1:{port}"


async def test_lifetimes_and_foreign_values_in_redis(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    adapter = RedisTape(
        url=redis_url, timeout_seconds=5.0, offload=offload_to_threads(1), bounds=BOUNDS
    )
    await adapter.append_entries([entry([candle(0)], [trade(0)])])
    assert 0 < client.ttl(f"td:candles:{mint(1)}") <= 2 * 86_400
    assert 0 < client.ttl(f"td:trades:{mint(1)}") <= 6 * 3600
    client.rpush(f"td:trades:{mint(1)}", b"junk")
    client.hset(f"td:candles:{mint(1)}", "1", b"cut")
    assert [trade(0)] == await adapter.read_trades(mint(1), 10)
    assert [candle(0)] == await adapter.read_candles(mint(1), "1m", 10)
    await adapter.append_entries([entry([candle(60 * 60)])])  # 60 hours later
    await adapter.append_entries([entry([candle(60 * (60 + n))]) for n in range(50)])
    assert client.hlen(f"td:candles:{mint(1)}") <= 49
    await adapter.close()
