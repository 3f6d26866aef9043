"""The `ThumbnailCache` of the service: small pictures in a directory, within a number of bytes.

    {directory}/{first character of the mint}/{mint}.{digest}.webp

All that must outlive a restart stands in names and times: the digest is the picture's ETag and
tells a damaged file from a whole one, the time of modification is that of the last use (renewed
once an hour at most, so that reading does not write). Files of any other name are not ours: they
are neither counted nor touched. A file is written under another name first and then renamed, so
that none is ever half there.

The index in memory takes about 300 bytes a picture. Two services with one directory do no harm to
one another, but each bounds only what it knows of.
"""

import os
import re
import stat
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import trio
from attrs import define, field, frozen

from domain.errors import ImageNotKept
from domain.values import Mint
from images import Thumbnail

DEFAULT_NAME = "token-discovery-images"
NAME = re.compile(r"([1-9A-HJ-NP-Za-km-z]{32,44})\.([0-9a-f]{32})\.webp")
UNFINISHED = re.compile(r"\.[1-9A-HJ-NP-Za-km-z]{32,44}\.\d+\.part")
UNFINISHED_SECONDS = 3600.0  # older ones were left by a process that died
BLOCK_BYTES = 4096  # a file takes whole ones
USE_SECONDS = 3600.0  # a time of last use is this exact
THREADS = 4  # so that a slow disk holds up no other threads
MOST_FOUND = 4_000_000  # files looked at when the directory is opened

Result = TypeVar("Result")


@frozen
class _Kept:
    digest: str
    size_bytes: int
    used_at: float  # as told on disk


