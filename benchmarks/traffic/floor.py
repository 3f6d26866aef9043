"""The floor: the same frames through trio-websocket and one JSON decode, and nothing else.

`python -m benchmarks.traffic.floor PORT COUNT` prints the CPU seconds that so many frames took.
"""

import sys
import time

import orjson
import trio
from trio_websocket import open_websocket_url

from sources.frame_splitter import FRAMES_A_BATCH
from sources.line import RECEIVE_BUFFER_BYTES


async def _receive(port: int, count: int) -> float:
    async with open_websocket_url(
        f"ws://127.0.0.1:{port}/",
        message_queue_size=FRAMES_A_BATCH,
        receive_buffer_size=RECEIVE_BUFFER_BYTES,
    ) as connection:
        orjson.loads(await connection.get_message())
        started = time.process_time()
        for _ in range(count - 1):
            orjson.loads(await connection.get_message())
        return time.process_time() - started


if __name__ == "__main__":
    print(trio.run(_receive, int(sys.argv[1]), int(sys.argv[2])))
