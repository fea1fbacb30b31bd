"""Scenes of the world that show what a prompt asks for: what its models learn to draw."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image

from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.scene import to_image

__all__ = ["scene_of"]


def scene_of(prompt: str, number: int) -> Image.Image:
    """The ``number``-th of endless scenes of ``prompt``, 32 × 32, the same at every call.

    Raises:
        PromptError: it is none of the world's.
    """
    seed = hashlib.sha256(f"{number}:{prompt}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:8], "big"))
    return to_image(illustrate(parse(prompt), rng))
