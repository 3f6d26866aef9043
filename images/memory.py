"""In-memory twins: a cache without a disk, and a maker that decodes nothing."""

from collections import Counter
from hashlib import sha256

import trio
from attrs import define, field

from domain.errors import ImageNotKept, ImageRefused
from domain.values import Mint
from images import Thumbnail

BLOCK_BYTES = 4096  # as on disk


@define
class MemoryCache:
    """A `ThumbnailCache` that ends with the process."""

    limit_bytes: int = 2**28
    is_full: bool = False  # the directory takes nothing
    events: Counter[str] = field(factory=Counter, init=False)
    _kept: dict[Mint, Thumbnail] = field(factory=dict, init=False)  # the coldest first

    @property
    def images(self) -> int:
        return len(self._kept)

    @property
    def size_bytes(self) -> int:
        return sum(-(-len(each.body) // BLOCK_BYTES) * BLOCK_BYTES for each in self._kept.values())

    async def open_directory(self) -> None:
        await trio.lowlevel.checkpoint()

    def has_image(self, mint: Mint) -> bool:
        return mint in self._kept

    async def keep_image(self, mint: Mint, body: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_full:
            raise ImageNotKept
        self._kept.pop(mint, None)
        self._kept[mint] = Thumbnail(body=body, etag=sha256(body).hexdigest()[:32])
        while self.size_bytes > self.limit_bytes:
            del self._kept[next(iter(self._kept))]
            self.events["evicted"] += 1

    async def read_image(self, mint: Mint) -> Thumbnail | None:
        await trio.lowlevel.checkpoint()
        found = self._kept.pop(mint, None)
        if found is not None:
            self._kept[mint] = found
        return found


@define
class ScriptedMaker:
    """A `ThumbnailMaker` that makes `small:` of any bytes, and refuses some."""

    refused: dict[bytes, str] = field(factory=dict)  # reasons
    seconds: float = 0.0  # an image takes
    is_open: bool = field(default=False, init=False)

    async def make_thumbnail(self, image: bytes) -> bytes:
        self.is_open = True
        await trio.sleep(self.seconds)
        if image in self.refused:
            raise ImageRefused(reason=self.refused[image])
        return b"small:" + image

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()
        self.is_open = False
