"""The process that decodes strangers' images. It is run as a script, by its path, and knows
nothing of the service: if an image breaks a decoder, only this process is broken.

    stdin: 4 bytes of length, an image  ->  stdout: a letter, 4 bytes of length, a body

The letter is K (the body is a WebP file) or R (the body is the reason for a refusal, in ASCII).
Lengths are big-endian. The process ends with its input.

Only raster formats are decoded, only the first frame of an animation, and only so many pixels;
what comes out holds pixels and no metadata. Source of the risks: Pillow's security handbook
("Decompression bombs").
"""

import resource
import struct
import sys
import warnings
from io import BytesIO
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError, features

SIDE_PIXELS = 96
MOST_PIXELS = 4096 * 4096
LONGEST_SIDE_PIXELS = 16_384
WEBP_QUALITY = 80
FORMATS = ["PNG", "JPEG", "GIF", "WEBP", *(["AVIF"] if features.check("avif") else [])]
MEMORY_BYTES = 768 * 2**20  # of address space: an image of the most pixels takes some 200 MB
HEADER = struct.Struct(">I")
ANSWER = struct.Struct(">cI")


class Unshowable(Exception):
    """Why an image is refused: one word, in ASCII."""


def main() -> None:
    """Answer one image after another."""
    Image.preinit()
    Image.init()  # loads every decoder while files may still be opened
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    _limit_resources()
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while header := source.read(HEADER.size):
        image = source.read(HEADER.unpack(header)[0])
        try:
            body = shrink_image(image)
        except Unshowable as refusal:
            _send_answer(sink, b"R", str(refusal).encode())
        else:
            _send_answer(sink, b"K", body)


def _limit_resources() -> None:
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (bound, bound))


def _send_answer(sink: BinaryIO, letter: bytes, body: bytes) -> None:
    sink.write(ANSWER.pack(letter, len(body)) + body)
    sink.flush()


def shrink_image(data: bytes) -> bytes:
    """A WebP file of the first frame, at most 96 x 96 pixels; `Unshowable` if there is none."""
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            _check_size(image)
            small = _shrink_frame(image)
        out = BytesIO()
        small.save(out, "WEBP", quality=WEBP_QUALITY)
        return out.getvalue()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise Unshowable("too_many_pixels") from error
    except UnidentifiedImageError as error:
        raise Unshowable(_name_other(data)) from error
    except MemoryError as error:
        raise Unshowable("too_much_memory") from error
    except Unshowable:
        raise
    except Exception as error:  # a decoder may raise anything
        raise Unshowable("damaged") from error


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE_PIXELS:
        raise Unshowable("too_many_pixels")
    if min(width, height) < 1:
        raise Unshowable("damaged")


def _shrink_frame(image: Image.Image) -> Image.Image:
    """The first frame as its maker meant it to be seen, without any of its metadata."""
    image.seek(0)
    image.draft("RGB", (4 * SIDE_PIXELS, 4 * SIDE_PIXELS))  # of a JPEG: decode less
    has_alpha = image.has_transparency_data
    frame = ImageOps.exif_transpose(image).convert("RGBA" if has_alpha else "RGB")
    frame.thumbnail((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.LANCZOS)
    bare = Image.new(frame.mode, frame.size)
    bare.paste(frame)
    return bare


def _name_other(data: bytes) -> str:
    """What it is instead of an image, as far as counters tell it apart."""
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return "svg"
    return "markup" if head.startswith(b"<") else "not_an_image"


if __name__ == "__main__":
    main()
