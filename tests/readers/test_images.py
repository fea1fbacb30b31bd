"""One decoder: what is a picture, what is beside it, and what is damage."""

from __future__ import annotations

import io
import random
import struct
import time
import tracemalloc
import warnings
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile, PngImagePlugin

from synpic.readers import _png, images
from synpic.readers.images import Description, ImageError, as_rgb, decode, describe
from tests.readers.image_files import (
    SIGNATURE,
    chunk,
    chunks,
    encoded,
    exif,
    in_mode,
    picture,
    with_chunks,
    with_pixels,
)

PLAIN = Image.fromarray(picture(24, 16))
PNG, JPEG, WEBP = (encoded(PLAIN, kind) for kind in ("PNG", "JPEG", "WEBP"))
MEBIBYTE = 1 << 20


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(decode(data))


# -- what is seen ------------------------------------------------------------------------------


def test_every_mode_becomes_the_colours_a_page_would_show() -> None:
    red = Image.new("RGB", (4, 4), (200, 10, 20))
    seen = {
        "RGB": decode(encoded(red)),
        "palette": decode(encoded(red.quantize(4))),
        "transparent": decode(encoded(Image.new("RGBA", (4, 4), (200, 10, 20, 0)))),
        "half": decode(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 128)))),
        "grey": decode(encoded(Image.new("L", (4, 4), 77))),
        "grey and alpha": decode(encoded(Image.new("LA", (4, 4), (77, 0)))),
        "CMYK": decode(encoded(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "TIFF")),
        "16 bit": decode(encoded(Image.fromarray(np.full((4, 4), 77 * 256 + 5, np.uint16)))),
        "16 bit PGM": decode(
            encoded(Image.fromarray(np.full((4, 4), 77 * 256 + 5, np.uint16)), "PPM")
        ),
        "1 bit": decode(encoded(Image.new("1", (4, 4), 1))),
    }
    assert all(image.mode == "RGB" for image in seen.values())
    assert {name: image.getpixel((1, 1)) for name, image in seen.items()} == {
        "RGB": (200, 10, 20),
        "palette": (200, 10, 20),
        "transparent": (255, 255, 255),
        "half": (127, 127, 127),
        "grey": (77, 77, 77),
        "grey and alpha": (255, 255, 255),
        "CMYK": (255, 0, 0),
        "16 bit": (77, 77, 77),
        "16 bit PGM": (77, 77, 77),
        "1 bit": (255, 255, 255),
    }


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_of_an_unknown_range_are_refused(mode: str) -> None:
    image = PLAIN.convert("L").convert(mode)
    for refused in (lambda: decode(encoded(image, "TIFF")), lambda: as_rgb(image)):
        with pytest.raises(ImageError, match="whose range is not known: convert it to 8 bits"):
            refused()


@pytest.mark.parametrize(("white", "seen"), [(1, [0, 77, 255]), (0, [255, 178, 0])])
def test_grey_of_16_bits_is_seen_as_a_tiff_means_it(white: int, seen: list[int]) -> None:
    grey = np.array([[0, 77 * 256 + 5, 65535]], np.uint16)
    data = encoded(Image.fromarray(grey), "TIFF", tiffinfo={262: white})
    assert pixels(data)[0, :, 0].tolist() == seen


