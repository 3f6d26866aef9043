"""One suite for every kind of client: through breaks, restarts and slow reading, fold equals board.

    gateway, restarted  <-  a line that is cut and stops  <-  Python, JavaScript, server-sent events

What a client holds after each message, of two boards and of a view, is compared with the board as
it was at that offset. Then no delta was left out and none was folded twice, whatever happened in
between.
"""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from hashlib import sha1
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import attrs
import orjson
import pytest
import trio
from attrs import define, field

from domain.token import Token
from feed.board import Boards, DeltaRound
from feed.hub import Hub
from feed.view_query import ViewQuery, parse_view
from tests.architecture.repository import ROOT
from tests.clients.cutting_line import CuttingLine
from tests.integration.feed.clients import Event, EventClient, port_of, serving
from tests.patience import PATIENCE_SECONDS
from tests.unit.feed.tokens import NOW, make_token
from tests.unit.feed.worlds import World

HERE = Path(__file__).parent
BOARDS = ("new", "hot")
VIEW = {"filters": {"minHolders": 400}, "sort": "hot", "limit": 15}
VIEW_NAME = parse_view(VIEW).name
TOKENS = 40  # more than a board has places
LIVES, ROUNDS = 3, 25  # restarts, and changes in each life

STREAM = f"/api/stream?boards={','.join(BOARDS)}&view={quote(orjson.dumps(VIEW))}"

Held = tuple[str, str, int, str]  # board, epoch, offset, digest


def call_view(board: str) -> str:
    """A board's name as the clients tell it."""
    return "view" if board == VIEW_NAME else board


def digest(items: Mapping[str, Mapping[str, Any]]) -> str:
    """As follow.py and follow.mjs have it."""
    text = " ".join(sorted(f"{mint}={item['holderCount']}" for mint, item in items.items()))
    return sha1(text.encode(), usedforsecurity=False).hexdigest()


@define(eq=False)
class Stage:
    """The service through its lives, and what its boards were at each offset."""

    random: Random
    world: World | None = None
    boards: dict[tuple[str, str, int], str] = field(factory=dict)

    def find_port(self) -> int | None:
        return None if self.world is None else port_of(self.world)

    @asynccontextmanager
    async def live(self, seed: int) -> AsyncIterator[World]:
        """One life of the service, under an epoch of its own."""
        async with serving(
            seed=seed, clients=1000, board_tokens=20, client_queue_bytes=20_000
        ) as world:
            self.record_boards(world.gateway.boards)
            self.world = world
            yield world
            self.world = None

    def record_boards(self, boards: Boards) -> None:
        views = [VIEW_NAME] if VIEW_NAME in boards.views.living else []
        for board in (*BOARDS, *views):
            snapshot = orjson.loads(boards.snapshot_message(board))
            items = {item["mint"]: item for item in snapshot["items"]}
            place = call_view(board), snapshot["epoch"], snapshot["offset"]
            self.boards[place] = digest(items)

    def list_last(self) -> set[Held]:
        """What every client must end with: of each board its last state, at whatever offset."""
        last: dict[str, Held] = {}
        for (board, epoch, offset), state in self.boards.items():
            last[board] = (board, epoch, offset, state)
        return set(last.values())

    def draw_token(self) -> Token:
        number = self.random.randrange(TOKENS)
        return make_token(
            number,
            holder_count=self.random.randrange(1000),
            hot_score=self.random.choice([None, float(self.random.randrange(100))]),
            first_seen_at=NOW - number,
        )


