"""A picture for every coin, each another: drawn from its mint, always the same for the same one.

mint -> draw_picture -> PNG, JPEG, GIF or WebP, 256 pixels a side
"""

import struct
import zlib
from colorsys import hls_to_rgb
from functools import lru_cache
from hashlib import sha256
from io import BytesIO

from PIL import Image, ImageDraw

SIDE = 256
CELLS = 5  # a side of the mirrored pattern
FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
BOMB_SIDE = 12_000  # pixels; a few kilobytes of PNG, 144 megapixels when unpacked
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

Colour = tuple[int, int, int]


@lru_cache(maxsize=256)
def draw_picture(mint: str) -> tuple[str, bytes]:
    """The media type and the file."""
    digest = sha256(mint.encode()).digest()
    ground, ink, accent = (_colour(digest[place], digest[place + 1]) for place in (0, 2, 4))
    picture = Image.new("RGB", (SIDE, SIDE), ground)
    draw = ImageDraw.Draw(picture)
    margin = 20 + digest[6] % 40
    frame = (margin, margin, SIDE - margin, SIDE - margin)
    shapes = (draw.ellipse, draw.rectangle)
    shapes[digest[7] % 2](frame, fill=accent)
    cell = (SIDE - 2 * margin) // CELLS
    for place in range(CELLS * ((CELLS + 1) // 2)):
        row, column = divmod(place, (CELLS + 1) // 2)
        if digest[8 + place] % 2:
            for x in {column, CELLS - 1 - column}:
                left, top = margin + x * cell, margin + row * cell
                draw.rectangle((left, top, left + cell - 2, top + cell - 2), fill=ink)
    return _encode(picture, FORMATS[digest[31] % len(FORMATS)])


def _colour(hue: int, light: int) -> Colour:
    red, green, blue = hls_to_rgb(hue / 256, 0.25 + light / 512, 0.7)
    return round(red * 255), round(green * 255), round(blue * 255)


def _encode(picture: Image.Image, kind: str) -> tuple[str, bytes]:
    file = BytesIO()
    picture.save(file, kind)
    return f"image/{kind.lower()}", file.getvalue()


@lru_cache(maxsize=1)
def draw_bomb() -> tuple[str, bytes]:
    """A small file whose picture takes far more memory than anybody should give it."""
    row = bytes(1 + BOMB_SIDE // 8)  # how it is filtered, and one bit a pixel
    packer = zlib.compressobj()
    packed = b"".join(packer.compress(row) for _ in range(BOMB_SIDE)) + packer.flush()
    head = struct.pack(">IIBBBBB", BOMB_SIDE, BOMB_SIDE, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", packed), (b"IEND", b""))
    return "image/png", PNG_SIGNATURE + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))
