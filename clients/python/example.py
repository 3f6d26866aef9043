"""Print the hottest token whenever it is another one: `python example.py http://localhost:8080`."""

import sys

import anyio
from token_discovery_client import SORT_KEYS, follow, sort_items


async def main(url: str) -> None:
    shown = None
    async with follow(url, boards=["hot"]) as feed:
        async for update in feed:
            hottest = sort_items(update.items.values(), SORT_KEYS["hot"])[:1]
            for item in hottest:
                if item["mint"] != shown:
                    shown = item["mint"]
                    print(item["symbol"], item["hotScore"], flush=True)


anyio.run(main, sys.argv[1])
