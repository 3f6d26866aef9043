"""Follow token-discovery's live boards, over every break of the connection.

    async with follow("http://localhost:8080", boards=["new"]) as feed:
        async for update in feed:
            print(update.board, len(update.items))

Works under asyncio and Trio (AnyIO). A connection that breaks is opened again, and what was missed
is sent behind where it broke, or a snapshot where that is too much. Whoever reads slowly is not
queued for without bound: the service conflates what it could not send into a snapshot.
"""

from .feed import Feed, FeedRefused, Update, View, follow
from .fold import SORT_KEYS, Item, fold, sort_items

__all__ = [
    "SORT_KEYS",
    "Feed",
    "FeedRefused",
    "Item",
    "Update",
    "View",
    "fold",
    "follow",
    "sort_items",
]
