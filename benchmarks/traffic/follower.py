"""A client that follows the four boards and writes down what it sees, and when."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import trio
from attrs import define, field
from trio_websocket import open_websocket_url

from benchmarks.traffic.frames import Traffic
from benchmarks.traffic.latency import Sighting
from feed.board import BOARD_NAMES

LARGEST_MESSAGE_BYTES = 8 * 2**20
NOT_TRADED = -1  # round of a coin that has only been born


@define
class Follower:
    """What the boards show: each coin on them, with the round of the last trade in view."""

    url: str
    traffic: Traffic
    boards: dict[str, dict[int, int]] = field(init=False)
    sightings: list[Sighting] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.boards = {name: {} for name in BOARD_NAMES}

    @property
    def shown(self) -> dict[int, int]:
        """The coins on any board, each with its newest round in view."""
        return {coin: seen for board in self.boards.values() for coin, seen in board.items()}

    async def follow(self, board: str, task_status: trio.TaskStatus[None]) -> None:
        """Follow one board until cancelled."""
        async with open_websocket_url(self.url, max_message_size=LARGEST_MESSAGE_BYTES) as line:
            request = {"type": "subscribe", "board": board}
            await line.send_message(orjson.dumps(request).decode())
            self._fold(board, orjson.loads(await line.get_message()))
            task_status.started()
            while True:
                self._fold(board, orjson.loads(await line.get_message()))

    def _fold(self, board: str, frame: dict[str, Any]) -> None:
        now = time.monotonic()
        shown = self.boards[board]
        if frame["type"] == "snapshot":
            shown.clear()
        for change in (*frame.get("items", ()), *frame.get("changes", ())):
            coin = self.traffic.mints[change["mint"]]
            if change.get("removed"):
                del shown[coin]
                continue
            cap = change.get("marketCapSol")
            is_new = coin not in shown
            if is_new or cap is not None:
                seen = NOT_TRADED if cap is None else self.traffic.read_round(change["mint"], cap)
                shown[coin] = seen
                self.sightings.append(Sighting(coin, seen, now, is_new))


@asynccontextmanager
async def following(url: str, traffic: Traffic) -> AsyncIterator[Follower]:
    """A follower of all boards, each on a connection of its own."""
    follower = Follower(url, traffic)
    async with trio.open_nursery() as nursery:
        for board in BOARD_NAMES:
            await nursery.start(follower.follow, board)
        yield follower
        nursery.cancel_scope.cancel()
