"""The bytes of an image file → its RGB pixels, the same for everything that looks at an image.

Rewards, safety checks, cards, training and exports decode here and nowhere else, so that all of
them see one picture.

PNG and JPEG are first reduced to their pixels (``_png``, ``_jpeg``): text, colour profiles and
damaged Exif are not the image, and make it neither another one nor a broken one. No setting of
Pillow's and no filter of warnings is changed, so any number of threads may decode at once.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError

from synpic.readers import _jpeg, _jpeg2000, _png
from synpic.readers._image_formats import ImageError, damaged, orientation_of

__all__ = ["Description", "ImageError", "as_png", "as_rgb", "decode", "describe"]

MOST_PIXELS = 89_478_485
"""More than this many pixels are refused: a gigabyte or more of memory. Pillow's own limit."""

SLIMMEST = 200
"""A side may be this many times the other. No reward can use a thread, and to resize one so that
its short side fits would take gigabytes."""

_EXTENSIONS = {
    "AVIF": "avif",
    "BMP": "bmp",
    "GIF": "gif",
    "JPEG": "jpg",
    "JPEG2000": "jp2",
    "PNG": "png",
    "PPM": "ppm",
    "QOI": "qoi",
    "TGA": "tga",
    "TIFF": "tif",
    "WEBP": "webp",
}
"""Format, as Pillow names it → the extension of its files. Other formats are not read: some of them
run another program (EPS), or are no pictures."""

_BY_PILLOW = tuple(kind for kind in _EXTENSIONS if kind not in ("JPEG", "PNG"))

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Exif orientation → how the stored pixels are brought upright."""


_BITS, _MEANING, _ZERO_IS_WHITE = 258, 262, 0
"""TIFF's tags BitsPerSample and PhotometricInterpretation, and a value of the second."""


@dataclass(frozen=True)
class Description:
    """What a file's header says of its picture.

    Args:
        format: "PNG", "JPEG", "WEBP", …; a camera's file with several pictures (MPO) is a JPEG.
        width, height: in pixels, as the picture is seen, which is after ``orientation``.
        orientation: 1 … 8, as in Exif; 1 where it is upright as it is stored.
    """

    format: str
    width: int
    height: int
    orientation: int

    @property
    def extension(self) -> str:
        """Of a file's name, without the dot: "png", "jpg", "webp", …"""
        return _EXTENSIONS[self.format]


def describe(data: bytes) -> Description:
    """What the header of an image file says. No pixel is decoded, and no size is refused.

    Raises:
        ImageError: it is no image, or its header is damaged.
    """
    if data.startswith(_png.SIGNATURE):
        png = _png.take_apart(data)
        return _seen("PNG", (png.width, png.height), orientation_of(png.exif))
    if data.startswith(_jpeg.SIGNATURE):
        jpeg = _jpeg.take_apart(data)
        return _seen("JPEG", (jpeg.width, jpeg.height), orientation_of(jpeg.exif))
    with _naming_damage(), _open(data) as opened:
        # Pillow gives a TIFF's size after its orientation, and turns the pixels itself.
        return _seen(opened.format or "", opened.size, orientation_of(opened.info.get("exif")))


def decode(data: bytes) -> Image.Image:
    """The picture in the bytes of an image file, as :func:`as_rgb` gives it.

    A file is whole if everything is there that its format lets a reader check: of PNG the checksums
    and the end of the pixels, of JPEG and JPEG 2000 the end. Bytes after it, text, colour profiles
    and Exif are not the picture, whatever they hold. Single flipped bits among the pixels of JPEG,
    WebP and other formats without checksums cannot be seen.

    Raises:
        ImageError: it is no whole image, or an image that is not read: too large, too slim, or of
            pixels whose range is not known. The message is the reason.
    """
    exif = None
    if data.startswith(_png.SIGNATURE):
        png = _png.take_apart(data)
        _check_size(png.width, png.height)
        data, exif = _png.picture_of(data, png), png.exif
        formats: tuple[str, ...] = ("PNG",)
    elif data.startswith(_jpeg.SIGNATURE):
        jpeg = _jpeg.take_apart(data)
        _check_size(jpeg.width, jpeg.height)
        data, exif = _jpeg.picture_of(data, jpeg), jpeg.exif
        formats = ("JPEG",)
    else:
        formats = _BY_PILLOW
        if data.startswith(_jpeg2000.SIGNATURES):
            _jpeg2000.require_end(data)
        if size := _webp_size(data):
            _check_size(*size)
    with _naming_damage():
        opened = _open(data, formats)
    with opened:
        return _rgb(opened, exif)


