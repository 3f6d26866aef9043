"""A service that is to start: what its stores hold, how it is started, and what is seen of it.

make_tokens -> fill_postgres, append_scores -> list_boards, what is to be seen
ServiceProcess -> watch_start: /readyz, boards, CPU and memory as /proc tells them
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import orjson
import trio
from attrs import evolve, field, frozen
from trio_websocket import wrap_client_stream

from benchmarks.world import Addresses, settings_for
from buffer.redis import RedisBuffer
from commands.service_process import ServiceProcess
from commands.storm.trace import STARTED_AT, Population
from domain.chunks import chunks
from domain.lifecycle import is_silent
from domain.merging import Observations
from domain.token import Status, Token
from domain.values import WRAPPED_SOL, Mint, Sol, UnixSeconds
from feed.board import BOARD_NAMES
from feed.wire import to_milliseconds
from store.ledger import Ledger
from store.postgres import PostgresStore
from supervision.offload import offload_to_threads

BOARD_TOKENS = 100
BONDED_EVERY, GRADUATING_EVERY, WATCHED_EVERY = 40, 100, 500
UNFLUSHED = 5000  # tokens whose newest score only Redis has: those of five busy minutes
ALL_SILENT_SECONDS = 3600.0  # nothing falls silent, and off a board, while a benchmark runs
BATCH_TOKENS = 1000
HOST = "127.0.0.1"
POLL_SECONDS = 0.005
READY_SECONDS = 120.0
SETTLE_SECONDS = 2.0  # without work
RESTING_SHARE = 0.02  # of a CPU: what a service at rest takes
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
Boards = Mapping[str, Sequence[Mint]]


def read_clock() -> UnixSeconds:
    """The wall clock, which the started service has, too."""
    return UnixSeconds(time.time())


# What the stores hold.


def make_tokens(count: int) -> list[Token]:
    """Tokens of the last 47 hours, of which all is known that the market tells; oldest first."""
    now = read_clock()
    return [_settle_token(number, token, now) for number, token in enumerate(Population(7, count))]


def _settle_token(number: int, token: Token, now: UnixSeconds) -> Token:
    """The token in these days: some are bonded or on their way, most have fallen silent."""
    born_at = UnixSeconds(round(token.first_seen_at + now - STARTED_AT, 3))
    status = Status.NEW
    if number % BONDED_EVERY == 0:
        status = Status.BONDED
    elif number % GRADUATING_EVERY == 1:
        status = Status.GRADUATING
    has_grown = status > Status.NEW
    settled = evolve(
        token,
        first_seen_at=born_at,
        last_trade_at=UnixSeconds(float(int(born_at) + number % 7200)),
        launchpad="pumpfun",
        quote_mint=WRAPPED_SOL,
        initial_buy_sol=Sol(0.5),
        watcher_count=0 if number % WATCHED_EVERY else token.watcher_count,
        status=status,
        previous_status=Status(status - 1) if has_grown else None,
        status_changed_at=UnixSeconds(float(int(born_at) + number % 600)) if has_grown else None,
        bonding_curve_progress=80.0 + number % 20 if status is Status.GRADUATING else 1.62,
    )
    return evolve(settled, silent=is_silent(settled, UnixSeconds(now + ALL_SILENT_SECONDS)))


async def fill_postgres(addresses: Addresses, tokens: Sequence[Token]) -> None:
    """Write the tokens as ingest does."""
    settings = settings_for(addresses)
    half_life_seconds = settings.hot_score.half_life_seconds
    store = PostgresStore(
        settings.postgres,
        "ingest",
        offload_to_threads(1),
        Ledger(clock=read_clock),
        half_life_seconds,
    )
    await store.open()
    for part in chunks(tokens, BATCH_TOKENS):
        await store.insert_tokens(part)
    await store.close()


async def append_scores(
    addresses: Addresses, tokens: Sequence[Token], least_score: float
) -> list[Token]:
    """Give Redis newer scores of some tokens, as sync does before a flush; all as they are then."""
    buffer = RedisBuffer(addresses.redis, 5.0, offload_to_threads(1), read_clock)
    await buffer.open()
    step = max(len(tokens) // UNFLUSHED, 1)
    scored = [evolve(t, hot_score=least_score + place) for place, t in enumerate(tokens[::step])]
    for part in chunks(scored, BATCH_TOKENS):
        await buffer.append_observations(
            {
                token.mint: Observations({"hot_score": token.hot_score or 0.0}, read_clock(), "job")
                for token in part
            }
        )
    await buffer.close()
    newest = {token.mint: token for token in scored}
    return [newest.get(token.mint, token) for token in tokens]


# What is to be seen.


def list_boards(tokens: Sequence[Token]) -> Boards:
    """What the four boards must show of the tokens, by the rules that their protocol states."""
    live = [token for token in tokens if token.status is Status.BONDED or not token.silent]
    return {
        "new": _list_first(live, Status.NEW, lambda t: -(to_milliseconds(t.first_seen_at) or 0)),
        "graduating": _list_first(
            live, Status.GRADUATING, lambda t: -(t.bonding_curve_progress or 0.0)
        ),
        "bonded": _list_first(live, Status.BONDED, lambda t: -(t.status_changed_at or 0.0)),
        "hot": _list_first(live, None, lambda t: -(t.hot_score or 0.0)),
    }


def _list_first(
    tokens: Sequence[Token], status: Status | None, rank: Callable[[Token], float]
) -> list[Mint]:
    of_board = [token for token in tokens if status in (None, token.status)]
    of_board.sort(key=lambda token: (rank(token), token.mint))
    return [token.mint for token in of_board[:BOARD_TOKENS]]


# What is seen.


@frozen(kw_only=True)
class Start:
    """One start, as seen from outside; seconds since the process was made."""

    ready_seconds: float
    boards_seconds: float  # until all four showed what they must
    cpu_seconds: float  # of the process, until it was ready
    settled_cpu_seconds: float  # until it had nothing more to do
    peak_mb: float
    settled_mb: float  # RSS
    phases: Mapping[str, float] = field(factory=dict)  # seconds at which its log told of them


async def watch_start(service: ServiceProcess, expected: Boards) -> Start:
    """Start the service and watch it until it is ready, shows the boards, and has settled."""
    began = trio.current_time()
    log_offset = service.log.stat().st_size if service.log.exists() else 0
    began_at = time.time()
    service.start()
    assert service.process is not None
    process = Path(f"/proc/{service.process.pid}")
    with trio.fail_after(READY_SECONDS):
        while not await _is_ready(service.port):
            service.require_running()
            await trio.sleep(POLL_SECONDS)
        ready_seconds, cpu_seconds = trio.current_time() - began, _read_cpu(process)
        await _wait_for_boards(service.port, expected)
        boards_seconds = trio.current_time() - began
        settled_cpu_seconds = await _wait_until_settled(process)
    memory = _read_memory(process)
    return Start(
        ready_seconds=ready_seconds,
        boards_seconds=boards_seconds,
        cpu_seconds=cpu_seconds,
        settled_cpu_seconds=settled_cpu_seconds,
        peak_mb=memory["VmHWM"],
        settled_mb=memory["VmRSS"],
        phases=_read_phases(service.log, log_offset, began_at),
    )


async def _is_ready(port: int) -> bool:
    try:
        async with await trio.open_tcp_stream(HOST, port) as stream:
            await stream.send_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return (await stream.receive_some(16)).startswith(b"HTTP/1.1 200")
    except (OSError, trio.BrokenResourceError):  # it does not listen yet
        return False


async def _wait_for_boards(port: int, expected: Boards) -> None:
    while await read_boards(port) != expected:  # noqa: ASYNC110 - nobody tells of it
        await trio.sleep(POLL_SECONDS)


async def read_boards(port: int) -> Boards:
    """The mints of the four boards, as a client is told of them."""
    shown: dict[str, list[Mint]] = {}
    async with await trio.open_tcp_stream(HOST, port) as stream, trio.open_nursery() as nursery:
        socket = await wrap_client_stream(nursery, stream, HOST, "/ws")
        for board in BOARD_NAMES:
            await socket.send_message(f'{{"type": "subscribe", "board": "{board}"}}')
        while len(shown) < len(BOARD_NAMES):
            message = orjson.loads(await socket.get_message())
            if message["type"] == "snapshot":
                shown[message["board"]] = [item["mint"] for item in message["items"]]
        nursery.cancel_scope.cancel()
    return {board: shown[board] for board in BOARD_NAMES}


async def _wait_until_settled(process: Path) -> float:
    """Return when the process has rested for a while; the CPU seconds that it had taken."""
    before = -1.0
    while (now := _read_cpu(process)) - before > RESTING_SHARE * SETTLE_SECONDS:
        before = now
        await trio.sleep(SETTLE_SECONDS)
    return now


def _read_cpu(process: Path) -> float:
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def _read_memory(process: Path) -> Mapping[str, float]:
    """Megabytes by the kernel's name."""
    lines = (process / "status").read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines if line.startswith("Vm"))
    return {name: int(size.split()[0]) / 1024 for name, size in pairs}


def _read_phases(log: Path, offset: int, began_at: float) -> Mapping[str, float]:
    """When each event was first logged, in seconds after the start."""
    phases: dict[str, float] = {}
    with log.open("rb") as lines:
        lines.seek(offset)
        for line in lines:
            told = orjson.loads(line)
            at = datetime.fromisoformat(told["timestamp"]).timestamp()
            phases.setdefault(told["event"], at - began_at)
    return phases
