"""Delta delivery to 100 live clients, beside ever so many idle ones and without.

    a gateway, a process of its own  ->  100 live clients here
                                     ->  10,000 idle ones, in a process of their own

Idle is a WebSocket that follows nothing and only answers pings. Each token that is published is
named by the moment of its publication; the clocks of all processes are this machine's. The three
phases (before, beside, after) are one run of one gateway, so that their ratio is that of the idle
clients alone. A phase beside them is longer than the interval of their pings.

`python -m benchmarks.idle_sockets --minutes 30` soaks: a tenth of the idle clients is replaced
every ten seconds, and the slope of the gateway's memory is told.
"""

import argparse
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from statistics import linear_regression, quantiles
from typing import IO

import orjson
import trio
from attrs import define, field
from trio_websocket import open_websocket_url

from benchmarks.results import Cell, Figure, Result
from feed.descriptors import allow_descriptors
from feed.hub import KEEPALIVE_SECONDS
from supervision.garbage_collection import freeze_startup_objects
from tests.integration.feed.clients import HANDSHAKE, port_of, serving
from tests.unit.feed.tokens import make_token

LIVE = 100
IDLE, QUICK_IDLE = 10_000, 1000
SECONDS, QUICK_SECONDS = KEEPALIVE_SECONDS + 5, 5.0  # a phase
PUBLISH_SECONDS = 0.15  # longer than gateway.delta_interval_seconds: each goes out at once
TOKENS = 20  # all of them on the board
AT_ONCE = 100  # handshakes under way
PING, PONG = b"\x89", b"\x8a\x80\0\0\0\0"
MOST_CLIENTS = 20_000
TURN_SECONDS, TURN_SHARE = 10.0, 10  # of a soak: every so often one in so many is replaced


def run(is_quick: bool) -> Result:
    idle, seconds = (QUICK_IDLE, QUICK_SECONDS) if is_quick else (IDLE, SECONDS)
    with gateway_process() as gateway:
        phases = trio.run(_measure_phases, gateway, idle, seconds)
    before, beside, after = (phase.p99 for phase in phases)
    idle_kilobytes = (phases[1].resident - phases[0].resident) / idle / 1000
    return Result(
        name="idle-sockets",
        title=f"Deltas to {LIVE} live clients, before, beside and after {idle:,} idle ones",
        headings=("clients", "deltas", "p50 ms", "p99 ms", "longest ms", "gateway MB"),
        lines=[phase.shown() for phase in phases],
        conclusion=(
            f"The p99 beside the idle ones is {beside / before:.2f} times that before them, and "
            f"after them {after / before:.2f} times; an idle client costs {idle_kilobytes:.0f} kB."
        ),
        figures={
            "p99 beside the idle ones": Figure(value=beside / before, unit="ratio"),
            "memory of an idle client": Figure(value=idle_kilobytes, unit="kB", tolerance=0.1),
        },
    )


@define
class Phase:
    """What the live clients saw for some seconds."""

    name: str
    milliseconds: list[float] = field(factory=list)
    resident: int = 0  # bytes of the gateway, at the end

    @property
    def p99(self) -> float:
        return quantiles(self.milliseconds, n=100)[98]

    def shown(self) -> list[Cell]:
        middle, high = (quantiles(self.milliseconds, n=100)[at] for at in (49, 98))
        longest, count = max(self.milliseconds), len(self.milliseconds)
        return [self.name, count, middle, high, longest, self.resident / 1e6]


@define
class GatewayProcess:
    process: int
    port: int

    def read_resident_bytes(self) -> int:
        with open(f"/proc/{self.process}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# The phases.


async def _measure_phases(gateway: GatewayProcess, idle: int, seconds: float) -> list[Phase]:
    async with _live_clients(gateway) as live:
        before = await live.measure(f"{LIVE} live", seconds)
        async with idle_clients(gateway, idle):
            beside = await live.measure(f"and {idle:,} idle", seconds)
        after = await live.measure("these have left", seconds)
    return [before, beside, after]


@define
class LiveClients:
    gateway: GatewayProcess
    phase: Phase = field(factory=lambda: Phase("not measured"))

    async def measure(self, name: str, seconds: float) -> Phase:
        """What the clients see from now on for so long."""
        phase = self.phase = Phase(name)
        await trio.sleep(seconds)
        self.phase = Phase("not measured")
        phase.resident = self.gateway.read_resident_bytes()
        assert len(phase.milliseconds) >= LIVE, "not every client has got a delta"
        return phase

    async def follow(self, task_status: trio.TaskStatus[None]) -> None:
        """One client: note how old each new token is when it comes."""
        url = f"ws://127.0.0.1:{self.gateway.port}/ws"
        async with open_websocket_url(url) as connection:
            await connection.send_message('{"type": "subscribe", "board": "new"}')
            await connection.get_message()
            task_status.started()
            while True:
                frame = await connection.get_message()
                now = time.monotonic()
                names = (c.get("name") for c in orjson.loads(frame)["changes"])
                self.phase.milliseconds += [(now - float(n)) * 1000 for n in names if n]


@asynccontextmanager
async def _live_clients(gateway: GatewayProcess) -> AsyncIterator[LiveClients]:
    clients = LiveClients(gateway)
    async with trio.open_nursery() as nursery:
        for _ in range(LIVE):
            await nursery.start(clients.follow)
        yield clients
        nursery.cancel_scope.cancel()


# The gateway, a process of its own.


@contextmanager
def gateway_process() -> Iterator[GatewayProcess]:
    with _process_of("serve") as process:
        assert process.stdout is not None
        yield GatewayProcess(process.pid, int(process.stdout.readline()))


async def _serve_tokens() -> None:
    """A gateway that is given a token every so often, until standard input ends."""
    allow_descriptors(MOST_CLIENTS)
    async with (
        serving(clients=MOST_CLIENTS, delta_interval_seconds=0.1, board_tokens=50) as world,
        trio.open_nursery() as nursery,
    ):

        async def publish_tokens() -> None:
            number = 0
            while True:
                await world.publish(make_token(number % TOKENS, name=repr(time.monotonic())))
                number += 1
                await trio.sleep(PUBLISH_SECONDS)

        nursery.start_soon(publish_tokens)
        freeze_startup_objects()  # as the service does when it is ready
        print(port_of(world), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()


# The idle clients, a process of their own.


@asynccontextmanager
async def idle_clients(gateway: GatewayProcess, count: int) -> AsyncIterator[IO[str]]:
    """So many idle clients, all of them accepted; a line to it replaces some of them."""
    with _process_of("hold", str(gateway.port), str(count)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert await trio.to_thread.run_sync(process.stdout.readline) == "held\n"
        yield process.stdin
        process.stdin.close()
        await trio.to_thread.run_sync(process.wait)  # while the live ones are served


def _hold_idle(port: int, count: int) -> None:
    """Hold so many clients until standard input ends; a line of it replaces some of them."""
    allow_descriptors(count + 100)
    with selectors.DefaultSelector() as selector:
        clients = _connect_clients(selector, port, count)
        selector.register(sys.stdin, selectors.EVENT_READ)
        print("held", flush=True)
        while True:
            if not _answer_pings(selector, None):
                continue
            if not sys.stdin.readline():
                return
            leaving = clients[: count // TURN_SHARE]
            for client in leaving:
                selector.unregister(client)
                client.close()
            clients = clients[len(leaving) :] + _connect_clients(selector, port, len(leaving))


def _connect_clients(
    selector: selectors.BaseSelector, port: int, count: int
) -> list[socket.socket]:
    clients: list[socket.socket] = []
    while len(clients) < count:
        coming = [
            socket.create_connection(("127.0.0.1", port))
            for _ in range(min(AT_ONCE, count - len(clients)))
        ]
        for client in coming:
            client.sendall(HANDSHAKE)
        for client in coming:
            assert client.recv(4096).startswith(b"HTTP/1.1 101 "), "not accepted"
            selector.register(client, selectors.EVENT_READ)
        clients += coming
        _answer_pings(selector, 0)  # of those that have been here for a while
    return clients


def _answer_pings(selector: selectors.BaseSelector, seconds: float | None) -> bool:
    """Answer the pings that come within so long; True when there is a line to read."""
    ready = [key.fileobj for key, _ in selector.select(seconds)]
    for client in ready:
        if isinstance(client, socket.socket):
            received = client.recv(4096)
            assert received, "the gateway has closed an idle client"
            client.sendall(PONG * received.count(PING))
    return sys.stdin in ready


@contextmanager
def _process_of(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.idle_sockets", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        yield process
    assert process.returncode == 0, f"{arguments[0]} has failed"


# The soak.


def _soak(minutes: float) -> None:
    with gateway_process() as gateway:
        samples = trio.run(_sample_memory, gateway, minutes)
    settled = samples[len(samples) // 4 :]  # the first quarter fills pools
    slope = linear_regression(*zip(*settled, strict=True)).slope
    first, last = settled[0][1], settled[-1][1]
    print(f"gateway: {first:.1f} MB, {last:.1f} MB at the end, {slope * 60:+.3f} MB an hour")


async def _sample_memory(gateway: GatewayProcess, minutes: float) -> list[tuple[float, float]]:
    """The gateway's memory (minute, MB), while a tenth of the idle clients come and go."""
    samples = []
    started = time.monotonic()
    async with _live_clients(gateway) as live, idle_clients(gateway, IDLE) as holder:
        while (elapsed := (time.monotonic() - started) / 60) < minutes:
            holder.write("\n")
            phase = await live.measure(f"minute {elapsed:.1f}", TURN_SECONDS)
            samples.append((elapsed, phase.resident / 1e6))
            print(f"{phase.name}: p99 {phase.p99:.1f} ms, {samples[-1][1]:.1f} MB", flush=True)
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle_sockets")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long to soak")
    parser.add_argument("part", nargs="?", choices=["serve", "hold"], help=argparse.SUPPRESS)
    parser.add_argument("numbers", nargs="*", type=int, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.part == "serve":
        trio.run(_serve_tokens)
    elif parsed.part == "hold":
        _hold_idle(*parsed.numbers)
    else:
        _soak(parsed.minutes)


if __name__ == "__main__":
    main()