@define
class Folded:
    """A board, folded as docs/API.md says."""

    items: dict[str, dict[str, Any]] = field(factory=dict)
    epoch: str = ""
    offset: int = -1

    def take(self, message: Mapping[str, Any]) -> bool:
        """Fold a message in; whether it was news."""
        is_snapshot = message["type"] == "snapshot"
        is_known = message["epoch"] == self.epoch and message["offset"] <= self.offset
        if is_known and not is_snapshot:
            return False  # sent again behind `resumed`
        self.epoch, self.offset = message["epoch"], message["offset"]
        if is_snapshot:
            self.items.clear()
        for change in message.get("items", message.get("changes", ())):
            if change.get("removed"):
                self.items.pop(change["mint"], None)
            else:
                self.items[change["mint"]] = self.items.get(change["mint"], {}) | change
        return True


@define(eq=False)
class Audience:
    """What clients of one kind say that they hold."""

    held: dict[str, list[Held]] = field(factory=dict)  # by client, in the order told

    def note(self, client: str, board: str, epoch: str, offset: int, state: str) -> None:
        self.held.setdefault(client, []).append((board, epoch, offset, state))

    def count_followers(self, epoch: str) -> int:
        """How many clients hold something of this life of the service."""
        return sum(told[-1][1] == epoch for told in self.held.values())

    def hold_at_last(self, states: set[tuple[str, str, str]], clients: int) -> bool:
        """Every client's last word of each board is its last state, of the last life."""
        last = [
            {board: (board, epoch, state) for board, epoch, _, state in told}
            for told in self.held.values()
        ]
        return len(last) == clients and all(set(each.values()) == states for each in last)

    async def listen(self, command: list[str]) -> None:
        """Take the lines of a process until cancelled."""
        async with trio.open_nursery() as nursery:
            process = await start_process(nursery, command)
            unread = b""
            async for data in process.stdout:
                *lines, unread = (unread + data).split(b"\n")
                for line in lines:
                    client, board, epoch, offset, state = line.decode().split()
                    self.note(client, board, epoch, int(offset), state)
            raise AssertionError(f"{command[0]} has ended by itself")

    async def listen_to_events(self, client: str, port: int) -> None:
        """One client of the event stream; folded and asked for again as docs/API.md says."""
        boards: dict[str, Folded] = {}
        last_id = ""
        while True:
            # However it ends, it comes back, as every client does.
            with suppress(OSError, trio.BrokenResourceError, trio.EndOfChannel):
                async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                    events = EventClient(stream, last_id=last_id)
                    headers = {"Last-Event-ID": last_id} if last_id else {}
                    await events.begin(STREAM, headers)
                    while True:
                        self._take_event(client, boards, await events.hear_board())
                        last_id = events.last_id
            await trio.sleep(0.2)

    def _take_event(self, client: str, boards: dict[str, Folded], event: Event) -> None:
        if event.kind in ("resumed", "view"):
            return
        message = event.data
        board = boards.setdefault(message["board"], Folded())
        if board.take(message):
            state = digest(board.items)
            name = call_view(message["board"])
            self.note(client, name, message["epoch"], message["offset"], state)


async def start_process(nursery: trio.Nursery, command: list[str]) -> Any:
    """A client's process, whose output is piped; it is killed with the nursery."""
    return await nursery.start(
        partial(
            trio.run_process,
            command,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT / "clients" / "python")},
            deliver_cancel=_kill,
        )
    )


async def _kill(process: trio.Process) -> None:
    process.kill()


async def drive(stage: Stage, line: CuttingLine, audience: Audience, clients: int) -> None:
    """Lives of the service, with changes, breaks and a while in which nobody listens."""
    for seed in range(LIVES):
        async with stage.live(seed) as world:
            epoch, wanted = world.gateway.boards.epoch, clients if seed == 0 else clients // 2
            while audience.count_followers(epoch) < wanted:
                await trio.sleep(0.05)
            for _ in range(ROUNDS):
                await world.publish(*(stage.draw_token() for _ in range(5)))
                await trio.sleep(0.05)
                if stage.random.random() < 0.2:
                    line.cut_some(0.3)
            if seed + 1 == LIVES:
                line.calm()
                await trio.sleep_forever()
        await trio.sleep(0.3)