def test_grey_of_12_bits_is_not_dark() -> None:
    """Two values in three bytes; Pillow writes none, so the header of 16 bits is changed."""
    rows = np.zeros((2, 24), np.uint16)
    whole = encoded(Image.fromarray(rows), "TIFF")
    data = whole.replace(
        struct.pack("<HHIHH", 258, 3, 1, 16, 0), struct.pack("<HHIHH", 258, 3, 1, 12, 0)
    )
    start = len(data) - rows.nbytes
    packed = b"\xff\xff\xff" * (rows.size // 2)
    data = data[:start] + packed + bytes(rows.nbytes - len(packed))
    assert Image.open(io.BytesIO(data)).tag_v2[258] == (12,)
    assert pixels(data).min() == 255


def test_premultiplied_grey_is_laid_over_white() -> None:
    image = Image.new("LA", (4, 4), (77, 0)).convert("La")
    assert as_rgb(image).getpixel((1, 1)) == (255, 255, 255)


TURNED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda seen: seen,
    2: lambda seen: seen[:, ::-1],
    3: lambda seen: seen[::-1, ::-1],
    4: lambda seen: seen[::-1],
    5: lambda seen: seen.swapaxes(0, 1),
    6: lambda seen: seen[::-1].swapaxes(0, 1),
    7: lambda seen: seen[::-1, ::-1].swapaxes(0, 1),
    8: lambda seen: seen[:, ::-1].swapaxes(0, 1),
}
"""Exif's orientation → how what is stored is turned (Exif 2.32, tag 274)."""


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_a_photograph_is_turned_as_its_camera_says(kind: str, orientation: int) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(PLAIN, kind, exif=exif(orientation), **options)
    stored = np.asarray(Image.open(io.BytesIO(encoded(PLAIN, kind, **options))))
    assert np.array_equal(pixels(data), TURNED[orientation](stored))
    assert np.array_equal(np.asarray(as_rgb(Image.open(io.BytesIO(data)))), pixels(data))
    width, height = decode(data).size
    # Of a TIFF the orientation is a part of how pixels are stored.
    expected = 1 if kind == "TIFF" else orientation
    assert describe(data) == Description(kind, width, height, expected)


def exif_block(order: str, kind: int, value: bytes) -> bytes:
    magic = {"<": b"II*\0", ">": b"MM\0*"}[order]
    entry = struct.pack(order + "HHI", 0x0112, kind, 1) + value
    return magic + struct.pack(order + "IH", 8, 1) + entry


@pytest.mark.parametrize(
    ("block", "orientation"),
    [
        (exif_block(">", 3, b"\0\x06\0\0"), 6),
        (exif_block("<", 3, b"\x06\0\0\0"), 6),
        (b"Exif\0\0" + exif_block("<", 4, b"\x08\0\0\0"), 8),
        (exif_block("<", 3, b"\x09\0\0\0"), 1),
        (exif_block("<", 3, b"\x00\0\0\0"), 1),
        (exif_block("<", 2, b"\x06\0\0\0"), 1),
        (exif_block("<", 3, b"\x06"), 1),
        (b"II*\0\xff\xff\xff\xff", 1),
        (b"II*\0\x08\0\0\0\xff\xff", 1),
        (b"no Exif", 1),
        (b"", 1),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_damaged_exif_is_no_part_of_the_picture(kind: str, block: bytes, orientation: int) -> None:
    plain = {"PNG": PNG, "JPEG": JPEG, "WEBP": WEBP}[kind]
    if kind == "PNG":
        data = with_chunks(PNG, chunk(b"eXIf", block))
    elif kind == "JPEG":
        segment = b"Exif\0\0" + block.removeprefix(b"Exif\0\0")
        data = JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + JPEG[2:]
    else:
        data = encoded(PLAIN, "WEBP", exif=block)
    assert describe(data).orientation == orientation
    assert np.array_equal(pixels(data), TURNED[orientation](pixels(plain)))


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "PNG"])
def test_of_an_animation_the_first_frame_counts(kind: str) -> None:
    first, second = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(first, kind, save_all=True, append_images=[second], **options)
    assert decode(data).getpixel((1, 1)) == (255, 0, 0)


def test_of_a_phone_s_pictures_the_first_counts_and_it_is_a_jpeg() -> None:
    other = Image.new("RGB", (8, 8), "blue")
    data = encoded(PLAIN, "MPO", save_all=True, append_images=[other])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert np.array_equal(pixels(data), pixels(JPEG))
    assert describe(data) == Description("JPEG", 24, 16, 1)
    assert describe(data).extension == "jpg"
    assert np.array_equal(pixels(data[:-40]), pixels(JPEG)), "the second one breaks off"


