"""Coins' images: a stranger's picture made small and harmless, and kept on disk.

    bytes of any image -> ThumbnailMaker.make_thumbnail -> ThumbnailCache.keep_image
    GET /img/{mint} -> ThumbnailCache.read_image

Ports here. `thumbnails` makes them with Pillow in a process of its own (`worker`), `cache` keeps
them in a directory; `memory` holds the in-memory twins.
"""

from collections.abc import Mapping
from typing import Protocol

from attrs import frozen

from domain.values import Mint


@frozen(kw_only=True)
class Thumbnail:
    """One small picture, as a client gets it."""

    body: bytes  # a WebP file
    etag: str  # a digest of the body, in hexadecimal


class ThumbnailMaker(Protocol):
    """Makes a stranger's image small."""

    async def make_thumbnail(self, image: bytes) -> bytes:
        """A WebP file of at most 96 x 96 pixels; `ImageRefused` says why there is none."""

    async def close(self) -> None:
        """Give back what it holds; the next call takes it again."""


class ThumbnailCache(Protocol):
    """Keeps small pictures, the ones used last, within a number of bytes."""

    async def open_directory(self) -> None:
        """Learn what is kept from an earlier life; `ImageNotKept` if there is no place for it."""

    def has_image(self, mint: Mint) -> bool:
        """True if there is a picture of the coin."""

    async def keep_image(self, mint: Mint, body: bytes) -> None:
        """Keep it, in place of an older one; `ImageNotKept` if the directory does not take it."""

    async def read_image(self, mint: Mint) -> Thumbnail | None:
        """The picture of the coin; None while there is none. Asks nobody outside."""

    @property
    def images(self) -> int:
        """Pictures that are kept."""

    @property
    def size_bytes(self) -> int:
        """What they take."""

    @property
    def events(self) -> Mapping[str, int]:
        """How often something happened, by what: evicted, damaged, unreadable."""
