"""What every cache of images does: the directory and its twin."""

from collections.abc import Callable
from pathlib import Path

import pytest

from images import ThumbnailCache
from images.cache import DiskCache
from images.memory import MemoryCache
from tests.unit.actors.world import mint

NewCache = Callable[[int], ThumbnailCache]
BLOCK_BYTES = 4096


@pytest.fixture(params=["disk", "memory"])
def new_cache(request: pytest.FixtureRequest, tmp_path: Path) -> NewCache:
    if request.param == "disk":
        return lambda limit_bytes: DiskCache(tmp_path / "images", limit_bytes, lambda: 1000.0)
    return MemoryCache


async def read_body(cache: ThumbnailCache, number: int) -> bytes | None:
    found = await cache.read_image(mint(number))
    return None if found is None else found.body


async def test_what_is_kept_is_read_again(new_cache: NewCache) -> None:
    cache = new_cache(10 * BLOCK_BYTES)
    await cache.open_directory()
    assert await cache.read_image(mint(1)) is None
    assert not cache.has_image(mint(1))
    await cache.keep_image(mint(1), b"one")
    assert b"one" == await read_body(cache, 1)
    assert cache.has_image(mint(1))
    assert await read_body(cache, 2) is None
    assert (1, BLOCK_BYTES) == (cache.images, cache.size_bytes)


async def test_the_tag_follows_the_picture(new_cache: NewCache) -> None:
    cache = new_cache(10 * BLOCK_BYTES)
    tags = []
    for number, body in ((1, b"one"), (2, b"one"), (1, b"two")):
        await cache.keep_image(mint(number), body)
        found = await cache.read_image(mint(number))
        assert found is not None
        tags.append(found.etag)
    assert tags[0] == tags[1] != tags[2]
    assert all(tag.isascii() and tag.isalnum() for tag in tags)


async def test_a_new_picture_takes_the_place_of_the_old(new_cache: NewCache) -> None:
    cache = new_cache(10 * BLOCK_BYTES)
    for body in (b"x" * 5000, b"y", b"y"):
        await cache.keep_image(mint(1), body)
    assert b"y" == await read_body(cache, 1)
    assert (1, BLOCK_BYTES) == (cache.images, cache.size_bytes)


async def test_the_coldest_by_last_use_goes_first(new_cache: NewCache) -> None:
    cache = new_cache(3 * BLOCK_BYTES)
    for number in (1, 2, 3):
        await cache.keep_image(mint(number), bytes([number]))
    await cache.read_image(mint(1))
    await cache.keep_image(mint(4), b"4")
    kept = [number for number in (1, 2, 3, 4) if cache.has_image(mint(number))]
    assert [1, 3, 4] == kept
    assert 3 * BLOCK_BYTES == cache.size_bytes
    assert 1 == cache.events["evicted"]


async def test_what_is_larger_than_the_cache_does_not_stay(new_cache: NewCache) -> None:
    cache = new_cache(2 * BLOCK_BYTES)
    await cache.keep_image(mint(1), b"1")
    await cache.keep_image(mint(2), b"x" * 3 * BLOCK_BYTES)
    assert (0, 0) == (cache.images, cache.size_bytes)
    assert await read_body(cache, 2) is None