@pytest.mark.parametrize(
    ("kind", "extension"),
    [
        ("PNG", "png"),
        ("JPEG", "jpg"),
        ("WEBP", "webp"),
        ("GIF", "gif"),
        ("BMP", "bmp"),
        ("TIFF", "tif"),
        ("PPM", "ppm"),
        ("TGA", "tga"),
        ("QOI", "qoi"),
    ],
)
def test_a_header_is_read_without_pixels(
    kind: str, extension: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(PLAIN, kind)

    def load(image: Image.Image) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    assert describe(data) == Description(kind, 24, 16, 1)
    assert describe(data).extension == extension


def test_other_formats_are_not_read() -> None:
    for kind in ("EPS", "PCX", "SGI", "ICO"):
        with pytest.raises(ImageError, match="of no format or kind of pixels that is read"):
            decode(encoded(PLAIN, kind))


# -- what is beside the picture ----------------------------------------------------------------

LONG = b"x" * (2 * MEBIBYTE)
RANDOM = random.Random(0).randbytes(2 * MEBIBYTE)
NOTES = {
    "tEXt": chunk(b"tEXt", b"workflow\0" + LONG),
    "zTXt": chunk(b"zTXt", b"workflow\0\0" + zlib.compress(LONG)),
    "zTXt of another packing": chunk(b"zTXt", b"workflow\0\x07" + LONG[:9]),
    "iTXt": chunk(b"iTXt", b"workflow\0\0\0\0\0" + LONG),
    "packed iTXt": chunk(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(LONG)),
    "broken iTXt": chunk(b"iTXt", b"workflow\0\1\0\0\0" + b"no zlib"),
    "80 of them": b"".join([chunk(b"zTXt", b"w\0\0" + zlib.compress(LONG[:MEBIBYTE]))] * 80),
    "profile": chunk(b"iCCP", b"icc\0\0" + zlib.compress(RANDOM)),
    "profile of zeros": chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(8 * MEBIBYTE))),
    "profile of another packing": chunk(b"iCCP", b"icc\0\x01" + LONG[:9]),
    "empty notes": chunk(b"gAMA") + chunk(b"pHYs") + chunk(b"cHRM") + chunk(b"sRGB"),
    "private": chunk(b"prVt", LONG),
    "checksum": chunk(b"tEXt", b"a\0b")[:-4] + b"\0\0\0\0",
    "animation": chunk(b"acTL") + chunk(b"fcTL"),
    "XMP": chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<a tiff:Orientation="6"/>'),
    "Exif as text": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n9\nzz")),
}


@pytest.mark.parametrize("note", NOTES)
@pytest.mark.parametrize("where", ["before the pixels", "after them"])
def test_a_note_beside_the_picture_is_not_the_picture(note: str, where: str) -> None:
    before = where == "before the pixels"
    data = with_chunks(PNG, NOTES[note]) if before else PNG[:-12] + NOTES[note] + PNG[-12:]
    assert np.array_equal(pixels(data), np.asarray(PLAIN))
    assert describe(data) == describe(PNG)


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


SEGMENTS = {
    "comment": segment(0xFE, LONG[:60000]) * 40,
    "profile": b"".join(
        segment(0xE2, b"ICC_PROFILE\0" + bytes([n, 40]) + RANDOM[:60000]) for n in range(1, 41)
    ),
    "half a profile": segment(0xE2, b"ICC_PROFILE\0"),
    "no JFIF": segment(0xE0, b"JFIF"),
    "no Adobe": segment(0xEE, b"Adobe"),
    "Photoshop": segment(0xED, b"Photoshop 3.0\x008BIM\x03\xed"),
    "further pictures": segment(0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
    "Exif": segment(0xE1, b"Exif\0\0II*\0\xff"),
    "padding": b"\xff\xff\xff",
}


@pytest.mark.parametrize("note", SEGMENTS)
def test_a_segment_beside_the_picture_is_not_the_picture(note: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(pixels(JPEG[:2] + SEGMENTS[note] + JPEG[2:]), pixels(JPEG))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("tail", [b"\0", b"more\xff\xd9", PNG, LONG])
def test_bytes_after_the_end_are_not_the_picture(kind: str, tail: bytes) -> None:
    data = encoded(PLAIN, kind)
    assert np.array_equal(pixels(data + tail), pixels(data))


@pytest.mark.parametrize("kind", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_png_is_seen_as_pillow_sees_it(kind: str) -> None:
    image = in_mode(kind, 37, 21)
    data = encoded(image)
    with Image.open(io.BytesIO(data)) as opened:
        assert decode(data).tobytes() == as_rgb(opened).tobytes()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4), (8, 8), (9, 17), (24, 16)])
