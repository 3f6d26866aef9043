"""A day at the real rates in the real trading actor, with candles and sketches: what it keeps.

The rates are the recorded ones: 1,700 births an hour of about 85 trades each, most of them within
the first hour; 752 trades a second in all, the rest of them on the graduates of the last three days
(2.5 % of 100,000 tracked tokens) with a Zipf exponent of 0.9; a third of the older coins is traded
some times a day. A part of the market is driven, token for token and trade for trade as the whole
would be, in minutes: the clock is scripted, the tape is a real server. The actor's memory is added
up object by object, so that the benchmark's own is not in it; the whole is that many times as much.
"""

import gc
import sys
import time
from collections.abc import Iterator
from heapq import merge
from itertools import islice
from random import Random
from types import FunctionType, ModuleType
from typing import Any

import redis
import trio
import trio.lowlevel
from attrs import define, evolve, field

from actors.trading.actor import Trading, TradingInboxes, TradingOutboxes, TradingPlan
from actors.trading.coverage import StreamCoverage, StreamReach
from actors.trading.memory import TokenFacts, TradingMemory
from benchmarks.results import Cell, Figure, Result
from benchmarks.world import silent_environment
from buffer.redis.tape import RedisTape
from buffer.tape import TapeBounds
from commands.embedded.directory import RunDirectory
from commands.embedded.redis import EmbeddedRedis
from commands.market.keys import address
from commands.storm import service_settings
from domain.messages import TradeSeen
from domain.values import Mint, Sol, UnixSeconds, Usd
from supervision.mailbox import Mailbox
from supervision.offload import offload_to_threads

TRACKED, BIRTHS_AN_HOUR, TRADES_A_SECOND = 100_000, 1700, 752.0
TRADES_A_BIRTH, GRADUATES, ZIPF = 85, 0.025, 0.9
STARTED_AT = 1_780_000_000.0
TRADE_LIFETIME_SECONDS = 6 * 3600.0
MEMORY_BAR_MB, REDIS_BAR_MB = 1200, 400
BATCH = 500
PART, QUICK_PART = 1 / 20, 1 / 200
HOURS, QUICK_HOURS = 24.0, 6.0


def run(is_quick: bool) -> Result:
    part, hours = (QUICK_PART, QUICK_HOURS) if is_quick else (PART, HOURS)
    with RunDirectory() as directory:
        server = EmbeddedRedis(directory)
        server.start()
        try:
            day = Day(part=part, hours=hours, url=server.url)
            trio.run(day.drive)
        finally:
            server.stop()
    whole_mb, redis_mb = day.process_bytes / part / 1e6, day.redis_bytes / part / 1e6
    line: list[Cell] = [
        day.trades, hours, day.process_bytes / 1e6, whole_mb, day.redis_bytes / 1e6, redis_mb,
        day.cpu_seconds / day.trades * 1e6,
    ]  # fmt: skip
    return Result(
        name="trading-memory",
        title=f"{hours:g} hours of 1/{1 / part:.0f} of the market in the trading actor",
        headings=(
            "trades", "hours", "process MB", "of all", "Redis MB", "of all ", "CPU us a trade",
        ),
        lines=[line],
        conclusion=(
            f"All {TRACKED:,} tokens: {whole_mb:,.0f} MB of the process (bar {MEMORY_BAR_MB:,}, "
            f"with all else in it) and {redis_mb:,.0f} MB of Redis (bar {REDIS_BAR_MB})."
        ),
        figures={
            "process": Figure(value=whole_mb, unit="MB", tolerance=0.1),
            "Redis": Figure(value=redis_mb, unit="MB", tolerance=0.1),
            "a trade": Figure(value=day.cpu_seconds / day.trades * 1e6, unit="us CPU"),
        },
    )  # fmt: skip


