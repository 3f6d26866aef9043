"""The directory of images on a real disk: restarts, damage, foreign files, and no room."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from attrs import define

from domain.errors import ImageNotKept
from domain.values import Mint
from images.cache import DiskCache, open_cache
from tests.unit.actors.world import mint

BLOCK_BYTES = 4096


@define
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def new_cache(directory: Path, blocks: int = 10, clock: Clock | None = None) -> DiskCache:
    """As a process that has just started."""
    return DiskCache(directory, blocks * BLOCK_BYTES, clock or Clock())


def files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


async def kept(cache: DiskCache, *numbers: int) -> list[int]:
    return [number for number in numbers if await cache.read_image(mint(number)) is not None]


async def test_pictures_and_their_order_survive_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    cache = new_cache(tmp_path, clock=clock)
    for number in (1, 2, 3):
        clock.now += 1
        await cache.keep_image(mint(number), bytes([number]))
    clock.now += 3600.0
    await cache.read_image(mint(1))  # now the one used last

    restarted = new_cache(tmp_path, blocks=2, clock=clock)
    await restarted.open_directory()
    assert [1, 3] == await kept(restarted, 1, 2, 3)
    assert 2 * BLOCK_BYTES == restarted.size_bytes
    assert 2 == len(files(tmp_path))


async def test_a_damaged_file_is_no_picture_and_goes(tmp_path: Path) -> None:
    cache = new_cache(tmp_path)
    for number in (1, 2, 3, 4):
        await cache.keep_image(mint(number), b"picture")
    paths = {path.name.partition(".")[0]: path for path in files(tmp_path)}
    paths[mint(1)].write_bytes(b"pictur3")
    paths[mint(2)].write_bytes(b"")
    paths[mint(3)].unlink()
    for cache_now in (cache, new_cache(tmp_path)):
        await cache_now.open_directory()
        assert [4] == await kept(cache_now, 1, 2, 3, 4)
    assert 3 == cache.events["damaged"]
    assert [paths[mint(4)]] == files(tmp_path)
    assert BLOCK_BYTES == cache.size_bytes


async def test_files_that_are_not_ours_are_neither_read_nor_touched(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    cache = new_cache(tmp_path / "images")
    await cache.keep_image(mint(1), b"picture")
    [ours] = files(tmp_path / "images")
    digest = ours.name.split(".")[1]
    foreign = [
        ours.with_name("notes.txt"),
        ours.with_name(f"{mint(2)}.webp"),
        ours.with_name(f"{mint(2)}.{digest}.png"),
        tmp_path / "images" / f"{mint(2)}.{digest}.webp",
    ]
    for path in foreign:
        path.write_bytes(b"picture")
    link = ours.with_name(f"{mint(3)}.{digest}.webp")
    link.symlink_to(secret)
    (ours.with_name(f"{mint(4)}.{digest}.webp")).mkdir()

    restarted = new_cache(tmp_path / "images", blocks=1)
    await restarted.open_directory()
    assert [1] == await kept(restarted, 1, 2, 3, 4)
    await restarted.keep_image(mint(5), b"five")
    assert [5] == await kept(restarted, 1, 5)
    assert all(path.exists() for path in [*foreign, link])


async def test_what_a_process_that_died_has_left_goes_after_an_hour(tmp_path: Path) -> None:
    cache = new_cache(tmp_path)
    await cache.keep_image(mint(1), b"picture")
    [ours] = files(tmp_path)
    for age_seconds, pid in ((10.0, 1), (4000.0, 2)):
        part = ours.with_name(f".{mint(2)}.{pid}.part")
        part.write_bytes(b"half")
        os.utime(part, (Clock().now - age_seconds,) * 2)
    await new_cache(tmp_path).open_directory()
    assert [f".{mint(2)}.1.part", ours.name] == [path.name for path in files(tmp_path)]


async def test_of_two_pictures_of_a_coin_the_newer_stays(tmp_path: Path) -> None:
    cache = new_cache(tmp_path)
    await cache.keep_image(mint(1), b"new")
    [new] = files(tmp_path)
    old = new.with_name(f"{mint(1)}.{'0' * 32}.webp")
    old.write_bytes(b"old")
    os.utime(old, (1.0, 1.0))
    restarted = new_cache(tmp_path)
    await restarted.open_directory()
    found = await restarted.read_image(mint(1))
    assert found is not None
    assert b"new" == found.body
    assert [new] == files(tmp_path)


async def keep_many(cache: DiskCache, numbers: Iterable[int]) -> None:
    for number in numbers:
        await cache.keep_image(mint(number), os.urandom(8000))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=64k tmpfs {place} 2>/dev/null"):
        pytest.skip("only root can mount a small disk")
    yield place
    os.system(f"umount {place}")


async def test_a_full_disk_keeps_what_it_has_and_says_so(small_disk: Path) -> None:
    cache = new_cache(small_disk, blocks=1000)
    await cache.keep_image(mint(1), b"picture")
    with pytest.raises(ImageNotKept, match="No space left"):
        await keep_many(cache, range(2, 30))
    assert [1] == await kept(cache, 1)
    assert not [path for path in files(small_disk) if path.name.endswith(".part")]
    assert cache.images == len(files(small_disk))
    for path in files(small_disk)[1:]:
        path.unlink()
    await cache.keep_image(mint(40), b"again")
    assert [40] == await kept(cache, 40)


@pytest.mark.parametrize("place", ["file", "file/below"])
async def test_no_directory_is_told_and_harms_nothing(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = new_cache(tmp_path / place)
    for _ in range(2):
        with pytest.raises(ImageNotKept, match="file"):
            await cache.keep_image(mint(1), b"picture")
    assert 0 == cache.size_bytes
    assert await cache.read_image(mint(1)) is None
    (tmp_path / "file").unlink()
    await cache.keep_image(mint(1), b"picture")
    assert [1] == await kept(cache, 1)


async def test_a_cache_without_a_picture_leaves_nothing_on_the_disk(tmp_path: Path) -> None:
    cache = new_cache(tmp_path / "images")
    await cache.open_directory()
    assert await cache.read_image(mint(1)) is None
    assert not cache.directory.exists()


async def test_in_a_shared_place_a_link_of_somebody_else_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "token-discovery-images").symlink_to(tmp_path / "elsewhere")
    cache = open_cache("", 10 * BLOCK_BYTES, Clock())
    with pytest.raises(ImageNotKept, match="somebody else"):
        await cache.keep_image(mint(1), b"picture")
    assert [] == files(tmp_path / "elsewhere")
    (tmp_path / "token-discovery-images").unlink()
    await cache.keep_image(mint(1), b"picture")
    assert 0o700 == (tmp_path / "token-discovery-images").stat().st_mode & 0o777
    chosen = open_cache(str(tmp_path / "chosen"), 1, Clock())
    assert (tmp_path / "chosen", False) == (chosen.directory, chosen.is_shared_place)


async def test_a_mint_never_leaves_the_directory(tmp_path: Path) -> None:
    """Mints are validated long before; the index knows no other anyway."""
    cache = new_cache(tmp_path / "images")
    await cache.open_directory()
    (tmp_path / "passwd").write_bytes(b"secret")
    assert await cache.read_image(Mint("../passwd")) is None