@pytest.mark.parametrize("depth", [1, 8])
def test_an_interlaced_png_is_seen_whole(size: tuple[int, int], depth: int) -> None:
    """Seven passes of zeros, as many bytes as a decoder that is not ours takes."""
    width, height = size
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 1)
    rows = b"".join(
        (b"\0" + bytes((len(range(left, width, right)) * depth + 7) // 8))
        * len(range(top, height, down))
        for left, top, right, down in [
            *[(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)],
            *[(0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)],
        ]
        if range(left, width, right)
    )

    def png(rows: bytes) -> bytes:
        parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND")
        return SIGNATURE + parts

    assert decode(png(rows)).size == size
    with pytest.raises(ImageError, match="its pixels break off"):
        decode(png(rows[:-1]))


# -- damage ------------------------------------------------------------------------------------


def spoilt_pixels(checksum_of_chunk: bool) -> bytes:
    """A PNG whose zlib stream holds other pixels than its Adler-32 was made of."""
    rows = bytes(zlib.decompress(dict(chunks(PNG))[b"IDAT"]))
    changed = rows[:40] + bytes([rows[40] ^ 1]) + rows[41:]
    packed = zlib.compress(changed)[:-4] + struct.pack(">I", zlib.adler32(rows))
    data = with_pixels(PNG, packed)
    if checksum_of_chunk:
        return data
    return data.replace(struct.pack(">I", zlib.crc32(b"IDAT" + packed)), b"\0\1\2\3")


def test_pixels_that_fail_their_checksums_are_no_image() -> None:
    with pytest.raises(ImageError, match="not a whole image: its pixels fail their checksum"):
        decode(spoilt_pixels(False))
    with pytest.raises(ImageError, match=r"cannot be inflated: .*incorrect data check"):
        decode(spoilt_pixels(True))


@pytest.mark.parametrize("truncated", [False, True])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "JPEG2000"])
def test_an_image_that_breaks_off_anywhere_is_none(
    kind: str, truncated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where another library of the process has Pillow accept it."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", truncated)
    data = encoded(PLAIN, kind, **({"progressive": True} if kind == "JPEG" else {}))
    for keep in range(len(data)):
        with pytest.raises(ImageError, match=r"^not a whole image: "):
            decode(data[:keep])


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "BMP", "TIFF"])
def test_half_an_image_is_none(kind: str) -> None:
    data = encoded(PLAIN.resize((64, 64)), kind)
    with pytest.raises(ImageError, match=r"^not a whole image: "):
        decode(data[: len(data) // 2])


def flips(data: bytes, start: int, end: int) -> Iterator[bytes]:
    for place in range(start, end):
        for bit in range(8):
            yield data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


@pytest.mark.parametrize("mode", ["P", "RGB", "I;16"])
def test_no_flipped_bit_of_a_png_is_read_as_another_picture(mode: str) -> None:
    data = with_chunks(encoded(in_mode(mode, 9, 7)), chunk(b"tEXt", b"a\0note"))
    expected, refused, same = decode(data).tobytes(), 0, 0
    for flipped in flips(data, 0, len(data)):
        try:
            assert decode(flipped).tobytes() == expected
            same += 1
        except ImageError:
            refused += 1
    (packed,) = [content for kind, content in chunks(data) if kind == b"IDAT"]
    assert refused > 8 * len(packed)
    assert same > 0, "of the note"
    start = data.index(b"IDAT") - 4
    for flipped in flips(data, start, start + len(packed) + 12):
        with pytest.raises(ImageError):
            decode(flipped)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_whatever_happened_to_a_file_it_is_an_image_or_has_a_reason(kind: str) -> None:
    dice = random.Random(kind)
    whole = encoded(PLAIN, kind, **({"exif": exif(6)} if kind != "BMP" else {}))
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(dice.choice([1, 2, 8])):
            place = dice.randrange(len(data))
            match dice.randrange(4):
                case 0:
                    data[place] ^= 1 << dice.randrange(8)
                case 1:
                    data[place] = dice.randrange(256)
                case 2:
                    del data[place : place + dice.choice([1, 4, 50])]
                case _:
                    data[place:place] = dice.randbytes(dice.choice([1, 4, 50]))
            data = data or bytearray(b"\0")
        for read in (describe, decode):
            began = time.process_time()
            with suppress(ImageError), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(bytes(data))
            assert time.process_time() - began < 5


@given(st.binary(max_size=200), st.sampled_from([PNG, JPEG, WEBP]), st.integers(0, 60))
def test_any_bytes_are_an_image_or_have_a_reason(data: bytes, whole: bytes, keep: int) -> None:
    for broken in (data, whole[:keep], whole[:keep] + data):
        with suppress(ImageError):
            assert decode(broken).mode == "RGB"
        with suppress(ImageError):
            assert describe(broken).width


def test_a_reason_is_the_same_each_time() -> None:
    for data in (b"", b"no image", b"\x00" * 100):
        with pytest.raises(
            ImageError, match=r"^not a whole image: of no format or kind of pixels that is read, or"
        ):
            decode(data)


def test_whatever_a_plug_in_of_pillow_raises_is_a_broken_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(image: Image.Image) -> None:
        raise RuntimeError("Failed to decode\n image")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    with pytest.raises(ImageError, match="not a whole image: Failed to decode image"):
        decode(PNG)


def test_memory_that_is_short_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(image: Image.Image) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    with pytest.raises(MemoryError):
        decode(PNG)


def test_chunks_that_lost_their_names_are_no_notes() -> None:
    transparent = encoded(in_mode("P"))
    for kind, name in ((b"tRNS", b"trNS"), (b"PLTE", b"pLTE"), (b"IDAT", b"iDAT")):
        with pytest.raises(ImageError, match=f"a chunk that decides .* named {name.decode()}"):
            decode(transparent.replace(kind, name))
    with pytest.raises(ImageError, match="its chunk NEWC, which is not known"):
        decode(with_chunks(PNG, chunk(b"NEWC")))
    without = [one for one in chunks(transparent) if one[0] != b"PLTE"]
    with pytest.raises(ImageError, match="its palette is missing"):
        decode(SIGNATURE + b"".join(chunk(*one) for one in without))


# -- too much ----------------------------------------------------------------------------------


@contextmanager
def within(megabytes: float, seconds: float) -> Iterator[None]:
    tracemalloc.start()
    began = time.process_time()
    try:
        yield
        assert time.process_time() - began < seconds
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1e6
    finally:
        tracemalloc.stop()


def claimed(width: int, height: int, packed: bytes = b"") -> bytes:
    """A PNG that says it is of this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = packed or zlib.compress(bytes(1000))
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND")


def test_a_size_that_cannot_be_meant_is_refused_before_pixels() -> None:
    side = struct.pack(">HH", 60000, 60000)
    jpeg = JPEG.replace(struct.pack(">HH", 16, 24), side)
    webp = bytearray(encoded(in_mode("RGBA"), "WEBP", lossless=True))
    webp[21:25] = (0x3FFF | 0x3FFF << 14).to_bytes(4, "little")
    gif = bytearray(encoded(PLAIN, "GIF"))
    gif[6:10] = b"\xff\xff\xff\xff"
    for data in (claimed(100_000, 100_000), jpeg, bytes(webp), bytes(gif)):
        with within(2, 2), pytest.raises(ImageError):
            decode(data)
    assert describe(claimed(100_000, 100_000)).width == 100_000
    with pytest.raises(ImageError, match="100000×100000 pixels are too many: more than 89,478,485"):
        decode(claimed(100_000, 100_000))


def test_the_limit_is_one_of_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MOST_PIXELS", 24 * 16)
    for kind in ("PNG", "JPEG", "WEBP", "GIF"):
        assert decode(encoded(PLAIN, kind)).size == (24, 16)
        with pytest.raises(ImageError, match="25×16 pixels are too many"):
            decode(encoded(PLAIN.resize((25, 16)), kind))
    with pytest.raises(ImageError, match="25×16 pixels are too many"):
        as_rgb(PLAIN.resize((25, 16)))


def test_what_is_packed_is_not_unpacked_beyond_the_picture() -> None:
    zeros = zlib.compressobj(9)
    bomb = b"".join(zeros.compress(bytes(MEBIBYTE)) for _ in range(200)) + zeros.flush()
    with within(20, 5), pytest.raises(ImageError, match="its pixels do not end"):
        decode(with_pixels(PNG, bomb))
    with within(20, 5), pytest.raises(ImageError, match="its pixels break off"):
        decode(claimed(9000, 9000))
    for note in (
        chunk(b"iTXt", b"w\0\1\0\0\0" + bomb),
        chunk(b"zTXt", b"w\0\0" + bomb),
        chunk(b"iCCP", b"w\0\0" + bomb),
    ):
        with within(5, 2):
            assert np.array_equal(pixels(with_chunks(PNG, note)), np.asarray(PLAIN))


def test_some_rows_more_than_the_picture_has_are_passed_over() -> None:
    """As some encoders write them; viewers show the picture."""
    rows = zlib.decompress(dict(chunks(PNG))[b"IDAT"])
    assert np.array_equal(pixels(with_pixels(PNG, zlib.compress(rows + rows))), np.asarray(PLAIN))


def test_a_picture_of_many_empty_chunks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes memory many times its twelve bytes."""
    monkeypatch.setattr(_png, "_MOST_CHUNKS", 1000)
    data = encoded(Image.new("RGB", (8, 8)))
    few, many = (with_chunks(data, *[chunk(b"IDAT")] * number) for number in (900, 1100))
    describe(few)
    for read in (describe, decode):
        with pytest.raises(ImageError, match="more than 1,000 chunks"):
            read(many)


def test_a_picture_of_a_thousand_scans_is_refused() -> None:
    data = encoded(PLAIN, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    with within(5, 2), pytest.raises(ImageError, match="more than 500 scans"):
        decode(data[:last] + data[last:-2] * 1000 + data[-2:])


def test_a_thread_is_no_picture() -> None:
    assert decode(encoded(Image.new("RGB", (1, 200)))).size == (1, 200)
    with pytest.raises(ImageError, match="1×201 pixels are too slim"):
        decode(encoded(Image.new("RGB", (1, 201))))


def test_what_belongs_to_the_process_is_left_alone() -> None:
    before = list(warnings.filters), PngImagePlugin.MAX_TEXT_CHUNK, Image.MAX_IMAGE_PIXELS
    data = [
        with_chunks(encoded(Image.new("RGB", (4, 4), (n, 0, 0))), NOTES["iTXt"]) for n in range(99)
    ]
    with ThreadPoolExecutor(8) as threads:
        reds = [image.getpixel((0, 0)) for image in threads.map(decode, data)]
    assert reds == [(n, 0, 0) for n in range(99)]
    after = list(warnings.filters), PngImagePlugin.MAX_TEXT_CHUNK, Image.MAX_IMAGE_PIXELS
    assert after == before
