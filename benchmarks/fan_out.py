"""A delta to each of many clients: the gateway beside Node's ws and Python's websockets.

    one server, a process of its own -> clients in a process of their own, all on loopback

20 frames a second to each client, one after another as they come. The peers send a text of the
same size that is made once; the gateway finds out what has changed on a board, encodes it and
sends it. A frame costs what the server's process spends in user and kernel, over the frames that
the clients counted.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
from attrs import frozen

from benchmarks.fan_out_clients import DELTA
from benchmarks.results import Cell, Figure, NotMeasurable, Result
from benchmarks.traffic.processes import read_cpu_time
from feed.descriptors import allow_descriptors
from tests.integration.feed.clients import port_of, serving
from tests.unit.feed.tokens import make_token

CLIENTS, QUICK_CLIENTS = (500, 2000), (500,)
SECONDS, QUICK_SECONDS = 10.0, 3.0
FRAMES_A_SECOND = 20.0
TOKENS = 20  # all of them on the board
BOARD_TOKENS = 50
MOST_CLIENTS = 4000
LEAST_SHARE = 0.9  # of the frames that are due; below, a server did not keep up
PEERS = Path(__file__).with_name("fan_out_peers")
NPM_CI = (
    *("npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"),
    *("--no-update-notifier", "--loglevel=error"),
)


@frozen
class Delivery:
    """What a server spent on the frames of some seconds."""

    server: str
    clients: int
    frames: int
    frame_bytes: float
    cpu_seconds: float
    seconds: float

    @property
    def microseconds(self) -> float:
        """CPU a frame."""
        return self.cpu_seconds / self.frames * 1e6

    @property
    def keeps_up(self) -> bool:
        due = self.clients * self.seconds * FRAMES_A_SECOND
        return self.frames >= LEAST_SHARE * due


def run(is_quick: bool) -> Result:
    seconds = QUICK_SECONDS if is_quick else SECONDS
    lines: list[list[Cell]] = []
    figures: dict[str, object] = {}
    with _installed_peers() as peers:
        for clients in QUICK_CLIENTS if is_quick else CLIENTS:
            ours = _deliver("gateway", _own_command(), clients, seconds)
            lines.append(_shown(ours, None))
            for name, command in peers.items():
                frame = make_frame(round(ours.frame_bytes))
                theirs = _deliver(name, [*command, frame, str(FRAMES_A_SECOND)], clients, seconds)
                lines.append(_shown(theirs, ours))
                figures[f"{clients:,} clients, beside {name}"] = Figure(
                    value=ours.microseconds / theirs.microseconds, unit="ratio"
                )
            figures[f"{clients:,} clients"] = Figure(value=ours.microseconds, unit="us a frame")
    return Result(
        name="fan-out",
        title=f"{FRAMES_A_SECOND:g} deltas a second to each client",
        headings=("server", "clients", "frames/s", "bytes", "us CPU a frame", "the gateway's"),
        lines=lines,
        conclusion="The last column: how many times a peer's frame the gateway's costs.",
        figures=figures,
    )


def _shown(delivery: Delivery, ours: Delivery | None) -> list[Cell]:
    return [
        delivery.server if delivery.keeps_up else f"{delivery.server} (does not keep up)",
        delivery.clients,
        delivery.frames / delivery.seconds,
        delivery.frame_bytes,
        delivery.microseconds,
        None if ours is None else ours.microseconds / delivery.microseconds,
    ]


def make_frame(size: int) -> str:
    """A text with the mark of a delta, of so many bytes on the wire."""
    frame_head_bytes = 4
    head = "{" + DELTA.decode()
    return head + "x" * (size - frame_head_bytes - len(head))


def _deliver(server: str, command: Sequence[str], clients: int, seconds: float) -> Delivery:
    """Run a server that prints its port, and clients on it; what its frames cost."""
    allow_descriptors(MOST_CLIENTS)  # of the children, too
    with _running(command) as process:
        port = _read_line(process)
        arguments = (port, str(clients), str(seconds))
        with _running([sys.executable, "-m", "benchmarks.fan_out_clients", *arguments]) as reader:
            assert _read_line(reader) == "start"
            before = read_cpu_time(process.pid)
            frames, size = map(int, _read_line(reader).split())
            spent = read_cpu_time(process.pid).since(before).whole
    return Delivery(server, clients, frames, size / frames, spent, seconds)


@contextmanager
def _running(command: Sequence[str]) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _read_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


# The servers.


def _own_command() -> list[str]:
    return [sys.executable, "-m", "benchmarks.fan_out"]


@contextmanager
def _installed_peers() -> Iterator[dict[str, list[str]]]:
    """The peers' commands; ws is left out where node and npm are not to be had."""
    peers = {"websockets": [sys.executable, "-m", "benchmarks.fan_out_peers.websockets_server"]}
    with TemporaryDirectory() as directory:
        try:
            script = _install_ws(Path(directory))
        except NotMeasurable as reason:
            print(f"without ws: {reason}", file=sys.stderr)
        else:
            peers["Node ws"] = ["node", str(script)]
        yield peers


def _install_ws(directory: Path) -> Path:
    for name in ("package.json", "package-lock.json", "ws.mjs"):
        shutil.copy(PEERS / name, directory)
    try:
        subprocess.run(NPM_CI, cwd=directory, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise NotMeasurable("there is no npm here: apt-get install nodejs npm") from error
    except subprocess.CalledProcessError as error:
        raise NotMeasurable(f"npm cannot install it: {error.stderr}") from error
    return directory / "ws.mjs"


async def _serve_tokens() -> None:
    """A gateway that is given a token for each frame that is due, until it is killed."""
    allow_descriptors(MOST_CLIENTS)
    async with serving(
        clients=MOST_CLIENTS, board_tokens=BOARD_TOKENS, client_queue_bytes=2**20
    ) as world:
        print(port_of(world), flush=True)
        due, number = trio.current_time(), 0
        while True:
            await world.publish(make_token(number % TOKENS, name=f"Token {number}"))
            due, number = due + 1 / FRAMES_A_SECOND, number + 1
            await trio.sleep_until(due)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        trio.run(_serve_tokens)
