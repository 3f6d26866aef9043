"""A coin's small picture, as `GET /img/{mint}` reads it: the port.

the cache of images -> ImageShelf -> GET /img/{mint}
"""

from typing import Protocol

from domain.values import Mint


class StoredImage(Protocol):
    """One picture, ready to be sent."""

    @property
    def body(self) -> bytes:
        """A WebP file."""

    @property
    def etag(self) -> str:
        """Changes with the picture; visible ASCII without quotes, a digest for instance."""


class ImageShelf(Protocol):
    """Where the pictures are kept."""

    async def read_image(self, mint: Mint) -> StoredImage | None:
        """The picture of a coin; None while there is none. Never asks anybody outside."""