def check(stage: Stage, audience: Audience) -> Counter[str]:
    """Whatever a client has held was a board; within an epoch its offsets never went back."""
    counts: Counter[str] = Counter()
    for client, told in audience.held.items():
        before: dict[tuple[str, str], int] = {}
        for board, epoch, offset, state in told:
            counts["messages"] += 1
            assert state == stage.boards[board, epoch, offset], (client, board, epoch, offset)
            assert offset >= before.get((board, epoch), 0), (client, board, epoch, offset)
            before[board, epoch] = offset
        counts["epochs"] = max(counts["epochs"], len({epoch for _, epoch, _, _ in told}))
    return counts


def list_commands(kind: str) -> list[str]:
    if kind == "javascript":
        if shutil.which("node") is None:
            pytest.skip("there is no node here")
        return ["node", "--experimental-websocket", str(HERE / "follow.mjs")]
    return [sys.executable, str(HERE / "follow.py")]


@pytest.mark.parametrize(
    ("kind", "clients"), [("asyncio", 50), ("trio", 30), ("javascript", 80), ("events", 40)]
)
async def test_what_a_client_holds_is_the_board_through_breaks_and_restarts(
    kind: str, clients: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, audience = Stage(Random(kind)), Audience()
    deliver_round = Hub.send_round

    async def record_round(hub: Hub, delta_round: DeltaRound) -> None:
        stage.record_boards(hub.boards)
        await deliver_round(hub, delta_round)

    open_view = Boards.open_view

    def record_view(boards: Boards, query: ViewQuery) -> None:
        open_view(boards, query)  # at an offset of its own
        stage.record_boards(boards)

    monkeypatch.setattr(Hub, "send_round", record_round)
    monkeypatch.setattr(Boards, "open_view", record_view)
    line = CuttingLine(stage.find_port, Random(kind))
    async with trio.open_nursery() as nursery:
        port = await nursery.start(line.serve)
        if kind == "events":
            for client in range(clients):
                nursery.start_soon(audience.listen_to_events, str(client), port)
        else:
            url = f"http://127.0.0.1:{port}"
            command = [*list_commands(kind), url, str(clients), orjson.dumps(VIEW).decode(), kind]
            nursery.start_soon(audience.listen, command)
        nursery.start_soon(drive, stage, line, audience, clients)
        with trio.fail_after(2 * PATIENCE_SECONDS):
            while not line.is_calm or not audience.hold_at_last(last_states(stage), clients):
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    counts = check(stage, audience)
    assert line.cuts > clients / 2
    assert counts["epochs"] == LIVES


def last_states(stage: Stage) -> set[tuple[str, str, str]]:
    return {(board, epoch, state) for board, epoch, _, state in stage.list_last()}


# What they are asked for and what they refuse.


@pytest.mark.parametrize("kind", ["python", "javascript"])
async def test_the_example_shows_the_hottest_token(kind: str) -> None:
    clients = ROOT / "clients"
    command = {
        "python": [sys.executable, str(clients / "python" / "example.py")],
        "javascript": ["node", "--experimental-websocket", str(clients / "js" / "example.mjs")],
    }[kind]
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} here")
    async with serving() as world, trio.open_nursery() as nursery:
        await world.show(make_token(1, hot_score=1.0), make_token(2, hot_score=None))
        process = await start_process(nursery, [*command, f"http://127.0.0.1:{port_of(world)}"])
        lines = []
        for token in (None, make_token(2, hot_score=9.5)):
            if token is not None:
                await world.show(attrs.evolve(token, symbol="HOT"))
            with trio.fail_after(PATIENCE_SECONDS):
                line = b""
                while not line.endswith(b"\n"):
                    line += await process.stdout.receive_some(1)
                lines.append(line.decode())
        nursery.cancel_scope.cancel()
    assert lines[0].split()[1] in ("1", "1.0")
    assert lines[1].split() == ["HOT", "9.5"]