@define(kw_only=True)
class Day:
    """One run, and what it has measured."""

    part: float
    hours: float
    url: str
    now: float = STARTED_AT
    trades: int = field(default=0, init=False)
    process_bytes: int = field(default=0, init=False)
    redis_bytes: int = field(default=0, init=False)
    cpu_seconds: float = field(default=0.0, init=False)
    last_at: dict[Mint, float] = field(factory=dict, init=False)

    async def drive(self) -> None:
        """Send every trade through the actor, then look at both memories."""
        settings = service_settings()
        client = redis.Redis.from_url(self.url)
        inbox: Mailbox[Any] = Mailbox("trading", capacity=10 * BATCH)
        sink = Sink()
        tape = RedisTape(
            url=self.url,
            timeout_seconds=5.0,
            offload=offload_to_threads(1),
            bounds=TapeBounds(
                trades=settings.trading.trades, candle_days=settings.trading.candle_days
            ),
        )
        actor = Trading(
            inboxes=TradingInboxes(
                trades=inbox,
                windows=Mailbox("windows", capacity=1),
                publications=Mailbox("tokens", capacity=1),
                control=Mailbox("control", capacity=1),
            ),
            outboxes=TradingOutboxes(sync=sink, statistics=(sink,), weighed=sink),
            tape=tape,
            coverage=StreamCoverage({"chain": StreamReach()}),
            memory=TradingMemory(limit=TRACKED),
            plan=TradingPlan(
                trading=evolve(settings.trading, publish_seconds=0.02),
                market_data=settings.market_data,
            ),
            environment=silent_environment(lambda: UnixSeconds(self.now)),
        )
        redis_before = used_bytes(client)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(actor.run)
            await self._send_trades(inbox, actor)
            inbox.close()
        for mint, at in self.last_at.items():  # real time has not passed for their lifetime
            if self.now - at > TRADE_LIFETIME_SECONDS:
                client.delete(f"td:trades:{mint}")
        self.process_bytes = measure_bytes([actor.memory, actor.changed, actor.expiries])
        self.redis_bytes = used_bytes(client) - redis_before

    async def _send_trades(self, inbox: Mailbox[Any], actor: Trading) -> None:
        """In batches, each when the actor is done with the one before."""
        script = write_script(self.part, self.hours)
        for mint in range(int(TRACKED * self.part)):
            facts = TokenFacts(UnixSeconds(STARTED_AT), "pumpfun", 10)
            actor.memory.keep_facts(make_mint(mint), facts)
        began = time.process_time()
        while batch := list(islice(script, BATCH)):
            self.now = max(self.now, batch[-1].seen_at)
            for trade in batch:
                self.last_at[trade.mint] = trade.seen_at
            await inbox.send_all(batch)
            self.trades += len(batch)
            while inbox.statistics().depth:
                await trio.lowlevel.checkpoint()
        self.cpu_seconds = time.process_time() - began


class Sink:
    """Where messages end."""

    async def send(self, message: object) -> None:
        await trio.lowlevel.checkpoint()

    def send_nowait(self, message: object) -> None:
        """Nobody reads."""

    async def send_all(self, messages: object) -> None:
        await trio.lowlevel.checkpoint()


def write_script(part: float, hours: float) -> Iterator[TradeSeen]:
    """The trades of a part of the market, in the order of time."""
    random = Random(7)
    tracked = int(TRACKED * part)
    births = int(BIRTHS_AN_HOUR * hours * part)
    graduates = max(int(tracked * GRADUATES), 1)
    young = sorted(_list_young_trades(random, births, tracked, hours))
    wanted = TRADES_A_SECOND * hours * 3600 * part
    old = _write_old_trades(random, graduates, max(wanted - len(young), 1), hours)
    resting = sorted(
        (random.uniform(0, hours * 3600), random.randrange(graduates, max(tracked // 3, 2)))
        for _ in range(int(tracked / 3 * 5 * hours / 24))
    )
    for number, (second, token) in enumerate(merge(young, old, resting)):
        yield _make_trade(random, number, second, token)


def _list_young_trades(
    random: Random, births: int, tracked: int, hours: float
) -> Iterator[tuple[float, int]]:
    for number in range(births):
        born = random.uniform(0, hours * 3600)
        life = random.lognormvariate(6.5, 2.0)  # seconds; the median is eleven minutes
        for _ in range(min(int(random.paretovariate(1.05) * TRADES_A_BIRTH / 8), 20_000)):
            second = born + life * random.random() ** 3
            if second < hours * 3600:
                yield second, tracked - 1 - number


def _write_old_trades(
    random: Random, graduates: int, trades: float, hours: float
) -> Iterator[tuple[float, int]]:
    weights = [(rank + 1) ** -ZIPF for rank in range(graduates)]
    step = hours * 3600 / trades
    ranks = range(graduates)
    number = 0
    while number < trades:
        for token in random.choices(ranks, weights, k=1000):
            yield number * step, token
            number += 1


def _make_trade(random: Random, number: int, second: float, token: int) -> TradeSeen:
    sol = Sol(random.lognormvariate(-2, 1.5))
    return TradeSeen(
        mint=make_mint(token),
        seen_at=UnixSeconds(STARTED_AT + second),
        signature=f"{number:088d}",
        source="chain",
        side="buy" if random.random() < 0.55 else "sell",
        trader=f"{random.randrange(3_000_000):044d}",
        tokens=1e6 * sol,
        sol=sol,
        usd=Usd(150 * sol),
        market_cap_sol=Sol(30 * (1 + random.random())),
    )


def make_mint(number: int) -> Mint:
    return Mint(address("mint", number))


def measure_bytes(root: object) -> int:
    """All objects that can be reached from one, but for classes, modules and functions."""
    seen: set[int] = set()
    waiting, total = [root], 0
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType | FunctionType):
            continue
        seen.add(id(thing))
        total += sys.getsizeof(thing)
        waiting += gc.get_referents(thing)
    return total


def used_bytes(client: redis.Redis) -> int:
    facts: Any = client.info("memory")
    return int(facts["used_memory"])
