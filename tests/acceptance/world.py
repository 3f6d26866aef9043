"""A PumpPortal peer on loopback that says what a test tells it to, on whatever connection is up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket


@define
class PumpPortalPeer:
    """One client at a time; frames are sent in order, and wait for a client when there is none."""

    port: int = field(default=0, init=False)
    said: trio.MemorySendChannel[str] = field(init=False)
    heard: list[dict[str, object]] = field(factory=list, init=False)
    subscribed: trio.Event = field(factory=trio.Event, init=False)
    _frames: trio.MemoryReceiveChannel[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.said, self._frames = trio.open_memory_channel(100_000)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/api/data"

    def say(self, *frames: dict[str, object] | str) -> None:
        for frame in frames:
            text = frame if isinstance(frame, str) else orjson.dumps(frame).decode()
            self.said.send_nowait(text)

    async def _serve(self, request: WebSocketRequest) -> None:
        connection = await request.accept()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, connection)
                await self.subscribed.wait()
                async for frame in self._frames:
                    await connection.send_message(frame)
        except* ConnectionClosed:
            self.subscribed = trio.Event()

    async def _listen(self, connection: WebSocketConnection) -> None:
        while True:
            request = orjson.loads(await connection.get_message())
            self.heard.append(request)
            if request["method"] == "subscribeMigration":  # the second and last of a new client
                self.subscribed.set()


@asynccontextmanager
async def running_peer() -> AsyncIterator[PumpPortalPeer]:
    peer = PumpPortalPeer()
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, peer._serve, "127.0.0.1", 0, None)
        peer.port = server.port
        yield peer
        nursery.cancel_scope.cancel()
