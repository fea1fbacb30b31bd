from __future__ import annotations

import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from synpic.score.pixels import as_rgb, decode


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


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
        "1 bit": (255, 255, 255),
    }


def test_a_photograph_is_turned_as_its_camera_says() -> None:
    wide = Image.new("RGB", (6, 2), "red")
    wide.putpixel((0, 0), (0, 0, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the scene is on the right
    buffer = io.BytesIO()
    wide.save(buffer, "PNG", exif=exif)
    upright = decode(buffer.getvalue())
    assert upright.size == (2, 6)
    assert upright.getpixel((1, 0)) == (0, 0, 255)
    assert as_rgb(Image.open(buffer)).tobytes() == upright.tobytes()


def test_of_a_film_the_first_picture_counts() -> None:
    first, second = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    buffer = io.BytesIO()
    first.save(buffer, "WEBP", save_all=True, append_images=[second], lossless=True)
    assert decode(buffer.getvalue()).getpixel((1, 1)) == (255, 0, 0)


@given(st.binary(max_size=200), st.integers(0, 60))
def test_any_bytes_are_an_image_or_a_value_error(data: bytes, keep: int) -> None:
    whole = encoded(Image.new("RGB", (4, 4)))
    for broken in (data, whole[:keep]):
        with suppress(ValueError):
            assert decode(broken).mode == "RGB"


def test_a_thread_is_no_picture() -> None:
    assert decode(encoded(Image.new("RGB", (1, 200)))).size == (1, 200)
    with pytest.raises(ValueError, match="1×201 pixels are too slim"):
        decode(encoded(Image.new("RGB", (1, 201))))


def test_what_is_no_image_is_told_in_the_same_words_each_time() -> None:
    for data in (b"", b"no image"):
        with pytest.raises(ValueError, match=r"^not a whole image: of no kind that Pillow knows$"):
            decode(data)


def test_whatever_a_plug_in_of_pillow_raises_is_a_broken_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(image: Image.Image) -> None:
        raise RuntimeError("Failed to decode image")

    data = encoded(Image.new("RGB", (4, 4)))
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    with pytest.raises(ValueError, match="not a whole image: Failed to decode"):
        decode(data)


def test_the_filters_of_warnings_are_left_alone() -> None:
    before = list(warnings.filters)
    data = [encoded(Image.new("RGB", (4, 4), (n, 0, 0))) for n in range(200)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(decode, data))
    assert warnings.filters == before


def test_an_image_too_large_to_be_meant_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for side in (4, 40):
        with pytest.raises(ValueError, match="not a whole image"):
            decode(encoded(Image.new("RGB", (side, side))))
