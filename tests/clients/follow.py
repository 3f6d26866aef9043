"""Many Python clients: `python follow.py URL CLIENTS VIEW BACKEND`. What each holds goes to stdout.

A line: client, board ("view" for the view), epoch, offset, and a digest of the board's mints and
holder counts. Every fourth client reads slowly.
"""

import json
import sys
from collections.abc import Mapping
from hashlib import sha1
from typing import Any

import anyio
from token_discovery_client import follow


def digest(items: Mapping[str, Mapping[str, Any]]) -> str:
    text = " ".join(sorted(f"{mint}={item['holderCount']}" for mint, item in items.items()))
    return sha1(text.encode(), usedforsecurity=False).hexdigest()


async def report(url: str, client: int, view: dict[str, Any]) -> None:
    async with follow(url, boards=["new", "hot"], views={"view": view}) as feed:
        async for update in feed:
            held = digest(update.items)
            print(client, update.board, update.epoch, update.offset, held, flush=True)
            await anyio.sleep(0.2 if client % 4 == 0 else 0)


async def main(url: str, clients: int, view: str) -> None:
    async with anyio.create_task_group() as tasks:
        for client in range(clients):
            tasks.start_soon(report, url, client, json.loads(view))


anyio.run(main, sys.argv[1], int(sys.argv[2]), sys.argv[3], backend=sys.argv[4])
