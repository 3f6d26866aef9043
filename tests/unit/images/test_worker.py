"""What the worker makes of images, whoever drew them."""

import warnings
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, features

from images.thumbnails import REASONS
from images.worker import FORMATS, MOST_PIXELS, SIDE_PIXELS, Unshowable, shrink_image
from tests.pictures import (
    HTML,
    SVG,
    draw_animation,
    draw_photo,
    draw_picture,
    make_bomb,
    read_picture,
)

RED, BLUE = (254, 0, 0), (0, 0, 254)


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `main` sets them."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", MOST_PIXELS)
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def find_reason(data: bytes) -> str:
    with pytest.raises(Unshowable) as refusal:
        shrink_image(data)
    return str(refusal.value)


def is_near(seen: object, wanted: tuple[int, int, int]) -> bool:
    assert isinstance(seen, tuple)
    return all(abs(a - b) < 12 for a, b in zip(seen[:3], wanted, strict=True))


@pytest.mark.parametrize(
    ("format", "mode"),
    [
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("PNG", "L"),
        ("PNG", "1"),
        ("PNG", "I;16"),
        ("JPEG", "RGB"),
        ("JPEG", "CMYK"),
        ("GIF", "P"),
        ("WEBP", "RGBA"),
    ],
)
def test_every_raster_format_becomes_a_small_webp(format: str, mode: str) -> None:
    made = read_picture(shrink_image(draw_picture(format, mode=mode)))
    assert (SIDE_PIXELS, 64) == made.size
    assert "WEBP" == made.format
    if mode not in ("L", "1", "I;16"):
        assert is_near(made.convert("RGB").getpixel((10, 32)), RED)
        assert is_near(made.convert("RGB").getpixel((86, 32)), BLUE)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow cannot read AVIF")
def test_avif_is_read_where_pillow_can() -> None:
    assert "AVIF" in FORMATS
    assert (SIDE_PIXELS, 64) == read_picture(shrink_image(draw_picture("AVIF"))).size


def test_a_small_picture_is_not_enlarged_and_a_thin_one_keeps_a_pixel() -> None:
    assert (10, 8) == read_picture(shrink_image(draw_picture(size=(10, 8)))).size
    assert (96, 1) == read_picture(shrink_image(draw_picture(size=(4000, 2)))).size


def test_transparency_stays() -> None:
    made = read_picture(shrink_image(draw_picture("PNG", mode="RGBA")))
    assert "RGB" == made.mode  # fully opaque: WebP leaves the alpha out
    clear = Image.new("RGBA", (50, 50), (0, 0, 0, 0))
    clear.paste((255, 0, 0, 255), (0, 0, 25, 50))
    out = BytesIO()
    clear.save(out, "PNG")
    pixel = read_picture(shrink_image(out.getvalue())).convert("RGBA").getpixel((45, 25))
    assert isinstance(pixel, tuple)
    assert 0 == pixel[3]


def test_of_an_animation_the_first_frame_stays_and_stands_still() -> None:
    made = read_picture(shrink_image(draw_animation()))
    assert 1 == getattr(made, "n_frames", 1)
    assert is_near(made.convert("RGB").getpixel((40, 40)), RED)


def test_a_photo_is_turned_as_it_was_held_and_tells_nothing_else() -> None:
    data = draw_photo(orientation=6)  # a quarter to the right
    assert b"secret place" in data
    body = shrink_image(data)
    made = read_picture(body)
    assert (64, SIDE_PIXELS) == made.size
    assert b"secret" not in body
    assert b"EXIF" not in body
    assert not made.getexif()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(make_bomb(), "too_many_pixels", id="bomb of 2.5e9 pixels"),
        pytest.param(make_bomb(4097, 4096), "too_many_pixels", id="one column too many"),
        pytest.param(make_bomb(17_000, 10), "too_many_pixels", id="too long a side"),
        pytest.param(SVG, "svg", id="svg with a script"),
        pytest.param(b"\xef\xbb\xbf  " + SVG, "svg", id="svg after a mark"),
        pytest.param(HTML, "markup", id="html"),
        pytest.param(b"", "not_an_image", id="nothing"),
        pytest.param(b"%PDF-1.7", "not_an_image", id="pdf"),
        pytest.param(draw_picture("TIFF"), "not_an_image", id="tiff"),
        pytest.param(draw_picture("BMP"), "not_an_image", id="bmp"),
        pytest.param(draw_picture("EPS"), "not_an_image", id="eps"),
        pytest.param(draw_picture("PNG")[:300], "damaged", id="png cut off"),
        pytest.param(draw_picture("JPEG")[:-400], "damaged", id="jpeg cut off"),
    ],
)
def test_what_cannot_be_shown_is_refused_by_reason(data: bytes, reason: str) -> None:
    assert reason == find_reason(data)


def test_of_a_polyglot_only_the_pixels_stay() -> None:
    made = shrink_image(draw_picture("GIF", mode="P") + b"<script>alert(1)</script>PK\x03\x04")
    assert b"script" not in made
    assert b"PK\x03\x04" not in made


@given(st.binary(max_size=200), st.sampled_from(["PNG", "JPEG", "GIF", "WEBP"]), st.data())
def test_whatever_comes_is_shown_or_refused(junk: bytes, format: str, data: st.DataObject) -> None:
    whole = draw_picture(format, size=(40, 30))
    at = data.draw(st.integers(0, len(whole)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd files; the process of the worker has no reader
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        made = shrink_or_refuse(whole[:at] + junk + whole[at + len(junk) :])
    if isinstance(made, bytes):
        assert max(read_picture(made).size) <= SIDE_PIXELS
    else:
        assert made in REASONS


def shrink_or_refuse(data: bytes) -> bytes | str:
    try:
        return shrink_image(data)
    except Unshowable as refusal:
        return str(refusal)
