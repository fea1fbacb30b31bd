"""What both sides are shown: pictures, prompts and random weights."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

__all__ = [
    "PROMPTS",
    "encoded",
    "named_weight",
    "pack",
    "picture",
    "random_weights",
    "unpack",
]

PROMPTS = (
    "a red circle",
    "a red circle on a blue background, oil painting",
    "A Red CIRCLE &amp; caf\u00e9s,  with “quotes”  and <b>marks</b>\n on a new line!",
    "a crab, a cat and a circle, " * 12 + "in red",
    "a crab, a cat and a circle, " * 12 + "in blue",
    "a circle [SEP] of [DEC] tokens [ENC] that <end_of_text> means something",
    "",
)
"""Short, long beyond any limit, of one beginning, of odd signs, of signs with a meaning, empty."""


def picture(seed: int, width: int, height: int) -> Image.Image:
    """Blots of colour with grain, in which every way of resizing shows."""
    rng = np.random.RandomState(seed)
    coarse = Image.fromarray(rng.randint(0, 256, (5, 5, 3)).astype(np.uint8))
    blots = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int64)
    grain = rng.randint(-40, 41, (height, width, 1))
    return Image.fromarray((blots + grain).clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, mode: str, kind: str) -> bytes:
    """A file of ``image`` in another mode: "RGB", "L", "P", "RGBA", "LA", "I;16" or "CMYK"."""
    if mode in ("RGBA", "LA"):
        image = image.convert(mode)
        ramp = np.linspace(0, 255, image.width).astype(np.uint8)
        image.putalpha(Image.fromarray(np.tile(ramp, (image.height, 1))))
    elif mode == "I;16":
        grey = np.asarray(image.convert("L")).astype(np.uint16)
        image = Image.fromarray(grey * 257)
    elif mode == "P":
        image = image.quantize(31)
    else:
        image = image.convert(mode)
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def random_weights(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """Weights under which scores of different inputs differ, and do so by much.

    With the usual initialisation, features of all pictures are nearly the same. Here each layer
    keeps the variance of what it is given, and biases and positions do not drown it.
    """
    rng = torch.Generator().manual_seed(seed)
    made = {}
    for name, shape in shapes.items():
        if not shape:
            made[name] = torch.tensor(0.5)
            continue
        noise = torch.empty(shape).normal_(generator=rng)
        if len(shape) == 1:
            scale = name.endswith(".weight")  # of a normalisation
            made[name] = noise.mul_(0.1).add_(0.75 if scale else 0.0)
        elif "embed" in name and "patch" not in name:
            # Words weigh more than where they stand.
            made[name] = noise.mul_(0.4 if "word" in name else 0.2)
        elif name.endswith("proj") and len(shape) == 2:
            made[name] = noise.mul_(1 / math.sqrt(shape[0]))
        else:
            made[name] = noise.mul_(1.2 / math.sqrt(math.prod(shape[1:])))
    return made


def named_weight(name: str, shape: tuple[int, ...]) -> Tensor:
    """A random weight that follows from its name, so that nothing of it has to be kept.

    Scaled as those of :func:`random_weights`, roughly.
    """
    seed = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
    noise = np.random.RandomState(seed).normal(size=shape)
    if len(shape) == 1:
        normalises = ("norm" in name.lower() or "ln_q" in name) and name.endswith("weight")
        made = 0.75 + 0.1 * noise if normalises else 0.1 * noise
    elif "embed_tokens" in name:
        made = 0.5 * noise
    else:
        made = 1.2 * noise / math.sqrt(math.prod(shape[1:]))
    return torch.from_numpy(made).float()


def pack(weights: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Write weights between -1 and 1 in 8 bits each; gives back what will be read."""
    small = {
        name: tensor.mul(128).round().clamp(-128, 127).to(torch.int8).contiguous()
        for name, tensor in weights.items()
    }
    save_file(small, path)
    return unpack(path)


def unpack(path: Path) -> dict[str, Tensor]:
    """What :func:`pack` wrote."""
    return {name: tensor.float() / 128 for name, tensor in load_file(path).items()}
