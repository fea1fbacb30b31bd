"""The judge on trial, and the rewards beside it: scenes whose truth is known, and near misses.

    python -m research.shapes.trial --json synpic/shapes/weights/judge.figures.json

A scene is rendered for a prompt of the test split and perhaps spoilt (noise, JPEG, another size,
blur). The judge must accept the prompt and refuse every caption that differs from it in one thing
and is false. A reward must prefer the prompt to each of those captions.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from research.shapes.contrast import near_misses
from synpic.readers.images import decode
from synpic.registry import REWARDS
from synpic.score.reward import Reward
from synpic.shapes.judge import read, strict
from synpic.shapes.meaning import Meaning, illustrate, parse, write
from synpic.shapes.measure import weights as packaged
from synpic.shapes.measure import wilson
from synpic.shapes.prompts import examination
from synpic.shapes.scene import to_image

__all__ = ["SPOILT", "Case", "cases", "main", "try_judge", "try_reward"]

Case = tuple[Meaning, Image.Image, list[tuple[str, Meaning]]]
"""What a picture shows, the picture, and near misses with what differs."""


def _noise(strength: float) -> Callable[[Image.Image], Image.Image]:
    def spoil(image: Image.Image) -> Image.Image:
        pixels = np.asarray(image, np.float32)
        rng = np.random.default_rng(int(pixels.sum()))
        noisy = pixels + rng.normal(0, strength, pixels.shape)
        return Image.fromarray(np.rint(noisy).clip(0, 255).astype(np.uint8))

    return spoil


def _jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    def spoil(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return decode(file.getvalue())

    return spoil


SPOILT: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as rendered": lambda image: image,
    "noise of 8 grey levels": _noise(8),
    "noise of 16 grey levels": _noise(16),
    "JPEG, quality 95": _jpeg(95),
    "JPEG, quality 75": _jpeg(75),
    "enlarged four times": lambda image: image.resize((128, 128), Image.Resampling.BICUBIC),
    "blurred by 0.6 pixels": lambda image: image.filter(ImageFilter.GaussianBlur(0.6)),
}
"""What is done to pictures before they are read; noise is of that standard deviation."""


def cases(count: int, seed: int) -> list[Case]:
    """``count`` rendered scenes of the test split, a sixth for each task."""
    rng = np.random.default_rng(seed)
    made: list[Case] = []
    for _, prompt in examination(count, seed, "test"):
        meaning = parse(prompt)
        scene = illustrate(meaning, rng)
        made.append((meaning, to_image(scene), near_misses(meaning, scene)))
    return made


def try_judge(tried: Sequence[Case], spoil: Callable[[Image.Image], Image.Image]) -> dict[str, Any]:
    """Shares of true captions accepted and of false ones refused, also by what is false in them."""
    accepted = 0
    refused: dict[str, list[bool]] = {}
    for meaning, image, misses in tried:
        reading = read(spoil(image))
        accepted += strict(meaning, reading)
        for what, miss in misses:
            refused.setdefault(what, []).append(not strict(miss, reading))
    everything = [one for many in refused.values() for one in many]
    return {
        "pictures": len(tried),
        "accepts": accepted / len(tried),
        "accepts_interval": wilson(accepted, len(tried)),
        "false_captions": len(everything),
        "refuses": sum(everything) / len(everything),
        "refuses_by": {what: sum(many) / len(many) for what, many in sorted(refused.items())},
    }


def try_reward(reward: Reward, tried: Sequence[Case], seed: int) -> dict[str, Any]:
    """How often ``reward`` prefers a picture's caption to one near miss of each kind."""
    rng = np.random.default_rng(seed)
    prompts: list[str] = []
    images: list[Image.Image] = []
    asked: list[str] = []
    for meaning, image, misses in tried:
        for kind in dict.fromkeys(what for what, _ in misses):
            alike = [miss for what, miss in misses if what == kind]
            miss = alike[rng.integers(len(alike))]
            prompts += [write(meaning, rng), write(miss, rng)]
            images += [image, image]
            asked.append(kind)
    scores: list[float] = []
    for start in range(0, len(prompts), 64):
        scores += reward.score(prompts[start : start + 64], images[start : start + 64])
    right = [
        (true > false) + 0.5 * (true == false)
        for true, false in zip(scores[::2], scores[1::2], strict=True)
    ]
    by = {
        kind: float(np.mean([one for one, its in zip(right, asked, strict=True) if its == kind]))
        for kind in sorted(set(asked))
    }
    return {"pairs": len(right), "prefers": float(np.mean(right)), "prefers_by": by}


def main(argv: list[str] | None = None) -> None:
    """The command line in the module's docstring."""
    parser = argparse.ArgumentParser(description="Try the judge and the rewards of the world.")
    parser.add_argument("--count", type=int, default=2004, help="pictures, a sixth for each task")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args(argv)
    tried = cases(args.count, args.seed)
    clip = REWARDS.load("shapes_clip")
    weights = packaged("clip")
    rewards: dict[str, Reward] = {
        "shapes_alignment": REWARDS.load("shapes_alignment")(),
        "shapes_clip": clip(checkpoint=str(weights), revision=None, device="cpu"),
    }
    figures = {
        "seed": args.seed,
        "judge": {name: try_judge(tried, spoil) for name, spoil in SPOILT.items()},
        "rewards": {name: try_reward(one, tried, args.seed) for name, one in rewards.items()},
    }
    text = json.dumps(figures, indent=1)
    print(text)
    if args.json:
        args.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
