"""Many Python clients: `python follow.py URL CLIENTS BACKEND`. What each holds goes to stdout.

A line: client, board, epoch, offset, and a digest of the board's mints and holder counts. Every
fourth client reads slowly.
"""

import sys
from collections.abc import Mapping
from hashlib import sha1
from typing import Any

import anyio
from token_discovery_client import follow


def digest(items: Mapping[str, Mapping[str, Any]]) -> str:
    text = " ".join(sorted(f"{mint}={item['holderCount']}" for mint, item in items.items()))
    return sha1(text.encode(), usedforsecurity=False).hexdigest()


async def report(url: str, client: int) -> None:
    async with follow(url, boards=["new", "hot"]) as feed:
        async for update in feed:
            held = digest(update.items)
            print(client, update.board, update.epoch, update.offset, held, flush=True)
            await anyio.sleep(0.2 if client % 4 == 0 else 0)


async def main(url: str, clients: int) -> None:
    async with anyio.create_task_group() as tasks:
        for client in range(clients):
            tasks.start_soon(report, url, client)


anyio.run(main, sys.argv[1], int(sys.argv[2]), backend=sys.argv[3])
