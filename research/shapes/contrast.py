"""What the world's learned reward is trained on: pictures, their captions, and near misses.

Which caption holds for which picture is known from the program that drew the scene
(:func:`shows`). The judge, which reads pixels, has no part in it.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from synpic.shapes.meaning import OPPOSITE, RELATIONS, Meaning, illustrate, write
from synpic.shapes.prompts import draw, split_of
from synpic.shapes.scene import BACKGROUNDS, COLOURS, SHAPES, Scene

__all__ = ["captioned_pairs", "contrastive_loss", "near_misses", "shows"]


def shows(scene: Scene, meaning: Meaning) -> bool:
    """Whether a scene is what ``meaning`` asks for, and nothing else; known, not seen."""
    if len(scene.things) != len(meaning.wanted):
        return False
    if meaning.background not in (None, scene.background):
        return False
    for order in permutations(scene.things):
        pairs = list(zip(order, meaning.wanted, strict=True))
        if all(
            thing.shape == asked.shape and asked.colour in (None, thing.colour)
            for thing, asked in pairs
        ):
            if meaning.relation is None:
                return True
            dx, dy = RELATIONS[meaning.relation]
            (x0, y0), (x1, y1) = order[0].centre, order[1].centre
            if (x1 - x0) * dx + (y1 - y0) * dy > 0.5 * np.hypot(x1 - x0, y1 - y0):
                return True
    return False


def near_misses(meaning: Meaning, scene: Scene) -> list[tuple[str, Meaning]]:
    """Meanings that differ from ``meaning`` in one thing and are false of ``scene``.

    Each with what differs: ``shape``, ``colour``, ``swap`` (two colours changed places),
    ``relation``, ``count``, ``missing`` (a thing of the picture is not asked for) or
    ``background``.
    """
    others: list[tuple[str, Meaning]] = []
    shapes = {thing.shape for thing in meaning.things}
    colours = {thing.colour for thing in meaning.things}
    for i, thing in enumerate(meaning.things):
        changed = [
            ("shape", replace(thing, shape=shape)) for shape in SHAPES if shape not in shapes
        ]
        if thing.colour:
            unused = [colour for colour in COLOURS if colour not in colours]
            changed += [("colour", replace(thing, colour=colour)) for colour in unused]
        for what, other in changed:
            things = (*meaning.things[:i], other, *meaning.things[i + 1 :])
            others.append((what, replace(meaning, things=things)))
    if len(meaning.things) == 1:
        others += [("count", replace(meaning, count=count)) for count in (1, 2, 3, 4)]
    else:
        a, b = meaning.things
        swapped = (replace(a, colour=b.colour), replace(b, colour=a.colour))
        others.append(("swap", replace(meaning, things=swapped)))
        others += [
            ("missing", Meaning((thing,), background=meaning.background)) for thing in (a, b)
        ]
    if meaning.relation:
        others.append(("relation", replace(meaning, relation=OPPOSITE[meaning.relation])))
    others += [("background", replace(meaning, background=name)) for name in BACKGROUNDS]
    return [(what, other) for what, other in others if not shows(scene, other)]


def captioned_pairs(
    rng: np.random.Generator, tasks: list[str]
) -> tuple[list[Scene], list[str], Tensor]:
    """A scene of each task, captions, and which caption holds for which scene.

    The first n of the 2 n captions are the scenes' own, the others near misses of them.

    Returns:
        The scenes, the captions, and ``Bool[Tensor, "scene caption"]``.
    """
    scenes, meanings, misses = [], [], []
    for task in tasks:
        meaning, _ = draw(rng, task, "train")
        scene = illustrate(meaning, rng)
        close = [miss for _, miss in near_misses(meaning, scene) if split_of(miss) == "train"]
        scenes.append(scene)
        meanings.append(meaning)
        misses.append(close[rng.integers(len(close))])
    meanings += misses
    holds = torch.tensor([[shows(scene, meaning) for meaning in meanings] for scene in scenes])
    return scenes, [write(meaning, rng) for meaning in meanings], holds


def contrastive_loss(logits: Tensor, holds: Tensor) -> Tensor:
    """CLIP's loss (Radford et al., arXiv 2103.00020, figure 3) with captions of no picture.

    Args:
        logits: ``Float[Tensor, "n m"]``, m ≥ n: picture i beside caption i, and m - n captions
            more. Pictures choose among all captions, captions among the n pictures.
        holds: ``Bool[Tensor, "n m"]``: captions that are true of a picture without being its own
            are no wrong answers, and are left out.
    """
    n = len(logits)
    own = torch.eye(n, logits.shape[1], dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(holds & ~own, float("-inf"))
    answers = torch.arange(n, device=logits.device)
    return (cross_entropy(logits, answers) + cross_entropy(logits[:, :n].T, answers)) / 2
