"""Pixels become eight bits as diffusers makes them, and files as the recipe says; or do not."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from diffusers.image_processor import VaeImageProcessor
from numpy.typing import NDArray
from PIL import Image

from synpic.generate.pixels import eight_bits, encode
from synpic.recipe.settings import ImageSettings


def noise(side: int = 32) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((side, side, 3), np.float32)


def test_rounding_is_the_pipelines_own() -> None:
    steps = np.linspace(0, 1, 4096 * 3, dtype=np.float32).reshape(64, 64, 3)
    for pixels in (noise(), steps):
        (image,) = VaeImageProcessor.numpy_to_pil(pixels[None])
        assert np.array_equal(eight_bits(pixels), np.asarray(image))


def test_what_half_precision_adds_is_cut_off() -> None:
    pixels = noise()
    pixels[0, 0], pixels[0, 1] = 1.004, -0.004
    found = eight_bits(pixels)
    assert found[0, 0].tolist() == [255] * 3
    assert found[0, 1].tolist() == [0] * 3


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.nan, "of the pixels are NaN or infinite"),
        (np.inf, "of the pixels are NaN or infinite"),
        (-np.inf, "of the pixels are NaN or infinite"),
        (1.5, r"pixels in \[0, 1\] expected"),
        (-0.5, r"pixels in \[0, 1\] expected"),
    ],
)
def test_a_single_pixel_that_is_none_spoils_an_image(value: float, says: str) -> None:
    pixels = noise()
    pixels[3, 4, 1] = value
    with pytest.raises(ValueError, match=says):
        eight_bits(pixels)


def test_black_is_no_picture_and_any_other_colour_is() -> None:
    pixels = np.zeros((8, 8, 3), np.float32)
    for dark in (0.0, 0.4 / 255, -0.003):
        pixels[:] = dark
        with pytest.raises(ValueError, match="black"):
            eight_bits(pixels)
    for colour in ((0, 0, 1 / 255), (1, 1, 1), (0.5, 0.5, 0.5)):
        pixels[:] = colour
        assert len(np.unique(eight_bits(pixels).reshape(-1, 3), axis=0)) == 1
    pixels[:] = 0
    pixels[7, 7, 2] = 0.6 / 255
    assert eight_bits(pixels).sum() == 1


@pytest.mark.parametrize(
    ("how", "name", "most"),
    [
        ({"format": "png"}, "PNG", 0),
        ({"format": "jpeg", "quality": 100}, "JPEG", 12),
        ({"format": "webp", "quality": 100}, "WEBP", 60),
    ],
)
def test_a_file_holds_the_picture(how: dict[str, Any], name: str, most: int) -> None:
    pixels = eight_bits(np.asarray(Image.fromarray(eight_bits(noise(4))).resize((32, 32))) / 255)
    with Image.open(io.BytesIO(encode(pixels, ImageSettings(**how)))) as image:
        assert image.format == name
        found = np.asarray(image).astype(int)
    assert np.abs(found - pixels).max() <= most