@define
class DiskCache:
    """Pictures in a directory; the coldest go first."""

    directory: Path
    limit_bytes: int
    read_clock: Callable[[], float]
    is_shared_place: bool = False  # a place where others may write: only a directory of ours
    size_bytes: int = field(default=0, init=False)
    events: Counter[str] = field(factory=Counter, init=False)
    _index: dict[Mint, _Kept] = field(factory=dict, init=False)  # the coldest first
    _is_open: bool = field(default=False, init=False)
    _opening: trio.Lock = field(factory=trio.Lock, init=False)
    _threads: trio.CapacityLimiter = field(
        factory=lambda: trio.CapacityLimiter(THREADS), init=False
    )

    @property
    def images(self) -> int:
        return len(self._index)

    async def open_directory(self) -> None:
        async with self._opening:
            if self._is_open:
                return
            found = await self._in_thread(self._find_files)
            for mint, kept in found:
                self._index[mint] = kept
                self.size_bytes += _count_blocks(kept.size_bytes)
            self._is_open = True
        await self._evict_coldest()

    def has_image(self, mint: Mint) -> bool:
        return mint in self._index

    async def keep_image(self, mint: Mint, body: bytes) -> None:
        await self.open_directory()
        kept = _Kept(_digest(body), len(body), self.read_clock())
        before = self._index.get(mint)
        await self._in_thread(lambda: self._write_file(mint, kept, body))
        self._forget(mint)
        self._index[mint] = kept
        self.size_bytes += _count_blocks(kept.size_bytes)
        if before is not None and before.digest != kept.digest:
            await self._in_thread(lambda: self._remove_file(mint, before))
        await self._evict_coldest()

    async def read_image(self, mint: Mint) -> Thumbnail | None:
        kept = self._index.get(mint)
        if kept is None:
            return None
        now = self.read_clock()
        is_renewed = now - kept.used_at >= USE_SECONDS
        try:
            body = await trio.to_thread.run_sync(
                self._read_file, mint, kept, now if is_renewed else None, limiter=self._threads
            )
        except OSError:
            body = None
        if self._index.get(mint) is not kept:  # replaced or evicted meanwhile
            return None if body is None else Thumbnail(body=body, etag=kept.digest)
        if body is None:
            self.events["damaged"] += 1
            self._forget(mint)
            return None
        del self._index[mint]
        self._index[mint] = _Kept(kept.digest, kept.size_bytes, now) if is_renewed else kept
        return Thumbnail(body=body, etag=kept.digest)

    async def _evict_coldest(self) -> None:
        """Drop pictures until they are within the bound."""
        coldest: list[tuple[Mint, _Kept]] = []
        while self.size_bytes > self.limit_bytes and self._index:
            mint = next(iter(self._index))
            coldest.append((mint, self._index[mint]))
            self._forget(mint)
        if coldest:
            self.events["evicted"] += len(coldest)
            await self._in_thread(lambda: self._remove_files(coldest))

    def _forget(self, mint: Mint) -> None:
        kept = self._index.pop(mint, None)
        if kept is not None:
            self.size_bytes -= _count_blocks(kept.size_bytes)

    async def _in_thread(self, call: Callable[[], Result]) -> Result:
        try:
            return await trio.to_thread.run_sync(call, limiter=self._threads)
        except OSError as error:
            raise ImageNotKept(f"{error.strerror or error}: {self.directory}") from error

    # In a thread.

    def _find_files(self) -> list[tuple[Mint, _Kept]]:
        if not self.directory.exists():  # it is made for the first picture
            return []
        self._require_own_directory()
        found = sorted(self._read_directory(), key=lambda each: each[1].used_at)
        newest = dict(found)
        self._remove_files([each for each in found if newest[each[0]] is not each[1]])
        return [(mint, kept) for mint, kept in found if newest[mint] is kept]

    def _make_directories(self, path: Path) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._require_own_directory()
        path.mkdir(mode=0o700, exist_ok=True)

    def _require_own_directory(self) -> None:
        """Else somebody who was there first could put a link in the place of a file."""
        if not self.is_shared_place:
            return
        found = self.directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise PermissionError(0, "belongs to somebody else")

    def _read_directory(self) -> Iterator[tuple[Mint, _Kept]]:
        looked_at = 0
        for folder in os.scandir(self.directory):
            if len(folder.name) != 1 or not folder.is_dir(follow_symlinks=False):
                continue
            for entry in os.scandir(folder):
                looked_at += 1
                if looked_at > MOST_FOUND:
                    return
                if (kept := self._read_entry(entry)) is not None:
                    yield kept

    def _read_entry(self, entry: "os.DirEntry[str]") -> tuple[Mint, _Kept] | None:
        try:
            if not entry.is_file(follow_symlinks=False):
                return None
            found = entry.stat(follow_symlinks=False)
            if name := NAME.fullmatch(entry.name):
                return Mint(name[1]), _Kept(name[2], found.st_size, found.st_mtime)
            is_old = self.read_clock() - found.st_mtime > UNFINISHED_SECONDS
            if UNFINISHED.fullmatch(entry.name) and is_old:
                os.unlink(entry.path)
        except OSError:  # it is gone, or not ours
            self.events["unreadable"] += 1
        return None

    def _find_path(self, mint: Mint, kept: _Kept) -> Path:
        return self.directory / mint[0] / f"{mint}.{kept.digest}.webp"

    def _write_file(self, mint: Mint, kept: _Kept, body: bytes) -> None:
        path = self._find_path(mint, kept)
        self._make_directories(path.parent)
        unfinished = path.with_name(f".{mint}.{os.getpid()}.part")
        try:
            unfinished.write_bytes(body)
            os.utime(unfinished, (kept.used_at, kept.used_at))
            unfinished.replace(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def _read_file(self, mint: Mint, kept: _Kept, used_at: float | None) -> bytes | None:
        """The picture; None if the file does not hold what its name says."""
        path = self._find_path(mint, kept)
        with path.open("rb") as file:
            body = file.read(kept.size_bytes + 1)
        if _digest(body) != kept.digest:
            path.unlink(missing_ok=True)
            return None
        if used_at is not None:
            try:
                os.utime(path, (used_at, used_at))
            except OSError:  # of a directory that can only be read: it is evicted a little early
                self.events["unreadable"] += 1
        return body

    def _remove_file(self, mint: Mint, kept: _Kept) -> None:
        self._find_path(mint, kept).unlink(missing_ok=True)

    def _remove_files(self, coldest: list[tuple[Mint, _Kept]]) -> None:
        for mint, kept in coldest:
            self._remove_file(mint, kept)


def open_cache(directory: str, limit_bytes: int, read_clock: Callable[[], float]) -> DiskCache:
    """The cache of the settings; nothing is read yet."""
    if directory:
        return DiskCache(Path(directory), limit_bytes, read_clock)
    place = Path(tempfile.gettempdir()) / DEFAULT_NAME
    return DiskCache(place, limit_bytes, read_clock, is_shared_place=True)


def _digest(body: bytes) -> str:
    return sha256(body).hexdigest()[:32]


def _count_blocks(size_bytes: int) -> int:
    """Bytes that a file of this size takes on disk."""
    return -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES
