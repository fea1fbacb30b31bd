from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from synpic.score.reward import Reward
from synpic.shapes.alignment import NOT_UNDERSTOOD, Alignment
from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.prompts import prompts
from synpic.shapes.scene import Scene, Thing, to_image

CIRCLE = Thing("circle", "red", 3, 3, 11)
SQUARE = Thing("square", "blue", 18, 3, 11)


def pictures(count: int) -> tuple[list[str], list[Image.Image]]:
    rng = np.random.default_rng(0)
    texts = [text for text, _ in prompts(count, 0, "train")]
    return texts, [to_image(illustrate(parse(text), rng)) for text in texts]


def of(prompt: str, *things: Thing, background: str = "black") -> float:
    return Alignment().score([prompt], [to_image(Scene(background, things))])[0]


def test_is_a_reward() -> None:
    assert isinstance(Alignment(), Reward)
    assert Alignment.info.reads_prompt


def test_a_picture_of_the_prompt_beats_pictures_of_others() -> None:
    texts, images = pictures(120)
    right = np.array(Alignment().score(texts, images))
    wrong = np.array(Alignment().score(texts, images[7:] + images[:7]))
    assert (right > wrong).mean() > 0.95
    assert right.std() > 0  # a graded reader, not a second judge


def test_scores_do_not_depend_on_batch_mates() -> None:
    texts, images = pictures(24)
    together = Alignment().score(texts, images)
    alone = [Alignment().score([t], [i])[0] for t, i in zip(texts, images, strict=True)]
    assert together == alone
    assert Alignment().score(texts[::-1], images[::-1]) == together[::-1]
    assert np.isfinite(together).all()
    assert min(together) >= -1
    assert max(together) <= 1


def test_half_right_is_between() -> None:
    prompt = "a red circle left of a blue square"
    right = of(prompt, CIRCLE, SQUARE)
    half = of(prompt, CIRCLE, replace(SQUARE, shape="star"))
    missing = of(prompt, CIRCLE)
    turned = of(prompt, replace(CIRCLE, x=18), replace(SQUARE, x=3))
    nothing = of(prompt, Thing("star", "green", 10, 10, 12))
    assert right > half > nothing
    assert right > missing > nothing
    assert right > turned > nothing


def test_a_thing_too_many_costs_more_than_a_thing_missing() -> None:
    extra = replace(CIRCLE, y=18)
    assert of("two red circles", CIRCLE) > of("two red circles", CIRCLE, extra, SQUARE)
    assert of("a red circle", CIRCLE) > of("a red circle", CIRCLE, SQUARE) + 0.4


def test_minds_the_background_asked_for() -> None:
    prompt = "a red circle on a white background"
    assert of(prompt, CIRCLE, background="white") > of(prompt, CIRCLE, background="black") + 0.2


def test_understands_nothing_of_other_prompts() -> None:
    image = to_image(Scene("black", (CIRCLE,)))
    assert Alignment().score(["a photo of a cat", ""], [image, image]) == [NOT_UNDERSTOOD] * 2


def test_reads_noise_and_other_sizes() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 70, 3), np.uint8)
    scores = Alignment().score(["a star"] * 2, [Image.fromarray(noise), Image.new("RGB", (1, 1))])
    assert np.isfinite(scores).all()
    small = to_image(Scene("black", (CIRCLE,)))
    large = small.resize((128, 128), Image.Resampling.NEAREST)
    assert (
        Alignment().score(["a red circle"] * 2, [small, large])[0]
        == (Alignment().score(["a red circle"], [large])[0])
    )
