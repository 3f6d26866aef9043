"""Images for the tests, drawn on the spot: benign, broken and hostile."""

import struct
import zlib
from io import BytesIO

from PIL import Image

ORIENTATION = 0x0112  # EXIF: how the camera was held
MAKER_NOTE = 0x010F

SVG = (
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
)
HTML = b"<!doctype html><html><script>alert(1)</script></html>"


def draw_picture(
    format: str = "PNG", size: tuple[int, int] = (300, 200), mode: str = "RGB", **options: object
) -> bytes:
    """A picture, red on its left half and blue on its right one."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    out = BytesIO()
    image.convert(mode).save(out, format, **options)
    return out.getvalue()


def draw_animation() -> bytes:
    """A GIF whose first frame is red, and nine green ones."""
    frames = [Image.new("RGB", (120, 120), "red" if n == 0 else "green") for n in range(10)]
    out = BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=50, loop=0)
    return out.getvalue()


def draw_photo(orientation: int = 1) -> bytes:
    """A JPEG with EXIF data: how it was held, and a secret."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[MAKER_NOTE] = "secret place"
    return draw_picture("JPEG", exif=exif)


def make_bomb(width: int = 50_000, height: int = 50_000) -> bytes:
    """A PNG of so many pixels, all black, in a few kilobytes."""
    rows = zlib.compressobj(9)
    packed = b"".join(rows.compress(bytes(1 + width // 8)) for _ in range(min(height, 2000)))
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", packed + rows.flush()), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_make_chunk, chunks))


def _make_chunk(chunk: tuple[bytes, bytes]) -> bytes:
    kind, data = chunk
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def read_picture(body: bytes) -> Image.Image:
    """The picture in a WebP file, decoded."""
    image = Image.open(BytesIO(body), formats=["WEBP"])
    image.load()
    return image
