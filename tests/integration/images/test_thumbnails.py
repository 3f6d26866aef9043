"""The real process that decodes: what it makes, and what becomes of it when an image breaks it."""

import os
import sys
from pathlib import Path

import pytest
import trio

from domain.errors import ImageRefused
from images.thumbnails import LARGEST_THUMBNAIL_BYTES, PillowWorker
from tests.patience import PATIENCE_SECONDS
from tests.pictures import HTML, SVG, draw_picture, make_bomb, read_picture

PICTURE = draw_picture()


async def find_reason(worker: PillowWorker, image: bytes) -> str:
    with pytest.raises(ImageRefused) as refusal, trio.fail_after(PATIENCE_SECONDS):
        await worker.make_thumbnail(image)
    return refusal.value.reason


def script(text: str, seconds: float = 0.3) -> PillowWorker:
    """A worker that is not ours."""
    return PillowWorker(command=(sys.executable, "-I", "-c", text), answer_seconds=seconds)


async def test_one_process_makes_many_pictures_and_survives_hostile_ones() -> None:
    worker = PillowWorker()
    assert (96, 64) == read_picture(await worker.make_thumbnail(PICTURE)).size
    for image, reason in (
        (make_bomb(), "too_many_pixels"),
        (SVG, "svg"),
        (HTML, "markup"),
        (b"", "not_an_image"),
        (PICTURE[:200], "damaged"),
    ):
        assert reason == await find_reason(worker, image)
        assert await worker.make_thumbnail(PICTURE)
    assert 0 == worker.deaths
    await worker.close()


async def test_images_that_come_together_are_each_answered_with_their_own() -> None:
    worker = PillowWorker()
    sizes: dict[int, tuple[int, int]] = {}

    async def make(width: int) -> None:
        body = await worker.make_thumbnail(draw_picture(size=(width, 10)))
        sizes[width] = read_picture(body).size

    async with trio.open_nursery() as nursery:
        for width in range(11, 31):
            nursery.start_soon(make, width)
    assert sizes == {width: (width, 10) for width in range(11, 31)}
    await worker.close()


async def test_an_image_that_needs_more_memory_than_allowed_is_refused() -> None:
    """The canvas of a WebP file is made before anything else is known of it."""
    canvas = b"VP8X" + (10).to_bytes(4, "little") + bytes(4) + 2 * (16_382).to_bytes(3, "little")
    frame = draw_picture("WEBP", size=(8, 8))[12:]
    bomb = b"RIFF" + (4 + len(canvas + frame)).to_bytes(4, "little") + b"WEBP" + canvas + frame
    worker = PillowWorker()
    assert await find_reason(worker, bomb) in {
        "damaged",
        "decoder_died",
        "not_an_image",
        "too_many_pixels",
        "too_much_memory",
    }
    assert await worker.make_thumbnail(PICTURE)
    await worker.close()


async def test_the_process_is_bounded_in_memory_and_knows_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    worker = PillowWorker()
    await worker.make_thumbnail(PICTURE)
    assert worker._process is not None
    about = Path("/proc") / str(worker._process.pid)
    assert b"secret" not in (about / "environ").read_bytes()
    [address_space] = [
        line for line in (about / "limits").read_text().splitlines() if "address space" in line
    ]
    assert "unlimited" not in address_space
    await worker.close()


async def test_a_process_that_is_killed_costs_one_image() -> None:
    worker = PillowWorker()
    await worker.make_thumbnail(PICTURE)
    assert worker._process is not None
    os.kill(worker._process.pid, 9)
    assert "decoder_died" == await find_reason(worker, PICTURE)
    assert await worker.make_thumbnail(PICTURE)
    assert 1 == worker.deaths
    await worker.close()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import time; time.sleep(60)", "too_slow"),
        ("raise SystemExit(1)", "decoder_died"),
        ("print('x' * 100)", "decoder_died"),  # a length of nonsense
        (
            "import sys, struct; sys.stdin.buffer.read(8);"
            "sys.stdout.buffer.write(struct.pack('>cI', b'K', 5) + b'<svg>');"
            "sys.stdout.flush(); sys.stdin.read()",
            "damaged",
        ),
        (
            "import sys, struct; sys.stdin.buffer.read(8);"
            "sys.stdout.buffer.write(struct.pack('>cI', b'R', 9) + b'invention');"
            "sys.stdout.flush(); sys.stdin.read()",
            "damaged",
        ),
        (
            "import sys, struct; sys.stdin.buffer.read(8);"
            f"sys.stdout.buffer.write(struct.pack('>cI', b'K', {LARGEST_THUMBNAIL_BYTES + 1}));"
            "sys.stdout.flush(); sys.stdin.read()",
            "decoder_died",
        ),
    ],
)
async def test_a_decoder_that_was_taken_over_is_not_believed(
    text: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("images.thumbnails.START_SECONDS", 2.0)
    worker = script(text)
    assert reason == await find_reason(worker, b"1234")
    await worker.close()


async def test_a_cancelled_call_leaves_no_answer_for_the_next() -> None:
    worker = PillowWorker()
    await worker.make_thumbnail(PICTURE)
    with trio.move_on_after(0):
        await worker.make_thumbnail(draw_picture(size=(50, 50)))
    assert (96, 64) == read_picture(await worker.make_thumbnail(PICTURE)).size
    await worker.close()
    await worker.close()  # again, without a process