def as_png(image: Image.Image) -> bytes:
    """The bytes of a file with exactly the pixels of ``image``, to be sent to another process."""
    buffer = io.BytesIO()
    # Run lengths alone (3), after PNG's own filters: half the time of the default, and about as
    # many bytes.
    image.save(buffer, "PNG", compress_level=1, compress_type=3)
    return buffer.getvalue()


def as_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode as 8-bit RGB.

    It is turned as its Exif says, and transparency is laid over white, as a viewer on a page shows
    it; palettes are resolved before that; 12- and 16-bit grey keep their upper 8 bits; CMYK is
    converted by Pillow without a profile; of an animation, the first frame counts. Exif counts
    where a format has a place for it; what XMP or text say of the orientation does not.

    Raises:
        ImageError: it was opened from a file that is no whole image; it is too large or too slim;
            or its pixels are floats or 32-bit integers, whose range is not known.
    """
    return _rgb(image, None)


def _rgb(image: Image.Image, exif: bytes | None) -> Image.Image:
    _check_size(*image.size)
    # Of the others: PPM's 16 bits, which Pillow scales to 0 … 65535 and keeps in 32.
    if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):
        kind = "floats" if image.mode == "F" else "32-bit integers"
        raise ImageError(f"its pixels are {kind}, whose range is not known: convert it to 8 bits")
    with _naming_damage():
        image.load()  # Pillow reads a file when it is first looked at
        turn = _TURNS.get(orientation_of(exif or image.info.get("exif")))
        seen = _eight_bits(image)
        return seen if turn is None else seen.transpose(turn)


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        tags = getattr(image, "tag_v2", {})
        # Pillow leaves 12 bits of a TIFF as they are, and does not turn 0 for white into black.
        grey = np.asarray(image).astype(np.int64) >> (4 if tags.get(_BITS) == (12,) else 8)
        grey = 255 - grey if tags.get(_MEANING) == _ZERO_IS_WHITE else grey
        return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _check_size(width: int, height: int) -> None:
    short, long = sorted((width, height))
    if short * long > MOST_PIXELS:
        raise ImageError(f"{width}×{height} pixels are too many: more than {MOST_PIXELS:,}")
    if long > SLIMMEST * short:
        raise ImageError(f"{width}×{height} pixels are too slim for a picture")


def _seen(kind: str, size: tuple[int, int], orientation: int) -> Description:
    width, height = size if orientation < 5 else size[::-1]
    return Description(kind, width, height, orientation)


def _open(data: bytes, formats: tuple[str, ...] = _BY_PILLOW) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=formats)


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Of a WebP's header; Pillow makes room for its pixels as soon as it opens it.

    Source: WebP container specification, "Extended File Format"; RFC 6386, §9.1.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    if data[12:16] == b"VP8X":
        sides = data[24:27], data[27:30]
        return int.from_bytes(sides[0], "little") + 1, int.from_bytes(sides[1], "little") + 1
    if data[12:16] == b"VP8L":
        both = int.from_bytes(data[21:25], "little")
        return (both & 0x3FFF) + 1, (both >> 14 & 0x3FFF) + 1
    sides = data[26:28], data[28:30]
    return tuple(int.from_bytes(side, "little") & 0x3FFF for side in sides)  # type: ignore[return-value]


@contextmanager
def _naming_damage() -> Iterator[None]:
    """Around what Pillow does, and nothing else."""
    try:
        yield
    except MemoryError:
        raise
    except UnidentifiedImageError as error:  # whose own words hold an address in memory
        raise damaged(
            "of no format or kind of pixels that is read, or its header is damaged"
        ) from error
    except Exception as error:  # of a broken file, every plug-in of Pillow's says something else
        raise damaged(" ".join(str(error).split()) or type(error).__name__) from error
