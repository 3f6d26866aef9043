"""The processes of a run as its conductor sees them: the source, the floor, and CPU time."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import trio
from attrs import asdict, define, frozen

from benchmarks.traffic.source import Order, Sent

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
USER, SYSTEM = 11, 12  # places in /proc/PID/stat behind the name: proc(5), utime and stime


@define
class Source:
    """A running `benchmarks.traffic.source`."""

    process: "subprocess.Popen[str]"
    port: int

    async def send(self, order: Order) -> Sent:
        """Have frames sent; when they were, once the reader has taken the last."""
        self.begin(order)
        return await self.wait_until_sent()

    def begin(self, order: Order) -> None:
        """Have frames sent meanwhile."""
        assert self.process.stdin is not None
        self.process.stdin.write(orjson.dumps(asdict(order)).decode() + "\n")

    async def wait_until_sent(self) -> Sent:
        """When the frames of the order begun last were sent."""
        assert self.process.stdout is not None
        return Sent(**orjson.loads(await trio.to_thread.run_sync(self.process.stdout.readline)))


@contextmanager
def running_source(stream: str, coins: int) -> Iterator[Source]:
    command = [sys.executable, "-m", "benchmarks.traffic.source", stream, str(coins)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdout is not None
        try:
            yield Source(process, int(process.stdout.readline()))
        finally:
            process.kill()


async def measure_floor(stream: str, coins: int, order: Order) -> float:
    """CPU seconds an event of a peer that only receives and decodes."""
    with running_source(stream, coins) as source:
        command = [sys.executable, "-m", "benchmarks.traffic.floor"]
        arguments = [str(source.port), str(order.count)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.send, order)
            peer = await trio.run_process([*command, *arguments], capture_stdout=True)
        return float(peer.stdout) / order.count


@frozen
class CpuTime:
    """CPU seconds of a process since its start."""

    loop: float  # of its first thread, in which the event loop runs
    others: float

    @property
    def whole(self) -> float:
        return self.loop + self.others

    def since(self, before: "CpuTime") -> "CpuTime":
        return CpuTime(self.loop - before.loop, self.others - before.others)


def read_cpu_time(process: int) -> CpuTime:
    """The kernel's count, in steps of 10 ms; threads that have ended are in `others`."""
    loop = _read_seconds(Path(f"/proc/{process}/task/{process}/stat"))
    return CpuTime(loop, _read_seconds(Path(f"/proc/{process}/stat")) - loop)


def _read_seconds(stat: Path) -> float:
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[USER]) + int(fields[SYSTEM])) / TICKS_A_SECOND
