from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFilter

from synpic.score.reward import Reward
from synpic.shapes.quality import Quality
from synpic.shapes.scene import Scene, Thing, random_scene, to_image


def scenes(count: int) -> list[Image.Image]:
    return [to_image(random_scene(np.random.default_rng(i))) for i in range(count)]


def score(images: list[Image.Image]) -> np.ndarray:
    return np.array(Quality().score([""] * len(images), images))


def blurred(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(0.8))


def noisy(image: Image.Image) -> Image.Image:
    noise = np.random.default_rng(0).normal(0, 12, (32, 32, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def faded(image: Image.Image) -> Image.Image:
    return Image.blend(image, Image.new("RGB", image.size, image.getpixel((0, 0))), 0.4)


def shoved(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.roll(np.asarray(image), 8, axis=1))


def test_is_a_reward_that_reads_no_prompt() -> None:
    assert isinstance(Quality(), Reward)
    assert not Quality.info.reads_prompt
    images = scenes(4)
    assert Quality().score(["a star"] * 4, images) == Quality().score(["x"] * 4, images)


@pytest.mark.parametrize("spoil", [blurred, noisy, faded])
def test_clean_pictures_beat_their_spoilt_selves(
    spoil: Callable[[Image.Image], Image.Image],
) -> None:
    images = scenes(60)
    assert (score(images) > score([spoil(image) for image in images])).mean() > 0.95


def test_paint_on_the_rim_costs() -> None:
    image = to_image(Scene("black", (Thing("square", "red", 18, 10, 12),)))
    assert score([shoved(image)]) < score([image])


def test_a_blank_picture_is_worth_a_quarter_at_most() -> None:
    blank = score([Image.new("RGB", (32, 32), name) for name in ("black", "white", "red")])
    assert (blank <= 0.25).all()
    assert score(scenes(30)).min() > 0.5


def test_scores_do_not_depend_on_batch_mates() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 50, 3), np.uint8)
    images = [*scenes(10), Image.fromarray(noise), Image.new("RGB", (1, 1))]
    together = score(images)
    assert together.tolist() == [score([image])[0] for image in images]
    assert np.isfinite(together).all()
    assert together.min() >= 0
    assert together.max() <= 1
    assert together.std() > 0
