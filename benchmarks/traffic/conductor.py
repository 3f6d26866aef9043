"""One service under one stream's traffic, and what each phase of it cost and showed."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from attrs import define, field, frozen

from benchmarks.traffic.follower import Follower, following
from benchmarks.traffic.frames import Traffic
from benchmarks.traffic.latency import (
    Schedule,
    birth_latencies,
    find_unshown,
    middle_and_high,
    trade_latencies,
)
from benchmarks.traffic.processes import (
    CpuTime,
    Source,
    measure_floor,
    read_cpu_time,
    running_source,
)
from benchmarks.traffic.sampling import Form, record
from benchmarks.traffic.source import Order
from benchmarks.world import servers
from commands.embedded import RunDirectory
from tests.acceptance.service import Service, running_service, settings

BIRTH_RATE = 500.0  # of the coins of a run, before anything is measured
POLL_SECONDS = 0.02
SETTLING_SECONDS = 30.0  # from the last frame taken until all is in view; then it counts as never
HOT_SECONDS = 20  # between two scores: the board of the hot ones is to be in use


@frozen(kw_only=True)
class Phase:
    """So many events at a rate: what they cost and when they were in view."""

    name: str
    rate: float
    events: int
    cpu: CpuTime
    floor_seconds: float  # CPU an event of the peer
    seconds: float  # from the first frame until the last was taken, or all was in view
    latency: tuple[float, float] | None  # ms, median and 99th percentile
    in_view_seconds: float | None  # from when the last frame was due until all is in view

    @property
    def microseconds(self) -> float:
        """CPU an event of the whole process."""
        return self.cpu.whole / self.events * 1e6

    @property
    def loop_microseconds(self) -> float:
        """CPU an event of the event loop's thread."""
        return self.cpu.loop / self.events * 1e6

    @property
    def ratio(self) -> float:
        return self.cpu.whole / self.events / self.floor_seconds

    @property
    def share(self) -> float:
        """Of a core."""
        return self.cpu.whole / self.seconds


@define
class Conductor:
    """Sends phases of traffic to one running service."""

    traffic: Traffic
    source: Source
    service: Service
    follower: Follower
    born: int = field(default=0, init=False)
    traded: int = field(default=0, init=False)

    async def send_births(self, count: int, rate: float) -> Phase:
        """The next coins are born; in view when the newest board has the last."""
        order = Order(kind="birth", first=self.born, count=count, rate=rate)
        self.born += count
        return await self._conduct(f"{rate:,.0f} births/s", order)

    async def send_trades(self, seconds: float, rate: float) -> Phase:
        """All coins are traded in turn; in view when each on a board shows its last trade."""
        order = Order(kind="trade", first=self.traded, count=int(seconds * rate), rate=rate)
        self.traded += order.count
        return await self._conduct(f"{rate:,.0f} trades/s", order)

    async def sample_trades(self, seconds: float, rate: float, form: Form) -> str:
        """What py-spy saw of the service under such traffic; `SamplingRefused` where it cannot."""
        order = Order(kind="trade", first=self.traded, count=int(seconds * rate), rate=rate)
        self.traded += order.count
        self.source.begin(order)
        try:
            return await record(self.service.process.pid, seconds, form)
        finally:
            await self.source.wait_until_sent()

    async def _conduct(self, name: str, order: Order) -> Phase:
        process = self.service.process.pid
        floor = await measure_floor(self.traffic.stream, self.traffic.coins, order)
        before = read_cpu_time(process)
        sent = await self.source.send(order)
        schedule = Schedule(order.first, order.count, sent.first_due, order.rate)
        in_view_seconds = await self._wait_until_in_view(order.kind, schedule)
        return Phase(
            name=f"{self.traffic.stream}, {name}",
            rate=order.rate,
            events=order.count,
            cpu=read_cpu_time(process).since(before),
            floor_seconds=floor,
            seconds=time.monotonic() - sent.first_due,
            latency=middle_and_high(self._latencies(order.kind, schedule)),
            in_view_seconds=in_view_seconds,
        )

    async def _wait_until_in_view(self, kind: str, schedule: Schedule) -> float | None:
        last_due = schedule.first_due + (schedule.count - 1) / schedule.rate
        with trio.move_on_after(SETTLING_SECONDS):
            while not self._is_in_view(kind, schedule):  # noqa: ASYNC110 - the follower only writes
                await trio.sleep(POLL_SECONDS)
            return max(time.monotonic() - last_due, 0.0)
        return None

    def _is_in_view(self, kind: str, schedule: Schedule) -> bool:
        shown = self.follower.shown
        if kind == "birth":
            return schedule.first + schedule.count - 1 in shown
        return not find_unshown(shown, self.traffic.coins, schedule)

    def _latencies(self, kind: str, schedule: Schedule) -> list[float]:
        sightings = self.follower.sightings
        if kind == "birth":
            return list(birth_latencies(sightings, schedule))
        return list(trade_latencies(sightings, self.traffic.coins, schedule))


@asynccontextmanager
async def conducting(stream: str, coins: int) -> AsyncIterator[Conductor]:
    """A service with its servers, which has connected to a source of this stream."""
    with (
        servers() as addresses,
        RunDirectory() as directory,
        running_source(stream, coins) as source,
    ):
        address = f"ws://127.0.0.1:{source.port}/"
        environment = settings(
            addresses.postgres,
            addresses.redis,
            **{URLS[stream]: address, "INGEST__API_KEY": "benchmark"},
            SYNC__INTERVAL_SECONDS="300",  # the default
            HOT_SCORE__INTERVAL_SECONDS=str(HOT_SECONDS),
        )
        traffic = Traffic(coins, stream)
        async with (
            running_service(directory, environment) as service,
            following(service.websocket_url, traffic) as follower,
        ):
            yield Conductor(traffic, source, service, follower)


URLS = {
    "PumpPortal": "INGEST__URL",
    "PumpAPI": "INGEST__PUMPAPI_URL",
    "chain": "INGEST__CHAIN_URL",
}
