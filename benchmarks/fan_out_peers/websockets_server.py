"""websockets, broadcasting as its documentation does: FRAME FRAMES_A_SECOND."""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve


async def _drain(connection: ServerConnection) -> None:
    async for _ in connection:
        pass


async def _broadcast(frame: str, rate: float) -> None:
    async with serve(_drain, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += 1 / rate
            await asyncio.sleep(due - loop.time())
            broadcast(server.connections, frame)


if __name__ == "__main__":
    asyncio.run(_broadcast(sys.argv[1], float(sys.argv[2])))
